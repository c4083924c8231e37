"""The syntax tree of a PromQL query. Every node knows its place in the query text."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from backbeat.model.matchers import Matcher


class ValueType(StrEnum):
    SCALAR = "scalar"
    VECTOR = "vector"
    MATRIX = "matrix"
    STRING = "string"


class Span(Struct, frozen=True):
    """Half-open range of character offsets in the query text."""

    start: int
    end: int


class AtEdge(StrEnum):
    """`@ start()` and `@ end()`."""

    START = "start"
    END = "end"


class RangeMode(StrEnum):
    """Prometheus 3's extended selectors: `x[5m] anchored`, `x smoothed`."""

    PLAIN = ""
    ANCHORED = "anchored"
    SMOOTHED = "smoothed"


class NumberLiteral(Struct, frozen=True):
    value: float
    span: Span
    text: str = ""
    """as written (`0x1f`, `1h`), for printing"""
    is_duration: bool = False
    """written with units (`1h30m`), and printed so"""


class StringLiteral(Struct, frozen=True):
    value: str
    span: Span


class DurationCall(Struct, frozen=True):
    """`step()`, `range()`, `min(a, b)`, `max(a, b)` inside a duration expression."""

    name: str
    args: tuple[DurationExpr, ...]
    span: Span


class DurationBinary(Struct, frozen=True):
    """Arithmetic inside a duration expression; `op` is one of + - * / % ^, a unary sign has no `left`."""

    op: str
    left: DurationExpr | None
    right: DurationExpr
    span: Span
    parenthesised: bool = False


DurationExpr = NumberLiteral | DurationCall | DurationBinary
"""Seconds; a plain duration such as 5m is a NumberLiteral of 300."""


class VectorSelector(Struct, frozen=True):
    """`metric{label="value"}`; `matchers` includes the one on __name__."""

    matchers: tuple[Matcher, ...]
    span: Span
    name: str = ""
    """the metric name where it was written before the braces"""
    offset: DurationExpr | None = None
    at: float | AtEdge | None = None
    """seconds since the epoch, or an edge of the query's range"""
    mode: RangeMode = RangeMode.PLAIN


class MatrixSelector(Struct, frozen=True):
    """`selector[5m]`; offset, @ and mode stand in the selector."""

    selector: VectorSelector
    range: DurationExpr
    span: Span


class Subquery(Struct, frozen=True):
    """`expr[1h:5m]`; without a step the evaluation interval is used."""

    expr: Expr
    range: DurationExpr
    step: DurationExpr | None
    span: Span
    offset: DurationExpr | None = None
    at: float | AtEdge | None = None


class Call(Struct, frozen=True):
    """A function call; `function` is the name in `promql.signatures.SIGNATURES`."""

    function: str
    args: tuple[Expr, ...]
    span: Span


class Aggregate(Struct, frozen=True):
    """`op by (grouping) (param, expr)`."""

    op: str
    expr: Expr
    span: Span
    param: Expr | None = None
    grouping: tuple[str, ...] = ()
    without: bool = False


class Cardinality(StrEnum):
    ONE_TO_ONE = "one-to-one"
    MANY_TO_ONE = "many-to-one"
    ONE_TO_MANY = "one-to-many"
    MANY_TO_MANY = "many-to-many"


class VectorMatching(Struct, frozen=True):
    """How the two sides of a binary operator find each other."""

    cardinality: Cardinality = Cardinality.ONE_TO_ONE
    on: bool = False
    """True: match on `labels` only; False: on all but `labels`"""
    labels: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    fill_left: float | None = None
    fill_right: float | None = None


class Binary(Struct, frozen=True):
    """`left op right`; `matching` is None unless both sides are vectors."""

    op: str
    left: Expr
    right: Expr
    span: Span
    matching: VectorMatching | None = None
    return_bool: bool = False


class Unary(Struct, frozen=True):
    op: str
    expr: Expr
    span: Span


class Paren(Struct, frozen=True):
    expr: Expr
    span: Span


Expr = (
    NumberLiteral
    | StringLiteral
    | VectorSelector
    | MatrixSelector
    | Subquery
    | Call
    | Aggregate
    | Binary
    | Unary
    | Paren
)


def children(expr: Expr) -> tuple[Expr, ...]:
    """The parts that are expressions themselves; the selector of a range is none."""
    match expr:
        case Binary(_, left, right):
            return (left, right)
        case Call(_, args):
            return args
        case Aggregate():
            return (expr.expr,) if expr.param is None else (expr.param, expr.expr)
        case Subquery() | Unary() | Paren():
            return (expr.expr,)
        case _:
            return ()
