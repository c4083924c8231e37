"""Samples of many series and the windows of a step grid over them.

One shape serves dense cohorts, many small cohorts and series with gaps alike: the values of all series lie
in one flat array, and series that are sampled together form a *group* that stores its timestamps once.
Window bounds are found once a group, never once a series.

In:  flat arrays, built by `promql.samples`. Out: `Windows`, to the kernels of range functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from backbeat.promql.kernels.arrays import Bools, Float64s, Int64s

Array = NDArray[Any]
CACHED = 1 << 16
"""numbers of an array that stays in a core's cache"""
Side = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Columns:
    """Samples of series, without gaps and without stale markers where those are not wanted.

    values: (samples,) series after series
    rows:   (series,) index of each series' first sample in `values`
    groups: (series,) the group whose timestamps the series has
    times:  (timestamps,) ms, group after group, strictly increasing inside a group
    starts: (groups + 1,) index of each group's first timestamp in `times`
    """

    values: Float64s
    rows: Int64s
    groups: Int64s
    times: Int64s
    starts: Int64s

    @property
    def is_rectangle(self) -> bool:
        """One group whose series lie in `values` one after another."""
        return len(self.starts) == 2 and len(self.values) == len(self.rows) * len(self.times)

    def bounds(self, edges: Int64s, side: Side) -> Int64s:
        """How many of each group's timestamps are < edge (side "left") or <= edge ("right").

        edges:   (steps,) ms
        returns: (groups, steps), counted from the group's first timestamp
        """
        if len(self.starts) == 2:
            return np.searchsorted(self.times, edges, side=side).reshape(1, -1)
        # Keys that put every group in a span of its own make one sorted array, so one search serves all.
        first, last = int(self.times.min()), int(self.times.max())
        span = last - first + 3
        base = np.arange(len(self.starts) - 1, dtype=np.int64) * span
        keys = self.times - first + 1 + np.repeat(base, np.diff(self.starts))
        wanted = np.clip(edges, first - 1, last + 1) - first + 1
        found: Int64s = np.searchsorted(keys, base[:, np.newaxis] + wanted, side=side)
        found -= self.starts[:-1, np.newaxis]
        return found

    def part(self, rows: slice) -> Columns:
        """Some of the series. A rectangle's part is one, too; else `values` stays whole."""
        values = self.values
        if self.is_rectangle:
            width = len(self.times)
            values = values[rows.start * width : rows.stop * width]
        offset = 0 if values is self.values else self.rows[rows.start]
        return Columns(values, self.rows[rows] - offset, self.groups[rows], self.times, self.starts)


@dataclass(frozen=True, slots=True)
class Windows:
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

    def parts(self) -> Iterator[tuple[slice, Windows]]:
        """Blocks of series whose windows fit a core's cache."""
        series, steps = self.shape
        height = max(1, CACHED // max(1, steps))
        for begin in range(0, series, height):
            rows = slice(begin, min(begin + height, series))
            yield rows, Windows(self.columns.part(rows), self.lo, self.hi)

    def spread(self, per_group: Array) -> Array:
        """(groups, steps) to (series, steps), or to (1, steps) where one group has all series."""
        return per_group if len(per_group) == 1 else per_group[self.columns.groups]

    def take(self, samples: Array, index: Int64s) -> Array:
        """What `samples` (aligned with `columns.values`) holds at `index` of each series' own samples.

        index:   (groups, steps); where it lies outside, the result is some other sample
        returns: (series, steps)
        """
        columns = self.columns
        if columns.is_rectangle:
            matrix = samples.reshape(len(columns.rows), len(columns.times))
            found: Array = matrix.take(index[0], axis=1, mode="clip")
        else:
            found = samples.take(columns.rows[:, np.newaxis] + self.spread(index), mode="clip")
        return found

    def take_times(self, index: Int64s) -> Int64s:
        """The timestamp at `index` of each group: (groups, steps) ms."""
        columns = self.columns
        return columns.times.take(columns.starts[:-1, np.newaxis] + index, mode="clip")


def half_open(columns: Columns, ends: Int64s, length_ms: int) -> Windows:
    """The windows (end - length, end]; ends: (steps,) ms."""
    return Windows(columns, columns.bounds(ends - length_ms, "right"), columns.bounds(ends, "right"))


def newest(columns: Columns, at: Int64s, lookback_ms: int) -> tuple[Int64s, Bools]:
    """Each group's newest sample in (at - lookback, at].

    at:      (steps,) ms
    returns: (groups, steps) index from the group's first sample, and whether there is one
    """
    index = columns.bounds(at, "right") - 1
    times = columns.times.take(columns.starts[:-1, np.newaxis] + index, mode="clip")
    return index, (index >= 0) & (times > at - lookback_ms)
