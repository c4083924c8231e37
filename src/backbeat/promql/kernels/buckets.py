"""Quantiles and fractions of classic histograms.

bounds: (buckets,) upper bounds, strictly ascending, the last one +Inf
counts: (histograms, buckets, steps) cumulative counts
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from backbeat.promql.kernels.arrays import Bools, Float64s

_TOLERANCE = 1e-12
_SMALLEST_NORMAL = float(np.finfo(np.float64).tiny)
_LARGEST = float(np.finfo(np.float64).max)


class Forced(Struct, frozen=True):
    """Where counts had to be raised, since they fell from one bucket to the next.

    cells:      (histograms, buckets, steps)
    difference: (histograms, steps), the largest
    """

    cells: Bools
    difference: Float64s

    def at_steps(self, chosen: Bools) -> Forced:
        """The same with nothing forced at other steps than the chosen ones; (steps,)."""
        return Forced(self.cells & chosen, self.difference)


def _almost_equal(one: Float64s, two: Float64s) -> Bools:
    total, distance = np.abs(one) + np.abs(two), np.abs(one - two)
    tiny = (one == 0) | (two == 0) | (total < _SMALLEST_NORMAL)
    close: Bools = np.where(
        tiny, distance < _TOLERANCE * _SMALLEST_NORMAL, distance / np.minimum(total, _LARGEST) < _TOLERANCE
    )
    close |= (one == two) | (np.isnan(one) & np.isnan(two))
    return close


def monotonic(counts: Float64s) -> tuple[Float64s, Forced]:
    """Counts that never fall from bucket to bucket; differences of rounding alone are smoothed silently."""
    out, forced = counts, np.zeros(counts.shape, bool)
    difference = np.zeros((counts.shape[0], counts.shape[2]))
    rises = np.diff(counts, axis=1)
    is_fine = ((rises > 4 * _TOLERANCE * counts[:, 1:]) | (rises == 0)).all(axis=1)
    if not is_fine.all():
        histograms, steps = np.nonzero(~is_fine)
        mended, where = _raised(counts[histograms, :, steps][:, :, np.newaxis])
        out = counts.copy()
        out[histograms, :, steps] = mended[:, :, 0]
        forced[histograms, :, steps] = where.cells[:, :, 0]
        difference[histograms, steps] = where.difference[:, 0]
    return out, Forced(forced, difference)


def _raised(counts: Float64s) -> tuple[Float64s, Forced]:
    """Bucket by bucket: what does not rise clearly is as high as the bucket before it."""
    out = counts.copy()
    forced = np.zeros(counts.shape, bool)
    difference = np.zeros((counts.shape[0], counts.shape[2]))
    previous = counts[:, 0]
    for bucket in range(1, counts.shape[1]):
        current = counts[:, bucket]
        same = _almost_equal(previous, current)
        falls = ~same & (current < previous)
        forced[:, bucket] = falls
        difference = np.where(falls, np.fmax(difference, previous - current), difference)
        previous = np.where(same | falls, previous, current)
        out[:, bucket] = previous
    return out, Forced(forced, difference)


def quantile(bounds: Float64s, counts: Float64s, q: Float64s) -> tuple[Float64s, Forced]:
    """Linear interpolation inside the bucket of the rank, from 0 in a lowest bucket above 0.

    q:       (steps,), each from 0 to 1 or NaN
    returns: (histograms, steps)
    """
    counts, forced = monotonic(counts)
    if len(bounds) < 2:
        return np.full((counts.shape[0], counts.shape[2]), np.nan), forced
    observations = counts[:, -1]
    rank = q * observations
    reaches = counts[:, :-1] >= rank[:, np.newaxis]
    bucket = np.where(reaches.any(axis=1), reaches.argmax(axis=1), len(bounds) - 1)
    below = np.maximum(bucket - 1, 0)
    has_below = bucket > 0
    count_below = np.where(has_below, np.take_along_axis(counts, below[:, np.newaxis], axis=1)[:, 0], 0.0)
    count = np.take_along_axis(counts, bucket[:, np.newaxis], axis=1)[:, 0] - count_below
    start = np.where(has_below, bounds[below], 0.0)
    result = start + (bounds[bucket] - start) * ((rank - count_below) / count)
    if bounds[0] <= 0:
        result = np.where(bucket == 0, bounds[0], result)
    result = np.where(bucket == len(bounds) - 1, bounds[-2], result)
    return np.where((observations == 0) | np.isnan(q), np.nan, result), forced


def fraction(bounds: Float64s, counts: Float64s, lower: Float64s, upper: Float64s) -> Float64s:
    """The share of observations between two values; lower, upper: (steps,)."""
    total = counts[:, -1]
    low, high = (np.minimum(_rank_of(bounds, counts, edge), total) for edge in (lower, upper))
    result = np.where(lower >= upper, 0.0, (high - low) / total)
    return np.where((total == 0) | np.isnan(lower) | np.isnan(upper), np.nan, result)


def _rank_of(bounds: Float64s, counts: Float64s, edge: Float64s) -> Float64s:
    """How many observations are at or below `edge`: (histograms, steps)."""
    first_start = 0.0 if bounds[0] > 0 else -np.inf
    starts = np.append(first_start, bounds[:-1])
    below = np.concatenate((np.zeros_like(counts[:, :1]), counts[:, :-1]), axis=1)
    rank = np.full((counts.shape[0], counts.shape[2]), np.inf)
    found = np.zeros(len(edge), bool)
    for bucket, (start, end) in enumerate(zip(starts, bounds, strict=True)):
        at_start = ~found & (start >= edge)
        inside = ~found & ~at_start & (end > edge)
        reached = (
            counts[:, bucket]
            if start == -np.inf
            else below[:, bucket] + (counts[:, bucket] - below[:, bucket]) * (edge - start) / (end - start)
        )
        rank = np.where(at_start, below[:, bucket], np.where(inside, reached, rank))
        found |= at_start | inside
    return rank
