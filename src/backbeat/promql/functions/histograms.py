"""histogram_quantile, histogram_quantiles, histogram_fraction of classic histograms (series with `le`).

In:  bucket series. Out: a series a histogram. Histograms of the same bounds are one call of a kernel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from msgspec import Struct

from backbeat.model import gotext
from backbeat.model.arrays import Bools, Float64s, Int64s
from backbeat.model.labels import Labels
from backbeat.promql.ast import Call, Expr
from backbeat.promql.evaluation import Evaluation, Operator, unwrapped
from backbeat.promql.go_floats import parse_float
from backbeat.promql.kernels import buckets
from backbeat.promql.vector import Grid, Vector, join, merged, without_metadata

_BUCKET_LABEL = "le"


class _Batch(Struct, frozen=True):
    """Histograms with the same bounds, at steps at which all their buckets are there.

    histograms: (histograms,) their index; steps: (steps,) index
    counts:     (histograms, buckets, steps)
    """

    histograms: Int64s
    steps: Int64s
    bounds: Float64s
    counts: Float64s


class _Histograms(Struct, frozen=True):
    labels: list[Labels]
    batches: list[_Batch]
    present: Bools


def _histograms(ev: Evaluation, vector: Vector, argument: Expr) -> _Histograms:
    rows: dict[tuple[tuple[str, str], ...], list[tuple[float, int]]] = {}
    bounds: dict[str, float | None] = {}
    for row, labels in enumerate(vector.labels):
        text = labels.get(_BUCKET_LABEL)
        if text not in bounds:
            bounds[text] = _bound(text)
        bound = bounds[text]
        if bound is None:
            name = labels.metric if ev.dialect.delayed_name_removal else ""
            ev.notes.bad_bucket_label(name, text, unwrapped(argument).span)
            continue
        key = tuple([pair for pair in labels if pair[0] != _BUCKET_LABEL])
        rows.setdefault(key, []).append((bound, row))
    by_bounds: dict[tuple[float, ...], list[tuple[int, list[int]]]] = {}
    present = np.zeros((len(rows), vector.values.shape[1]), bool)
    for histogram, found in enumerate(rows.values()):
        found.sort()
        order = [row for _, row in found]
        present[histogram] = vector.present[order].any(axis=0)
        by_bounds.setdefault(tuple([bound for bound, _ in found]), []).append((histogram, order))
    batches = [
        batch for edges, members in by_bounds.items() for batch in _batches(vector, np.array(edges), members)
    ]
    labels_of = [Labels(key) for key in rows]
    return _Histograms(labels_of, batches, present)


def _bound(text: str) -> float | None:
    """None where it bounds nothing."""
    bound = parse_float(text)
    return None if bound is None or math.isnan(bound) else bound


def _batches(vector: Vector, bounds: Float64s, members: list[tuple[int, list[int]]]) -> Iterator[_Batch]:
    index = np.array([histogram for histogram, _ in members])
    rows = np.array([order for _, order in members])
    steps = np.arange(vector.values.shape[1])
    present = vector.present[rows]
    whole = present.all(axis=(0, 1))
    if whole.any():
        values = vector.values[rows]
        kept = values if whole.all() else values[:, :, whole]
        yield _coalesced(index, steps[whole], bounds, kept)
    if whole.all():
        return
    # Where buckets are missing, each histogram and each set of buckets it has is taken by itself.
    for place, histogram in enumerate(index.tolist()):
        own = present[place][:, ~whole]
        partial = steps[~whole]
        patterns, which = np.unique(own, axis=1, return_inverse=True)
        for number in range(patterns.shape[1]):
            there = patterns[:, number]
            if there.any():
                at = partial[which.reshape(-1) == number]
                values = vector.values[rows[place][there][np.newaxis, :, np.newaxis], at]
                yield _coalesced(np.array([histogram]), at, bounds[there], values)


def _coalesced(histograms: Int64s, steps: Int64s, bounds: Float64s, counts: Float64s) -> _Batch:
    """Buckets with the same bound, differently written, are one."""
    starts = np.flatnonzero(np.append(True, bounds[1:] != bounds[:-1]))
    if len(starts) < len(bounds):
        counts = np.add.reduceat(counts, starts, axis=1)
        bounds = bounds[starts]
    return _Batch(histograms, steps, bounds, counts)


def _result(ev: Evaluation, found: _Histograms, values: Float64s) -> Vector:
    vector = Vector(found.labels, values, found.present).without_empty()
    return ev.without_names(vector)


def _quantile_values(
    ev: Evaluation,
    found: _Histograms,
    q: Float64s,
    grid: Grid,
    argument: Expr,
    *,
    told: Bools | None = None,
) -> Float64s:
    """told: (steps,), where an earlier quantile told of forced monotonicity already."""
    values = np.full(found.present.shape, np.nan)
    values[:, q < 0] = -np.inf
    values[:, q > 1] = np.inf
    usable = (q >= 0) & (q <= 1)
    for batch in found.batches:
        inside = usable[batch.steps]
        if batch.bounds[-1] != np.inf or not inside.any():
            outside = batch.steps[inside]
            values[np.ix_(batch.histograms, outside)] = np.nan
            continue
        steps = batch.steps[inside]
        counts = batch.counts if inside.all() else batch.counts[:, :, inside]
        values[np.ix_(batch.histograms, steps)], forced = buckets.quantile(batch.bounds, counts, q[steps])
        news = forced if told is None else forced.at_steps(~told[steps])
        if news.cells.any():
            _tell_forced(ev, found, batch, steps, news, grid, argument)
    return values


def _tell_forced(
    ev: Evaluation,
    found: _Histograms,
    batch: _Batch,
    steps: Int64s,
    forced: buckets.Forced,
    grid: Grid,
    argument: Expr,
) -> None:
    times = grid.steps[steps]
    names: dict[str, list[int]] = {}
    for place, histogram in enumerate(batch.histograms.tolist()):
        name = found.labels[histogram].metric if ev.dialect.delayed_name_removal else ""
        names.setdefault(name, []).append(place)
    for name, places in names.items():
        cells = forced.cells[places]
        if not cells.any():
            continue
        when = times[cells.any(axis=(0, 1))]
        edges = batch.bounds[cells.any(axis=(0, 2))]
        ev.notes.forced_monotonicity(
            name,
            unwrapped(argument).span,
            (int(when[0]), int(when[-1])),
            (float(edges[0]), float(edges[-1])),
            float(forced.difference[places].max()),
            int(np.count_nonzero(cells.any(axis=1))),
        )


def _check_quantile(ev: Evaluation, q: Float64s, argument: Expr) -> None:
    for wrong in np.unique(q[~((q >= 0) & (q <= 1))]).tolist():
        ev.notes.invalid_quantile(wrong, unwrapped(argument).span)


def _histogram_quantile(ev: Evaluation, node: Call, grid: Grid) -> Vector:
    q = ev.scalar(node.args[0], grid)
    vector = ev.vector(node.args[1], grid)
    _check_quantile(ev, q, node.args[0])
    found = _histograms(ev, vector, node.args[1])
    return _result(ev, found, _quantile_values(ev, found, q, grid, node.args[1]))


def _histogram_quantiles(ev: Evaluation, node: Call, grid: Grid) -> Vector:
    vector = ev.vector(node.args[0], grid)
    label = gotext.readable(ev.text(node.args[1]))
    quantiles = [ev.scalar(arg, grid) for arg in node.args[2:]]
    for q, arg in zip(quantiles, node.args[2:], strict=True):
        _check_quantile(ev, q, arg)
    found = _histograms(ev, vector, node.args[0])
    results = []
    told = np.zeros(grid.size, bool)
    for q in quantiles:
        values = _quantile_values(ev, found, q, grid, node.args[0], told=told)
        told |= (q >= 0) & (q <= 1)
        for number in np.unique(q).tolist():
            same = (q == number) | (np.isnan(q) & np.isnan(number))
            labels = [
                (own if ev.dialect.delayed_name_removal else without_metadata(own)).set(
                    {label: open_metrics_float(number)}
                )
                for own in found.labels
            ]
            results.append(Vector(labels, values, found.present & same).without_empty())
    return merged(ev.without_names(join(results, grid.size)))


def open_metrics_float(value: float) -> str:
    """A float as OpenMetrics writes it in labels: with a point or an exponent."""
    text = gotext.general(value)
    is_plain = text.lstrip("+-").isdigit()
    return text + ".0" if is_plain else text


def _histogram_fraction(ev: Evaluation, node: Call, grid: Grid) -> Vector:
    lower, upper = ev.scalar(node.args[0], grid), ev.scalar(node.args[1], grid)
    found = _histograms(ev, ev.vector(node.args[2], grid), node.args[2])
    values = np.full(found.present.shape, np.nan)
    for batch in found.batches:
        if batch.bounds[-1] == np.inf:
            edges = lower[batch.steps], upper[batch.steps]
            shares = buckets.fraction(batch.bounds, batch.counts, *edges)
            values[np.ix_(batch.histograms, batch.steps)] = shares
    return _result(ev, found, values)


HISTOGRAM_FUNCTIONS: Mapping[str, Operator] = {
    "histogram_fraction": _histogram_fraction,
    "histogram_quantile": _histogram_quantile,
    "histogram_quantiles": _histogram_quantiles,
}
