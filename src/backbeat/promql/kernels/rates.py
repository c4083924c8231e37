"""rate, increase, delta, irate, idelta: Prometheus's extrapolation and counter resets, a grid at a time.

In:  `Windows` over samples without stale markers. Out: (series, steps) values and where they exist.
Times are subtracted as integer milliseconds and only then become seconds.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from backbeat.promql.kernels.arrays import Bools, Float64s, Int64s
from backbeat.promql.kernels.folds import State, fold, is_reset
from backbeat.promql.kernels.presence import everywhere, is_everywhere
from backbeat.promql.kernels.windows import Columns, Windows


def lost_to_resets(windows: Windows) -> Float64s | None:
    """The sum of the values from which a counter fell inside each window; None where none ever fell.

    Only falls between two samples of the window count, so never at its first sample.
    """
    columns = windows.columns
    places = columns.falls if columns.falls is not None else _falls(columns)
    if len(places):
        places = places[places >= columns.rows[0]]
    if len(places) == 0:
        return None
    lost = np.zeros(windows.shape)
    has_falls = np.unique(np.searchsorted(columns.rows, places, side="right") - 1)
    begins = columns.rows[has_falls, np.newaxis]
    lo, hi = windows.spread(windows.lo), windows.spread(windows.hi)
    if len(lo) > 1:
        lo, hi = lo[has_falls], hi[has_falls]
    first = np.searchsorted(places, begins + lo, side="right")
    last = np.searchsorted(places, begins + hi - 1, side="right")
    last = np.where(hi > lo, np.maximum(first, last), first)
    fallen_from = columns.values[places - 1]
    if int((last - first).max(initial=0)) <= 1:
        # The usual case: a counter starts anew at most once in a window.
        lost[has_falls] = np.where(last > first, fallen_from.take(first, mode="clip"), 0.0)
    else:
        lost[has_falls] = _sum_between(fallen_from, first, last)
    return lost


def _falls(columns: Columns) -> Int64s:
    falls = is_reset(columns.values)
    falls[columns.rows[columns.rows < len(falls)]] = False
    return np.flatnonzero(falls)


def _sum_between(values: Float64s, first: Int64s, last: Int64s) -> Float64s:
    """Sums of values[first:last]; first, last: (series, steps)."""
    count = len(first)
    events = Columns(
        values,
        np.zeros(count, np.int64),
        np.arange(count),
        np.zeros(0, np.int64),
        np.zeros(count + 1, np.int64),
    )

    def add(one: State, two: State) -> State:
        return (one[0] + two[0],)

    (sums,) = fold(Windows(events, first, last), (values,), add)
    return np.where(last > first, sums, 0.0)


class Edges:
    """What extrapolation needs to know of the times in each window, in seconds: (groups, steps) each.

    sampled:  from the first sample to the last
    to_start: how far the line goes on before the first sample
    to_end:   how far it goes on after the last sample
    enough:   whether there are two samples
    range_s:  of the windows; one number
    """

    def __init__(
        self, sampled: Float64s, to_start: Float64s, to_end: Float64s, enough: Bools, range_s: float
    ) -> None:
        self.sampled, self.to_start, self.to_end, self.range_s = sampled, to_start, to_end, range_s
        self.enough = everywhere(enough.shape) if is_everywhere(enough) else enough

    @cached_property
    def growth(self) -> Float64s:
        """By how much the whole line is longer than its sampled part."""
        return (self.sampled + self.to_start + self.to_end) / self.sampled

    @cached_property
    def growth_per_second(self) -> Float64s:
        return self.growth / self.range_s

    @cached_property
    def least_first(self) -> Float64s:
        """How many times its increase a counter must have at first so as not to be zero within `to_start`.

        A little more than needed, so that rounding decides nothing; 0 where no line is drawn.
        """
        return np.where(self.enough, self.to_start / self.sampled * (1 + 1e-9), 0.0)


def edges(windows: Windows, ends: Int64s, range_ms: int) -> Edges:
    """ends: (steps,) ms, where the windows end."""
    counts = windows.counts
    first_ms, last_ms = windows.take_times(windows.lo), windows.take_times(windows.hi - 1)
    sampled_s = (last_ms - first_ms) / 1000
    first_ms -= ends - range_ms
    to_start = first_ms / 1000
    to_end = np.subtract(ends, last_ms, out=last_ms) / 1000
    enough = counts >= 2
    counts -= 1
    spacing = sampled_s / np.maximum(counts, 1, out=counts)
    threshold, half = spacing * 1.1, np.multiply(spacing, 0.5, out=spacing)
    np.copyto(to_start, half, where=to_start >= threshold)
    np.copyto(to_end, half, where=to_end >= threshold)
    return Edges(sampled_s, to_start, to_end, enough, range_ms / 1000)


def extrapolated(
    windows: Windows, known: Edges, *, is_counter: bool, is_rate: bool
) -> tuple[Float64s, Bools]:
    """rate (counter, per second), increase (counter) and delta (neither).

    Every step of the arithmetic is in Prometheus's order, so that the last bit is the same, too: a quantile
    at a bucket's edge would turn a difference there into another bucket.
    returns: (series, steps) values; whether two samples were there, for each series or one row for all
    """
    lost = lost_to_resets(windows) if is_counter else None
    growth = known.growth_per_second if is_rate else known.growth
    out = np.empty(windows.shape)
    for rows, groups, part in windows.parts():
        values = part.columns.values
        first = part.take(values, part.lo)
        result = np.subtract(part.take(values, part.hi - 1), first, out=out[rows])
        if lost is not None:
            result += lost[rows]
        if is_counter and not (first >= result * part.spread(known.least_first[groups])).all():
            result *= _growth_above_zero(part, known, groups, first, result, is_rate=is_rate)
        else:
            result *= part.spread(growth[groups])
    present = known.enough
    return out, everywhere(windows.shape) if is_everywhere(present) else windows.spread(present)


def _growth_above_zero(
    part: Windows, known: Edges, groups: slice, first: Float64s, result: Float64s, *, is_rate: bool
) -> Float64s:
    """A counter cannot have been negative: its line is not extended beyond where it was zero."""
    to_zero = np.divide(first, result, out=first)
    to_zero *= part.spread(known.sampled[groups])
    to_start = part.spread(known.to_start[groups])
    shorter = (to_zero >= 0) & (to_zero < to_start) & (result > 0)
    sampled = part.spread(known.sampled[groups])
    factor = sampled + np.where(shorter, to_zero, to_start)
    factor += part.spread(known.to_end[groups])
    factor /= sampled
    if is_rate:
        factor /= known.range_s
    return factor


def instant(windows: Windows, *, is_rate: bool) -> tuple[Float64s, Bools]:
    """irate and idelta: from the last two samples alone."""
    values = windows.columns.values
    last = windows.take(values, windows.hi - 1)
    before = windows.take(values, windows.hi - 2)
    result = last - before
    if is_rate:
        result = np.where(last < before, last, result)
        elapsed = windows.take_times(windows.hi - 1) - windows.take_times(windows.hi - 2)
        result /= windows.spread(elapsed / 1000)
    return result, windows.spread(windows.counts >= 2)
