"""Associative reductions over sliding windows, in O((samples + windows) * log(longest window)).

Level k of a table holds the reduction of 2**k neighbouring samples; a window is the merge of the pieces that
its length has in binary. Nothing is subtracted, so no window feels what lies outside it: an Inf, a NaN or a
huge value elsewhere in the series changes no digit.

A state is a tuple of arrays of equal shape (or broadcastable); `merge(earlier, later)` joins two.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backbeat.promql.kernels.arrays import Bools, Float64s, Int64s
from backbeat.promql.kernels.windows import Array, Columns, Windows

_HUGE = 1e300
State = tuple[Array, ...]
Merge = Callable[[State, State], State]


def fold(windows: Windows, leaves: State, merge: Merge) -> State:
    """Reduce every window; where a window is empty the result is meaningless.

    leaves:  arrays aligned with the values of `windows.columns`, or for a rectangle with its timestamps
    returns: arrays of (series, steps), or (1, steps) for leaves that all series share
    """
    columns = windows.columns
    rectangle = columns.is_rectangle
    level = tuple(leaf.reshape(-1, len(columns.times)) if rectangle else leaf for leaf in leaves)
    counts = windows.counts
    longest = int(counts.max(initial=0))
    place = windows.lo.copy()
    result: State | None = None
    filled = np.zeros_like(counts, dtype=bool)
    width = 1
    while width <= longest:
        has_piece = (counts & width) != 0
        if has_piece.any():
            piece = tuple(_take(windows, samples, place) for samples in level)
            if result is None:
                result = piece
            else:
                joined = merge(result, piece)
                choose, both = windows.spread(has_piece), windows.spread(has_piece & filled)
                result = tuple(
                    np.where(both, new, np.where(choose, own, old))
                    for new, own, old in zip(joined, piece, result, strict=True)
                )
            filled |= has_piece
            place += has_piece * width
        width *= 2
        if width <= longest:
            level = merge(
                tuple(samples[..., : -(width // 2)] for samples in level),
                tuple(samples[..., width // 2 :] for samples in level),
            )
    if result is None:
        return tuple(np.zeros(windows.shape, leaf.dtype) for leaf in leaves)
    return result


def _take(windows: Windows, samples: Array, place: Int64s) -> Array:
    columns = windows.columns
    if columns.is_rectangle:
        found: Array = samples.take(place[0], axis=1, mode="clip")
        return found
    return samples.take(columns.rows[:, np.newaxis] + windows.spread(place), mode="clip")


def two_sum(one: Float64s, two: Float64s) -> tuple[Float64s, Float64s]:
    """The rounded sum and what rounding lost, exactly; nothing is lost where the sum is not finite."""
    total = one + two
    part = total - one
    lost = (one - (total - part)) + (two - part)
    return total, np.where(np.isfinite(total), lost, 0.0)


def _merge_sums(one: State, two: State) -> State:
    total, lost = two_sum(one[0], two[0])
    return total, one[1] + two[1] + lost


def _add(one: State, two: State) -> State:
    return (one[0] + two[0],)


def sums(windows: Windows) -> Float64s:
    """The sum of each window, with the digits that Kahan summation keeps: (series, steps)."""
    out = np.empty(windows.shape)
    for rows, _, block in windows.parts():
        values = block.columns.values
        lowest = float(values.min(initial=0.0))
        if may_overflow(values, lowest):
            out[rows] = _sums_in_turn(block)
        elif lowest >= 0.0:
            # Nothing cancels, and adding by halves rounds no more than a few times.
            (out[rows],) = fold(block, (values,), _add)
        else:
            total, lost = fold(block, (values, np.zeros_like(values)), _merge_sums)
            out[rows] = np.where(np.isfinite(total), total + lost, total)
    return out


def may_overflow(values: Float64s, lowest: float) -> bool:
    """Whether a sum of finite values could be too large, or nearly so; lowest: their minimum."""
    if lowest >= -_HUGE and float(np.maximum.reduce(values, axis=None, initial=0.0)) <= _HUGE:
        return False
    return bool((np.isfinite(values) & (np.abs(values) > _HUGE)).any())


def add_in_turn(total: Float64s, lost: Float64s, value: Float64s) -> tuple[Float64s, Float64s]:
    """One more term of a Kahan sum, as Prometheus adds it."""
    new = total + value
    change = np.where(np.abs(total) >= np.abs(value), (total - new) + value, (value - new) + total)
    return new, np.where(np.isinf(new), 0.0, lost + change)


def _sums_in_turn(windows: Windows) -> Float64s:
    """Sums in the order of the samples: it decides where a sum becomes too large."""
    counts = windows.spread(windows.counts)
    total, lost = np.zeros(windows.shape), np.zeros(windows.shape)
    for place in range(int(counts.max(initial=0))):
        value = windows.take(windows.columns.values, windows.lo + place)
        there = place < counts
        more, rest = add_in_turn(total, lost, value)
        total, lost = np.where(there, more, total), np.where(there, rest, lost)
    return np.where(np.isinf(total), total, total + lost)


def _largest(one: State, two: State) -> State:
    return (np.fmax(one[0], two[0]),)


def _smallest(one: State, two: State) -> State:
    return (np.fmin(one[0], two[0]),)


def extreme(windows: Windows, *, largest: bool) -> Float64s:
    """The largest or smallest value of each window; NaN only where every value is NaN."""
    out = np.empty(windows.shape)
    for rows, _, block in windows.parts():
        (out[rows],) = fold(block, (block.columns.values,), _largest if largest else _smallest)
    return out


def time_of_extreme(windows: Windows, *, largest: bool) -> Float64s:
    """When the largest or smallest value came last: (series, steps) ms."""

    def later_wins(one: State, two: State) -> State:
        beats = (two[0] >= one[0]) if largest else (two[0] <= one[0])
        wins = beats | np.isnan(one[0])
        return np.where(wins, two[0], one[0]), np.where(wins, two[1], one[1])

    out = np.empty(windows.shape)
    for rows, _, block in windows.parts():
        times = sample_times(block.columns).astype(np.float64)
        out[rows] = fold(block, (block.columns.values, times), later_wins)[1]
    return out


def sample_times(columns: Columns) -> Int64s:
    """Each sample's timestamp: aligned with `values`; for a rectangle the shared ones, once."""
    if columns.is_rectangle:
        return columns.times
    lengths = np.diff(columns.starts)[columns.groups]
    within = np.arange(len(columns.values)) - np.repeat(columns.rows, lengths)
    times: Int64s = columns.times[np.repeat(columns.starts[columns.groups], lengths) + within]
    return times


def pivots(columns: Columns) -> Float64s:
    """Each sample's series' first value, where subtracting it rounds nothing, else 0; aligned with `values`.

    It rounds nothing where all values of the series lie within a factor of two of each other: there digits
    would be lost by squaring what all have in common.
    """
    values, rows = columns.values, columns.rows
    smallest, largest = np.fmin.reduceat(values, rows), np.fmax.reduceat(values, rows)
    is_near = ((smallest > 0) & (largest <= 2 * smallest)) | ((largest < 0) & (smallest >= 2 * largest))
    first = values[rows]
    first = np.where(is_near & np.isfinite(first), first, 0.0)
    lengths = np.diff(columns.starts)[columns.groups]
    return np.repeat(first, lengths)


def _merge_spread(one: State, two: State) -> State:
    """Chan's update: counts, means, sums of squared distances from the mean."""
    count = one[0] + two[0]
    delta = two[1] - one[1]
    mean = one[1] + delta * (two[0] / count)
    return count, mean, one[2] + two[2] + delta * delta * (one[0] * two[0] / count)


def variance(windows: Windows) -> Float64s:
    """The population variance of each window."""
    out = np.empty(windows.shape)
    for rows, _, block in windows.parts():
        columns = block.columns
        # A lone infinite value has no distance from its mean.
        zeros = np.where(np.isfinite(columns.values), 0.0, np.nan)
        ones = np.ones(len(columns.times)) if columns.is_rectangle else np.ones_like(columns.values)
        count, _, squares = fold(block, (ones, columns.values - pivots(columns), zeros), _merge_spread)
        out[rows] = squares / count
    return out


def _merge_lines(one: State, two: State) -> State:
    count = one[0] + two[0]
    share, weight = two[0] / count, one[0] * two[0] / count
    dx, dy = two[1] - one[1], two[2] - one[2]
    return (
        count,
        one[1] + dx * share,
        one[2] + dy * share,
        one[3] + two[3] + dx * dx * weight,
        one[4] + two[4] + dx * dy * weight,
    )


def regression(windows: Windows, at: Int64s) -> tuple[Float64s, Float64s]:
    """The least-squares line of each window with two samples or more.

    at:      (steps,) ms, where the line's value is wanted
    returns: slope per second and the value at `at`: (series, steps) each.
    A constant series has slope 0, an infinite constant one has NaN, as in Prometheus.
    """
    slope, value = np.empty(windows.shape), np.empty(windows.shape)
    for rows, _, block in windows.parts():
        columns = block.columns
        # From a moment nearby, in whole ms: seconds since the epoch would leave no digits for the slope.
        origin = columns.times[0]
        x = (sample_times(columns) - origin).astype(np.float64)
        pivot = pivots(columns)
        y = columns.values - pivot
        undefined = np.where(np.isfinite(y), 0.0, np.nan)
        state = fold(block, (np.ones_like(x), x, y, np.zeros_like(x), undefined), _merge_lines)
        _, mean_x, mean_y, xx, xy = state
        first = block.take(columns.values, block.lo)
        constant = changes(block) == 0
        infinite = np.isinf(first)
        slope[rows] = np.where(constant, np.where(infinite, np.nan, 0.0), xy / xx * 1000)
        mean = np.where(constant, first, mean_y + block.take(pivot, block.lo))
        value[rows] = mean + slope[rows] * (((at - origin) - mean_x) / 1000)
    return slope, value


def _count_flags(windows: Windows, flags: Bools) -> Int64s:
    """How many flags stand at each window's samples but the first."""
    running = np.cumsum(flags, dtype=np.int64)
    at_end = windows.take(running, windows.hi - 1)
    return np.where(windows.spread(windows.counts > 0), at_end - windows.take(running, windows.lo), 0)


def _neighbours(values: Float64s) -> tuple[Float64s, Float64s]:
    return values[:-1], values[1:]


def changes(windows: Windows, *, nan_is_nan: bool = False) -> Int64s:
    """How often a value differs from the one before it; two NaNs differ unless `nan_is_nan`."""
    before, after = _neighbours(windows.columns.values)
    flags = np.zeros(len(windows.columns.values), bool)
    flags[1:] = before != after
    if nan_is_nan:
        flags[1:] &= ~(np.isnan(before) & np.isnan(after))
    return _count_flags(windows, flags)


def resets(windows: Windows) -> Int64s:
    """How often a value is lower than the one before it."""
    return _count_flags(windows, is_reset(windows.columns.values))


def is_reset(values: Float64s) -> Bools:
    """Where a value is lower than the one before it; rows of different series border on each other here."""
    before, after = _neighbours(values)
    flags = np.zeros(len(values), bool)
    np.less(after, before, out=flags[1:])
    return flags
