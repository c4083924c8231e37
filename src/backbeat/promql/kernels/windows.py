"""Samples of many series and the windows of a step grid over them.

One shape serves dense cohorts, many small cohorts and series with gaps alike: the values of all series lie
in one flat array, and series that are sampled together form a *group* that stores its timestamps once.
Window bounds are found once a group, never once a series.

In:  flat arrays, built by `promql.samples`. Out: `Windows`, to the kernels of range functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from backbeat.promql.kernels.arrays import Bools, Float64s, Int64s

Array = NDArray[Any]
_FEW_GROUPS = 32
"""that are searched one by one sooner than all at once"""
_MANY_STEPS = 16
"""from which timestamps are counted for each sooner than searched"""
CACHED = 1 << 16
"""numbers of an array that stays in a core's cache"""
Side = Literal["left", "right"]


class Columns(Struct, frozen=True):
    """Samples of series, without gaps and without stale markers where those are not wanted.

    values: (samples,) series after series
    rows:   (series,) index of each series' first sample in `values`, ascending
    groups: (series,) the group whose timestamps the series has, ascending
    times:  (timestamps,) ms, group after group, strictly increasing inside a group
    starts: (groups + 1,) index of each group's first timestamp in `times`
    falls:  None where `values` holds these samples and nothing else. Otherwise other numbers lie between the
            series, and this says which samples are lower than the one before them: sorted indexes in `values`
    stride: of one group with `falls`: how far its series are apart, and `values` has whole strides; else 0
    """

    values: Float64s
    rows: Int64s
    groups: Int64s
    times: Int64s
    starts: Int64s
    falls: Int64s | None = None
    stride: int = 0

    @property
    def is_rectangle(self) -> bool:
        """One group whose series lie in `values` one after another."""
        return (
            self.falls is None
            and len(self.starts) == 2
            and len(self.values) == len(self.rows) * len(self.times)
        )

    def compact(self) -> Columns:
        """The same with nothing between the series."""
        if self.falls is None:
            return self
        if self.stride:
            first, count = int(self.rows[0]), len(self.times)
            cells = self.values.reshape(-1, self.stride)[:, first : first + count]
            rows = np.arange(len(self.rows), dtype=np.int64) * count
            return Columns(
                np.ascontiguousarray(cells).reshape(-1), rows, self.groups, self.times, self.starts
            )
        widths = np.diff(self.starts)[self.groups]
        rows = np.cumsum(widths) - widths
        index = np.repeat(self.rows - rows, widths)
        index += np.arange(len(index))
        return Columns(self.values.take(index), rows, self.groups, self.times, self.starts)

    def bounds(self, edges: Int64s, side: Side) -> Int64s:
        """How many of each group's timestamps are < edge (side "left") or <= edge ("right").

        edges:   (steps,) ms
        returns: (groups, steps), counted from the group's first timestamp
        """
        groups = len(self.starts) - 1
        if groups == 1:
            return self.times.searchsorted(edges, side=side).reshape(1, -1)
        if groups <= _FEW_GROUPS:
            each = np.empty((groups, len(edges)), np.int64)
            for group, (begin, end) in enumerate(pairwise(self.starts.tolist())):
                each[group] = self.times[begin:end].searchsorted(edges, side=side)
            return each
        if side == "right" and (step_ms := _even_step(edges)):
            return _counted_until(self, edges.item(0), step_ms, len(edges))
        # Keys that put every group in a span of its own make one sorted array, so one search serves all.
        first, last = int(self.times.min()), int(self.times.max())
        span = last - first + 3
        base = np.arange(groups, dtype=np.int64) * span
        keys = self.times - first + 1 + np.repeat(base, np.diff(self.starts))
        wanted = np.clip(edges, first - 1, last + 1) - first + 1
        found: Int64s = np.searchsorted(keys, base[:, np.newaxis] + wanted, side=side)
        found -= self.starts[:-1, np.newaxis]
        return found

    def part(self, rows: slice) -> tuple[Columns, slice]:
        """The series from rows.start until before rows.stop, and which groups these have.

        What it says of falls is meaningless.
        """
        if self.stride:
            own = self.values[rows.start * self.stride : rows.stop * self.stride]
            count = rows.stop - rows.start
            part = Columns(
                own, self.rows[:count], self.groups[:count], self.times, self.starts, self.falls, self.stride
            )
            return part, slice(0, 1)
        begin = int(self.rows[rows.start])
        end = int(self.rows[rows.stop]) if rows.stop < len(self.rows) else len(self.values)
        groups = slice(int(self.groups[rows.start]), int(self.groups[rows.stop - 1]) + 1)
        starts = self.starts[groups.start : groups.stop + 1]
        part = Columns(
            self.values[begin:end],
            self.rows[rows] - begin,
            self.groups[rows] - groups.start,
            self.times[starts[0] : starts[-1]],
            starts - starts[0],
            self.falls,
        )
        return part, groups


class Windows(Struct, frozen=True):
    """For every group and step, the samples from `lo` until before `hi`.

    lo, hi: (groups, steps), counted from the group's first sample; hi == lo where a window is empty
    """

    columns: Columns
    lo: Int64s
    hi: Int64s

    @property
    def counts(self) -> Int64s:
        """(groups, steps)"""
        return self.hi - self.lo

    @property
    def shape(self) -> tuple[int, int]:
        """(series, steps)"""
        return len(self.columns.rows), self.lo.shape[1]

    def parts(self) -> Iterator[tuple[slice, slice, Windows]]:
        """Blocks of series whose samples and windows fit a core's cache: (series, their groups, windows)."""
        series, steps = self.shape
        samples = len(self.columns.times) // (len(self.columns.starts) - 1)
        height = max(1, CACHED // max(1, steps, samples))
        if series <= height:
            yield slice(0, series), slice(0, len(self.lo)), self
            return
        for begin in range(0, series, height):
            rows = slice(begin, min(begin + height, series))
            columns, groups = self.columns.part(rows)
            yield rows, groups, Windows(columns, self.lo[groups], self.hi[groups])

    def spread(self, per_group: Array) -> Array:
        """(groups, steps) to (series, steps), or to (1, steps) where one group has all series."""
        if len(per_group) == 1 or len(per_group) == len(self.columns.rows):
            return per_group  # every group has a series
        return per_group[self.columns.groups]

    def take(self, samples: Array, index: Int64s) -> Array:
        """What `samples` (aligned with `columns.values`) holds at `index` of each series' own samples.

        index:   (groups, steps); where it lies outside, the result is some other sample
        returns: (series, steps)
        """
        columns = self.columns
        if columns.stride:
            wide = samples.reshape(-1, columns.stride)
            found: Array = wide.take(index[0] + columns.rows[0], axis=1, mode="clip")
        elif columns.is_rectangle:
            matrix = samples.reshape(len(columns.rows), len(columns.times))
            found = matrix.take(index[0], axis=1, mode="clip")
        else:
            found = samples.take(columns.rows[:, np.newaxis] + self.spread(index), mode="clip")
        return found

    def take_times(self, index: Int64s) -> Int64s:
        """The timestamp at `index` of each group: (groups, steps) ms."""
        columns = self.columns
        return columns.times.take(columns.starts[:-1, np.newaxis] + index, mode="clip")


def half_open(columns: Columns, ends: Int64s, length_ms: int) -> Windows:
    """The windows (end - length, end]; ends: (steps,) ms, ascending."""
    count, step_ms = len(ends), _even_step(ends)
    if step_ms and length_ms % step_ms == 0 and length_ms <= count * step_ms:
        # A window begins where an earlier one ended.
        apart = length_ms // step_ms
        bounds = columns.bounds(np.concatenate((ends[:apart] - length_ms, ends)), "right")
        return Windows(columns, bounds[:, :count], bounds[:, apart:])
    if step_ms:
        return Windows(columns, columns.bounds(ends - length_ms, "right"), columns.bounds(ends, "right"))
    both = columns.bounds(np.concatenate((ends - length_ms, ends)), "right")
    return Windows(columns, both[:, :count], both[:, count:])


def _even_step(edges: Int64s) -> int:
    """The distance between neighbours where it is the same everywhere and there are many; else 0."""
    if len(edges) < _MANY_STEPS:
        return 0
    step_ms = edges.item(1) - edges.item(0)
    return step_ms if step_ms > 0 and bool((edges[1:] - edges[:-1] == step_ms).all()) else 0


def _counted_until(columns: Columns, first_ms: int, step_ms: int, count: int) -> Int64s:
    """`bounds` on the right of the edges first, first + step, ...: (groups, count).

    Each timestamp tells from which edge on it counts: no search, but one pass over all of them.
    """
    groups = len(columns.starts) - 1
    places = columns.times - (first_ms - step_ms + 1)
    places //= step_ms
    np.clip(places, 0, count, out=places)
    places += np.repeat(np.arange(groups) * (count + 1), np.diff(columns.starts))
    each = np.bincount(places, minlength=groups * (count + 1)).reshape(groups, count + 1)
    return each[:, :count].cumsum(axis=1)


def newest(columns: Columns, at: Int64s, lookback_ms: int) -> tuple[Int64s, Bools]:
    """Each group's newest sample in (at - lookback, at].

    at:      (steps,) ms
    returns: (groups, steps) index from the group's first sample, and whether there is one
    """
    index = columns.bounds(at, "right") - 1
    times = columns.times.take(columns.starts[:-1, np.newaxis] + index, mode="clip")
    return index, (index >= 0) & (times > at - lookback_ms)
