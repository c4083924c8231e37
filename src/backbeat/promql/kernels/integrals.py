"""The integral over time of each window: the area between its samples, in value times seconds."""

from __future__ import annotations

import numpy as np

from backbeat.promql.kernels.arrays import Float64s
from backbeat.promql.kernels.folds import sample_times, sums, two_sum
from backbeat.promql.kernels.windows import Columns, Windows

LEFT, RIGHT, TRAPEZOID = 0.0, 1.0, 2.0
STRATEGIES = (LEFT, RIGHT, TRAPEZOID)
"""what stands for a stretch between two samples: the value before it, the one behind it, their mean"""


def integral(windows: Windows, strategy: Float64s) -> Float64s:
    """NaN counts as 0; a window of one sample has no stretch, and is 0.

    strategy: (steps,) one of STRATEGIES; anything else is the mean
    returns:  (series, steps)
    """
    columns = windows.columns
    before, after = _neighbours(columns)
    seconds = _stretches(columns)
    # A window's first stretch begins with its first sample, so it lies at the second.
    inner = Windows(columns, np.minimum(windows.lo + 1, windows.hi), windows.hi)
    out = np.zeros(windows.shape)
    known = np.where(np.isin(strategy, STRATEGIES), strategy, TRAPEZOID)
    for chosen in np.unique(known).tolist():
        if chosen == TRAPEZOID:
            found = _of_means(inner, before, after, seconds)
        else:
            found = _summed(inner, (before if chosen == LEFT else after) * seconds)
        out = np.where(known == chosen, found, out)
    return out


def _neighbours(columns: Columns) -> tuple[Float64s, Float64s]:
    """The values at the ends of the stretch before each sample; both 0 at a series' first."""
    after = np.where(np.isnan(columns.values), 0.0, columns.values)
    before = np.zeros_like(after)
    before[1:] = after[:-1]
    before[columns.rows] = after[columns.rows] = 0.0
    return before, after


def _stretches(columns: Columns) -> Float64s:
    """Seconds from the sample before to each; 0 at a series' first: aligned with `values`."""
    times = sample_times(columns)
    if columns.is_rectangle:
        apart = np.tile(np.diff(times, prepend=times[:1]), len(columns.rows))
    else:
        apart = np.diff(times, prepend=times[:1])
    apart[columns.rows] = 0
    return apart / 1000


def _of_means(inner: Windows, before: Float64s, after: Float64s, seconds: Float64s) -> Float64s:
    """With what rounding takes from a sum of a large value and a small one."""
    total, lost = two_sum(before, after)
    halves = before / 2 + after / 2
    overflows = np.isinf(total) & np.isfinite(before) & np.isfinite(after)
    means = np.where(overflows, halves, total / 2)
    whole = _summed(inner, means * seconds)
    if not lost.any():
        return whole
    rest = _summed(inner, lost / 2 * seconds)
    return np.where(np.isinf(whole), whole, whole + rest)


def _summed(inner: Windows, pieces: Float64s) -> Float64s:
    columns = inner.columns
    aligned = Columns(pieces, columns.rows, columns.groups, columns.times, columns.starts)
    # What an empty window sums up to means nothing.
    return np.where(inner.spread(inner.counts > 0), sums(Windows(aligned, inner.lo, inner.hi)), 0.0)
