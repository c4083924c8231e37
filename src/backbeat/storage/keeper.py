"""Upkeep: fsync, compression, cutting blocks, merging them, retention, trimming the log.

`run` is called about every second from one worker thread. The lock keeps upkeep, deletion and snapshots
apart; appends and selects never wait for it. A failing disk makes a step fail, which is said and tried
again at the next run: nothing is taken out of memory or the log before its block is durable.
"""

from __future__ import annotations

import logging
from shutil import disk_usage
from threading import RLock

import numpy as np

from backbeat.model.appender import StorageUnavailable
from backbeat.model.arrays import Int32s
from backbeat.model.clock import Now
from backbeat.storage import records
from backbeat.storage.block import Block, UnreadableBlock
from backbeat.storage.block_store import NEVER_MS, BlockStore
from backbeat.storage.compaction import blocks_to_drop, blocks_to_merge, merge
from backbeat.storage.cutting import (
    begin_cut,
    compress_full_chunks,
    finish_cut,
    forget_idle_series,
    write_cut,
)
from backbeat.storage.files import size_of
from backbeat.storage.head import Head
from backbeat.storage.options import StorageOptions
from backbeat.storage.records import Kind, Record, scan
from backbeat.storage.wal import definition_files

log = logging.getLogger(__name__)

_CHECK_EVERY_MS = 5_000
_LATE_EVERY_MS = 600_000
_MOST_WINDOWS = 12
_DEFINITIONS_BYTES = 4 << 20


class Keeper:
    """Decides what upkeep is due, and does it."""

    def __init__(self, head: Head, blocks: BlockStore, options: StorageOptions, now: Now) -> None:
        self.lock = RLock()
        self.compactions = 0
        self.cuts = 0
        self.failures = 0
        self._head = head
        self._blocks = blocks
        self.options = options
        self._now = now
        self._cut_through = max((block.meta.end_ms for block in blocks.blocks), default=NEVER_MS)
        self._synced_at = self._checked_at = self._late_cut_at = -_LATE_EVERY_MS
        self._definitions_after = 0

    def run(self) -> None:
        """Do what is due."""
        now_ms = self._now()
        # Absolute, so that a clock that was set back does not stop upkeep.
        if abs(now_ms - self._synced_at) >= self.options.fsync_interval_ms:
            self._synced_at = now_ms
            self._head.wal.sync()
        self._head.wal.recover()
        self._head.table.read_labels()
        with self.lock:
            compress_full_chunks(self._head)
            if abs(now_ms - self._checked_at) < _CHECK_EVERY_MS:
                return
            self._checked_at = now_ms
            try:
                window = self._window_to_cut(now_ms)
                if window is not None:
                    self.cut(*window)
                    self._trim_definitions()
                    # After a bulk load there are many windows: the next call goes on at once.
                    self._checked_at = -_CHECK_EVERY_MS
                else:
                    self.compact()
                self.enforce_retention()
            except (OSError, StorageUnavailable, UnreadableBlock) as error:
                self.failures += 1
                log.error(
                    "upkeep of %s failed and will be tried again: %s", self._blocks.directory.parent, error
                )

    def compress(self) -> None:
        """Compress the chunks that are full."""
        with self.lock:
            compress_full_chunks(self._head)

    def cut(self, start_ms: int, through_ms: int) -> None:
        """Move everything before `through_ms` from memory to a block. Raises OSError, StorageUnavailable."""
        with self.lock:
            head = self._head
            cut = begin_cut(head, through_ms)
            path = write_cut(cut, self._blocks.directory, start_ms)
            # Served from the block first, so that a select in between finds samples twice, not never.
            self._blocks.replace((), path)
            finish_cut(head, cut)
            with head.lock:
                # A segment must not end between the write of a row and the note of where it was written.
                head.wal.define(records.cut_record(cut.segment, through_ms))
                head.wal.append(b"")
            head.wal.sync()
            self._cut_through = max(self._cut_through, through_ms)
            self.cuts += 1
            forget_idle_series(head)
            if not head.wal.unavailable:
                self._trim_log(cut.segment, through_ms)

    def flush(self) -> None:
        """Move everything from memory to blocks, none longer than those that compaction makes.

        Raises OSError, StorageUnavailable.
        """
        with self.lock:
            span, longest = self.options.head_span_ms, max(self.options.compaction_spans)
            while (oldest := self._head.oldest_ms()) is not None:
                through = (oldest // longest + 1) * longest
                self.cut(oldest // span * span, min(through, self._head.newest_ms + 1))

    def repair(self) -> list[str]:
        """Rewrite blocks without what is damaged in them, which is in quarantine. Returns what was done.

        Raises OSError, UnreadableBlock.
        """
        with self.lock:
            done: list[str] = []
            for block in self._blocks.blocks:
                done += block.mend_copies()
                damaged = block.verify()
                if damaged:
                    self.rewrite([block], block.meta.start_ms, block.meta.end_ms)
                    done += [*damaged, f"{block.path}: written anew without them"]
            return done

    def compact(self) -> bool:
        """Merge the blocks of one window if some are due; returns whether there were any."""
        with self.lock:
            due = blocks_to_merge(self._blocks.blocks, self.options.compaction_spans, self._cut_through)
            if due is None:
                return False
            start_ms, end_ms, members = due
            self.rewrite(members, start_ms, end_ms)
            return True

    def rewrite(self, members: list[Block], start_ms: int, end_ms: int) -> None:
        """Replace blocks by one without what was deleted. Raises OSError, UnreadableBlock."""
        with self.lock:
            path = merge(members, self._blocks.directory, start_ms, end_ms)
            self._blocks.replace(members, path)
            self.compactions += 1

    def clean_tombstones(self) -> None:
        """Rewrite the blocks from which something was deleted. Raises OSError, UnreadableBlock."""
        with self.lock:
            for block in self._blocks.blocks:
                if len(block.tombstones):
                    self.rewrite([block], block.meta.start_ms, block.meta.end_ms)

    def enforce_retention(self) -> None:
        """Delete what is past the retention."""
        with self.lock:
            options, limit = self.options, self._size_limit()
            newest = max(self._head.newest_ms, self._blocks.newest_ms)
            sizes = [(block, size_of(block.path) if limit else 0) for block in self._blocks.blocks]
            log_bytes = size_of(self._head.wal.directory) if limit else 0
            doomed = blocks_to_drop(sizes, newest, options.retention_time_ms, limit, log_bytes)
            if doomed:
                log.info("deleting %d blocks past the retention", len(doomed))
                self._blocks.replace(doomed, None)
                with self._head.lock:
                    self._head.written.note(NEVER_MS)

    def _size_limit(self) -> int:
        """Bytes that blocks and log may take; 0: no limit."""
        percent = self.options.retention_percent
        if not percent:
            return self.options.retention_size_bytes
        return max(1, int(disk_usage(self._blocks.directory).total * percent / 100))

    def _window_to_cut(self, now_ms: int) -> tuple[int, int] | None:
        """[start, end) of the samples that should leave memory."""
        oldest, span = self._head.oldest_ms(), self.options.head_span_ms
        if oldest is None:
            return None
        through = (self._head.newest_ms - self.options.cut_delay_ms) // span * span
        if oldest >= through:
            return None
        start = oldest // span * span
        if oldest < self._cut_through and through <= self._cut_through:
            # Late samples alone are gathered for a while, or each would become a block.
            if abs(now_ms - self._late_cut_at) < _LATE_EVERY_MS:
                return None
            self._late_cut_at = now_ms
            return start, through
        if oldest < self._cut_through or through - start > _MOST_WINDOWS * span:
            return start, through
        return start, start + span

    def _trim_log(self, segment: int, through_ms: int) -> None:
        """Delete log segments whose rows are all in blocks."""
        head = self._head
        with head.lock:
            newest = dict(head.segment_newest)
        for number, path in head.wal.older_segments(segment):
            if newest.get(number, NEVER_MS) >= through_ms:
                # Later segments may hold deletions of rows in this one.
                break
            path.unlink(missing_ok=True)
            with head.lock:
                head.segment_newest.pop(number, None)

    def _trim_definitions(self) -> None:
        """Write the definitions anew when most of them are of series and layouts that are gone."""
        wal = self._head.wal
        if wal.definitions_bytes < max(_DEFINITIONS_BYTES, 2 * self._definitions_after):
            return
        self.rewrite_definitions()

    def rewrite_definitions(self) -> None:
        """Replace the definition files by what is still needed. Raises OSError, StorageUnavailable."""
        head, wal = self._head, self._head.wal
        wal.sync()
        with head.lock:
            number = wal.begin_definitions()
            cohorts = list(head.cohorts.values())
            kept_segments = [number for number, _ in wal.older_segments(wal.segment + 1)]
            oldest = min(kept_segments, default=wal.segment)
            head.layout_segments = {
                layout: segment for layout, segment in head.layout_segments.items() if segment >= oldest
            }
            layouts = set(head.layout_segments)
            layouts |= {each.number for cohort in cohorts for each in cohort.layouts() if each.number}
        content = []
        for cohort in cohorts:
            content.append(records.cohort_record(cohort.number, cohort.name, cohort.irregular))
            with head.lock:
                runs = _runs(cohort.ids[: cohort.width].copy())
                series = [(first, head.labels_of(ids), head.table.keys[ids]) for first, ids in runs]
            content += [records.columns_record(cohort.number, *each) for each in series]
        content += self._kept_definitions(layouts)
        files = wal.prepare_definitions(number, b"".join(content))
        with head.lock:
            wal.replace_definitions(files)
        self._definitions_after = wal.definitions_bytes

    def _kept_definitions(self, layouts: set[int]) -> list[bytes]:
        """From the present files: the layouts still in use, and the cuts."""
        kept: dict[int, bytes] = {}
        cuts: list[bytes] = []
        for path in definition_files(self._head.wal.directory):
            for item in scan(path.read_bytes()):
                if not isinstance(item, Record):
                    continue
                if item.kind == Kind.LAYOUT:
                    number = records.read_layout(item.payload)[1]
                    if number in layouts:
                        kept[number] = records.frame(Kind.LAYOUT, bytes(item.payload))
                elif item.kind == Kind.CUT:
                    cuts.append(records.frame(Kind.CUT, bytes(item.payload)))
        return [*kept.values(), *dict.fromkeys(cuts)]


def _runs(ids: Int32s) -> list[tuple[int, Int32s]]:
    """Runs of columns that still have a series: (first column, series numbers)."""
    living = np.flatnonzero(ids >= 0)
    breaks = np.flatnonzero(np.diff(living) > 1) + 1
    return [(int(run[0]), ids[run]) for run in np.split(living, breaks) if len(run)]
