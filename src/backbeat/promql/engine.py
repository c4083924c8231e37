"""The local PromQL engine: a query's text to its answer, all steps at once.

In:  a `Queryable` and a query. Out: `Answer`, or QueryError. Synchronous, and safe to call from many threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from msgspec import Struct, field

from backbeat.model import gotext
from backbeat.model.arrays import Int64s
from backbeat.model.cache import ByteCache
from backbeat.model.labels import Labels
from backbeat.model.results import Answer, BadQuery, Matrix, RawSamples, Scalar, Text
from backbeat.promql.aggregation import aggregate
from backbeat.promql.ast import (
    Aggregate,
    Binary,
    Call,
    DurationExpr,
    Expr,
    MatrixSelector,
    NumberLiteral,
    Paren,
    StringLiteral,
    Subquery,
    Unary,
    ValueType,
    VectorSelector,
)
from backbeat.promql.binary import binary, paren, unary
from backbeat.promql.evaluation import Evaluation, Operator, Value, unwrapped
from backbeat.promql.frames import Frames
from backbeat.promql.functions import FUNCTIONS
from backbeat.promql.instant_vectors import vector_selector
from backbeat.promql.label_lists import LabelLists, label_order
from backbeat.promql.limits import Budget, Deadline, Densities, Dialect, Limits
from backbeat.promql.notes import NoteTaker
from backbeat.promql.parser import parse
from backbeat.promql.queryable import Queryable, Watched
from backbeat.promql.quick import Read, is_quick, is_soon_parsed, reads
from backbeat.promql.range_functions import RANGE_FUNCTIONS
from backbeat.promql.range_vectors import range_call
from backbeat.promql.raw_samples import raw_samples
from backbeat.promql.remembered import Holding, Named, Remembered, looks_back_only, names
from backbeat.promql.sources import computed_durations
from backbeat.promql.timing import Timing
from backbeat.promql.typecheck import shown, value_type
from backbeat.promql.vector import Grid, Vector, merged, remove_marked_names


def _number(ev: Evaluation, node: NumberLiteral, grid: Grid) -> Value:
    return np.full(grid.size, node.value)


def _call(ev: Evaluation, node: Call, grid: Grid) -> Value:
    if node.function in RANGE_FUNCTIONS:
        return range_call(ev, node, grid)
    return FUNCTIONS[node.function](ev, node, grid)


OPERATORS: Mapping[type, Operator] = {
    Aggregate: aggregate,
    Binary: binary,
    Call: _call,
    NumberLiteral: _number,
    Paren: paren,
    Unary: unary,
    VectorSelector: vector_selector,
}


class Observer(Protocol):
    """Looks on while one query is evaluated, by what stands in for operators and queryable meanwhile."""

    def operators(self, all_: Mapping[type, Operator]) -> Mapping[type, Operator]: ...

    def queryable(self, whole: Queryable) -> Queryable: ...


class Engine:
    """Answers queries from one queryable."""

    def __init__(
        self,
        queryable: Queryable,
        limits: Limits | None = None,
        dialect: Dialect | None = None,
        *,
        watched: Watched | None = None,
    ) -> None:
        """watched: says when results change; without it none is kept for the next query."""
        self.queryable = queryable
        self.limits = limits or Limits()
        self._dialect = dialect or Dialect()
        self._densities = Densities()
        self._frames = Frames()
        self._lists = LabelLists()
        self._watched = watched
        self._remembered = None if watched is None else Remembered(watched)

    def deadline(self, timeout_ms: int | None = None) -> Deadline:
        """A clock for one query: its own timeout, at most the engine's."""
        longest = self.limits.timeout_ms
        return Deadline(longest if timeout_ms is None else min(timeout_ms, longest))

    def is_quick(self, text: str, start_ms: int, end_ms: int, step_ms: int) -> bool:
        """Whether the answer takes no more than a few ms, so that a thread is not worth its while."""
        if self._watched is None or step_ms <= 0 or end_ms < start_ms:
            return False
        plan = _PLANS.get(text)
        if plan is None:
            if not is_soon_parsed(text):
                return False
            plan = _plan(text)
        steps = (end_ms - start_ms) // step_ms + 1
        return is_quick(plan.reads, self._watched, start_ms, steps, self.limits.lookback_ms)

    def instant(
        self, text: str, at_ms: int, *, deadline: Deadline | None = None, lookback_ms: int | None = None
    ) -> Answer:
        """Evaluate at one moment. Raises QueryError."""
        plan = _plan(text)
        expr = plan.expr
        ev = self._evaluation(plan, plan.timing(text, at_ms, at_ms, 0), deadline, lookback_ms)
        ev.remembered = self._remembered
        bare = unwrapped(expr)
        grid = Grid(at_ms, at_ms, 1)
        if isinstance(bare, StringLiteral):
            return Answer(Text(gotext.readable(bare.value)))
        with np.errstate(all="ignore"):
            if isinstance(bare, MatrixSelector | Subquery):
                return self._answer(ev, RawSamples(raw_samples(ev, bare, grid)))
            return self._answer(ev, _result(ev, expr, grid, in_order=False))

    def range(
        self,
        text: str,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        *,
        deadline: Deadline | None = None,
        lookback_ms: int | None = None,
        anew: bool = False,
        observer: Observer | None = None,
    ) -> Answer:
        """Evaluate at start, start + step, ... until end. Raises QueryError.

        anew: compute everything, though an earlier query may have computed some of it.
        """
        plan = _plan(text)
        expr = plan.expr
        type_ = plan.type_
        if type_ not in (ValueType.VECTOR, ValueType.SCALAR):
            raise BadQuery(
                f'invalid expression type "{shown(type_)}" for range query, must be Scalar or instant Vector'
            )
        if step_ms <= 0:
            raise BadQuery(
                "zero or negative query resolution step widths are not accepted. Try a positive integer"
            )
        if end_ms < start_ms:
            raise BadQuery("end timestamp must not be before start time")
        timing = plan.timing(text, start_ms, end_ms, step_ms)
        ev = self._evaluation(plan, timing, deadline, lookback_ms)
        holds = None
        if not anew:
            ev.remembered = self._remembered
            if self._watched is not None and plan.looks_back_only:
                holds = Holding(self._watched, end_ms)
        if observer is not None:
            ev.operators, ev.queryable = observer.operators(OPERATORS), observer.queryable(self.queryable)
            ev.batches = None
        with np.errstate(all="ignore"):
            return self._answer(ev, _result(ev, expr, Grid(start_ms, end_ms, step_ms), in_order=True), holds)

    def _evaluation(
        self, plan: _Plan, timing: Timing, deadline: Deadline | None, lookback_ms: int | None
    ) -> Evaluation:
        return Evaluation(
            queryable=self.queryable,
            timing=timing,
            limits=self.limits,
            dialect=self._dialect,
            deadline=deadline or self.deadline(),
            notes=NoteTaker(timing.query),
            operators=OPERATORS,
            densities=self._densities,
            frames=self._frames,
            lists=self._lists,
            names=plan.names,
            remembered=None,
            batches=self._watched,
            budget=Budget(self.limits.max_samples),
            lookback_ms=self.limits.lookback_ms if lookback_ms is None else lookback_ms,
            oldest_ms=lambda: -(2**62) if self._watched is None else self._watched.oldest_ms,
        )

    @staticmethod
    def _answer(
        ev: Evaluation, value: Matrix | Scalar | RawSamples, holds: Callable[[], bool] | None = None
    ) -> Answer:
        ev.deadline.check()
        budget = ev.budget
        return Answer(value, ev.notes.notes(), budget.read, budget.peak, budget.series, holds)


class _Plan(Struct, frozen=True):
    """A query's tree and what follows from it alone: which of its nodes can be remembered, what it reads."""

    expr: Expr
    type_: ValueType
    names: Mapping[int, Named]
    reads: Sequence[Read] | None
    looks_back_only: bool
    durations: Sequence[tuple[DurationExpr, bool]]
    """that are computed, and so may be wrong for one query and right for another"""
    invariant: dict[int, tuple[bool, bool]] = field(default_factory=dict)
    """filled by `Timing`"""

    def timing(self, text: str, start_ms: int, end_ms: int, step_ms: int) -> Timing:
        """Raises BadQuery."""
        # Whether info() is invariant depends on the range: @ start() may be another selector's moment.
        timing = Timing(start_ms, end_ms, step_ms, text, {} if "info" in text else self.invariant)
        timing.check(self.durations)
        return timing


_PLANS: ByteCache[_Plan] = ByteCache(32 << 20)
_CHARACTER_BYTES = 300
"""of a plan, for each character of its text, at most"""


def _plan(text: str) -> _Plan:
    """Raises QueryError."""
    plan = _PLANS.get(text)
    if plan is None:
        expr = parse(text)
        plan = _Plan(
            expr,
            value_type(expr),
            names(expr),
            reads(expr),
            looks_back_only(expr),
            tuple(computed_durations(expr)),
        )
        _PLANS.put(text, plan, _CHARACTER_BYTES * len(text))
    return plan


def _result(ev: Evaluation, expr: Expr, grid: Grid, *, in_order: bool) -> Matrix | Scalar:
    value = ev.value(expr, grid)
    if not isinstance(value, Vector):
        return Scalar(grid.steps, np.ascontiguousarray(value))
    vector = remove_marked_names(value)
    if len(vector.labels) > 1:
        labels = vector.labels
        if not ev.lists.derive("differ", (labels,), lambda: len(set(labels)) == len(labels)):
            vector = merged(vector)
    vector = vector.without_empty()
    if in_order and len(vector.labels) > 1:
        vector = _in_order(ev, vector)
    return Matrix(
        vector.labels,
        grid.steps,
        np.ascontiguousarray(vector.values),
        np.ascontiguousarray(vector.present),
    )


def _in_order(ev: Evaluation, vector: Vector) -> Vector:
    def find() -> tuple[Sequence[Labels], Int64s | None]:
        order = label_order(vector.labels)
        if order == list(range(len(order))):
            return vector.labels, None
        return [vector.labels[row] for row in order], np.array(order)

    labels, order = ev.lists.derive("in order", (vector.labels,), find)
    return vector if order is None else Vector(labels, vector.values[order], vector.present[order])
