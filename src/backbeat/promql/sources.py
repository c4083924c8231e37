"""What a vector is made of: its selectors, the subqueries around each, durations that depend on the query.

In:  a checked `Expr`. Out: selectors in order. info() asks as of which times its argument is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backbeat.promql.ast import (
    Aggregate,
    Binary,
    Call,
    DurationExpr,
    Expr,
    MatrixSelector,
    NumberLiteral,
    Paren,
    Subquery,
    Unary,
    ValueType,
    VectorSelector,
    children,
)
from backbeat.promql.typecheck import value_type

Source = tuple[VectorSelector, tuple[Subquery, ...]]
_VECTORS = (ValueType.VECTOR, ValueType.MATRIX)


def sources(expr: Expr, around: tuple[Subquery, ...] = ()) -> Iterator[Source | None]:
    """Of an instant or range vector: each selector with the subqueries around it, the outermost first.

    None for a vector of no selector, such as vector(1); numbers are no part of it, whatever they are made of.
    """
    match expr:
        case VectorSelector():
            yield expr, around
        case MatrixSelector(selector):
            yield selector, around
        case Subquery(inner):
            yield from sources(inner, (*around, expr))
        case Paren(inner) | Unary(_, inner) | Aggregate(_, inner):
            yield from sources(inner, around)
        case Binary() | Call():
            parts = [part for part in _operands(expr) if value_type(part) in _VECTORS]
            for part in parts:
                yield from sources(part, around)
            if not parts:
                yield None


def computed_durations(expr: Expr) -> Iterator[tuple[DurationExpr, bool]]:
    """Ranges, steps and offsets that are not plain numbers, and whether each may be negative."""
    match expr:
        case VectorSelector(offset=offset):
            found = [(offset, True)]
        case MatrixSelector(selector, range_):
            found = [(range_, False), (selector.offset, True)]
        case Subquery():
            found = [(expr.offset, True), (expr.step, False), (expr.range, False)]
        case _:
            found = []
    for duration, may_be_negative in found:
        if duration is not None and not isinstance(duration, NumberLiteral):
            yield duration, may_be_negative
    for part in children(expr):
        yield from computed_durations(part)


def _operands(expr: Binary | Call) -> Sequence[Expr]:
    if isinstance(expr, Binary):
        return expr.left, expr.right
    # The second argument of info is the form of a selector, and is not evaluated.
    return expr.args[:1] if expr.function == "info" else expr.args
