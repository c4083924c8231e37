"""Aggregations that were computed lately: a dashboard that refreshes pays for its new steps alone.

In:  an aggregation, a grid, and a way to compute it. Out: its Vector.
A step's result holds as long as no sample up to that step is written or deleted, which storage tells
(`Watched`). So the steps of an earlier answer are taken from memory up to the first that may have changed,
and only the rest is computed. Panels that share an aggregation (four quantiles of one histogram) share its
work.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from msgspec import Struct

from backbeat.model.cache import ByteCache
from backbeat.model.labels import METRIC_NAME
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.promql.ast import (
    Aggregate,
    Binary,
    Call,
    DurationExpr,
    Expr,
    MatrixSelector,
    NumberLiteral,
    Paren,
    RangeMode,
    StringLiteral,
    Subquery,
    Unary,
    VectorSelector,
)
from backbeat.promql.printer import format_expr
from backbeat.promql.queryable import Watched
from backbeat.promql.timing import QUERY_RANGE_FUNCTIONS
from backbeat.promql.vector import Grid, Vector, side_by_side

_BUDGET_BYTES = 64 << 20
_MOMENTS_BYTES = 8 << 20
_MOST_STEPS = 11_000
_JUST_NOW = 2**62
"""a mark that asks for the next one alone, not for what changed"""
_TARGET_INFO = (Matcher(METRIC_NAME, MatchOp.EQUAL, "target_info"),)
"""what `info` reads beside its arguments"""


class Named(Struct, frozen=True):
    """An aggregation that can be remembered: what names it in every query, and what it reads."""

    text: str
    selectors: tuple[tuple[Matcher, ...], ...]


class _Known(Struct, frozen=True):
    """The result at the steps of `grid`, as of `mark`."""

    mark: int
    grid: Grid
    vector: Vector


class Holding:
    """Whether an answer holds that looks back from its last step. Make it before the answer is computed."""

    def __init__(self, watched: Watched, last_ms: int) -> None:
        self._watched = watched
        self._last_ms = last_ms
        self._mark = watched.written_since(_JUST_NOW)[0]

    def __call__(self) -> bool:
        mark, changed_ms = self._watched.written_since(self._mark)
        if changed_ms <= self._last_ms:
            return False
        self._mark = mark
        return True


class Remembered:
    """Results of one queryable. Thread-safe."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._known: ByteCache[_Known] = ByteCache(_BUDGET_BYTES)
        self._moments: ByteCache[tuple[Sequence[Hashable], Vector]] = ByteCache(_MOMENTS_BYTES)

    def range(
        self,
        named: Named,
        grid: Grid,
        lookback_ms: int,
        compute: Callable[[Grid], tuple[Vector, bool]],
    ) -> Vector:
        """compute: gives the aggregation at some steps, and whether that may be kept."""
        key = (named.text, lookback_ms, grid.step_ms, grid.start_ms % grid.step_ms)
        known = self._known.get(key)
        mark, changed_ms = self._watched.written_since(_JUST_NOW if known is None else known.mark)
        reusable = None if known is None else _overlap(known.grid, grid, changed_ms)
        if known is None or reusable is None:
            vector, may_keep = compute(grid)
            if may_keep:
                self._keep(key, _Known(mark, grid, vector))
            return vector
        begin = (reusable.start_ms - known.grid.start_ms) // grid.step_ms
        end = begin + reusable.size
        if reusable.end_ms == grid.end_ms:
            return _steps(known.vector, slice(begin, end)).without_empty()
        rest = Grid(reusable.end_ms + grid.step_ms, grid.end_ms, grid.step_ms)
        new, may_keep = compute(rest)
        first = max(0, begin + grid.size - _MOST_STEPS)
        whole = side_by_side([_steps(known.vector, slice(first, end)), new])
        if may_keep:
            start_ms = known.grid.start_ms + first * grid.step_ms
            self._keep(key, _Known(mark, Grid(start_ms, rest.end_ms, grid.step_ms), whole))
        return _steps(whole, slice(begin - first, None)).without_empty()

    def instant(
        self,
        named: Named,
        grid: Grid,
        lookback_ms: int,
        compute: Callable[[Grid], tuple[Vector, bool]],
    ) -> Vector:
        """As `range`, at one step: the rules of a tick share what several of them ask for."""
        key = (named.text, lookback_ms, grid.start_ms)
        stamps = [self._watched.stamp(matchers) for matchers in named.selectors]
        known = self._moments.get(key)
        if known is not None and known[0] == stamps:
            return known[1]
        vector, may_keep = compute(grid)
        if may_keep:
            self._moments.put(key, (stamps, vector), 9 * vector.values.size + 300 * len(vector.labels) + 1000)
        return vector

    def _keep(self, key: tuple[str, int, int, int], known: _Known) -> None:
        size = 9 * known.vector.values.size + 300 * len(known.vector.labels) + 1000
        self._known.put(key, known, size)


def _overlap(known: Grid, asked: Grid, changed_ms: int) -> Grid | None:
    """The first steps that are asked for, as far as they are known and hold still."""
    last_known = known.start_ms + (known.size - 1) * known.step_ms
    last_asked = asked.start_ms + (asked.size - 1) * asked.step_ms
    last = min(last_known, last_asked)
    if last >= changed_ms:
        last = asked.start_ms + ((changed_ms - 1 - asked.start_ms) // asked.step_ms) * asked.step_ms
    if asked.start_ms < known.start_ms or last < asked.start_ms:
        return None
    end_ms = asked.end_ms if last == last_asked else last
    return Grid(asked.start_ms, end_ms, asked.step_ms)


def _steps(vector: Vector, steps: slice) -> Vector:
    return Vector(vector.labels, vector.values[:, steps], vector.present[:, steps])


def names(expr: Expr) -> dict[int, Named]:
    """The outermost aggregations that can be remembered, by the ids of their nodes."""
    match expr:
        case Aggregate() if looks_back_only(expr):
            return {id(expr): Named(format_expr(expr), tuple(_selectors(expr)))}
        case Aggregate() | Subquery() | Unary() | Paren():
            return names(expr.expr)
        case Binary():
            return names(expr.left) | names(expr.right)
        case Call():
            return {node: name for arg in expr.args for node, name in names(arg).items()}
        case _:
            return {}


def _selectors(expr: Expr) -> set[tuple[Matcher, ...]]:
    match expr:
        case VectorSelector(matchers):
            return {matchers}
        case MatrixSelector(inner) | Subquery(inner) | Aggregate(_, inner) | Unary(_, inner) | Paren(inner):
            more = expr.param if isinstance(expr, Aggregate) else None
            return _selectors(inner) | (set() if more is None else _selectors(more))
        case Binary(_, left, right):
            return _selectors(left) | _selectors(right)
        case Call(function, args):
            own = {matchers for arg in args for matchers in _selectors(arg)}
            return own | {_TARGET_INFO} if function == "info" else own
        case _:
            return set()


def looks_back_only(expr: Expr) -> bool:
    """Whether a step's value depends on samples up to that step, and on nothing else of the query."""
    match expr:
        case NumberLiteral() | StringLiteral():
            return True
        case VectorSelector():
            return expr.at is None and expr.mode is RangeMode.PLAIN and _goes_back(expr.offset)
        case MatrixSelector(selector, range_):
            return isinstance(range_, NumberLiteral) and looks_back_only(selector)
        case Subquery():
            fixed = isinstance(expr.range, NumberLiteral) and (
                expr.step is None or isinstance(expr.step, NumberLiteral)
            )
            return fixed and expr.at is None and _goes_back(expr.offset) and looks_back_only(expr.expr)
        case Call(function, args):
            return function not in QUERY_RANGE_FUNCTIONS and all(map(looks_back_only, args))
        case Aggregate():
            return (expr.param is None or looks_back_only(expr.param)) and looks_back_only(expr.expr)
        case Binary(_, left, right):
            return looks_back_only(left) and looks_back_only(right)
        case Unary(_, inner) | Paren(inner):
            return looks_back_only(inner)


def _goes_back(offset: DurationExpr | None) -> bool:
    return offset is None or (isinstance(offset, NumberLiteral) and offset.value >= 0)
