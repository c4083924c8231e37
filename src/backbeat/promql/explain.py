"""What a query does, node by node: what each part of its tree gave, and what it cost.

In:  an engine and a range query. Out: `Explained`, the query's tree with counts and times.
The engine knows nothing of it: its operators and its queryable are wrapped for this one query.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher
from backbeat.model.results import Answer
from backbeat.model.samples import SampleBlock, Sheet
from backbeat.promql.ast import (
    Aggregate,
    Binary,
    Call,
    Expr,
    MatrixSelector,
    NumberLiteral,
    Paren,
    Span,
    StringLiteral,
    Subquery,
    Unary,
    VectorSelector,
    children,
)
from backbeat.promql.engine import Engine
from backbeat.promql.evaluation import Evaluation, Operator, Value
from backbeat.promql.limits import Deadline
from backbeat.promql.parser import parse
from backbeat.promql.printer import format_expr
from backbeat.promql.queryable import Queryable
from backbeat.promql.vector import Grid, Vector

_KINDS: Mapping[type, str] = {
    Aggregate: "aggregation",
    Binary: "binary",
    Call: "call",
    MatrixSelector: "range selector",
    NumberLiteral: "number",
    Paren: "parentheses",
    StringLiteral: "string",
    Subquery: "subquery",
    Unary: "unary",
    VectorSelector: "selector",
}


class Cost(Struct):
    """What a node did. Times in seconds; `own_s` is `total_s` without that of the nodes below."""

    evaluations: int = 0
    steps: int = 0
    series: int = 0
    samples: int = 0
    total_s: float = 0.0
    own_s: float = 0.0


class Reading(Struct):
    """What a selector got from storage."""

    series: int = 0
    samples: int = 0
    took_s: float = 0.0


class Explained(Struct, frozen=True):
    """A node of a query's tree.

    cost:    None where the node above does its work (a range selector), or an equal part was computed before
    reading: None but for selectors
    """

    kind: str
    text: str
    span: Span
    cost: Cost | None
    reading: Reading | None
    children: tuple[Explained, ...]


_Place = tuple[type, Span]


class Recorder(Struct):
    """An `engine.Observer`: looks on while one query is evaluated, in its thread."""

    costs: dict[_Place, Cost] = field(default_factory=dict)
    readings: dict[tuple[_Place, tuple[Matcher, ...]], Reading] = field(default_factory=dict)
    _open: list[_Place] = field(default_factory=list)
    _below_s: list[float] = field(default_factory=list)

    def operators(self, all_: Mapping[type, Operator]) -> Mapping[type, Operator]:
        return {kind: self._watching(operator) for kind, operator in all_.items()}

    def queryable(self, whole: Queryable) -> Queryable:
        return _Reader(whole, self)

    def _watching(self, operator: Operator) -> Operator:
        def watched(ev: Evaluation, node: Any, grid: Grid) -> Value:
            place = (type(node), node.span)
            self._open.append(place)
            self._below_s.append(0.0)
            began = time.perf_counter()
            try:
                result = operator(ev, node, grid)
            finally:
                took_s = time.perf_counter() - began
                self._open.pop()
                below_s = self._below_s.pop()
                if self._below_s:
                    self._below_s[-1] += took_s
            self._note(self.costs.setdefault(place, Cost()), result, grid, took_s, took_s - below_s)
            return result

        return watched

    @staticmethod
    def _note(cost: Cost, result: Value, grid: Grid, total_s: float, own_s: float) -> None:
        cost.evaluations += 1
        cost.steps += grid.size
        cost.series = max(cost.series, len(result.labels) if isinstance(result, Vector) else 1)
        cost.samples += result.samples if isinstance(result, Vector) else len(result)
        cost.total_s += total_s
        cost.own_s += own_s

    def note_reading(
        self, matchers: Sequence[Matcher], found: Sequence[SampleBlock | Sheet], took_s: float
    ) -> None:
        reading = self.readings.setdefault((self._open[-1], tuple(matchers)), Reading())
        # A long range is read in pieces, which hold the same series.
        reading.series = max(reading.series, sum(one.series for one in found))
        reading.samples += sum(one.samples for one in found)
        reading.took_s += took_s


class _Reader:
    """A queryable that tells a recorder what is read from it."""

    def __init__(self, whole: Queryable, recorder: Recorder) -> None:
        self._whole = whole
        self._recorder = recorder

    def read(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[SampleBlock | Sheet]:
        began = time.perf_counter()
        found = self._whole.read(matchers, start_ms, end_ms)
        self._recorder.note_reading(matchers, found, time.perf_counter() - began)
        return found

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[Labels]:
        return self._whole.series(matchers, start_ms, end_ms)

    def label_names(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[str]:
        return self._whole.label_names(matchers, start_ms, end_ms)

    def label_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> Sequence[str]:
        return self._whole.label_values(name, matchers, start_ms, end_ms)


def explain(
    engine: Engine, text: str, start_ms: int, end_ms: int, step_ms: int, deadline: Deadline | None = None
) -> tuple[Explained, Answer]:
    """Evaluate a range query anew, looking on. Raises QueryError."""
    recorder = Recorder()
    answer = engine.range(text, start_ms, end_ms, step_ms, deadline=deadline, anew=True, observer=recorder)
    return _explained(parse(text), None, recorder), answer


def _explained(expr: Expr, above: _Place | None, recorder: Recorder) -> Explained:
    """above: the nearest node above that is evaluated; it reads for range selectors among its arguments."""
    place = (type(expr), expr.span)
    cost = recorder.costs.get(place)
    reader = place if cost else above
    return Explained(
        kind=_KINDS[type(expr)],
        text=format_expr(expr),
        span=expr.span,
        cost=cost,
        reading=_reading(expr, reader, recorder),
        children=tuple(_explained(child, reader, recorder) for child in children(expr)),
    )


def _reading(expr: Expr, reader: _Place | None, recorder: Recorder) -> Reading | None:
    match expr:
        case VectorSelector(matchers) | MatrixSelector(VectorSelector(matchers)) if reader is not None:
            return recorder.readings.get((reader, matchers))
        case _:
            return None
