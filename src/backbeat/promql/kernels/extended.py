"""Range vectors with `anchored` and `smoothed`: values at the very edges of a window.

`anchored` takes the newest sample at or before the window's start as the value there; `smoothed` draws a line
between the samples on both sides of an edge. Both look one lookback further than the window.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from backbeat.promql.kernels.arrays import Bools, Float64s, Int64s
from backbeat.promql.kernels.folds import changes, resets
from backbeat.promql.kernels.rates import lost_to_resets
from backbeat.promql.kernels.windows import Array, Columns, Windows


class Extended(Struct, frozen=True):
    """Windows that reach beyond their edges.

    windows:      the samples to look at, one lookback beyond the edges
    begins, ends: (steps,) ms, the true edges
    """

    windows: Windows
    begins: Int64s
    ends: Int64s
    is_smoothed: bool


def extended(
    columns: Columns, ends: Int64s, length_ms: int, lookback_ms: int, *, is_smoothed: bool
) -> Extended:
    begins = ends - length_ms
    lo = columns.bounds(begins - lookback_ms, "right")
    hi = columns.bounds(ends + lookback_ms if is_smoothed else ends, "right")
    return Extended(Windows(columns, lo, hi), begins, ends, is_smoothed)


def interpolate(
    before: Float64s, after: Float64s, before_ms: Array, after_ms: Array, at_ms: Array, *, is_counter: bool
) -> Float64s:
    """The line between two samples at a moment; a counter that fell between them begins at 0."""
    start = np.where(after < before, 0.0, before) if is_counter else before
    drawn: Float64s = start + (after - start) * (at_ms - before_ms) / (after_ms - before_ms)
    return drawn


class Edges(Struct, frozen=True):
    """The values at both edges, and the samples strictly inside: (series, steps) each."""

    left: Float64s
    right: Float64s
    inner: Windows
    exists: Bools


def edges(one: Extended, *, is_counter: bool, may_begin_later: bool = False) -> Edges:
    """may_begin_later: smoothed samples that all lie behind the window make values at its edges, too."""
    windows = one.windows
    values = windows.columns.values
    last = windows.hi - 1
    after_begin = np.minimum(windows.columns.bounds(one.begins, "right"), last)
    first = np.maximum(windows.lo, after_begin - 1)
    if one.is_smoothed:
        last = np.maximum(windows.lo, np.minimum(windows.columns.bounds(one.ends, "left"), last))
    first_ms, last_ms = windows.take_times(first), windows.take_times(last)
    exists = (windows.counts > 0) & (last_ms > one.begins)
    left, right = windows.take(values, first), windows.take(values, last)
    if one.is_smoothed:
        exists &= may_begin_later | (first_ms <= one.ends)
        spread = windows.spread
        drawn = interpolate(
            left,
            windows.take(values, first + 1),
            spread(first_ms),
            spread(windows.take_times(first + 1)),
            one.begins,
            is_counter=is_counter,
        )
        left = np.where(spread(first_ms < one.begins), drawn, left)
        drawn = interpolate(
            windows.take(values, last - 1),
            right,
            spread(windows.take_times(last - 1)),
            spread(last_ms),
            one.ends,
            is_counter=is_counter,
        )
        right = np.where(spread((last_ms > one.ends) & (last > windows.lo)), drawn, right)
    lo = first + (first_ms <= one.begins)
    hi = last + 1 - (last_ms >= one.ends)
    inner = Windows(windows.columns, lo, np.maximum(lo, hi))
    return Edges(left, right, inner, windows.spread(exists))


def increase(one: Extended, range_ms: int, *, is_counter: bool, is_rate: bool) -> tuple[Float64s, Bools]:
    """rate, increase and delta between the values at the edges: (series, steps)."""
    found = edges(one, is_counter=is_counter)
    result = found.right - found.left
    if is_counter:
        inner = found.inner
        values = inner.columns.values
        lost = lost_to_resets(inner)
        if lost is not None:
            result = result + lost
        first, last = inner.take(values, inner.lo), inner.take(values, inner.hi - 1)
        has_inner = inner.spread(inner.counts > 0)
        before = np.where(has_inner, last, found.left)
        result = result + np.where(has_inner & (first < found.left), found.left, 0.0)
        result = result + np.where(found.right < before, before, 0.0)
    if is_rate:
        result = result / (range_ms / 1000)
    return result, found.exists


def anchored_count(one: Extended, *, of_resets: bool) -> tuple[Float64s, Bools]:
    """resets and changes of the anchor and the samples after the window's start."""
    windows = one.windows
    after_begin = np.clip(windows.columns.bounds(one.begins, "right"), windows.lo, windows.hi)
    from_anchor = Windows(windows.columns, np.maximum(windows.lo, after_begin - 1), windows.hi)
    found = resets(from_anchor) if of_resets else changes(from_anchor, nan_is_nan=True)
    return found.astype(np.float64), windows.spread(after_begin < windows.hi)


def at_instants(columns: Columns, at: Int64s, lookback_ms: int) -> tuple[Float64s, Bools]:
    """Smoothed instant vectors: the line between the samples around each moment, the last one carried on.

    at:      (steps,) ms
    returns: (series, steps)
    """
    windows = Windows(
        columns, columns.bounds(at - lookback_ms, "right"), columns.bounds(at + lookback_ms, "right")
    )
    next_ = np.clip(columns.bounds(at, "left"), windows.lo, windows.hi)
    has_next, has_before = next_ < windows.hi, next_ > windows.lo
    next_ms, before_ms = windows.take_times(next_), windows.take_times(next_ - 1)
    is_exact = has_next & (next_ms == at)
    after, before = windows.take(columns.values, next_), windows.take(columns.values, next_ - 1)
    drawn = interpolate(
        before, after, windows.spread(before_ms), windows.spread(next_ms), at, is_counter=False
    )
    spread = windows.spread
    values = np.where(spread(is_exact), after, np.where(spread(has_next), drawn, before))
    return values, spread(is_exact | has_before)
