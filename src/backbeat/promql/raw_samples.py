"""A bare range selector (`x[5m]`) or subquery: samples at their own times, series in label order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backbeat.model.arrays import Int64s
from backbeat.model.labels import Labels
from backbeat.model.samples import SampleBlock
from backbeat.promql.ast import MatrixSelector, RangeMode, Subquery
from backbeat.promql.evaluation import Evaluation
from backbeat.promql.kernels import extended
from backbeat.promql.kernels.windows import half_open
from backbeat.promql.range_vectors import read_range, subquery, subquery_grid
from backbeat.promql.samples import Part
from backbeat.promql.vector import Grid, remove_marked_names


def raw_samples(ev: Evaluation, node: MatrixSelector | Subquery, grid: Grid) -> list[SampleBlock]:
    """One block a series; grid has one step."""
    if isinstance(node, Subquery):
        steps = subquery_grid(ev, node, grid).steps
        vector = remove_marked_names(subquery(ev, node, grid))
        found = [
            _block(labels, steps[there], values[there])
            for labels, values, there in zip(vector.labels, vector.values, vector.present, strict=True)
        ]
    else:
        found = _selected(ev, node, grid)
    ev.budget.hold(sum(len(block.times) for block in found))
    return sorted(found, key=lambda block: block.labels[0])


def _block(labels: Labels, times: Int64s, values: np.ndarray) -> SampleBlock:
    return SampleBlock([labels], times, np.ascontiguousarray(values)[np.newaxis, :])


def _selected(ev: Evaluation, node: MatrixSelector, grid: Grid) -> list[SampleBlock]:
    ends = ev.moments(ev.timing.of(node.selector), grid)
    range_ms = ev.timing.range_ms(node)
    chosen = read_range(ev, node.selector, int(ends[0]), int(ends[0]), range_ms)
    found = []
    for part in chosen.parts:
        cut = _cut if node.selector.mode is RangeMode.PLAIN else _cut_with_edges
        found += cut(ev, node, part, chosen.labels, ends, range_ms)
    return [block for block in found if len(block.times)]


def _cut(
    ev: Evaluation, node: MatrixSelector, part: Part, labels: Sequence[Labels], ends: Int64s, range_ms: int
) -> list[SampleBlock]:
    columns = part.columns
    windows = half_open(columns, ends, range_ms)
    found = []
    for row, series in enumerate(part.series.tolist()):
        group = columns.groups[row]
        lo, hi = int(windows.lo[group, 0]), int(windows.hi[group, 0])
        times, values = columns.starts[group], columns.rows[row]
        found.append(
            _block(
                labels[series],
                columns.times[times + lo : times + hi],
                columns.values[values + lo : values + hi],
            )
        )
    return found


def _cut_with_edges(
    ev: Evaluation, node: MatrixSelector, part: Part, labels: Sequence[Labels], ends: Int64s, range_ms: int
) -> list[SampleBlock]:
    """`anchored` and `smoothed` show the values at the window's edges as samples, too."""
    columns = part.columns.compact()
    is_smoothed = node.selector.mode is RangeMode.SMOOTHED
    reach = extended.extended(columns, ends, range_ms, ev.lookback_ms, is_smoothed=is_smoothed)
    edges = extended.edges(reach, is_counter=False, may_begin_later=True)
    exists = np.broadcast_to(edges.exists, edges.left.shape)
    found = []
    for row, series in enumerate(part.series.tolist()):
        if not exists[row, 0]:
            continue
        group = columns.groups[row]
        lo, hi = int(edges.inner.lo[group, 0]), int(edges.inner.hi[group, 0])
        times, values = columns.starts[group], columns.rows[row]
        found.append(
            _block(
                labels[series],
                np.concatenate(([reach.begins[0]], columns.times[times + lo : times + hi], [reach.ends[0]])),
                np.concatenate(
                    (edges.left[row], columns.values[values + lo : values + hi], edges.right[row])
                ),
            )
        )
    return found
