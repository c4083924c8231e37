"""Discovery: where targets come from.

In:  static_configs and file_sd_configs of prometheus.yml.
Out: target groups, read again whenever a file changes.
A file that cannot be read keeps the groups it had; the reason is logged and counted.
"""

from __future__ import annotations

import glob
import json
import logging
import os
from collections.abc import Mapping
from typing import Any

import yaml
from msgspec import Struct, field

from backbeat.config.prometheus import Discovery, TargetGroup
from backbeat.model.labels import Labels

_log = logging.getLogger(__name__)
_FILE_BYTES = 16 * 1024 * 1024
_POLL_MS = 5_000
META_FILEPATH = "__meta_filepath"


class TargetFileError(ValueError):
    """A target file that is not what file_sd_configs expects."""


class _Seen(Struct, frozen=True):
    stamp: tuple[int, int, int]
    """mtime in ns, size, inode"""
    groups: tuple[TargetGroup, ...]


class TargetFinder(Struct):
    """Finds the target groups of one `Discovery`."""

    discovery: Discovery
    read_errors: int = 0
    """files that could not be read, counted since the start"""
    _files: dict[str, _Seen] = field(default_factory=dict)

    @property
    def poll_ms(self) -> int:
        """How often to call `refresh`; 0: never, there is nothing to watch.

        At most every 5 s, so that an edit shows soon whatever the refresh_interval.
        """
        intervals = [files.refresh_interval_ms for files in self.discovery.file_sd_configs]
        return min([_POLL_MS, *intervals]) if intervals else 0

    def refresh(self) -> bool:
        """Read what has changed on disk; whether the groups are others now. Blocks on the disk."""
        before = self._files
        paths = {
            path
            for files in self.discovery.file_sd_configs
            for pattern in files.files
            for path in glob.glob(pattern)
        }
        self._files = {path: seen for path in sorted(paths) if (seen := self._read(path)) is not None}
        return {path: seen.groups for path, seen in before.items()} != {
            path: seen.groups for path, seen in self._files.items()
        }

    @property
    def groups(self) -> tuple[TargetGroup, ...]:
        found = list(self.discovery.static_configs)
        for seen in self._files.values():
            found.extend(seen.groups)
        return tuple(found)

    def _read(self, path: str) -> _Seen | None:
        """What a file holds; where it cannot be read, what it held before."""
        old = self._files.get(path)
        stamp = (0, 0, 0)
        try:
            status = os.stat(path)
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if old is not None and old.stamp == stamp:
                return old
            return _Seen(stamp, read_target_file(path))
        except (OSError, TargetFileError) as error:
            self.read_errors += 1
            _log.warning(
                "target file %s: %s; %s",
                path,
                error,
                "its old targets stay" if old else "it gives no targets",
            )
            return _Seen(stamp, old.groups if old is not None else ())


def read_target_file(path: str) -> tuple[TargetGroup, ...]:
    """Read a .json, .yml or .yaml file of target groups. Raises OSError or TargetFileError."""
    with open(path, "rb") as opened:
        content = opened.read(_FILE_BYTES + 1)
    if len(content) > _FILE_BYTES:
        raise TargetFileError(f"larger than {_FILE_BYTES} bytes")
    try:
        parsed = json.loads(content) if path.endswith(".json") else yaml.safe_load(content)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise TargetFileError(" ".join(str(error).split()) or type(error).__name__) from error
    if parsed is None:
        return ()
    if not isinstance(parsed, list):
        raise TargetFileError(f"found {type(parsed).__name__}, expected a list of target groups")
    return tuple(_group(entry, path, number) for number, entry in enumerate(parsed, 1))


def _group(entry: Any, path: str, number: int) -> TargetGroup:
    where = f"target group {number}"
    if not isinstance(entry, Mapping):
        raise TargetFileError(f"{where}: found {entry!r}, expected a mapping with targets and labels")
    if unknown := set(entry) - {"targets", "labels"}:
        raise TargetFileError(f"{where}: unknown field {min(map(str, unknown))!r}")
    targets, labels = entry.get("targets") or [], entry.get("labels") or {}
    if not isinstance(targets, list) or not all(isinstance(target, str) for target in targets):
        raise TargetFileError(f"{where}: targets: found {targets!r}, expected a list of host:port texts")
    if not isinstance(labels, Mapping):
        raise TargetFileError(f"{where}: labels: found {labels!r}, expected a mapping")
    pairs = {META_FILEPATH: path}
    for name, value in labels.items():
        if not isinstance(name, str) or not name or isinstance(value, (list, Mapping)) or value is None:
            raise TargetFileError(f"{where}: labels: found {name!r}: {value!r}, expected a text for a text")
        pairs[name] = value if isinstance(value, str) else json.dumps(value)
    return TargetGroup(tuple(targets), Labels.of(pairs), path)
