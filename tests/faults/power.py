"""A disk that loses what was not fsynced: the state of files after a power cut.

`Power(directory, dice)` watches the calls of this process that change files below a directory. At the call
that `cut_after` counts down to, and at every later one, PowerCut is raised instead. `leftovers` then writes
what a disk might hold: of each file what was fsynced and any part of the rest, perhaps garbled; of each
directory its entries at the last fsync of it or at any moment since. What was unlinked may be back.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Entries = dict[str, tuple[int, bool]]
"""(inode, whether it is a directory) by name"""
_CHANGING = ("write", "ftruncate", "truncate", "rename", "replace", "unlink", "rmdir", "mkdir", "link")


class PowerCut(BaseException):
    """The process ends here."""


class Power:
    def __init__(self, directory: Path, dice: random.Random) -> None:
        self.directory = directory
        self.cut_after = 2**60
        self._dice = dice
        self._synced: dict[int, bytes] = {}
        """content of files at their last fsync, by inode"""
        self._entries: dict[int, list[Entries]] = {}
        """of directories: at their last fsync, and each change since"""
        self._real: dict[str, Callable[..., Any]] = {}

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        """All that is there now is safe; from now on watch."""
        for path in [self.directory, *self.directory.rglob("*")]:
            self._note_fsync(path)
        with pytest.MonkeyPatch.context() as patch:
            for name in (*_CHANGING, "fsync"):
                self._real[name] = getattr(os, name)
                patch.setattr(os, name, self._watched(name))
            yield

    def _watched(self, name: str) -> Callable[..., Any]:
        real = self._real[name]

        def call(first: Any, *others: Any, **named: Any) -> Any:
            path = self._path_of(first, named.get("dir_fd"))
            if path is None:
                return real(first, *others, **named)
            self._note_changes()
            self.cut_after -= 1
            if self.cut_after < 0:
                raise PowerCut
            if name == "write" and self.cut_after == 0:
                # The last write reaches the kernel in part.
                others = (others[0][: self._dice.randint(0, len(others[0]))],)
                first, named = first, {}
                if not others[0]:
                    raise PowerCut
            result = real(first, *others, **named)
            if name == "fsync":
                self._note_fsync(path)
            self._note_changes()
            return result

        return call

    def _path_of(self, where: Any, directory: int | None) -> Path | None:
        """The path below the watched directory that a call is about."""
        if isinstance(where, int):
            path = Path(os.readlink(f"/proc/self/fd/{where}").removesuffix(" (deleted)"))
        elif directory is not None:
            path = Path(os.readlink(f"/proc/self/fd/{directory}")) / os.fspath(where)
        else:
            path = Path(where)
        return path if self.directory in (path, *path.parents) else None

    def _note_fsync(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            inode = path.stat().st_ino
            if path.is_dir():
                self._entries[inode] = [_entries(path)]
            else:
                self._synced[inode] = path.read_bytes()

    def _note_changes(self) -> None:
        for root, _, _ in os.walk(self.directory):
            inode, now = os.stat(root).st_ino, _entries(Path(root))
            history = self._entries.setdefault(inode, [{}])
            if history[-1] != now:
                history.append(now)

    def leftovers(self, target: Path) -> None:
        """Write into a new directory what the power cut may have left."""
        live = {}
        for root, _, names in os.walk(self.directory):
            for name in names:
                path = Path(root) / name
                live[path.stat().st_ino] = path.read_bytes()
        self._restore(os.stat(self.directory).st_ino, target, live)

    def _restore(self, inode: int, target: Path, live: dict[int, bytes]) -> None:
        target.mkdir()
        history = self._entries.get(inode, [{}])
        for name, (child, is_directory) in self._dice.choice([history[0], *history, history[-1]]).items():
            if is_directory:
                self._restore(child, target / name, live)
            else:
                (target / name).write_bytes(self._content(child, live))

    def _content(self, inode: int, live: dict[int, bytes]) -> bytes:
        synced = self._synced.get(inode, b"")
        now = live.get(inode, synced)
        if not now.startswith(synced):
            return self._dice.choice([synced, now])
        length = self._dice.choice([0, len(now) - len(synced), self._dice.randint(0, len(now) - len(synced))])
        tail = now[len(synced) : len(synced) + length]
        # A file system may know the new length before it has the bytes.
        garbled = self._dice.choice([tail, tail, bytes(len(tail)), self._dice.randbytes(len(tail))])
        return synced + garbled


def _entries(directory: Path) -> Entries:
    with os.scandir(directory) as found:
        return {each.name: (each.inode(), each.is_dir()) for each in found}
