"""A cohort in memory: its columns, its open chunk and its sealed chunks.

Everything here runs under the head's lock. A column number is never given to another series, so a caller
may keep it; the series behind a column that was long without samples is forgotten and found again in
`_dormant` when the column comes back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from backbeat.model.arrays import Float64s, Int32s, Int64s
from backbeat.model.labels import Labels
from backbeat.storage.chunks import HeadChunk, OpenChunk, RawChunk
from backbeat.storage.logged import LoggedChunk, LoggedRows

_LEAST_DORMANT = 4096
_MOST_LAYOUTS = 32
_MOST_RUNS = 8
_OPEN_CELLS = 1 << 16
"""of a chunk until it is compressed: more of them compress no better, and are held uncompressed meanwhile"""
_LEAST_ROWS = 32
_PHASES = 8


class Layout(Struct):
    """The columns of one kind of row, and what follows from them while nothing changes."""

    number: int
    """what the log calls it; 0: it was not logged yet"""
    columns: Int32s
    ids: Int32s
    """(columns,) series numbers"""
    key: bytes = b""
    """the columns as the caller names them"""
    chunk: OpenChunk | None = None
    """the open chunk that `slots` belongs to"""
    slots: Int32s | None = None
    """(columns,) slots of the open chunk; None: all of them in order"""
    width: int = 0
    """slots of the chunk when `slots` was found"""
    segment: int = 0
    """the last log segment with a row of this layout"""
    runs: Sequence[slice | Int32s] = ()
    """the same series as `ids`, as ranges if these are few; found once the layout comes a second time"""

    def find_runs(self) -> Sequence[slice | Int32s]:
        breaks = np.flatnonzero(np.diff(self.ids) != 1) + 1
        if len(breaks) >= _MOST_RUNS:
            self.runs = (self.ids,)
        else:
            parts = np.split(self.ids, breaks)
            self.runs = tuple(slice(int(part[0]), int(part[-1]) + 1) for part in parts)
        return self.runs


class HeadCohort:
    """State of one cohort."""

    def __init__(self, number: int, name: str, *, irregular: bool, chunk_rows: int) -> None:
        self.number = number
        self.name = name
        self.irregular = irregular
        self.ids: Int32s = np.empty(16, np.int32)
        """(columns,) series number; -1: forgotten"""
        self.width = 0
        self.open: OpenChunk | None = None
        self.sealed: tuple[HeadChunk, ...] = ()
        self.settlements = 0
        """changes when the samples of `sealed` do, not when they are compressed"""
        self.changes = 0
        """counts what was stored or deleted"""
        self.newest_ms = -(2**63)
        """of what was stored, or is in blocks"""
        self.rewrites = 0
        """counts what was stored before `newest_ms`"""
        self.closed = False
        self.is_sparse = False
        """whether most cells of the last chunk were empty"""
        self.is_gone = False
        """whether the head let go of it"""
        self.forgets = 0
        """changes whenever columns are forgotten"""
        self._slot_of: Int32s = np.full(16, -1, np.int32)
        self._chunk_rows = chunk_rows
        self._has_phase = False
        self._layouts: OrderedDict[bytes, Layout] = OrderedDict()
        self._dormant: OrderedDict[int, Labels] = OrderedDict()
        self._dormant_columns: dict[Labels, int] = {}
        self._aliases: dict[int, list[int]] = {}

    def add_columns(self, numbers: Sequence[int] | Int32s, first: int | None = None) -> range:
        """New columns for these series. first: the number of the first, when the log says so."""
        if first is not None and first > self.width:
            self.add_columns([-1] * (first - self.width))
        first, self.width = self.width, self.width + len(numbers)
        if self.width > len(self.ids):
            room = max(self.width, 2 * len(self.ids))
            self.ids = np.resize(self.ids, room)
            self._slot_of = np.concatenate([self._slot_of, np.full(room - len(self._slot_of), -1, np.int32)])
        self.ids[first : self.width] = numbers
        return range(first, self.width)

    def layout(self, key: bytes) -> Layout | None:
        """The layout of the columns with these bytes, if it was seen lately."""
        found = self._layouts.get(key)
        if found is not None:
            self._layouts.move_to_end(key)
        return found

    def add_layout(self, layout: Layout) -> None:
        self._layouts[layout.key] = layout
        if len(self._layouts) > _MOST_LAYOUTS:
            self._layouts.popitem(last=False)

    def layouts(self) -> list[Layout]:
        return list(self._layouts.values())

    def append(self, layout: Layout, timestamp_ms: int, values: Float64s) -> None:
        """Put one row; none of its cells holds a sample yet."""
        self._note_append(timestamp_ms, timestamp_ms)
        chunk, slots = self._room_for(layout)
        if timestamp_ms > chunk.newest:
            chunk.append_row(timestamp_ms, slots, values)
        else:
            chunk.put_row(timestamp_ms, _all_slots(layout) if slots is None else slots, values)

    def append_rows(self, layout: Layout, times: Int64s, matrix: Float64s) -> None:
        """Put rows in order of time; matrix: (times, columns)."""
        self._note_append(int(times[0]), int(times[-1]))
        at, count = 0, len(times)
        while at < count:
            chunk, slots = self._room_for(layout)
            if times[at] <= chunk.newest:
                chunk.put_row(int(times[at]), _all_slots(layout) if slots is None else slots, matrix[at])
                at += 1
                continue
            end = min(count, at + len(chunk.times) - chunk.count)
            chunk.append_rows(times[at:end], slots, matrix[at:end])
            at = end

    def append_logged(self, layout: Layout, times: Int64s, rows: LoggedRows) -> None:
        """Put rows of the log in order of time. Those that fill a chunk stay where they are."""
        order = np.argsort(layout.columns, kind="stable")
        columns, sorted_rows = layout.columns[order], LoggedRows(rows.pieces, rows.places[order])
        are_distinct = bool((columns[1:] > columns[:-1]).all())
        at, count = 0, len(times)
        while at < count:
            if self.open is None or self.open.is_full:
                self.seal_open()
                size = self._rows_for(len(columns))
                if are_distinct and count - at >= size:
                    own = slice(at, at + size)
                    self._note_append(int(times[at]), int(times[own][-1]))
                    chunk = LoggedChunk(times[own], columns, sorted_rows.between(at, own.stop))
                    self.settle((*self.sealed, chunk))
                    at = own.stop
                    continue
                self.open = OpenChunk(size, len(columns))
            end = min(count, at + len(self.open.times) - self.open.count)
            self.append_rows(layout, times[at:end], rows.between(at, end).matrix())
            at = end

    def expect_after(self, newest_ms: int) -> None:
        """Samples up to this time may be in blocks, which the cohort does not know of after a restart."""
        self.newest_ms = max(self.newest_ms, newest_ms)

    def _note_append(self, oldest_ms: int, newest_ms: int) -> None:
        self.changes += 1
        if oldest_ms < self.newest_ms:
            self.rewrites += 1
        if newest_ms > self.newest_ms:
            self.newest_ms = newest_ms

    def seal_open(self) -> None:
        """Move the open chunk to the sealed ones, still uncompressed."""
        if self.open is None or not self.open.count:
            return
        view = self.open.view()
        self.settle((*self.sealed, view))
        self._slot_of[view.columns] = -1
        self.is_sparse = _is_sparse(self.open)
        self.open = None

    def chunks(self) -> list[HeadChunk]:
        """Everything that holds samples; safe to read without the lock."""
        view = self.open_view()
        return list(self.sealed) if view is None else [*self.sealed, view]

    def open_view(self) -> RawChunk | None:
        """A look at the open chunk."""
        return self.open.view() if self.open is not None and self.open.count else None

    def settle(self, sealed: tuple[HeadChunk, ...]) -> None:
        """Other samples are sealed than before."""
        self.sealed = sealed
        self.settlements += 1
        self.changes += 1

    def oldest_ms(self) -> int | None:
        """Time of the oldest sample."""
        times = [int(chunk.times[0]) for chunk in self.sealed]
        if self.open is not None and self.open.count:
            times.append(self.open.oldest)
        return min(times, default=None)

    def columns_with_samples(self) -> Int32s:
        """Columns that some chunk holds, sorted."""
        each = [chunk.columns for chunk in self.chunks()]
        return np.unique(np.concatenate(each)).astype(np.int32) if each else np.empty(0, np.int32)

    def columns_since(self, known: Sequence[HeadChunk], columns: Int32s) -> Int32s:
        """Those of the columns that the open chunk holds, or one sealed after the known ones."""
        held = (self._slot_of[columns] >= 0) & (self.open is not None)
        for chunk in self.sealed[len(known) :]:
            held |= np.isin(columns, chunk.columns)
        return columns[held]

    def forget(self, columns: Int32s, labels: Sequence[Labels]) -> None:
        """The series of these columns left memory."""
        self.forgets += 1
        self.ids[columns] = -1
        for column in columns.tolist() if self._aliases else ():
            self.ids[self._aliases.pop(column, [])] = -1
        for key, layout in list(self._layouts.items()):
            if (self.ids[layout.columns] < 0).any():
                del self._layouts[key]
        self._dormant.update(zip(columns.tolist(), labels, strict=True))
        self._dormant_columns.update(zip(labels, columns.tolist(), strict=True))
        # Callers forget columns too, long before this many others came and went.
        living = int(np.count_nonzero(self.ids[: self.width] >= 0))
        while len(self._dormant) > max(_LEAST_DORMANT, 4 * living):
            _, oldest = self._dormant.popitem(last=False)
            del self._dormant_columns[oldest]

    def note_alias(self, column: int, alias: int) -> None:
        """Another column that stands for the series of this one."""
        self._aliases.setdefault(column, []).append(alias)

    def dormant_column(self, labels: Labels) -> int:
        """The column that a forgotten series had, or -1."""
        return self._dormant_columns.get(labels, -1)

    def wake(self, column: int) -> Labels:
        """The labels of a forgotten column. Raises LookupError if it was given up for good."""
        labels = self._dormant.pop(column, None)
        if labels is None:
            raise LookupError(
                f"column {column} of cohort {self.name!r} was idle for too long; ask columns() again"
            )
        del self._dormant_columns[labels]
        return labels

    def _room_for(self, layout: Layout) -> tuple[OpenChunk, Int32s | None]:
        """An open chunk with room for a row, and the layout's slots in it (None: all, in order)."""
        chunk = self.open
        if chunk is None or chunk.is_full:
            self.seal_open()
            width = len(layout.columns)
            chunk = self.open = OpenChunk(self._rows_for(width), width)
        if layout.chunk is not chunk:
            self._find_slots(layout, chunk)
        slots = layout.slots
        return chunk, _all_slots(layout) if slots is None and layout.width != chunk.width else slots

    def _rows_for(self, width: int) -> int:
        rows = min(self._chunk_rows, max(_LEAST_ROWS, _OPEN_CELLS // width))
        if self._has_phase:
            return rows
        # Cohorts that begin together (a start, a new job) should not all be full at once.
        self._has_phase = True
        return -(-rows * (self.number % _PHASES + 1) // _PHASES)

    def _find_slots(self, layout: Layout, chunk: OpenChunk) -> None:
        slots = self._slot_of[layout.columns]
        missing = layout.columns[slots < 0]
        if len(missing):
            self._slot_of[missing] = np.arange(chunk.width, chunk.width + len(missing), dtype=np.int32)
            chunk.add_slots(missing)
            slots = self._slot_of[layout.columns]
        layout.chunk, layout.width = chunk, chunk.width
        all_in_order = len(slots) == chunk.width and bool((slots == np.arange(chunk.width)).all())
        layout.slots = None if all_in_order else slots


def _all_slots(layout: Layout) -> Int32s:
    return np.arange(layout.width, dtype=np.int32)


def _is_sparse(chunk: OpenChunk) -> bool:
    """Whether series that once came together do so no more: most cells are empty."""
    return chunk.present is not None and chunk.width > 8 and chunk.present[:, : chunk.width].mean() < 1 / 8


def times_within(times: Int64s, start_ms: int, end_ms: int) -> tuple[int, int]:
    """[first, last) of the samples in [start_ms, end_ms]."""
    if start_ms <= times[0] and times[-1] <= end_ms:
        return 0, len(times)
    return int(times.searchsorted(start_ms)), int(times.searchsorted(end_ms, side="right"))
