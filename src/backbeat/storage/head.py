"""The head: samples that are not in a block yet, in memory and in the write-ahead log.

In:  rows of cohorts, and samples with times of their own (`storage.irregular` makes rows of them).
Out: parts for `storage.assemble`; sealed chunks for blocks.
One lock guards all state; it is held for microseconds, never during I/O but the log's one write, and never
during compression or reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from threading import RLock
from typing import Protocol, cast

import numpy as np
from msgspec import Struct

from backbeat.model.appender import Appended
from backbeat.model.arrays import Float64s, Int32s
from backbeat.model.cache import ByteCache
from backbeat.model.clock import Now
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher
from backbeat.storage import records
from backbeat.storage.assemble import Part
from backbeat.storage.chunks import HeadChunk, RawChunk
from backbeat.storage.cohort import HeadCohort, Layout, times_within
from backbeat.storage.keys import Keys, find_sorted, key_of
from backbeat.storage.options import StorageOptions
from backbeat.storage.series_table import SeriesTable
from backbeat.storage.wal import WriteAheadLog
from backbeat.storage.written import Written

_MATCHES_BYTES = 64 << 20


class Older(Protocol):
    """What the head asks of the blocks: whether an old sample is there already."""

    @property
    def newest_ms(self) -> int:
        """Time of the newest sample in any block."""
        ...

    def parts_of_keys(self, keys: Keys, start_ms: int, end_ms: int) -> dict[str, list[Part]]:
        """What blocks hold of these series in [start_ms, end_ms]."""
        ...


class Placed(Struct, frozen=True):
    """Matched series of one cohort: columns, keys, labels are aligned and sorted by column."""

    cohort: HeadCohort
    columns: Int32s
    keys: Keys
    labels: Sequence[Labels]


class Look(Struct, frozen=True):
    """A cohort at one moment."""

    placed: Placed
    version: int
    """changes when the samples of sealed chunks do"""
    sealed: Sequence[HeadChunk]
    open: RawChunk | None


class Head:
    """Everything in memory, with its log."""

    def __init__(self, wal: WriteAheadLog, older: Older, options: StorageOptions, now: Now) -> None:
        self.lock = RLock()
        self.table = SeriesTable()
        self.cohorts: dict[int, HeadCohort] = {}
        self.by_name: dict[str, HeadCohort] = {}
        self.wal = wal
        self.older = older
        self.options = options
        self.now = now
        self.newest_ms = -(2**63)
        self.oldest_written_ms = 2**63 - 1
        """no sample ever written here was older"""
        self.next_cohort = 1
        self.next_layout = 1
        self.layout_segments: dict[int, int] = {}
        """the last log segment that needs a layout"""
        self.segment_newest: dict[int, int] = {}
        """time of the newest sample in a log segment"""
        self.samples_stored = 0
        self.written = Written()
        self.deletions = 0
        """changes whenever samples are deleted"""
        self._matches: ByteCache[tuple[int, list[Placed]]] = ByteCache(_MATCHES_BYTES)

    def open_cohort(self, name: str, *, irregular: bool = False) -> HeadCohort:
        """The cohort of this name, made now if need be. Call under the lock."""
        cohort = self.by_name.get(name)
        if cohort is None:
            cohort = self.restore_cohort(self.next_cohort, name, irregular)
            self.wal.define(records.cohort_record(cohort.number, name, irregular))
        cohort.closed = False
        return cohort

    def restore_cohort(self, number: int, name: str, irregular: bool) -> HeadCohort:
        """A cohort as the log names it."""
        cohort = HeadCohort(number, name, irregular=irregular, chunk_rows=self.options.chunk_rows)
        self.cohorts[number] = self.by_name[name] = cohort
        self.next_cohort = max(self.next_cohort, number + 1)
        return cohort

    def columns(self, cohort: HeadCohort, series: Sequence[Labels]) -> Int32s:
        """Columns of the series in the cohort; new ones are made and logged with the next row."""
        with self.lock:
            found = np.empty(len(series), np.int32)
            fresh: dict[Labels, int] = {}
            woken: dict[Labels, int] = {}
            for place, (labels, number) in enumerate(zip(series, self.table.numbers_of(series), strict=True)):
                column = self._column(cohort, number)
                if column < 0 and woken:
                    column = woken.get(labels, -1)
                if column < 0 and (column := cohort.dormant_column(labels)) >= 0:
                    self._wake(cohort, column)
                    woken[labels] = column
                if column < 0:
                    column = cohort.width + fresh.setdefault(labels, len(fresh))
                found[place] = column
            if fresh:
                keys: Keys = np.array([key_of(labels) for labels in fresh], np.uint64)
                self.wal.define(records.columns_record(cohort.number, cohort.width, list(fresh), keys))
                self.place(cohort, list(fresh), keys)
            return found

    def _column(self, cohort: HeadCohort, number: int) -> int:
        if number < 0:
            return -1
        if self.table.place_cohort[number] == cohort.number:
            return int(self.table.place_column[number])
        return next((column for at, column in self.table.places(number) if at == cohort.number), -1)

    def place(
        self, cohort: HeadCohort, series: Sequence[Labels], keys: Keys, first: int | None = None
    ) -> None:
        """Give series the next columns. first: the number of the first, when the log says so."""
        add = self.table.add
        numbers = [add(labels, key) for labels, key in zip(series, keys.tolist(), strict=True)]
        for number, column in zip(numbers, cohort.add_columns(numbers, first), strict=True):
            self._note_place(cohort, number, column)

    def place_new(self, cohort: HeadCohort, columns: records.Columns) -> None:
        """As `place`, for series that are all new, as the caller knows."""
        table = self.table
        numbers = table.add_all(columns)
        added = cohort.add_columns(np.arange(numbers.start, numbers.stop, dtype=np.int32), columns.first)
        own, places = slice(numbers.start, numbers.stop), np.arange(added.start, added.stop)
        table.place_cohort[own], table.place_column[own] = cohort.number, places
        if cohort.irregular:
            table.home_cohort[own], table.home_column[own] = cohort.number, places

    def layout(self, cohort: HeadCohort, columns: Int32s) -> Layout:
        """The layout of a row with these columns."""
        key = columns.tobytes()
        found = cohort.layout(key)
        if found is None:
            ids = cohort.ids[columns]
            if ids.min() < 0:
                for column in columns[ids < 0].tolist():
                    self._wake(cohort, column)
                ids = cohort.ids[columns]
            found = Layout(0, self._own_columns(cohort, columns, ids), ids, key)
            cohort.add_layout(found)
        return found

    def _own_columns(self, cohort: HeadCohort, columns: Int32s, ids: Int32s) -> Int32s:
        """The columns under which these series are found: one each, whatever the caller calls them."""
        elsewhere = self.table.place_cohort[ids] != cohort.number
        own = np.where(elsewhere, columns, self.table.place_column[ids])
        for each in np.flatnonzero(elsewhere).tolist():
            places = self.table.places(int(ids[each]))
            own[each] = next(column for at, column in places if at == cohort.number)
        return own

    def _wake(self, cohort: HeadCohort, column: int) -> None:
        """Bring a forgotten series back, whose column the caller still knows."""
        labels = cohort.wake(column)
        key: Keys = np.array([key_of(labels)], np.uint64)
        self.wal.define(records.columns_record(cohort.number, column, [labels], key))
        self.restore_column(cohort, column, labels)

    def restore_column(self, cohort: HeadCohort, column: int, labels: Labels) -> None:
        """Let an existing column stand for this series."""
        number = self.table.add(labels)
        cohort.ids[column] = number
        self._note_place(cohort, number, column)

    def restore_layout(self, cohort: HeadCohort, number: int, columns: Int32s) -> Layout:
        """A layout as the log names it."""
        ids = cohort.ids[columns]
        living = ids >= 0
        own = columns.copy()
        own[living] = self._own_columns(cohort, columns[living], ids[living])
        layout = Layout(number, own, ids, columns.tobytes())
        if living.all():
            cohort.add_layout(layout)
        return layout

    def _note_place(self, cohort: HeadCohort, number: int, column: int) -> None:
        own = next((own for at, own in self.table.places(number) if at == cohort.number), -1)
        if own >= 0:
            cohort.note_alias(own, column)
            return
        self.table.add_place(number, cohort.number, column)
        if cohort.irregular:
            self.table.home_cohort[number], self.table.home_column[number] = cohort.number, column

    def number_layout(self, cohort: HeadCohort, layout: Layout) -> int:
        """The layout's number in the log, which is told of it now if it is new."""
        if not layout.number:
            layout.number = self.next_layout
            self.next_layout += 1
            self.wal.define(records.layout_record(cohort.number, layout.number, layout.columns))
        return layout.number

    def note_rows(self, layout: Layout, oldest_ms: int, newest_ms: int) -> None:
        """Remember what the current log segment needs, and that there is news. Call after the write."""
        self.written.note(oldest_ms)
        segment = self.wal.segment
        if layout.segment != segment:
            layout.segment = segment
            self.layout_segments[layout.number] = segment
        if newest_ms > self.segment_newest.get(segment, -(2**63)):
            self.segment_newest[segment] = newest_ms
        if newest_ms > self.newest_ms:
            self.newest_ms = newest_ms
        if oldest_ms < self.oldest_written_ms:
            self.oldest_written_ms = oldest_ms

    def append_in_order(
        self, cohort: HeadCohort, layout: Layout, timestamp_ms: int, values: Float64s
    ) -> Appended | None:
        """The fast path: a row later than every sample of its series. None: it is not such a row."""
        newest = self.table.newest
        # One after the other, as a target's series usually are, they need no look-up.
        series = (layout.runs or layout.find_runs()) if layout.number else (layout.ids,)
        if timestamp_ms <= self.older.newest_ms or any(newest[run].max() >= timestamp_ms for run in series):
            return None
        if timestamp_ms > self.now() + self.options.future_limit_ms:
            return Appended(too_far_ahead=len(values))
        self.wal.append(records.row_record(self.number_layout(cohort, layout), timestamp_ms, values))
        cohort.append(layout, timestamp_ms, values)
        for run in series:
            newest[run] = timestamp_ms
        self.note_rows(layout, timestamp_ms, timestamp_ms)
        self.samples_stored += len(values)
        return Appended(stored=len(values))

    def matched(self, matchers: Sequence[Matcher]) -> list[Placed]:
        """The series that all matchers accept, by cohort."""
        wanted = tuple(matchers)
        generation = self.table.generation
        before = self.matched_before(wanted)
        if before is not None:
            return before
        while True:
            retirements = self.table.retirements
            numbers = self.table.match(wanted)
            with self.lock:
                if retirements == self.table.retirements:
                    placed = self.placed(numbers)
                    break
        self._matches.put(
            wanted, (generation, placed), sum(500 + 20 * len(each.keys) for each in placed) + 500
        )
        return placed

    def matched_before(self, matchers: tuple[Matcher, ...]) -> list[Placed] | None:
        """The same, where it was asked for and no series came or went since."""
        known = self._matches.get(matchers)
        return known[1] if known is not None and known[0] == self.table.generation else None

    def placed(self, numbers: Int32s) -> list[Placed]:
        """Where these series are. Call under the lock."""
        table = self.table
        numbers = numbers[table.place_cohort[numbers] >= 0]
        cohorts, columns = table.place_cohort[numbers], table.place_column[numbers]
        if table.more_places:
            more = [
                (number, cohort, column)
                for number in numbers.tolist()
                for cohort, column in table.more_places.get(number, ())
            ]
            if more:
                extra = np.array(more, np.int32)
                numbers = np.concatenate([numbers, extra[:, 0]])
                cohorts = np.concatenate([cohorts, extra[:, 1]])
                columns = np.concatenate([columns, extra[:, 2]])
        order = np.lexsort((columns, cohorts))
        numbers, cohorts, columns = numbers[order], cohorts[order], columns[order]
        bounds = np.flatnonzero(np.diff(cohorts, prepend=-1, append=-1)).tolist()
        keys = table.keys[numbers]
        labels = self.labels_of(numbers)
        return [
            Placed(self.cohorts[int(cohorts[start])], columns[start:end], keys[start:end], labels[start:end])
            for start, end in pairwise(bounds)
        ]

    def labels_of(self, numbers: Int32s) -> list[Labels]:
        known = cast("list[Labels]", self.table.labels)
        return [known[number] for number in numbers.tolist()]

    def oldest_ms(self) -> int | None:
        """Time of the oldest sample in memory."""
        with self.lock:
            times = [oldest for cohort in self.cohorts.values() if (oldest := cohort.oldest_ms()) is not None]
        return min(times, default=None)

    def begins_by(self, at_ms: int) -> bool:
        """Whether memory holds a sample of that time or an older one."""
        with self.lock:
            times = (cohort.oldest_ms() for cohort in self.cohorts.values())
            return any(oldest is not None and oldest <= at_ms for oldest in times)

    def look(self, placed: Sequence[Placed]) -> list[Look]:
        """What the cohorts hold now; safe to read without the lock."""
        with self.lock:
            return [
                Look(each, each.cohort.settlements, each.cohort.sealed, each.cohort.open_view())
                for each in placed
            ]

    def parts(self, placed: Sequence[Placed], start_ms: int, end_ms: int) -> dict[str, list[Part]]:
        """What memory holds of the matched series in [start_ms, end_ms]."""
        with self.lock:
            chunks = [(each, each.cohort.chunks()) for each in placed]
        return parts_of(chunks, start_ms, end_ms)


def parts_of(
    found: Sequence[tuple[Placed, Sequence[HeadChunk]]], start_ms: int, end_ms: int
) -> dict[str, list[Part]]:
    result: dict[str, list[Part]] = {}
    for each, chunks in found:
        parts = [part for chunk in chunks if (part := _part(each, chunk, start_ms, end_ms)) is not None]
        if parts:
            result.setdefault(each.cohort.name, []).extend(parts)
    return result


def rows_of(columns: Int32s, wanted: Int32s) -> Int32s | None:
    """The place of each wanted column among a chunk's; None where one is missing. Both are sorted."""
    if columns[-1] == len(columns) - 1 and wanted[-1] < len(columns):
        return wanted  # the chunk holds the columns 0, 1, 2, …
    rows = find_sorted(columns, wanted)
    return None if (rows < 0).any() else rows.astype(np.int32)


def _part(placed: Placed, chunk: HeadChunk, start_ms: int, end_ms: int) -> Part | None:
    times = chunk.times
    if times[0] > end_ms or times[-1] < start_ms:
        return None
    first, last = times_within(times, start_ms, end_ms)
    if first == last:
        return None
    columns, wanted = chunk.columns, placed.columns
    every = rows_of(columns, wanted)
    if every is not None:
        return Part(placed.keys, placed.labels, chunk, every, first, last)
    rows = find_sorted(columns, wanted)
    found = np.flatnonzero(rows >= 0)
    if not len(found):
        return None
    labels = [placed.labels[each] for each in found.tolist()]
    return Part(placed.keys[found], labels, chunk, rows[found].astype(np.int32), first, last)
