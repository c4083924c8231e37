"""The storage facade: the only thing other rooms see.

Threads: appends come from one thread, selects from any, `maintain` from another; all may run at once.
"""

from __future__ import annotations

import gc
import logging
import os
import shutil
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from backbeat.model.appender import Appended, Exemplar
from backbeat.model.arrays import Float64s, Int64s
from backbeat.model.clock import Now
from backbeat.model.errors import WorldFailure
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher
from backbeat.model.samples import SampleBlock, Sheet
from backbeat.storage import records
from backbeat.storage.block_store import BlockStore
from backbeat.storage.block_writer import write_block
from backbeat.storage.compaction import snapshot_parts
from backbeat.storage.cutting import head_snapshot
from backbeat.storage.deletion import delete_from_head
from backbeat.storage.exemplars import ExemplarRing
from backbeat.storage.files import Quarantine, fsync_path, make_directory, network_file_system, size_of
from backbeat.storage.handle import CohortHandle
from backbeat.storage.head import Head
from backbeat.storage.irregular import append_samples
from backbeat.storage.keeper import Keeper
from backbeat.storage.keys import Keys
from backbeat.storage.label_index import LabelIndex
from backbeat.storage.locking import DirectoryLock
from backbeat.storage.options import StorageOptions
from backbeat.storage.replay import ReplayReport, replay
from backbeat.storage.selecting import Selector
from backbeat.storage.series_lookup import SeriesLookup
from backbeat.storage.stats import Health, StorageStats, cardinality
from backbeat.storage.wal import WriteAheadLog, last_number

log = logging.getLogger(__name__)


class Storage:
    """Implements model.appender.Appender and the protocols of promql over one directory."""

    def __init__(
        self,
        directory: Path,
        lock: DirectoryLock,
        head: Head,
        blocks: BlockStore,
        keeper: Keeper,
        replayed: ReplayReport,
    ) -> None:
        """Use `open_storage`."""
        self.directory = directory
        self.replayed = replayed
        """what opening found in the log"""
        self._lock = lock
        self._head = head
        self._blocks = blocks
        self._keeper = keeper
        self._label_index = LabelIndex(head, blocks)
        self._series_lookup = SeriesLookup(head, blocks)
        self._selector = Selector(head, blocks, head.options.cache_bytes)
        self._exemplars = ExemplarRing(head.options.max_exemplars)

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
        """Samples in [start_ms, end_ms] of every series that all matchers accept, each in one block."""
        return self._selector.select(matchers, start_ms, end_ms)

    def read(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[SampleBlock | Sheet]:
        """As `select`, without copying what lies side by side already."""
        return self._selector.read(matchers, start_ms, end_ms)

    def read_in_batches(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> Iterator[list[SampleBlock | Sheet]]:
        """The same, a few series at a time where they are very many."""
        return self._selector.read_in_batches(matchers, start_ms, end_ms)

    def written_since(self, mark: int) -> tuple[int, int]:
        """A mark for the next look, and the time of the oldest sample changed since `mark`; see `Watched`."""
        with self._head.lock:
            return self._head.written.since(mark)

    @property
    def oldest_ms(self) -> int:
        """No sample is older; there may be none as old."""
        return min(self._head.oldest_written_ms, self._blocks.oldest_ms)

    def at_hand(self, matchers: Sequence[Matcher], start_ms: int) -> int | None:
        """How many series a read from `start_ms` on gives, where it takes well under a ms; else None."""
        return self._selector.at_hand(matchers, start_ms)

    def stamp(self, matchers: Sequence[Matcher]) -> Hashable:
        """Another value than before, if a select with these matchers may give other samples than before."""
        return self._selector.stamp(matchers)

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[Labels]:
        """Label sets of series with samples in the range, sorted; never changed."""
        return self._series_lookup.find(matchers, start_ms, end_ms)

    def label_names(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str]:
        """Names of labels that those series have, sorted."""
        return self._label_index.names(matchers, start_ms, end_ms)

    def label_values(self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str]:
        """Values of the label among those series, sorted."""
        return self._label_index.values(name, matchers, start_ms, end_ms)

    def series_at_hand(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> Sequence[Labels] | None:
        """What `series` gives, if that is known or takes well under a ms; else None."""
        return self._series_lookup.at_hand(matchers, start_ms, end_ms)

    def labels_at_hand(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str] | None:
        """What `label_values` gives (`label_names`, where the name is empty), if that is known; else None."""
        return self._label_index.at_hand(name, matchers, start_ms, end_ms)

    def delete_series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> None:
        """Delete the samples in [start_ms, end_ms] of series that all matchers accept.

        Raises StorageUnavailable, OSError; repeating the call then is right.
        """
        with self._keeper.lock:
            found = [
                part.keys
                for parts in self._selector.parts(matchers, start_ms, end_ms).values()
                for part in parts
            ]
            if not found:
                return
            keys: Keys = np.unique(np.concatenate(found))
            with self._head.lock:
                self._head.wal.append(records.delete_record(start_ms, end_ms, keys))
                delete_from_head(self._head, start_ms, end_ms, keys)
            try:
                self._head.wal.sync()
                self._blocks.delete(keys, start_ms, end_ms)
            finally:
                # Also where the disk refused the rest.
                with self._head.lock:
                    self._head.written.note(start_ms)

    def clean_tombstones(self) -> None:
        """Free the disk space of what was deleted. Raises OSError."""
        self._keeper.clean_tombstones()

    def snapshot(self, target: Path) -> None:
        """Put a copy of everything into a new directory, which can be opened as a data directory.

        Blocks are hard links where the file system allows. Raises OSError.
        """
        with self._keeper.lock:
            blocks = target / "blocks"
            blocks.mkdir(parents=True)
            for block in self._blocks.blocks:
                shutil.copytree(block.path, blocks / block.name, copy_function=_link_or_copy)
            fsync_path(blocks)
            memory = head_snapshot(self._head)
            start_ms = min(
                (int(chunk.times[0]) for _, chunks in memory.cohorts for chunk in chunks), default=0
            )
            write_block(blocks, start_ms, memory.through_ms, snapshot_parts(memory.cohorts))

    def stats(self, limit: int = 10) -> StorageStats:
        """Figures of now; limit: rows of each cardinality table."""
        with self._head.lock:
            chunks = [chunk for cohort in self._head.cohorts.values() for chunk in cohort.chunks()]
        held = [(chunk, chunk.presence(None, 0, len(chunk.times))) for chunk in chunks]
        in_memory = sum(
            len(chunk.times) * len(chunk.columns) if present is None else int(present.sum())
            for chunk, present in held
        )
        oldest = min([int(chunk.times[0]) for chunk in chunks] + [self._blocks.oldest_ms])
        newest = max([int(chunk.times[-1]) for chunk in chunks] + [self._blocks.newest_ms])
        tables = cardinality(self._head.table, limit)
        has_samples = oldest <= newest
        return StorageStats(
            series_in_memory=len(self._head.table),
            samples_in_memory=in_memory,
            samples_in_blocks=self._blocks.samples,
            blocks=len(self._blocks.blocks),
            block_bytes=size_of(self._blocks.directory),
            log_bytes=size_of(self._head.wal.directory),
            memory_chunk_bytes=sum(chunk.size_bytes for chunk in chunks),
            min_ms=oldest if has_samples else None,
            max_ms=newest if has_samples else None,
            quarantined=self._blocks.quarantine.count,
            label_names=tables.label_names,
            label_value_counts=tables.label_value_counts,
            metric_names=tables.metric_names,
            label_pairs=tables.label_pairs,
        )

    def health(self) -> Health:
        """What the store's metrics show."""
        wal, keeper = self._head.wal, self._keeper
        return Health(
            unavailable=bool(wal.unavailable),
            series=len(self._head.table),
            blocks=len(self._blocks.blocks),
            damages=self._blocks.quarantine.count - self.replayed.torn_tails,
            torn_tails=self.replayed.torn_tails,
            write_failures=wal.write_failures,
            sync_failures=wal.sync_failures,
            compactions=keeper.compactions,
            failures=keeper.failures,
        )

    def verify(self) -> list[str]:
        """Read every block whole; returns one line for each damaged place."""
        with self._keeper.lock:
            return [line for block in self._blocks.blocks for line in block.verify()]

    def repair(self) -> list[str]:
        """Rewrite blocks without what is damaged in them, which is in quarantine. Returns what was done.

        Raises OSError.
        """
        return self._keeper.repair()

    def compress(self) -> None:
        """Compress what is full in memory; `maintain` does this and more."""
        self._keeper.compress()

    def compact(self) -> None:
        """Merge all blocks that are due. Raises OSError."""
        while self._keeper.compact():
            pass

    @property
    def options(self) -> StorageOptions:
        """The settings in force."""
        return self._head.options

    def apply(self, settings: StorageOptions) -> None:
        """Take over how long samples are kept and how late they may come; all else needs a new start."""
        options = replace(
            self._head.options,
            retention_time_ms=settings.retention_time_ms,
            retention_size_bytes=settings.retention_size_bytes,
            retention_percent=settings.retention_percent,
            out_of_order_window_ms=settings.out_of_order_window_ms,
        )
        self._head.options = self._keeper.options = options

    @property
    def unavailable(self) -> str:
        """Why samples are refused at the moment; empty: they are taken."""
        return self._head.wal.unavailable

    def sync(self) -> None:
        """Make everything acknowledged so far safe from a power cut."""
        self._head.wal.sync()

    def keep_log(self) -> None:
        """`sync`, and a look whether a disk that failed takes writes again."""
        self._head.wal.sync()
        self._head.wal.recover()

    def flush(self) -> None:
        """Move everything from memory to blocks. Raises OSError, StorageUnavailable."""
        self._keeper.flush()

    def maintain(self) -> None:
        """Do whatever upkeep is due; call it about every second, from a worker thread. Raises nothing."""
        self._keeper.run()

    def close(self) -> None:
        """Make everything safe and let go of the directory."""
        with self._keeper.lock:
            self._head.wal.close()
            self._lock.release()


def open_storage(directory: Path, settings: StorageOptions, now: Now) -> Storage:
    """Open the data directory, made if it is missing, with everything that was acknowledged.

    Raises WorldFailure where it cannot be used: held by another process, or not writable.
    """
    lock = DirectoryLock(directory)
    is_collecting = gc.isenabled()
    # Opening makes millions of objects that all stay: garbage is looked for afterwards.
    gc.disable()
    try:
        return _open(directory, settings, now, lock)
    except OSError as error:
        lock.release()
        raise WorldFailure(
            f"data directory {directory}: {error}; check its disk and permissions, then start again"
        ) from error
    except BaseException:
        lock.release()
        raise
    finally:
        if is_collecting:
            gc.enable()


def _open(directory: Path, settings: StorageOptions, now: Now, lock: DirectoryLock) -> Storage:
    if kind := network_file_system(directory):
        log.warning(
            "data directory %s is on a file system of the network (%s), which may lie about locks and fsync:"
            " samples can be lost; put it on a local disk",
            directory,
            kind,
        )
    quarantine = Quarantine(directory / "quarantine")
    blocks = BlockStore(directory / "blocks", quarantine)
    logs = directory / "wal"
    make_directory(logs)
    wal = WriteAheadLog(
        logs,
        last_number(logs) + 1,
        sync_always=settings.fsync_interval_ms == 0,
        segment_bytes=settings.segment_bytes,
    )
    head = Head(wal, blocks, settings, now)
    replayed = replay(logs, head, quarantine)
    return Storage(directory, lock, head, blocks, Keeper(head, blocks, settings, now), replayed)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
