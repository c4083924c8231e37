"""The write-ahead log: what was acknowledged, before it is in a block.

Two kinds of files in `wal/`:
  <n>.log                   rows and deletions, in order; a new file when one is large, and at every cut
  <n>.definitions, -copy    what the rows refer to (cohorts, columns, layouts), twice: rows are worthless
                            without it, so no single damaged byte may lose it
A batch is one write; definitions that it needs are written before it. A write that fails is taken back, so
nothing is half there. After a failed fsync the kernel may have dropped pages of that file, so it is never
written or synced again: what was not known to be safe is written once more to new files.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from threading import Lock

from backbeat.model.appender import StorageUnavailable
from backbeat.storage.files import fsync_path, write_durably
from backbeat.storage.records import Kind, frame

log = logging.getLogger(__name__)

LOG_SUFFIX = ".log"
DEFINITIONS_SUFFIX = ".definitions"
COPY_SUFFIX = ".definitions-copy"
_MOST_UNSYNCED_BYTES = 32 << 20
_PROBE = frame(Kind.FILLER, bytes(64 << 10))
"""written first when the disk is tried again"""


class LogFile:
    """A file that grows by whole batches."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.size = os.fstat(self.descriptor).st_size
        self.unsynced: list[bytes] = []
        self.unsynced_bytes = 0
        self.torn = False
        """a failed write could not be taken back: the file must not grow any more"""

    def write(self, content: bytes) -> None:
        """All of it or none. Raises OSError."""
        written = 0
        try:
            while written < len(content):
                written += os.write(self.descriptor, content[written:] if written else content)
        except OSError:
            if written:
                try:
                    os.ftruncate(self.descriptor, self.size)
                except OSError:
                    self.torn = True
            raise
        self.size += written
        self.unsynced.append(content)
        self.unsynced_bytes += written

    def close(self) -> None:
        os.close(self.descriptor)


class WriteAheadLog:
    """Appends under the head's lock; `sync` may run on any thread."""

    def __init__(self, directory: Path, first: int, *, sync_always: bool, segment_bytes: int) -> None:
        """first: number of the segment to begin; greater than any that exists. Raises OSError."""
        self.directory = directory
        self.segment = first
        self.write_failures = 0
        self.sync_failures = 0
        self.unavailable: str = ""
        """why nothing is acknowledged at the moment; empty: all is well"""
        self._sync_always = sync_always
        self._segment_bytes = segment_bytes
        self._pending: list[bytes] = []
        self._journal: list[bytes] | None = None
        self._lock = Lock()
        self._sync_lock = Lock()
        self._lost_sync = False
        self._closing: list[LogFile] = []
        self._said: set[str] = set()
        self._log, *self._definitions = self._open_files(first)

    def define(self, record: bytes) -> None:
        """Queue a definition; it is written before the next batch."""
        self._pending.append(record)
        if self._journal is not None:
            self._journal.append(record)

    def append(self, batch: bytes) -> None:
        """Write one batch of records, and before it the definitions. Raises StorageUnavailable."""
        if self._log.unsynced_bytes > _MOST_UNSYNCED_BYTES:
            self._await_slow_disk()
        with self._lock:
            try:
                self._make_writable()
                if self.unavailable:
                    # Bytes that fit into the last page would look like a disk with room.
                    self._log.write(_PROBE)
                self._write_definitions()
                if batch:
                    self._log.write(batch)
            except OSError as error:
                self.write_failures += 1
                self._refuse(error)
            if self.unavailable:
                log.warning("%s: the disk takes writes again", self.directory)
                self.unavailable = ""
                self._said.clear()
        if self._sync_always:
            self.sync()
            if self._lost_sync:
                raise StorageUnavailable(f"{self.directory}: {self.unavailable}; retrying helps once it does")

    def _await_slow_disk(self) -> None:
        """Memory for what is not safe yet is bounded. Raises StorageUnavailable during an fsync."""
        if self._sync_lock.locked():
            raise StorageUnavailable(
                f"{self.directory}: the disk is slow, {self._log.unsynced_bytes} bytes wait for its fsync;"
                " retrying later helps"
            )
        self.sync()

    def sync(self) -> None:
        """Make everything that was appended before this call safe from a power cut."""
        with self._sync_lock:
            with self._lock:
                if self._lost_sync:
                    # Another fsync of the same file may succeed over pages that are gone: see `recover`.
                    return
                closing, self._closing = self._closing, []
                marks = [(file, len(file.unsynced)) for file in [*closing, *self._files()] if file.unsynced]
            for file, count in marks:
                try:
                    os.fsync(file.descriptor)
                except OSError as error:
                    with self._lock:
                        self.sync_failures += 1
                        self._lost_sync = True
                        self._say(f"the disk could not keep what was written ({error.strerror or error})")
                        self._closing[:0] = closing
                    return
                with self._lock:
                    file.unsynced_bytes -= sum(map(len, file.unsynced[:count]))
                    del file.unsynced[:count]
            _close(closing)

    def recover(self) -> None:
        """Try again after a failed fsync or write; called now and then. Quiet when it still fails."""
        if not self.unavailable:
            return
        try:
            self.append(b"")
        except StorageUnavailable:
            log.debug("%s: still unavailable", self.directory)

    def roll(self) -> int:
        """Go on in a new segment and return its number. Raises StorageUnavailable."""
        self.sync()
        with self._lock:
            try:
                self._make_writable()
                self._roll_log()
            except OSError as error:
                self._refuse(error)
        return self.segment

    def begin_definitions(self) -> int:
        """From now on remember definitions, for `replace_definitions`; returns the number of the new files.

        Raises StorageUnavailable.
        """
        number = self.roll()
        self._journal = []
        return number

    def prepare_definitions(self, number: int, content: bytes) -> list[LogFile]:
        """Durably write new definition files that nothing uses yet. Raises OSError."""
        files = []
        for suffix in (DEFINITIONS_SUFFIX, COPY_SUFFIX):
            path = self._path(number, suffix)
            write_durably(path, content)
            files.append(LogFile(path))
        return files

    def replace_definitions(self, files: list[LogFile]) -> None:
        """Use these instead, and delete the others. Raises OSError."""
        old = definition_files(self.directory)
        with self._lock:
            for file in files:
                file.write(b"".join(self._journal or ()))
            self._journal = None
            self._closing += self._definitions
            self._definitions = files
        self.sync()
        kept = {file.path for file in files}
        # The newest first: after a crash in between, what is left refers to nothing that is gone.
        for path in reversed(old):
            if path not in kept and not self.unavailable:
                path.unlink()

    @property
    def definitions_bytes(self) -> int:
        return self._definitions[0].size

    def older_segments(self, segment: int) -> list[tuple[int, Path]]:
        """Segments with smaller numbers."""
        return [(number, path) for number, path in segments(self.directory) if number < segment]

    def close(self) -> None:
        self.recover()
        self.sync()
        with self._lock:
            _close([*self._files(), *self._closing])

    def _files(self) -> list[LogFile]:
        return [*self._definitions, self._log]

    def _path(self, number: int, suffix: str) -> Path:
        return self.directory / f"{number:08d}{suffix}"

    def _open_files(self, number: int) -> list[LogFile]:
        files: list[LogFile] = []
        try:
            suffixes = (LOG_SUFFIX, DEFINITIONS_SUFFIX, COPY_SUFFIX)
            files.extend(LogFile(self._path(number, suffix)) for suffix in suffixes)
            fsync_path(self.directory)
        except OSError:
            _close(files)
            raise
        return files

    def _write_definitions(self) -> None:
        # Another thread may define something while these are written: that is for the next time.
        if count := len(self._pending):
            content = b"".join(self._pending[:count])
            for file in self._definitions:
                file.write(content)
            del self._pending[:count]

    def _make_writable(self) -> None:
        if self._lost_sync or any(file.torn for file in self._files()):
            self._start_over()
        elif self._log.size >= self._segment_bytes:
            self._roll_log()

    def _roll_log(self) -> None:
        fresh = LogFile(self._path(self.segment + 1, LOG_SUFFIX))
        fsync_path(self.directory)
        self.segment += 1
        # Not synced here, where appends wait: `sync` does, and closes it.
        self._closing.append(self._log)
        self._log = fresh

    def _start_over(self) -> None:
        """New files that begin with all that may not be on disk; the old ones stay for replay."""
        fresh = self._open_files(self.segment + 1)
        self.segment += 1
        lost = [*self._closing, self._log]
        try:
            for old, new in zip(self._definitions, fresh[1:], strict=True):
                new.write(b"".join(old.unsynced))
            for old in lost:
                if old.path.suffix == LOG_SUFFIX:
                    fresh[0].write(b"".join(old.unsynced))
            for new in fresh:
                os.fsync(new.descriptor)
        except OSError:
            # What may be lost stays with the old files, for the next attempt.
            _close(fresh)
            raise
        for new in fresh:
            new.unsynced, new.unsynced_bytes = [], 0
        for old in [*self._closing, *self._files()]:
            old.unsynced.clear()
        self._closing += self._files()
        self._log, *self._definitions = fresh
        self._lost_sync = False

    def _say(self, reason: str) -> None:
        """Nothing is acknowledged, and why. The log has each reason once until all is well again."""
        if reason not in self._said:
            log.error("%s: %s; samples are refused until it works again", self.directory, reason)
            self._said.add(reason)
        self.unavailable = reason

    def _refuse(self, error: OSError) -> None:
        reason = f"cannot write ({error.strerror or error})"
        self._say(reason)
        raise StorageUnavailable(f"{self.directory}: {reason}; retrying later helps") from error


def _close(files: Iterable[LogFile]) -> None:
    for file in files:
        file.close()


def segments(directory: Path) -> list[tuple[int, Path]]:
    """Existing log segments in order."""
    return _numbered(directory, LOG_SUFFIX)


def definition_files(directory: Path) -> list[Path]:
    """Existing definition files and their copies in order."""
    found = [*_numbered(directory, DEFINITIONS_SUFFIX), *_numbered(directory, COPY_SUFFIX)]
    return [path for _, path in sorted(found)]


def last_number(directory: Path) -> int:
    """The largest number in use, 0 where there is none."""
    paths = [path for _, path in segments(directory)] + definition_files(directory)
    return max((int(path.name.split(".")[0]) for path in paths), default=0)


def _numbered(directory: Path, suffix: str) -> list[tuple[int, Path]]:
    return sorted(
        (int(path.name.removesuffix(suffix)), path)
        for path in directory.iterdir()
        if path.name.endswith(suffix) and path.name.removesuffix(suffix).isdigit()
    )
