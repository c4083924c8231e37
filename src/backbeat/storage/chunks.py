"""Chunks of a cohort in memory: the open one that rows are appended to, and sealed ones.

Everything that samples are read from is a `Source`: sorted times and a matrix of series by samples.
An open chunk is row-major (an append is a row), a sealed one is compressed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from backbeat.model.arrays import Bools, Float64s, Int32s, Int64s
from backbeat.storage.codec import fill_absent
from backbeat.storage.packing import pack, unpack_into

_MIN_SPLIT_FILL = 0.75
_LIVES = 8


class Source(Protocol):
    """Where samples are read from."""

    @property
    def times(self) -> Int64s:
        """(samples,) strictly increasing"""
        ...

    def read(self, rows: Int32s, first: int, last: int) -> tuple[Float64s, Bools | None]:
        """Cells [first, last) of the given series: (series, samples) and which of them hold a sample.

        The values may be shared with other readers and must not be changed.
        """
        ...

    def presence(self, rows: Int32s | None, first: int, last: int) -> Bools | None:
        """Which of those cells hold a sample, without reading them; None: all. rows: None for all series."""
        ...


class HeadChunk(Source, Protocol):
    """A source whose rows are columns of a cohort."""

    @property
    def columns(self) -> Int32s:
        """(series,) column of the cohort, sorted"""
        ...

    @property
    def size_bytes(self) -> int:
        """memory it takes"""
        ...


class OpenChunk:
    """Rows in the order of arrival; changed only under the head's lock."""

    def __init__(self, rows: int, width: int) -> None:
        self.count = 0
        self.width = 0
        self.times: Int64s = np.empty(rows, np.int64)
        self.values: Float64s = np.empty((rows, width), np.float64)
        self.present: Bools | None = None
        self.columns: Int32s = np.empty(width, np.int32)
        """(slots,) which column of the cohort a slot holds"""
        self.ordered = True
        self._sorted = np.empty(0, np.int32), np.empty(0, np.int32)
        """columns in order, and the slot of each; as of the last look"""
        self.newest = -(2**63)
        self.oldest = 2**63 - 1

    @property
    def is_full(self) -> bool:
        return self.count == len(self.times)

    def add_slots(self, columns: Int32s) -> None:
        """Slots for columns that had no sample in this chunk yet."""
        width = self.width + len(columns)
        if width > self.values.shape[1]:
            self._widen(max(width, min(2 * self.values.shape[1], width + 1024)))
        self.columns[self.width : width] = columns
        if self.present is None and self.count:
            self._track_presence()
        if self.present is not None:
            self.present[:, self.width : width] = False
        self.width = width

    def append_row(self, timestamp_ms: int, slots: Int32s | None, values: Float64s) -> None:
        """A row later than all before. slots: None where `values` covers all slots in order."""
        row = self.count
        self.times[row] = timestamp_ms
        if slots is None:
            self.values[row, : self.width] = values
        else:
            if self.present is None and len(slots) < self.width:
                self._track_presence()
            self.values[row, slots] = values
        if self.present is not None:
            self.present[row, : self.width] = slots is None
            if slots is not None:
                self.present[row, slots] = True
        self.newest = timestamp_ms
        self.oldest = min(self.oldest, timestamp_ms)
        self.count = row + 1

    def append_rows(self, times: Int64s, slots: Int32s | None, matrix: Float64s) -> None:
        """Rows in order, all later than all before, and no more than there is room for; slots as above.

        matrix: (times, slots)
        """
        if self.present is None and slots is not None and len(slots) < self.width:
            self._track_presence()
        rows, every = slice(self.count, self.count + len(times)), slice(0, self.width)
        self.times[rows] = times
        self.values[rows, every if slots is None else slots] = matrix
        if self.present is not None:
            self.present[rows, every] = slots is None
            if slots is not None:
                self.present[rows, slots] = True
        self.oldest = min(self.oldest, int(times[0]))
        self.newest = int(times[-1])
        self.count = rows.stop

    def row_of(self, timestamp_ms: int) -> int:
        """The row with this time, or -1."""
        if timestamp_ms > self.newest:
            return -1
        found = np.flatnonzero(self.times[: self.count] == timestamp_ms)
        return int(found[0]) if len(found) else -1

    def put_row(self, timestamp_ms: int, slots: Int32s, values: Float64s) -> None:
        """A row of any time, whose cells hold no sample yet."""
        row = self.row_of(timestamp_ms)
        if row < 0:
            newest = self.newest
            self.ordered = self.ordered and timestamp_ms > newest
            self.append_row(timestamp_ms, slots, values)
            self.newest = max(newest, timestamp_ms)
            return
        if self.present is None:
            self._track_presence()
        assert self.present is not None
        self.values[row, slots] = values
        self.present[row, slots] = True

    def view(self) -> RawChunk:
        """What is there now, unchanged by later appends. Call under the lock."""
        times = self.times[: self.count]
        order = None if self.ordered else np.argsort(times, kind="stable")
        if len(self._sorted[0]) != self.width:
            slots = np.argsort(self.columns[: self.width], kind="stable").astype(np.int32)
            self._sorted = self.columns[slots], slots
        columns, slots = self._sorted
        present = self.present
        # A rule group's row is whole when its last rule has written.
        if present is not None and present[: self.count, : self.width].all():
            present = None
        return RawChunk(times if order is None else times[order], self.values, present, columns, slots, order)

    def _track_presence(self) -> None:
        self.present = np.zeros(self.values.shape, np.bool_)
        self.present[: self.count, : self.width] = True

    def _widen(self, width: int) -> None:
        values = np.empty((len(self.times), width), np.float64)
        values[: self.count, : self.width] = self.values[: self.count, : self.width]
        self.values = values
        columns = np.empty(width, np.int32)
        columns[: self.width] = self.columns[: self.width]
        self.columns = columns
        if self.present is not None:
            present = np.zeros(values.shape, np.bool_)
            present[: self.count, : self.width] = self.present[: self.count, : self.width]
            self.present = present


class RawChunk:
    """Uncompressed rows: a look at an open chunk, or one that waits for compression."""

    def __init__(
        self,
        times: Int64s,
        values: Float64s,
        present: Bools | None,
        columns: Int32s,
        slots: Int32s | None = None,
        order: Int64s | None = None,
    ) -> None:
        """values, present: (more rows, more slots), row-major.

        columns: sorted; slots: where each is, None: in their order. order: which row comes when, likewise.
        """
        self.times = times
        self.columns: Int32s = columns
        self._slots: Int32s = np.arange(len(columns), dtype=np.int32) if slots is None else slots
        self._values = values
        self._present = present
        self._order = order

    def read(self, rows: Int32s, first: int, last: int) -> tuple[Float64s, Bools | None]:
        chosen = slice(first, last) if self._order is None else self._order[first:last]
        # Presence first: a cell that is filled meanwhile was no sample yet, whatever its value was.
        present = self.presence(rows, first, last)
        slots = self._slots[rows]
        if (run := run_of(slots)) is not None:
            return self._values[chosen, run].T, present
        return self._values[chosen].take(slots, axis=1).T, present

    def presence(self, rows: Int32s | None, first: int, last: int) -> Bools | None:
        if self._present is None:
            return None
        chosen = slice(first, last) if self._order is None else self._order[first:last]
        slots = self._slots if rows is None else self._slots[rows]
        present = np.ascontiguousarray(self._present[chosen][:, slots].T)
        return None if present.all() else present

    @property
    def size_bytes(self) -> int:
        return len(self.times) * len(self.columns) * 8


class SealedChunk:
    """Compressed, many series at a time."""

    def __init__(self, times: Int64s, columns: Int32s, values: Float64s, present: Bools | None) -> None:
        """columns: sorted; values, present: (series, samples); every series has a sample."""
        self.times: Int64s = times.copy()
        self.columns: Int32s = columns
        self._packed = pack(np.ascontiguousarray(values))
        self._present = None if present is None else np.packbits(present, axis=1)

    def share_columns(self, other: HeadChunk) -> None:
        """Hold no columns beside those of a chunk that has the same."""
        if np.array_equal(self.columns, other.columns):
            self.columns = other.columns

    def read(self, rows: Int32s, first: int, last: int) -> tuple[Float64s, Bools | None]:
        values = np.empty((len(rows), len(self.times)))
        self.unpack_into(values, rows)
        return values[:, first:last], self.presence(rows, first, last)

    def unpack_into(self, out: Float64s, rows: Int32s) -> None:
        """Write all samples of the given series to (series, samples)."""
        unpack_into(out, self._packed, rows)

    def presence(self, rows: Int32s | None, first: int, last: int) -> Bools | None:
        if self._present is None:
            return None
        packed = self._present if rows is None else self._present[rows]
        bits = np.unpackbits(packed, axis=1, count=len(self.times))
        present = bits[:, first:last].view(np.bool_)
        return None if present.all() else present

    @property
    def size_bytes(self) -> int:
        masks = 0 if self._present is None else self._present.nbytes
        return self._packed.size_bytes + 4 * len(self.columns) + 8 * len(self.times) + masks


def run_of(places: Int32s) -> slice | None:
    """The places as a slice, where they are one after the other."""
    first, count = int(places[0]) if len(places) else 0, len(places)
    if count and places[-1] - first + 1 == count and bool((places[1:] > places[:-1]).all()):
        return slice(first, first + count)
    return None


def read_into(out: Float64s, source: Source, rows: Int32s, first: int, last: int) -> Bools | None:
    """As `Source.read`, but the values go to `out`, by the shortest way."""
    if isinstance(source, SealedChunk) and last - first == len(source.times):
        source.unpack_into(out, rows)
        return source.presence(rows, first, last)
    out[...], present = source.read(rows, first, last)
    return present


def seal(chunk: HeadChunk) -> list[SealedChunk]:
    """Compress a chunk; series that lived through only part of it go into chunks of their own."""
    rows = np.arange(len(chunk.columns), dtype=np.int32)
    values, present = chunk.read(rows, 0, len(chunk.times))
    values = np.ascontiguousarray(values)
    return [
        SealedChunk(chunk.times[first:last], chunk.columns[members], part, mask)
        for members, first, last, part, mask in split_by_life(values, present)
    ]


def split_by_life(
    values: Float64s, present: Bools | None
) -> Iterator[tuple[Int32s, int, int, Float64s, Bools | None]]:
    """Cut (series, samples) into rectangles with few absent cells, whose absent cells are filled.

    Yields (series, first, last, values, present); a series is in one rectangle, or none if it has no sample.
    """
    count = values.shape[1]
    everyone = np.arange(len(values), dtype=np.int32)
    if present is None:
        yield everyone, 0, count, values, None
        return
    living = present.any(axis=1)
    if present[living].mean() >= _MIN_SPLIT_FILL if living.any() else False:
        groups = [everyone[living]]
    else:
        firsts = present.argmax(axis=1)
        lasts = count - present[:, ::-1].argmax(axis=1)
        life = max(count // _LIVES, 8)
        lives = np.where(living, firsts // life * (count // life + 2) + (lasts + life - 1) // life, -1)
        groups = [everyone[lives == each] for each in np.unique(lives).tolist() if each >= 0]
    for members in groups:
        mask = present[members]
        some = np.flatnonzero(mask.any(axis=0))
        first, last = int(some[0]), int(some[-1]) + 1
        mask = mask[:, first:last]
        part = values[members, first:last]
        yield (
            members,
            first,
            last,
            np.ascontiguousarray(part) if mask.all() else fill_absent(part, mask),
            None if mask.all() else mask,
        )
