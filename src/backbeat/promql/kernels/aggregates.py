"""Aggregations over groups of series, for every step at once.

values:  (series, steps); present: (series, steps), False where there is no sample
codes:   (series,) the group of each series, from 0 until before `groups`
returns: (groups, steps) unless said otherwise
"""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct

from backbeat.promql.kernels.arrays import Bools, Float64s, Int64s
from backbeat.promql.kernels.folds import add_in_turn, may_overflow, two_sum
from backbeat.promql.kernels.presence import is_everywhere
from backbeat.promql.kernels.quantiles import of_sorted

_IN_TURN = 64
"""rows that are added one after the other"""
_CANCELLED = 1e-4
"""Below this share of the summed magnitudes a plain sum has lost digits that a compensated one keeps."""


class Groups(Struct, frozen=True):
    """Series brought into the order of their groups.

    order:  (series,) index of the series, group after group, in each as they stand or as ranked
    starts: (groups,) where each group begins in `order`; every group has a series
    codes:  (series,) the group of each series in its own order
    in_order: whether the series stand group after group already
    size:   how many series every group has; 0 where that differs
    """

    order: Int64s
    starts: Int64s
    codes: Int64s
    in_order: bool
    size: int

    @classmethod
    def of(cls, codes: Int64s, ranked: Int64s | None = None) -> Groups:
        """ranked: (series,) the index of the first, the second, ... of all; None: as they stand."""
        if ranked is None:
            order = np.argsort(codes, kind="stable")
        else:
            order = ranked[np.argsort(codes[ranked], kind="stable")]
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        size = len(order) // max(1, len(starts))
        is_even = bool((starts == np.arange(len(starts)) * size).all()) and size * len(starts) == len(order)
        return cls(order, starts, codes, bool((order[1:] > order[:-1]).all()), size if is_even else 0)

    @property
    def ends(self) -> Int64s:
        return np.append(self.starts[1:], len(self.order))

    def sort(self, rows: np.ndarray) -> np.ndarray:
        """Rows group after group; no copy where they stand so already."""
        return rows if self.in_order else rows[self.order]

    def fold(self, operation: np.ufunc, rows: np.ndarray) -> Any:
        """Each group's rows combined by an operation such as addition; rows in their own order."""
        if len(rows) > _IN_TURN * len(self.starts):
            return self._fold_large(operation, rows)
        ordered = self.sort(rows)
        if not self.size:
            return operation.reduceat(ordered, self.starts, axis=0)
        return _fold_blocks(operation, ordered.reshape(len(self.starts), self.size, rows.shape[1]))

    def _fold_large(self, operation: np.ufunc, rows: np.ndarray) -> Any:
        """Group by group, so that rows that do not stand together are brought together a few at once."""
        out = np.empty((len(self.starts), rows.shape[1]), rows.dtype)
        for group, (begin, end) in enumerate(zip(self.starts.tolist(), self.ends.tolist(), strict=True)):
            if self.in_order:
                blocks = rows[begin:end]
            else:
                pieces = [self.order[at : min(at + _IN_TURN, end)] for at in range(begin, end, _IN_TURN)]
                blocks = np.array([operation.reduce(rows[piece], axis=0) for piece in pieces])
            out[group] = _fold_blocks(operation, blocks[np.newaxis])[0]
        return out


def _fold_blocks(operation: np.ufunc, blocks: np.ndarray) -> Any:
    """Over axis 1 of three: in turn, as memory has it, but few at once, so that sums keep their digits."""
    size = blocks.shape[1]
    if size <= 2 * _IN_TURN:
        return operation.reduce(blocks, axis=1)
    whole = size // _IN_TURN * _IN_TURN
    parts = blocks[:, :whole].reshape(len(blocks), -1, _IN_TURN, blocks.shape[2])
    result = _fold_blocks(operation, operation.reduce(parts, axis=2))
    return operation(result, operation.reduce(blocks[:, whole:], axis=1)) if whole < size else result


def counts(groups: Groups, present: Bools) -> Int64s:
    if is_everywhere(present):
        sizes = groups.ends - groups.starts
        return np.broadcast_to(sizes[:, np.newaxis], (len(sizes), present.shape[1]))
    return np.add.reduceat(groups.sort(present), groups.starts, axis=0, dtype=np.int64)


def sums(groups: Groups, values: Float64s, present: Bools) -> Float64s:
    """Sums that keep the digits which Kahan summation keeps."""
    filled = values if is_everywhere(present) else np.where(present, values, 0.0)
    plain: Float64s = groups.fold(np.add, filled)
    lowest = float(np.minimum.reduce(filled, axis=None, initial=0.0))
    if may_overflow(filled, lowest):
        return _sums_in_turn(groups, groups.sort(filled))
    if lowest >= 0.0:
        return plain  # nothing can cancel
    magnitude = groups.fold(np.add, np.abs(filled))
    cancelled = np.abs(plain) < magnitude * _CANCELLED
    for group in np.flatnonzero(cancelled.any(axis=1)):
        plain[group] = _compensated(filled[groups.order[groups.starts[group] : groups.ends[group]]])
    return plain


def _sums_in_turn(groups: Groups, rows: Float64s) -> Float64s:
    """Sums in the order of the series: it decides where a sum becomes too large."""
    out = np.empty((len(groups.starts), rows.shape[1]))
    for group, (begin, end) in enumerate(zip(groups.starts.tolist(), groups.ends.tolist(), strict=True)):
        total, lost = rows[begin], np.zeros(rows.shape[1])
        for row in range(begin + 1, end):
            total, lost = add_in_turn(total, lost, rows[row])
        out[group] = np.where(np.isinf(total), total, total + lost)
    return out


def _compensated(rows: Float64s) -> Float64s:
    """Sums over axis 0, halving the rows with nothing lost: exact sums beside their rounding errors."""
    lost = np.zeros(rows.shape[1])
    while len(rows) > 1:
        half = len(rows) // 2
        total, error = two_sum(rows[:half], rows[half : 2 * half])
        lost = lost + error.sum(axis=0)
        rows = np.concatenate((total, rows[2 * half :])) if len(rows) % 2 else total
    whole: Float64s = rows[0]
    return np.where(np.isfinite(whole), whole + lost, whole)


def means(groups: Groups, values: Float64s, present: Bools) -> Float64s:
    number = counts(groups, present)
    total = sums(groups, values, present)
    result = total / number
    overflown = ~np.isfinite(total)
    if overflown.any():
        finite = np.where(present & np.isfinite(values), 0, 1) * present
        all_finite = np.add.reduceat(groups.sort(finite), groups.starts, axis=0) == 0
        if (overflown & all_finite).any():
            shares = sums(groups, values / number[groups.codes], present)
            result = np.where(overflown & all_finite, shares, result)
    return result


def extremes(groups: Groups, values: Float64s, present: Bools, *, largest: bool) -> Float64s:
    """NaN only where every value of the group is NaN."""
    filled = values if is_everywhere(present) else np.where(present, values, np.nan)
    result: Float64s = groups.fold(np.fmax if largest else np.fmin, filled)
    return result


def variances(groups: Groups, values: Float64s, present: Bools) -> Float64s:
    number = counts(groups, present)
    # Distances from one of the values: exactly 0 where all are equal.
    values = values - extremes(groups, values, present, largest=False)[groups.codes]
    distance = values - means(groups, values, present)[groups.codes]
    return sums(groups, distance * distance, present) / number


def quantiles(groups: Groups, values: Float64s, present: Bools, q: Float64s) -> Float64s:
    """q: (steps,)"""
    out = np.empty((len(groups.starts), values.shape[1]))
    for group, (start, end) in enumerate(zip(groups.starts, groups.ends, strict=True)):
        rows = groups.order[start:end]
        inside = present[rows].T
        is_nan = np.isnan(values[rows].T) & inside
        ordered = np.where(inside, np.where(is_nan, -np.inf, values[rows].T), np.inf)
        ordered.sort(axis=-1)
        out[group] = of_sorted(ordered, inside.sum(axis=-1), is_nan.sum(axis=-1), q)
    return out


def best(groups: Groups, values: Float64s, present: Bools, k: int, *, largest: bool) -> Bools:
    """Which series are at some step among the k best of their group, or as good as the last: (series,)."""
    keys = np.where(present, -values if largest else values, np.nan)
    out = np.ones(len(values), bool)
    for start, end in zip(groups.starts, groups.ends, strict=True):
        if end - start > k:
            rows = groups.order[start:end]
            own = keys[rows]
            last = np.partition(own, k - 1, axis=0)[k - 1]  # NaN is after every number
            out[rows] = ((own <= last) | (np.isnan(last) & present[rows])).any(axis=1)
    return out


def ranks(groups: Groups, values: Float64s, present: Bools, *, largest: bool) -> Int64s:
    """The place of each sample in its group's order, 0 for the best: (series, steps).

    NaN comes after every number, what is absent after everything; of equals the first of the group is better.
    """
    keys = np.where(present & ~np.isnan(values), -values if largest else values, np.inf)
    class_ = np.where(present, np.isnan(values).astype(np.int8), np.int8(2))
    out = np.empty(values.shape, np.int64)
    for start, end in zip(groups.starts, groups.ends, strict=True):
        rows = groups.order[start:end]
        order = np.lexsort((keys[rows], class_[rows]), axis=0)
        place = np.empty_like(order)
        np.put_along_axis(place, order, np.arange(len(rows))[:, np.newaxis], axis=0)
        out[rows] = place
    return out


def first_places(groups: Groups, present: Bools) -> Int64s:
    """How many present series of its group stand before each: (series, steps)."""
    ordered = groups.sort(present)
    running = np.cumsum(ordered, axis=0, dtype=np.int64)
    base = np.where(groups.starts[:, np.newaxis] > 0, running.take(groups.starts - 1, axis=0, mode="clip"), 0)
    sizes = groups.ends - groups.starts
    before = running - np.repeat(base, sizes, axis=0) - ordered
    out: Int64s = np.empty_like(before)
    out[groups.order] = before
    return out
