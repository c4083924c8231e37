"""Times in a query that are known before its first step: durations, offsets, @, and what never changes.

In:  nodes of the tree, and the query's own range. Out: milliseconds, or BadQuery-like errors with the place.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from backbeat.model.results import BadQuery
from backbeat.promql.ast import (
    Aggregate,
    AtEdge,
    Binary,
    Call,
    DurationBinary,
    DurationCall,
    DurationExpr,
    Expr,
    MatrixSelector,
    NumberLiteral,
    Paren,
    StringLiteral,
    Subquery,
    Unary,
    VectorSelector,
)
from backbeat.promql.sources import sources

_LONGEST_S = 2**63 / 1e9
CHANGING_FUNCTIONS = frozenset(
    (
        "day_of_month",
        "day_of_week",
        "day_of_year",
        "days_in_month",
        "hour",
        "minute",
        "month",
        "predict_linear",
        "time",
        "timestamp",
        "year",
    )
)
"""Their results change with the step although their arguments do not."""
QUERY_RANGE_FUNCTIONS = frozenset(("start", "end", "range", "step"))


class FixedTime(Struct, frozen=True):
    """A selector's @ (None: every step) and offset, in ms."""

    at_ms: int | None
    offset_ms: int

    def is_same(self, other: FixedTime | None) -> bool:
        """Whether both are the same moment at every step."""
        if other is None or self.at_ms is None or other.at_ms is None:
            return self == other
        return self.at_ms - self.offset_ms == other.at_ms - other.offset_ms


class Timing(Struct):
    """The query's range; step_ms is 0 for an instant query. The text is for places in errors."""

    start_ms: int
    end_ms: int
    step_ms: int
    query: str = ""
    invariant: dict[int, tuple[bool, bool]] = field(default_factory=dict)
    """what is known of the tree's nodes, by their ids; may be kept for the next query of the same tree"""

    def runs_once(self, expr: Expr) -> bool:
        """Whether the value is the same at every step and worth computing once."""
        invariant, worth = self._invariance(expr)
        return invariant and worth

    def _invariance(self, expr: Expr) -> tuple[bool, bool]:
        # The tree outlives the query, so ids are stable keys.
        known = self.invariant.get(id(expr))
        if known is None:
            known = self.invariant[id(expr)] = self._find_invariance(expr)
        return known

    def _find_invariance(self, expr: Expr) -> tuple[bool, bool]:
        match expr:
            case NumberLiteral() | StringLiteral():
                return True, False
            case VectorSelector(at=at):
                return at is not None, at is not None
            case MatrixSelector(selector):
                return selector.at is not None, False
            case Subquery(at=at):
                return at is not None, False
            case Paren(inner) | Unary(_, inner) | Aggregate(_, inner):
                return self._invariance(inner)
            case Binary(_, left, right):
                both = self._invariance(left)[0] and self._invariance(right)[0]
                return both, both
            case Call(function, args):
                return self._call_invariance(function, args)

    def _call_invariance(self, function: str, args: tuple[Expr, ...]) -> tuple[bool, bool]:
        if function in QUERY_RANGE_FUNCTIONS:
            return True, False
        if function == "info":
            # Info series of several times are taken as of each step, though what they are joined to is not.
            invariant = self._invariance(args[0])[0] and self.shared_time(args[0]) is not None
            return invariant, invariant
        invariant = all(self._invariance(arg)[0] for arg in args)
        if function == "timestamp":
            inner = args[0]
            while isinstance(inner, Paren):
                inner = inner.expr
            invariant = invariant and isinstance(inner, VectorSelector)
        elif function in CHANGING_FUNCTIONS or function == "info":
            invariant = (
                False  # info series may be taken as of each step, though what they are joined to is not
            )
        return invariant, invariant

    def of(self, node: VectorSelector | Subquery) -> FixedTime:
        return FixedTime(self.at_ms(node), self.offset_ms(node))

    def shared_time(self, expr: Expr) -> FixedTime | None:
        """The @ and offset of all that a vector is made of; None where these differ, or a part has none."""
        times = [None if source is None else self._time_of(*source) for source in sources(expr)]
        first = times[0]
        return first if first is not None and all(map(first.is_same, times)) else None

    def _time_of(self, selector: VectorSelector, around: Sequence[Subquery]) -> FixedTime:
        time = self.of(selector)
        for subquery in reversed(around):
            if time.at_ms is not None:
                break
            time = FixedTime(self.at_ms(subquery), time.offset_ms + self.offset_ms(subquery))
        return time

    def check(self, durations: Iterable[tuple[DurationExpr, bool]]) -> None:
        """Raise BadQuery where one makes no sense in this query; each with whether it may be negative."""
        for duration, may_be_negative in durations:
            if may_be_negative:
                self._milliseconds(duration)
            else:
                self._positive(duration)

    def at_ms(self, node: VectorSelector | Subquery) -> int | None:
        match node.at:
            case None:
                return None
            case AtEdge.START:
                return self.start_ms
            case AtEdge.END:
                return self.end_ms
            case seconds:
                return round(float(seconds) * 1000)

    def offset_ms(self, node: VectorSelector | Subquery) -> int:
        return 0 if node.offset is None else self._milliseconds(node.offset)

    def range_ms(self, node: MatrixSelector | Subquery) -> int:
        return self._positive(node.range)

    def subquery_step_ms(self, node: Subquery, default_ms: int) -> int:
        return default_ms if node.step is None else max(1, self._positive(node.step))

    def query_number(self, function: str) -> float:
        """start(), end(), range() and step() as numbers: seconds."""
        match function:
            case "start":
                return self.start_ms / 1000
            case "end":
                return self.end_ms / 1000
            case "range":
                return (self.end_ms - self.start_ms) / 1000
            case _:
                return self.step_ms / 1000 if self.start_ms != self.end_ms else 0.0

    def _positive(self, duration: DurationExpr) -> int:
        if type(duration) is NumberLiteral and 0 < duration.value < _LONGEST_S:
            return int(round(duration.value * 1000, 3))
        milliseconds = self._milliseconds(duration)
        if not self._seconds(duration) > 0:
            raise self._mistake(duration, "duration must be greater than 0")
        return milliseconds

    def _milliseconds(self, duration: DurationExpr) -> int:
        seconds = self._seconds(duration)
        if not math.isfinite(seconds):
            raise self._mistake(duration, "duration is NaN or infinite")
        if abs(seconds) > _LONGEST_S:
            raise self._mistake(duration, "duration is out of range")
        return int(round(seconds * 1000, 3))

    def _seconds(self, duration: DurationExpr) -> float:
        match duration:
            case NumberLiteral(value):
                return value
            case DurationCall("step"):
                return self.step_ms / 1000
            case DurationCall("range"):
                return (self.end_ms - self.start_ms) / 1000
            case DurationCall(name, args):
                one, two = (self._seconds(arg) for arg in args)
                if math.isnan(one) or math.isnan(two):
                    return math.nan
                return min(one, two) if name.startswith("min") else max(one, two)
            case DurationBinary(op, None, right):
                return -self._seconds(right) if op == "-" else self._seconds(right)
            case DurationBinary():
                return self._arithmetic(duration)

    def _mistake(self, duration: DurationExpr, message: str) -> BadQuery:
        """Its place is in bytes, as Prometheus has it."""
        start, end = (
            len(self.query[:at].encode(errors="replace")) for at in (duration.span.start, duration.span.end)
        )
        return BadQuery(f"{start}:{end}: {message}")

    def _arithmetic(self, node: DurationBinary) -> float:
        assert node.left is not None
        left, right = self._seconds(node.left), self._seconds(node.right)
        match node.op:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
            case "/" | "%" if right == 0:
                word = "division" if node.op == "/" else "modulo"
                raise self._mistake(node, f"{word} by zero")
            case "/":
                return left / right
            case "%":
                return math.fmod(left, right) if math.isfinite(left) else math.nan
            case _:
                return _power(left, right)


def _power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.nan if base else math.inf
