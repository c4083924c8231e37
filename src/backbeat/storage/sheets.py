"""Growing sheets: the samples of a selection's regular cohorts in one matrix, kept up to date in place.

In:  cohorts, of which those are kept whose matched series all have a sample at every one of their times.
Out: `Sheet`s, which are looked into without copying.
New rows are written behind the old ones, where no earlier reader looks. A cohort that later has a gap, or
that was written to in its past, is told to the caller.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain

import numpy as np
from msgspec import Struct, field

from backbeat.model.arrays import Bools, Float64s, Int32s, Int64s
from backbeat.model.labels import Labels
from backbeat.model.samples import Sheet, is_stale
from backbeat.storage.assemble import Part
from backbeat.storage.chunks import HeadChunk, Source, read_into
from backbeat.storage.head import Placed, rows_of
from backbeat.storage.keys import find_sorted

_LEAST_ROOM = 64
_LATEST_MS = 2**63 - 2
_NO_TIMES = np.empty(0, np.int64)


class Arrival(Struct, frozen=True):
    """A cohort at one moment, and where its samples are, one part after the other in time."""

    placed: Placed
    changes: int
    rewrites: int
    parts: Sequence[Part]


class _Member(Struct):
    """One cohort of a sheet. changes, rewrites: the cohort's, when its rows were taken over last."""

    placed: Placed
    changes: int
    rewrites: int
    place: int
    """its row of times"""
    rows: slice
    """its rows of values"""
    count: int = 0
    stale: list[int] = field(default_factory=list)
    """columns with a stale marker"""


class GrowingSheet:
    """Not thread-safe, but for the sheets it gave, which stay as they are."""

    def __init__(self) -> None:
        self.members: dict[str, _Member] = {}
        self._values: Float64s = np.empty((0, _LEAST_ROOM))
        self._times: Int64s = np.empty((0, _LEAST_ROOM), np.int64)
        self._used_rows = self._used_places = 0
        self._fall_rows = self._fall_columns = np.empty(0, np.int64)
        self._falls: Int64s | None = None
        self._order: tuple[Sequence[Labels], Int64s, Int64s, Int64s] | None = None
        self._last: tuple[int, int, Sheet] | None = None

    @property
    def size_bytes(self) -> int:
        return self._values.nbytes + self._times.nbytes

    def add(self, arrivals: Sequence[Arrival]) -> None:
        """Take in the cohorts that have no gap."""
        columns = max((sum(part.last - part.first for part in one.parts) for one in arrivals), default=0)
        self._make_room(columns, sum(len(one.placed.keys) for one in arrivals), len(arrivals))
        for one in arrivals:
            rows = slice(self._used_rows, self._used_rows + len(one.placed.keys))
            member = _Member(one.placed, one.changes, one.rewrites, self._used_places, rows)
            if all(
                self._take_over(member, part.source, _rows_in(part, one.placed), part.first, part.last)
                for part in one.parts
            ):
                self.members[one.placed.cohort.name] = member
                self._used_rows, self._used_places = rows.stop, member.place + 1
            else:
                self._forget_falls_from(rows.start)
        self._order = self._last = None

    def drop(self, names: Collection[str]) -> None:
        """Let go of cohorts. Their cells are used again when room is made."""
        for name in names:
            del self.members[name]
            self._order = self._last = None

    def changed(self) -> list[tuple[_Member, int, int, list[HeadChunk]]]:
        """Members with news: their cohort's changes, rewrites and chunks. Call under the head's lock."""
        return [
            (member, cohort.changes, cohort.rewrites, cohort.chunks())
            for member in self.members.values()
            if (cohort := member.placed.cohort).changes != member.changes
        ]

    def follow(self, news: Sequence[tuple[_Member, int, int, list[HeadChunk]]]) -> list[str]:
        """Take over new rows; returns the cohorts that do not fit any more."""
        unfit = []
        for member, changes, rewrites, chunks in news:
            if rewrites != member.rewrites or not all(self._take_chunk(member, chunk) for chunk in chunks):
                unfit.append(member.placed.cohort.name)
            member.changes = changes
            self._last = None
        return unfit

    def sheet(self, start_ms: int, end_ms: int) -> Sheet:
        """The samples in [start_ms, end_ms]."""
        if self._last is not None and self._last[:2] == (start_ms, end_ms):
            return self._last[2]
        bounds = np.array((start_ms, min(end_ms, _LATEST_MS) + 1))
        times, starts, firsts, stale = [], [0], [], []
        samples, is_full = 0, True
        for group, member in enumerate(self.members.values()):
            own = self._times[member.place, : member.count]
            first, last = own.searchsorted(bounds).tolist()
            times.append(own[first:last])
            starts.append(starts[-1] + last - first)
            firsts.append(first)
            samples += (last - first) * (member.rows.stop - member.rows.start)
            is_full = is_full and last > first
            if member.stale and any(first <= column < last for column in member.stale):
                stale.append(group)
        labels, begins, groups, sizes = self._in_order()
        found = Sheet(
            labels,
            self._values,
            begins,
            groups,
            sizes,
            times[0] if len(times) == 1 else np.concatenate((_NO_TIMES, *times)),
            np.array(starts),
            np.array(firsts, np.int64),
            self._flat_falls(),
            frozenset(stale),
            samples,
            is_full,
        )
        self._last = (start_ms, end_ms, found)
        return found

    def _take_chunk(self, member: _Member, chunk: HeadChunk) -> bool:
        newest_ms = int(self._times[member.place, member.count - 1]) if member.count else -(2**63)
        last = len(chunk.times)
        if chunk.times[-1] <= newest_ms:
            return True
        first = int(chunk.times.searchsorted(newest_ms, side="right"))
        rows = rows_of(chunk.columns, member.placed.columns)
        if rows is None:
            return not _holds_any(chunk, member.placed.columns, first)
        return self._take_over(member, chunk, rows, first, last)

    def _take_over(self, member: _Member, source: Source, rows: Int32s, first: int, last: int) -> bool:
        """Put samples behind the member's own; False where not all of its series have them."""
        times = source.times[first:last]
        begin = member.count
        if not len(times):
            return True
        if begin and times[0] <= self._times[member.place, begin - 1]:
            return False
        if begin + len(times) > self._values.shape[1]:
            self._make_room(begin + len(times), 0, 0)
        # Nobody looks behind the member's count, should it stay as it is.
        values = self._values[member.rows, begin : begin + len(times)]
        present = read_into(values, source, rows, first, last)
        if present is not None:
            there: Bools = present[0]
            if (present != there).any():
                return False
            times = times[there]
            values[:, : len(times)] = values[:, there]
        end = begin + len(times)
        if begin == end:
            return True
        self._times[member.place, begin:end] = times
        member.count = end
        self._note_falls(member, max(begin, 1), end)
        stale = is_stale(self._values[member.rows, begin:end]).any(axis=0)
        if stale.any():
            member.stale += (np.flatnonzero(stale) + begin).tolist()
        return True

    def _note_falls(self, member: _Member, begin: int, end: int) -> None:
        before, after = (self._values[member.rows, begin - less : end - less] for less in (1, 0))
        falls = after < before
        if falls.any():
            rows, columns = np.nonzero(falls)
            self._fall_rows = np.append(self._fall_rows, rows + member.rows.start)
            self._fall_columns = np.append(self._fall_columns, columns + begin)
            self._falls = None

    def _forget_falls_from(self, row: int) -> None:
        """What was noted of rows that the next cohort gets."""
        kept = self._fall_rows < row
        self._fall_rows, self._fall_columns = self._fall_rows[kept], self._fall_columns[kept]
        self._falls = None

    def _flat_falls(self) -> Int64s:
        if self._falls is None:
            self._falls = np.sort(self._fall_rows * self._values.shape[1] + self._fall_columns)
        return self._falls

    def _in_order(self) -> tuple[Sequence[Labels], Int64s, Int64s, Int64s]:
        """labels, begins, groups and sizes of a sheet."""
        if self._order is None:
            members = list(self.members.values())
            sizes = np.array([len(member.placed.keys) for member in members], np.int64)
            groups = np.repeat(np.arange(len(members)), sizes)
            rows = [np.arange(member.rows.start, member.rows.stop) for member in members]
            labels = members[0].placed.labels if len(members) == 1 else None
            if labels is None:
                labels = list(chain.from_iterable(member.placed.labels for member in members))
            begins = np.concatenate([_NO_TIMES, *rows]) * self._values.shape[1]
            self._order = labels, begins, groups, sizes
        return self._order

    def _make_room(self, columns: int, rows: int, places: int) -> None:
        """Have room for so many columns, and so many rows and places more."""
        height, room = self._values.shape
        if (
            columns <= room
            and self._used_rows + rows <= height
            and self._used_places + places <= len(self._times)
        ):
            return
        if columns > room or not height:
            room = columns + max(_LEAST_ROOM, columns // 4)
        kept = sum(len(member.placed.keys) for member in self.members.values())
        values = np.empty((kept + rows + kept // 4, room))
        times = np.empty((len(self.members) + places + len(self.members) // 4, room), np.int64)
        moved_to = np.full(height, -1)
        row = 0
        for place, member in enumerate(self.members.values()):
            own, count = member.rows, member.count
            to = slice(row, row + len(member.placed.keys))
            values[to, :count] = self._values[own, :count]
            times[place, :count] = self._times[member.place, :count]
            moved_to[own] = np.arange(to.start, to.stop)
            member.place, member.rows, row = place, to, to.stop
        self._values, self._times = values, times
        self._used_rows, self._used_places = row, len(self.members)
        kept_falls = moved_to[self._fall_rows] >= 0
        self._fall_rows = moved_to[self._fall_rows][kept_falls]
        self._fall_columns = self._fall_columns[kept_falls]
        self._falls = self._order = self._last = None


def _rows_in(part: Part, placed: Placed) -> Int32s:
    """The part's rows in the order of the series; the part holds just these."""
    if np.array_equal(part.keys, placed.keys):
        return part.rows
    order = np.argsort(part.keys)
    rows: Int32s = part.rows[order[np.searchsorted(part.keys, placed.keys, sorter=order)]]
    return rows


def _holds_any(chunk: HeadChunk, wanted: Int32s, first: int) -> bool:
    """Whether some of the series have a sample in a chunk that has not all of them."""
    found = find_sorted(chunk.columns, wanted)
    own = found[found >= 0].astype(np.int32)
    if not len(own) or first == len(chunk.times):
        return False
    present = chunk.presence(own, first, len(chunk.times))
    return present is None or bool(present.any())
