"""Quantiles of windows, and other results that need every sample of a window at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from backbeat.promql.kernels.arrays import Bools, Float64s, Int64s
from backbeat.promql.kernels.windows import Windows

GATHERED_SAMPLES = 1 << 21
"""samples of windows that are laid out side by side at one time"""


def of_sorted(ordered: Float64s, counts: Int64s, nans: Int64s, q: Float64s) -> Float64s:
    """Prometheus's quantile: linear between the two nearest ranks, NaNs sort first.

    ordered: (..., values) ascending, NaNs stored as -Inf, what is beyond `counts` meaningless
    counts:  (...) values; nans: (...) how many of them are NaN
    q:       broadcastable to (...)
    """
    highest = np.maximum(counts - 1, 0)
    rank = np.clip(np.nan_to_num(q), 0.0, 1.0) * highest
    lower = np.floor(rank).astype(np.int64)
    upper = np.minimum(highest, lower + 1)
    weight = rank - lower

    def at(index: Int64s) -> Float64s:
        found = np.take_along_axis(ordered, index[..., np.newaxis], axis=-1)[..., 0]
        return np.where(index < nans, np.nan, found)

    result = at(lower)
    # An exact rank leaves its neighbour aside: 0 * Inf would be NaN.
    result = np.where(weight == 0, result, result * (1 - weight) + at(upper) * weight)
    result = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, result))
    return np.where(np.isnan(q) | (counts == 0), np.nan, result)


def _gathered(windows: Windows) -> Iterator[tuple[slice, slice, Float64s, Bools]]:
    """Blocks of (rows, steps, samples of those windows side by side, which of these are in the window)."""
    columns = windows.columns
    series, steps = windows.shape
    longest = max(1, int(windows.counts.max(initial=0)))
    wide = max(1, min(steps, GATHERED_SAMPLES // longest))
    high = max(1, GATHERED_SAMPLES // (longest * wide))
    for row in range(0, series, high):
        rows = slice(row, min(row + high, series))
        groups = columns.groups[rows]
        for step in range(0, steps, wide):
            columns_of_steps = slice(step, min(step + wide, steps))
            lo, hi = windows.lo[groups, columns_of_steps], windows.hi[groups, columns_of_steps]
            index = lo[..., np.newaxis] + np.arange(longest)
            inside = index < hi[..., np.newaxis]
            index += columns.rows[rows, np.newaxis, np.newaxis]
            yield rows, columns_of_steps, columns.values.take(index, mode="clip"), inside


def _sorted(values: Float64s, inside: Bools) -> tuple[Float64s, Int64s, Int64s]:
    """Values in order with NaNs first (as -Inf), how many there are, and how many of them are NaN."""
    is_nan = np.isnan(values) & inside
    ordered = np.where(inside, np.where(is_nan, -np.inf, values), np.inf)
    ordered.sort(axis=-1)
    return ordered, inside.sum(axis=-1), is_nan.sum(axis=-1)


def quantile(windows: Windows, q: Float64s) -> Float64s:
    """q: (steps,); returns (series, steps)."""
    out = np.empty(windows.shape)
    for rows, steps, values, inside in _gathered(windows):
        out[rows, steps] = of_sorted(*_sorted(values, inside), q[steps])
    return out


def median_absolute_deviation(windows: Windows) -> Float64s:
    """The median distance from the median; NaN where a sample is NaN."""
    out = np.empty(windows.shape)
    half = np.array(0.5)
    for rows, steps, values, inside in _gathered(windows):
        median = of_sorted(*_sorted(values, inside), half)
        distance = np.abs(values - median[..., np.newaxis])
        deviation = of_sorted(*_sorted(distance, inside), half)
        has_nan = (np.isnan(values) & inside).any(axis=-1)
        out[rows, steps] = np.where(has_nan, np.nan, deviation)
    return out


def double_exponential_smoothing(windows: Windows, smoothing: Float64s, trend: Float64s) -> Float64s:
    """Holt's linear smoothing of each window's samples in order; smoothing, trend: (steps,)."""
    out = np.empty(windows.shape)
    for rows, steps, values, inside in _gathered(windows):
        sf, tf = smoothing[steps], trend[steps]
        level = values[..., 0]
        slope = values[..., 1] - level if values.shape[-1] > 1 else np.zeros_like(level)
        previous = level
        for place in range(
            1, values.shape[-1]
        ):  # a recurrence: the place in the window, for all windows at once
            if place > 1:
                slope = np.where(inside[..., place], tf * (level - previous) + (1 - tf) * slope, slope)
            smoothed = sf * values[..., place] + (1 - sf) * (level + slope)
            previous, level = (
                np.where(inside[..., place], level, previous),
                np.where(inside[..., place], smoothed, level),
            )
        out[rows, steps] = level
    return out
