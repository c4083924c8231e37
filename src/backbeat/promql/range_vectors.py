"""Calls of functions of range vectors: what they read, and what becomes of names.

In:  a matrix selector or a subquery, and numbers. Out: a Vector; the windows themselves are never built.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct

from backbeat.model import gotext
from backbeat.model.arrays import Bools, Float64s, Int64s
from backbeat.model.labels import Labels
from backbeat.model.samples import SampleBlock
from backbeat.promql.ast import Call, Expr, MatrixSelector, RangeMode, Subquery, VectorSelector
from backbeat.promql.evaluation import Evaluation, fail, unwrapped
from backbeat.promql.instant_vectors import assemble
from backbeat.promql.kernels import extended
from backbeat.promql.kernels.integrals import STRATEGIES
from backbeat.promql.kernels.windows import Columns
from backbeat.promql.range_functions import GATHERING, RANGE_FUNCTIONS, Found, RangeArguments
from backbeat.promql.samples import Selection, selection
from backbeat.promql.slicing import over_time
from backbeat.promql.vector import METADATA_LABELS, Grid, Vector, constant

ANCHORED_FUNCTIONS = ("changes", "delta", "increase", "rate", "resets")
SMOOTHED_FUNCTIONS = ("delta", "increase", "rate")
_KEEPS_NAME = ("first_over_time", "last_over_time")
SAMPLES_AT_ONCE = 1 << 24
"""of the windows of a function that goes through them; between so many a query can be stopped"""
_COUNTER_ENDINGS = ("_total", "_sum", "_count", "_bucket")


class _Range(Struct, frozen=True):
    """A range argument that has been read."""

    chosen: Selection
    ends: Int64s
    range_ms: int
    mode: RangeMode
    nameless: Bools | None


def range_call(ev: Evaluation, node: Call, grid: Grid) -> Vector:
    """Any function with a range vector among its arguments."""
    place, argument = _range_among(node.args)
    _check_mode(node.function, argument)
    numbers = [ev.scalar(unwrapped(arg), grid) for i, arg in enumerate(node.args) if i != place]
    range_ms = ev.timing.range_ms(argument)

    def compute(piece: Grid, steps: slice) -> Vector:
        read = _read(ev, argument, piece, range_ms)
        kernel = _kernel(ev, node.function, read, [number[steps] for number in numbers], piece)
        return _marked(ev, node.function, assemble(read.chosen, piece, kernel), read)

    if isinstance(argument, Subquery):
        result = compute(grid, slice(0, grid.size))
    else:
        plain = argument.selector.mode is RangeMode.PLAIN
        reach = range_ms if plain else range_ms + 2 * ev.lookback_ms
        result = over_time(ev, argument.selector.matchers, grid, reach, compute)
    if node.function == "quantile_over_time" and result.labels:
        _check_quantile(ev, node, numbers[0][result.present.any(axis=0)])
    if node.function == "integral" and len(numbers) == 1 and result.labels:
        _check_strategy(ev, node, numbers[0][result.present.any(axis=0)])
    if node.function == "absent_over_time":
        return _absent(argument, result, grid)
    if node.function in ("rate", "increase"):
        _doubt_counters(ev, result.labels, argument)
    return result if node.function in _KEEPS_NAME else ev.without_names(result)


def _range_among(args: Sequence[Expr]) -> tuple[int, MatrixSelector | Subquery]:
    for place, arg in enumerate(args):
        bare = unwrapped(arg)
        if isinstance(bare, MatrixSelector | Subquery):
            return place, bare
    raise AssertionError(args)


def _kernel(
    ev: Evaluation, function: str, read: _Range, numbers: Sequence[Float64s], grid: Grid
) -> Callable[[Columns], Found]:
    def at_once(columns: Columns) -> Found:
        ev.deadline.check()
        frame = ev.frames.of(columns, read.ends, read.range_ms)
        return RANGE_FUNCTIONS[function](
            RangeArguments(frame.windows(columns), frame, read.ends, grid.steps, read.range_ms, numbers)
        )

    def plain(columns: Columns) -> Found:
        if function in GATHERING:
            return at_once(columns)
        columns = columns.compact()
        counts = ev.frames.of(columns, read.ends, read.range_ms).windows(columns).counts
        height = max(1, SAMPLES_AT_ONCE // max(1, int(counts.max(initial=0)) * grid.size))
        if height >= len(columns.rows):
            return at_once(columns)
        parts = [columns.part(rows)[0] for rows in _slices(len(columns.rows), height)]
        return _stacked([at_once(part) for part in parts], parts, grid.size)

    def beyond_edges(columns: Columns) -> Found:
        ev.deadline.check()
        is_smoothed = read.mode is RangeMode.SMOOTHED
        windows = extended.extended(
            columns.compact(), read.ends, read.range_ms, ev.lookback_ms, is_smoothed=is_smoothed
        )
        if function in ("changes", "resets"):
            return extended.anchored_count(windows, of_resets=function == "resets")
        return extended.increase(
            windows, read.range_ms, is_counter=function != "delta", is_rate=function == "rate"
        )

    return plain if read.mode is RangeMode.PLAIN else beyond_edges


def _slices(length: int, height: int) -> list[slice]:
    return [slice(begin, min(begin + height, length)) for begin in range(0, length, height)]


def _stacked(found: Sequence[Found], parts: Sequence[Columns], steps: int) -> Found:
    """The results of parts, one below the other."""
    shapes = [(len(part.rows), steps) for part in parts]
    values = [np.broadcast_to(each, shape) for (each, _), shape in zip(found, shapes, strict=True)]
    present = [np.broadcast_to(each, shape) for (_, each), shape in zip(found, shapes, strict=True)]
    return np.concatenate(values), np.concatenate(present)


def _check_mode(function: str, argument: MatrixSelector | Subquery) -> None:
    if isinstance(argument, Subquery):
        return
    mode = argument.selector.mode
    allowed = {RangeMode.ANCHORED: ANCHORED_FUNCTIONS, RangeMode.SMOOTHED: SMOOTHED_FUNCTIONS}.get(mode)
    if allowed is not None and function not in allowed:
        raise fail(f"{mode} modifier can only be used with: {', '.join(allowed)} - not with {function}")


def _check_quantile(ev: Evaluation, node: Call, q: Float64s) -> None:
    for wrong in np.unique(q[~((q >= 0) & (q <= 1))]).tolist():
        ev.notes.invalid_quantile(wrong, unwrapped(node.args[0]).span)


def _check_strategy(ev: Evaluation, node: Call, strategy: Float64s) -> None:
    for wrong in np.unique(strategy[~np.isin(strategy, STRATEGIES)]).tolist():
        ev.notes.invalid_strategy(wrong, unwrapped(node.args[1]).span)


def _read(ev: Evaluation, argument: MatrixSelector | Subquery, grid: Grid, range_ms: int) -> _Range:
    if isinstance(argument, Subquery):
        ends = ev.moments(ev.timing.of(argument), grid)
        inner = subquery(ev, argument, grid)
        sub_steps = subquery_grid(ev, argument, grid).steps
        block = SampleBlock(inner.labels, sub_steps, inner.values, inner.present)
        return _Range(selection([block], with_stale=False), ends, range_ms, RangeMode.PLAIN, inner.nameless)
    selector = argument.selector
    ends = ev.moments(ev.timing.of(selector), grid)
    chosen = read_range(ev, selector, ends.item(0), ends.item(-1), range_ms)
    return _Range(chosen, ends, range_ms, selector.mode, None)


def read_range(ev: Evaluation, selector: VectorSelector, first: int, last: int, range_ms: int) -> Selection:
    """The samples of every window that ends from `first` to `last`, and beyond its edges where needed."""
    start, end = first - range_ms + 1, last
    if selector.mode is not RangeMode.PLAIN:
        start -= ev.lookback_ms
    if selector.mode is RangeMode.SMOOTHED:
        end += ev.lookback_ms
    chosen = selection(ev.queryable.read(selector.matchers, start, end), with_stale=False, lists=ev.lists)
    ev.budget.read += chosen.samples
    ev.budget.series += len(chosen.labels)
    ev.budget.hold(chosen.samples)
    ev.deadline.check()
    return chosen


def subquery_grid(ev: Evaluation, node: Subquery, grid: Grid) -> Grid:
    """The subquery's own steps: multiples of its step after the first window's (open) start."""
    moments = ev.moments(ev.timing.of(node), grid)
    step = ev.timing.subquery_step_ms(node, ev.limits.default_subquery_step_ms)
    before = int(moments.min()) - ev.timing.range_ms(node)
    return Grid((before // step + 1) * step, int(moments.max()), step)


def subquery(ev: Evaluation, node: Subquery, grid: Grid) -> Vector:
    """The inner expression at the subquery's steps."""
    return ev.vector(node.expr, subquery_grid(ev, node, grid))


def _marked(ev: Evaluation, function: str, result: Vector, read: _Range) -> Vector:
    """Functions that only choose among samples keep the marks of a subquery's series."""
    if function not in _KEEPS_NAME or read.nameless is None:
        return result
    # Rows without samples have gone; find the marks of those that stayed.
    marks = dict(zip(read.chosen.labels, read.nameless.tolist(), strict=True))
    nameless = np.array([marks[labels] for labels in result.labels], bool)
    return Vector(result.labels, result.values, result.present, nameless)


def _doubt_counters(ev: Evaluation, all_labels: Sequence[Labels], argument: Expr) -> None:
    if ev.dialect.type_and_unit_labels:
        for name, type_ in {(labels.metric, labels.get("__type__")): None for labels in all_labels}:
            if name and type_ not in ("counter", "histogram"):
                ev.notes.possible_non_counter_type(name, type_, argument.span)
        return

    def find() -> list[str]:
        metrics = dict.fromkeys(own.metric for own in all_labels)
        return [name for name in metrics if name and not name.endswith(_COUNTER_ENDINGS)]

    for name in ev.lists.derive("no counters", (all_labels,), find):
        ev.notes.possible_non_counter(name, argument.span)


def _absent(argument: MatrixSelector | Subquery, result: Vector, grid: Grid) -> Vector:
    present: Bools = np.any(result.present, axis=0)
    labels = absent_labels(argument)
    return constant(labels, np.ones(grid.size), ~present).without_empty()


def absent_labels(expr: Expr) -> Labels:
    """The labels that a missing series would surely have: those that one matcher each fixes."""
    if isinstance(expr, MatrixSelector):
        expr = expr.selector
    if not isinstance(expr, VectorSelector):
        return Labels()
    fixed: dict[str, str] = {}
    seen: set[str] = set()
    for matcher in expr.matchers:
        if matcher.name in METADATA_LABELS:
            continue
        if matcher.op == "=" and matcher.name not in seen:
            fixed[gotext.readable(matcher.name)] = gotext.readable(matcher.value)
            seen.add(matcher.name)
        else:
            fixed.pop(matcher.name, None)
    return Labels.of(fixed)
