"""Durable file work: the one place that knows how a file becomes safe on disk."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
from pathlib import Path

log = logging.getLogger(__name__)

DELETING = ".deleting"
WRITING = ".writing"
_MOUNTS = Path("/proc/self/mounts")
_OF_THE_NETWORK = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse", "ceph", "glusterfs")


def fsync_path(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path) -> None:
    """Make a directory, and those above it, that is still there after a power cut. Raises OSError."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(exist_ok=True, mode=0o700)
    fsync_path(path.parent)


def network_file_system(path: Path) -> str:
    """The kind of file system that holds an existing path, if it is one of the network; else empty."""
    try:
        lines = _MOUNTS.read_bytes().splitlines()
    except OSError:
        return ""
    # Of device, place, kind and more; blanks and backslashes are written as \\040 and the like.
    mounts = [(_unescaped(place), kind) for _, place, kind, *_ in (line.split() for line in lines)]
    above = [(place, kind) for place, kind in mounts if path.resolve().is_relative_to(place)]
    kind = max(above, key=lambda mount: len(mount[0]))[1].decode() if above else ""
    return kind if kind.startswith(_OF_THE_NETWORK) else ""


def _unescaped(place: bytes) -> str:
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), place))


def write_durably(path: Path, content: bytes) -> None:
    """Write a file that is either wholly there or not at all, also after a power cut."""
    temporary = path.with_name(path.name + WRITING)
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    fsync_path(path.parent)


def remove_directory(path: Path) -> None:
    """Delete a directory so that a crash in between leaves either all of it or none."""
    doomed = path.with_name(path.name + DELETING)
    path.rename(doomed)
    fsync_path(doomed.parent)
    shutil.rmtree(doomed, ignore_errors=True)


def remove_leftovers(directory: Path) -> None:
    """Delete what a crash left half written or half deleted."""
    for path in directory.iterdir():
        if path.name.endswith((DELETING, WRITING)):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def size_of(directory: Path) -> int:
    """Bytes of all files below the directory; what vanishes meanwhile counts nothing."""
    total = 0
    for root, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(root) / name).stat().st_size
    return total


class Quarantine:
    """Where damaged bytes are moved: never deleted by us, named by where they were."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.count = 0
        """damages since the start"""

    def move(self, path: Path, what: str) -> None:
        """Take a whole directory out of the way."""
        self.count += 1
        target, number = self._directory / f"block-{path.name}", 1
        try:
            self._directory.mkdir(exist_ok=True)
            while target.exists():
                number += 1
                target = self._directory / f"block-{path.name}.{number}"
            path.rename(target)
            log.error("%s; it is kept in %s", what, target)
        except OSError as error:
            log.error("%s; it could not be moved to quarantine: %s", what, error)

    def keep(self, origin: str, content: bytes, what: str) -> None:
        """Keep a copy of damaged bytes and say so; failing to keep them is said, too."""
        self.count += 1
        name = origin.replace("/", "-")
        try:
            self._directory.mkdir(exist_ok=True)
            path = self._directory / name
            number = 1
            while path.exists():
                if path.read_bytes() == content:
                    break
                path = self._directory / f"{name}.{number}"
                number += 1
            else:
                write_durably(path, content)
            log.error("%s: %s; its %d bytes are kept in %s", origin, what, len(content), path)
        except OSError as error:
            log.error("%s: %s; its %d bytes could not be kept: %s", origin, what, len(content), error)
