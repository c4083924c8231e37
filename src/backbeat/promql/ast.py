"""The syntax tree of a PromQL query. Every node knows its place in the query text."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from backbeat.model.matchers import Matcher


class ValueType(StrEnum):
    SCALAR = "scalar"
    VECTOR = "vector"
    MATRIX = "matrix"
    STRING = "string"


@dataclass(frozen=True, slots=True)
class Span:
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


@dataclass(frozen=True, slots=True)
class NumberLiteral:
    value: float
    span: Span
    text: str = field(default="", compare=False)
    """as written (`0x1f`, `1h`), for printing"""
    is_duration: bool = field(default=False, compare=False)
    """written with units (`1h30m`), and printed so"""


@dataclass(frozen=True, slots=True)
class StringLiteral:
    value: str
    span: Span


@dataclass(frozen=True, slots=True)
class DurationCall:
    """`step()`, `range()`, `min(a, b)`, `max(a, b)` inside a duration expression."""

    name: str
    args: tuple[DurationExpr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class DurationBinary:
    """Arithmetic inside a duration expression; `op` is one of + - * / % ^, a unary sign has no `left`."""

    op: str
    left: DurationExpr | None
    right: DurationExpr
    span: Span
    parenthesised: bool = False


DurationExpr = NumberLiteral | DurationCall | DurationBinary
"""Seconds; a plain duration such as 5m is a NumberLiteral of 300."""


@dataclass(frozen=True, slots=True)
class VectorSelector:
    """`metric{label="value"}`; `matchers` includes the one on __name__."""

    matchers: tuple[Matcher, ...]
    span: Span
    name: str = ""
    """the metric name where it was written before the braces"""
    offset: DurationExpr | None = None
    at: float | AtEdge | None = None
    """seconds since the epoch, or an edge of the query's range"""
    mode: RangeMode = RangeMode.PLAIN


@dataclass(frozen=True, slots=True)
class MatrixSelector:
    """`selector[5m]`; offset, @ and mode stand in the selector."""

    selector: VectorSelector
    range: DurationExpr
    span: Span


@dataclass(frozen=True, slots=True)
class Subquery:
    """`expr[1h:5m]`; without a step the evaluation interval is used."""

    expr: Expr
    range: DurationExpr
    step: DurationExpr | None
    span: Span
    offset: DurationExpr | None = None
    at: float | AtEdge | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A function call; `function` is the name in `promql.signatures.SIGNATURES`."""

    function: str
    args: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Aggregate:
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


@dataclass(frozen=True, slots=True)
class VectorMatching:
    """How the two sides of a binary operator find each other."""

    cardinality: Cardinality = Cardinality.ONE_TO_ONE
    on: bool = False
    """True: match on `labels` only; False: on all but `labels`"""
    labels: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    fill_left: float | None = None
    fill_right: float | None = None


@dataclass(frozen=True, slots=True)
class Binary:
    """`left op right`; `matching` is None unless both sides are vectors."""

    op: str
    left: Expr
    right: Expr
    span: Span
    matching: VectorMatching | None = None
    return_bool: bool = False


@dataclass(frozen=True, slots=True)
class Unary:
    op: str
    expr: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Paren:
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
