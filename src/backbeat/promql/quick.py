"""Which queries are so small that a thread's turn would cost more than their answer.

In:  a query's tree. Out: what it reads, so that before each evaluation the size of the work is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backbeat.model.matchers import Matcher
from backbeat.promql.ast import (
    Aggregate,
    Binary,
    Call,
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
from backbeat.promql.queryable import Watched

MOST_CELLS = 30_000
"""series times steps of all that is read: about two milliseconds of work"""
LONGEST_TEXT = 4000
"""of a query; to parse more takes too long"""


@dataclass(frozen=True, slots=True)
class Read:
    """A selector, and how long before a step it looks at most; None: the lookback."""

    matchers: tuple[Matcher, ...]
    range_ms: int | None


def reads(expr: Expr) -> Sequence[Read] | None:
    """What the query reads; None where that, or the work that follows, is not plain to see."""
    found: list[Read] = []
    return found if _find(expr, found) else None


def _find(expr: Expr, found: list[Read]) -> bool:
    match expr:
        case NumberLiteral() | StringLiteral():
            return True
        case VectorSelector():
            found.append(Read(expr.matchers, None))
            return _is_plain(expr)
        case MatrixSelector(selector, range_):
            if not isinstance(range_, NumberLiteral):
                return False
            found.append(Read(selector.matchers, int(range_.value * 1000)))
            return _is_plain(selector)
        case Subquery():
            return False
        case Call(function, args):
            return function != "info" and all(_find(arg, found) for arg in args)
        case Aggregate():
            return (expr.param is None or _find(expr.param, found)) and _find(expr.expr, found)
        case Binary(_, left, right):
            return _find(left, found) and _find(right, found)
        case Unary(_, inner) | Paren(inner):
            return _find(inner, found)


def _is_plain(selector: VectorSelector) -> bool:
    return selector.at is None and selector.mode is RangeMode.PLAIN and selector.offset is None


def is_quick(
    read: Sequence[Read] | None, watched: Watched, start_ms: int, steps: int, lookback_ms: int
) -> bool:
    """Whether all that is read is at hand, and little."""
    if read is None:
        return False
    cells = steps
    for one in read:
        reach_ms = lookback_ms if one.range_ms is None else one.range_ms
        series = watched.at_hand(one.matchers, start_ms - reach_ms)
        if series is None:
            return False
        cells += series * steps
    return cells <= MOST_CELLS
