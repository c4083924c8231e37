"""Vector selectors: each series' newest sample in the lookback before every step.

In:  blocks from the queryable. Out: a Vector over the grid.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backbeat.model.arrays import Bools, Float64s, Int64s
from backbeat.model.samples import is_stale
from backbeat.promql.ast import RangeMode, VectorSelector
from backbeat.promql.evaluation import Evaluation
from backbeat.promql.kernels import extended
from backbeat.promql.kernels.presence import everywhere, is_everywhere
from backbeat.promql.kernels.windows import Columns, Windows, newest
from backbeat.promql.samples import Selection, selection
from backbeat.promql.slicing import over_time
from backbeat.promql.timing import FixedTime
from backbeat.promql.vector import Grid, Vector, empty_vector

Kernel = Callable[[Columns], tuple[Float64s, Bools]]


def vector_selector(ev: Evaluation, node: VectorSelector, grid: Grid) -> Vector:
    when = ev.timing.of(node)
    lookback = ev.lookback_ms

    def smoothed(piece: Grid, steps: slice) -> Vector:
        at = ev.moments(when, piece)
        chosen = _select(ev, node, at, after_ms=lookback, with_stale=False)
        return assemble(chosen, piece, lambda columns: extended.at_instants(columns.compact(), at, lookback))

    def plain(piece: Grid, steps: slice) -> Vector:
        at = ev.moments(when, piece)
        chosen = _select(ev, node, at, after_ms=0, with_stale=True)
        return assemble(chosen, piece, lambda columns: _newest_values(columns, at, lookback))

    if node.mode is RangeMode.SMOOTHED:
        return over_time(ev, node.matchers, grid, 2 * lookback, smoothed)
    return over_time(ev, node.matchers, grid, lookback, plain)


def sample_times(
    ev: Evaluation, node: VectorSelector, grid: Grid, when: FixedTime, *, seen_from_ms: int | None = None
) -> Vector:
    """When the selected samples were taken: the same series, with seconds as values.

    seen_from_ms: where the lookback ends, if not at the moment that the samples are read for
    """

    def compute(piece: Grid, steps: slice) -> Vector:
        at = ev.moments(when, piece)
        after_ms = ev.lookback_ms if node.mode is RangeMode.SMOOTHED else 0
        chosen = _select(ev, node, at, after_ms=after_ms, with_stale=True)
        seen_from = at if seen_from_ms is None else np.full(piece.size, seen_from_ms, np.int64)
        return assemble(chosen, piece, lambda columns: _newest_times(columns, seen_from, ev.lookback_ms))

    return over_time(ev, node.matchers, grid, ev.lookback_ms, compute)


def _select(
    ev: Evaluation, node: VectorSelector, at: Int64s, *, after_ms: int, with_stale: bool
) -> Selection:
    first, last = at.item(0), at.item(-1)
    blocks = ev.queryable.read(node.matchers, first - ev.lookback_ms + 1, last + after_ms)
    chosen = selection(blocks, with_stale=with_stale, lists=ev.lists)
    ev.budget.read += chosen.samples
    ev.budget.series += len(chosen.labels)
    ev.budget.hold(chosen.samples)
    ev.deadline.check()
    return chosen


def _newest_values(columns: Columns, at: Int64s, lookback_ms: int) -> tuple[Float64s, Bools]:
    index, found = newest(columns, at, lookback_ms)
    return _not_stale(Windows(columns, index, index), index, found)


def _newest_times(columns: Columns, at: Int64s, lookback_ms: int) -> tuple[Float64s, Bools]:
    index, found = newest(columns, at, lookback_ms)
    windows = Windows(columns, index, index)
    present = _not_stale(windows, index, found)[1]
    return np.broadcast_to(windows.spread(windows.take_times(index)) / 1000, present.shape), present


def _not_stale(windows: Windows, index: Int64s, found: Bools) -> tuple[Float64s, Bools]:
    values = windows.take(windows.columns.values, index)
    return values, windows.spread(found) & ~is_stale(values)


def assemble(chosen: Selection, grid: Grid, kernel: Kernel) -> Vector:
    """Run a kernel over every part of a selection and put the rows in the selection's order."""
    shape = (len(chosen.labels), grid.size)
    if not chosen.parts:
        return empty_vector(grid.size)
    if len(chosen.parts) == 1 and len(chosen.parts[0].series) == shape[0]:
        part = chosen.parts[0]
        values, present = kernel(part.columns)
        labels = chosen.labels if part.is_in_order else [chosen.labels[row] for row in part.series.tolist()]
        if values.shape != shape:
            values = np.broadcast_to(values, shape)
        if present.shape != shape:
            present = np.broadcast_to(present, shape)
        return Vector(labels, values, present).without_empty()
    all_values, presences = np.empty(shape), []
    for part in chosen.parts:
        all_values[part.place], present = kernel(part.columns)
        presences.append(present)
    if sum(len(part.series) for part in chosen.parts) == shape[0] and all(map(is_everywhere, presences)):
        return Vector(chosen.labels, all_values, everywhere(shape))
    all_present = np.zeros(shape, bool)
    for part, present in zip(chosen.parts, presences, strict=True):
        all_present[part.place] = present
    return Vector(chosen.labels, all_values, all_present).without_empty()
