"""sum, topk, quantile, count_values and the other aggregations, `by` or `without` labels.

In:  a Vector. Out: a Vector with a series a group, or some of the input's series.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from backbeat.model import gotext
from backbeat.model.arrays import Bools, Float64s, Int64s
from backbeat.model.labels import Labels
from backbeat.promql import batched
from backbeat.promql.ast import (
    Aggregate,
    Call,
    MatrixSelector,
    NumberLiteral,
    RangeMode,
    StringLiteral,
    VectorSelector,
)
from backbeat.promql.evaluation import Evaluation, fail, unwrapped
from backbeat.promql.kernels import aggregates
from backbeat.promql.kernels.aggregates import Groups
from backbeat.promql.kernels.presence import everywhere, is_everywhere
from backbeat.promql.label_hash import sample_offset
from backbeat.promql.label_lists import label_order
from backbeat.promql.names import is_label_name
from backbeat.promql.range_functions import RANGE_FUNCTIONS
from backbeat.promql.slicing import fits_at_once, over_time
from backbeat.promql.vector import METADATA_LABELS, Grid, Vector, empty_vector

Kernel = Callable[[Groups, Float64s, Bools], Float64s | Int64s]

_SIMPLE: Mapping[str, Kernel] = {
    "avg": aggregates.means,
    "count": lambda groups, values, present: aggregates.counts(groups, present),
    "group": lambda groups, values, present: np.ones((len(groups.starts), values.shape[1])),
    "max": lambda groups, values, present: aggregates.extremes(groups, values, present, largest=True),
    "min": lambda groups, values, present: aggregates.extremes(groups, values, present, largest=False),
    "stddev": lambda groups, values, present: np.sqrt(aggregates.variances(groups, values, present)),
    "stdvar": aggregates.variances,
    "sum": aggregates.sums,
}
_FEW = 50
"""series of a group that are sooner put in order than sifted"""
_MAX_INT64, _MIN_INT64 = 9.223372036854775807e18, -9.223372036854775808e18


def aggregate(ev: Evaluation, node: Aggregate, grid: Grid) -> Vector:
    """Steps before the oldest sample of all have no result, and are not computed.

    What is read a piece at a time is also aggregated so, for its series are the many.
    """
    before = (ev.oldest_ms() - grid.start_ms - 1) // grid.step_ms + 1
    if before <= 0 and fits_at_once(ev, grid):
        return _aggregate(ev, node, grid)
    selector = _aggregated_samples(node)
    if selector is None:
        return _aggregate(ev, node, grid)

    reach_ms = ev.lookback_ms if isinstance(selector, VectorSelector) else ev.timing.range_ms(selector)
    matchers = selector.matchers if isinstance(selector, VectorSelector) else selector.selector.matchers
    is_foldable = batched.is_foldable(ev, node, matchers)

    def compute(piece: Grid, steps: slice) -> Vector:
        def whole() -> Vector:
            return _aggregate(ev, node, piece)

        folded = batched.in_batches(ev, node.op, matchers, piece, reach_ms, whole) if is_foldable else None
        return whole() if folded is None else folded

    if before <= 0:
        return over_time(ev, matchers, grid, reach_ms, compute)
    before = min(before, grid.size - 1)
    found = over_time(ev, matchers, grid.part(slice(before, grid.size)), reach_ms, compute)
    shape = (len(found.labels), grid.size)
    values, present = np.zeros(shape), np.zeros(shape, bool)
    values[:, before:], present[:, before:] = found.values, found.present
    return Vector(found.labels, values, present, found.nameless)


def _aggregated_samples(node: Aggregate) -> VectorSelector | MatrixSelector | None:
    """What it aggregates, if that is a selector or a function of ranges that sees nothing after its step."""
    if node.param is not None and not isinstance(node.param, NumberLiteral | StringLiteral):
        return None
    expr = unwrapped(node.expr)
    if isinstance(expr, Call) and expr.function in RANGE_FUNCTIONS and expr.function != "absent_over_time":
        expr = next((arg for arg in expr.args if isinstance(arg, MatrixSelector)), expr)
    selector = expr.selector if isinstance(expr, MatrixSelector) else expr
    if (
        isinstance(selector, VectorSelector)
        and selector.at is None
        and selector.offset is None
        and selector.mode is RangeMode.PLAIN
    ):
        return expr if isinstance(expr, MatrixSelector) else selector
    return None


def _aggregate(ev: Evaluation, node: Aggregate, grid: Grid) -> Vector:
    if node.op == "count_values":
        return _count_values(ev, node, grid)
    param = ev.scalar(node.param, grid) if node.param is not None else np.zeros(grid.size)
    vector = ev.vector(node.expr, grid)
    if node.op in ("topk", "bottomk", "limitk"):
        return _some(ev, node, vector, param)
    if node.op == "limit_ratio":
        return _share(ev, node, vector, param)
    if node.op == "quantile":
        _check_quantiles(ev, node, param)
    if not vector.labels:
        return empty_vector(grid.size)
    names, groups = _grouped(ev, node, vector)
    if node.op == "quantile":
        result: Float64s = aggregates.quantiles(groups, vector.values, vector.present, param)
    else:
        result = _SIMPLE[node.op](groups, vector.values, vector.present).astype(np.float64, copy=False)
    present = _any(groups, vector.present)
    return Vector(names, result, present, _any_mark(groups, vector)).without_empty()


def _any(groups: Groups, present: Bools) -> Bools:
    if is_everywhere(present):
        return everywhere((len(groups.starts), present.shape[1]))
    found: Bools = groups.fold(np.logical_or, present)
    return found


def _any_mark(groups: Groups, vector: Vector) -> Bools | None:
    if vector.nameless is None:
        return None
    return np.logical_or.reduceat(vector.nameless[groups.order], groups.starts)


def _grouped(ev: Evaluation, node: Aggregate, vector: Vector) -> tuple[list[Labels], Groups]:
    def find() -> tuple[list[Labels], Groups]:
        names, codes = group(vector.labels, node.grouping, without=node.without)
        return names, Groups.of(codes)

    return ev.lists.derive((node.grouping, node.without), (vector.labels,), find)


def group(
    all_labels: Sequence[Labels], grouping: Sequence[str], *, without: bool
) -> tuple[list[Labels], Int64s]:
    """The groups' label sets in order of appearance, and the group of each series."""
    if not without and not grouping:
        return [Labels()], np.zeros(len(all_labels), np.int64)
    names = frozenset((*grouping, *METADATA_LABELS) if without else grouping)
    if without:
        keys = [tuple([pair for pair in labels if pair[0] not in names]) for labels in all_labels]
    else:
        keys = [tuple([pair for pair in labels if pair[0] in names]) for labels in all_labels]
    codes: dict[tuple[tuple[str, str], ...], int] = {}
    numbered = [codes.setdefault(key, len(codes)) for key in keys]
    return [Labels(key) for key in codes], np.array(numbered, np.int64)


def _check_quantiles(ev: Evaluation, node: Aggregate, q: Float64s) -> None:
    """A NaN hides what else is wrong but for infinities, as Go's Max and Min have it."""
    assert node.param is not None
    span = unwrapped(node.param).span
    if np.isnan(q).any():
        ev.notes.invalid_quantile(np.nan, span)
    highest = np.inf if (q == np.inf).any() else float(q.max())
    lowest = -np.inf if (q == -np.inf).any() else float(q.min())
    if highest > 1:
        ev.notes.invalid_quantile(highest, span)
    if lowest < 0:
        ev.notes.invalid_quantile(lowest, span)


def _some(ev: Evaluation, node: Aggregate, vector: Vector, k: Float64s) -> Vector:
    """topk, bottomk and limitk: the best, or the first, k series of each group and step.

    Of equals, and for limitk, the first by its labels: a line does not jump from one to another.
    """
    if float(k.max()) < 1:
        return empty_vector(len(k))
    if np.isnan(k).any():
        raise fail("Parameter value is NaN")
    if k.min() <= _MIN_INT64:
        raise fail(f"Scalar value {gotext.general(float(k.min()))} underflows int64")
    if k.max() >= _MAX_INT64:
        raise fail(f"Scalar value {gotext.general(float(k.max()))} overflows int64")
    vector, groups = _candidates(ev, node, vector, int(k.max()))
    if not vector.labels:
        return vector
    values, present = vector.values, vector.present
    if node.op == "limitk":
        places = aggregates.first_places(groups, present)
    else:
        places = aggregates.ranks(groups, values, present, largest=node.op == "topk")
    chosen = present & (places < np.trunc(k))
    kept = Vector(vector.labels, values, chosen, vector.nameless)
    if len(k) == 1 and node.op != "limitk":
        # An instant query shows the best first, group after group.
        best_first = np.lexsort((places[:, 0], groups.codes))
        return kept.rows(best_first[chosen[best_first, 0]])
    return kept.without_empty()


def _candidates(ev: Evaluation, node: Aggregate, vector: Vector, k: int) -> tuple[Vector, Groups]:
    """The series that may be among k, and their groups, each in the order of labels.

    Storage gives series as it finds them, for the next piece of a long range otherwise than for this one.
    """
    groups = _grouped(ev, node, vector)[1]
    if len(groups.codes) > _FEW * len(groups.starts) and node.op != "limitk":
        best = aggregates.best(groups, vector.values, vector.present, k, largest=node.op == "topk")
        if not best.all():
            sifted = vector.rows(best)
            return sifted, _in_label_order(groups.codes[best], sifted.labels)

    def find() -> Groups:
        return _in_label_order(groups.codes, vector.labels)

    return vector, ev.lists.derive(("ranked", node.grouping, node.without), (vector.labels,), find)


def _in_label_order(codes: Int64s, labels: Sequence[Labels]) -> Groups:
    return Groups.of(codes, np.array(label_order(labels), np.int64))


def _share(ev: Evaluation, node: Aggregate, vector: Vector, ratio: Float64s) -> Vector:
    """limit_ratio: a share of the series, chosen by their labels' hash; a negative one is the rest."""
    assert node.param is not None
    highest, lowest = float(ratio.max()), float(ratio.min())
    if highest == 0 and lowest == 0:
        return empty_vector(len(ratio))
    if np.isnan(ratio).any():
        raise fail("Ratio value is NaN")
    if highest > 1:
        ev.notes.invalid_ratio(highest, 1.0, unwrapped(node.param).span)
    if lowest < -1:
        ev.notes.invalid_ratio(lowest, -1.0, unwrapped(node.param).span)
    capped = np.clip(ratio, -1.0, 1.0)
    offsets = np.array([sample_offset(labels) for labels in vector.labels])[:, np.newaxis]
    chosen = np.where(capped >= 0, offsets < capped, offsets >= 1.0 + capped)
    return Vector(vector.labels, vector.values, vector.present & chosen, vector.nameless).without_empty()


def _count_values(ev: Evaluation, node: Aggregate, grid: Grid) -> Vector:
    assert node.param is not None
    label = ev.text(node.param)
    if not is_label_name(label):
        raise fail(f"invalid label name {gotext.quote(label)}")
    vector = ev.vector(node.expr, grid)
    if not vector.labels:
        return vector
    # The label is set first and grouped by afterwards, so a series' own label of that name is lost.
    own = [labels.drop(label) for labels in vector.labels]
    names, codes = group(own, node.grouping, without=node.without)
    shows_value = not node.without or label not in node.grouping
    rows, steps = np.nonzero(vector.present)
    values = vector.values[rows, steps]
    values = np.where(np.isnan(values), np.nan, values)  # one NaN for all
    found, value_codes = np.unique(values.view(np.int64), return_inverse=True)
    if not shows_value:
        value_codes = np.zeros_like(value_codes)
    keys, key_codes = np.unique(codes[rows] * (len(found) + 1) + value_codes, return_inverse=True)
    counts = np.bincount(key_codes * grid.size + steps, minlength=len(keys) * grid.size)
    counted = counts.reshape(len(keys), grid.size).astype(np.float64)
    labels = []
    for key in keys.tolist():
        group_code, value_code = divmod(key, len(found) + 1)
        text = gotext.positional(float(found[value_code : value_code + 1].view(np.float64)[0]))
        labels.append(names[group_code].set({label: text}) if shows_value else names[group_code])
    return Vector(labels, counted, counted > 0)
