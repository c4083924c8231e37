"""The storage facade: the only thing other rooms see.

Threads: appends come from one thread, selects from any, `maintain` from another; all may run at once.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from backbeat.model.appender import Appended, Exemplar
from backbeat.model.arrays import Float64s, Int64s
from backbeat.model.clock import Now
from backbeat.model.errors import WorldFailure
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher
from backbeat.model.samples import SampleBlock
from backbeat.storage.assemble import Part, assemble
from backbeat.storage.block_store import BlockStore
from backbeat.storage.exemplars import ExemplarRing
from backbeat.storage.files import Quarantine
from backbeat.storage.handle import CohortHandle
from backbeat.storage.head import Head
from backbeat.storage.irregular import append_samples
from backbeat.storage.locking import DirectoryLock
from backbeat.storage.options import StorageOptions
from backbeat.storage.replay import ReplayReport, replay
from backbeat.storage.wal import WriteAheadLog, last_number

log = logging.getLogger(__name__)


class Storage:
    """Implements model.appender.Appender and promql.queryable.Queryable over one directory."""

    def __init__(
        self, directory: Path, options: StorageOptions, lock: DirectoryLock, head: Head, blocks: BlockStore
    ) -> None:
        """Use `open_storage`."""
        self.directory = directory
        self.options = options
        self._lock = lock
        self._head = head
        self._blocks = blocks
        self._exemplars = ExemplarRing(options.max_exemplars)
        self.replayed = ReplayReport()

    def cohort(self, name: str) -> CohortHandle:
        with self._head.lock:
            return CohortHandle(self._head, self._head.open_cohort(name))

    def append_samples(self, series: Sequence[Labels], times: Int64s, values: Float64s) -> Appended:
        if not len(series):
            return Appended()
        with self._head.lock:
            return append_samples(self._head, series, times, values)

    def append_exemplars(self, exemplars: Sequence[Exemplar]) -> None:
        self._exemplars.extend(exemplars)

    def exemplars(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Exemplar]:
        """Exemplars in [start_ms, end_ms] of series that all matchers accept, by series and time."""
        return self._exemplars.select(matchers, start_ms, end_ms)

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[SampleBlock]:
        return assemble(self._parts(matchers, start_ms, end_ms))

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        found: set[Labels] = set()
        for parts in self._parts(matchers, start_ms, end_ms).values():
            for part in parts:
                _, present = part.source.read(part.rows, part.first, part.last)
                if present is None:
                    found.update(part.labels)
                else:
                    has = present.any(axis=1).tolist()
                    found.update(
                        labels for labels, any_there in zip(part.labels, has, strict=True) if any_there
                    )
        return sorted(found)

    def label_names(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str]:
        return sorted({name for labels in self.series(matchers, start_ms, end_ms) for name, _ in labels})

    def label_values(self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str]:
        return sorted({labels.get(name) for labels in self.series(matchers, start_ms, end_ms)} - {""})

    def sync(self) -> None:
        """Make everything acknowledged so far safe from a power cut."""
        self._head.wal.sync()

    def maintain(self) -> None:
        """Whatever must be done now and then; call it about every second, from a worker thread."""
        self._head.wal.sync()
        self._head.wal.recover()

    def close(self) -> None:
        """Flush and let go of the directory."""
        self._head.wal.close()
        self._lock.release()

    def _parts(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> dict[str, list[Part]]:
        return self._head.parts(self._head.matched(matchers), start_ms, end_ms)


def open_storage(directory: Path, settings: StorageOptions, now: Now) -> Storage:
    """Open the data directory, made if it is missing, with everything that was acknowledged.

    Raises WorldFailure where it cannot be used: held by another process, or not writable.
    """
    lock = DirectoryLock(directory)
    try:
        wal_directory = directory / "wal"
        wal_directory.mkdir(exist_ok=True, mode=0o700)
        wal = WriteAheadLog(
            wal_directory,
            last_number(wal_directory) + 1,
            sync_always=settings.fsync_interval_ms == 0,
            segment_bytes=settings.segment_bytes,
        )
        blocks = BlockStore()
        head = Head(wal, blocks, settings, now)
        storage = Storage(directory, settings, lock, head, blocks)
        storage.replayed = replay(wal_directory, head, Quarantine(directory / "quarantine"))
    except OSError as error:
        lock.release()
        raise WorldFailure(
            f"data directory {directory}: {error}; check its disk and permissions, then start again"
        ) from error
    except BaseException:
        lock.release()
        raise
    return storage
