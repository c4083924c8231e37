"""Which queries are so small that a thread's turn would cost more than their answer.

In:  a query's text, then its tree. Out: what it reads, so that before each evaluation the size of the work is
known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

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
from backbeat.promql.range_functions import GATHERING

MOST_CELLS = 30_000
"""series times steps of all that is read: about two milliseconds of work"""
SHORTEST_INTERVAL_MS = 5000
"""of samples, as far as what is small is concerned"""
LONGEST_TEXT = 1000
"""characters that are parsed within a few milliseconds, whatever else they say than regular expressions"""
_MUCH_IN_FEW = re.compile(r"\\|\{\d")
"""what makes of a short regular expression a large one: classes of Unicode, counts"""


def is_soon_parsed(text: str) -> bool:
    """Whether to parse a query or a selector takes no more than a few milliseconds."""
    if len(text) > LONGEST_TEXT:
        return False
    return not (("=~" in text or "!~" in text) and _MUCH_IN_FEW.search(text))


class Read(Struct, frozen=True):
    """A selector, and how long before a step it looks at most; None: the lookback."""

    matchers: tuple[Matcher, ...]
    range_ms: int | None
    goes_through: bool = False
    """whether every sample of a window is looked at, not only its ends"""


def reads(expr: Expr) -> Sequence[Read] | None:
    """What the query reads; None where that, or the work that follows, is not plain to see."""
    found: list[Read] = []
    return found if _find(expr, found) else None


def _find(expr: Expr, found: list[Read], *, goes_through: bool = True) -> bool:
    """goes_through: whether the function around a range does."""
    match expr:
        case NumberLiteral() | StringLiteral():
            return True
        case VectorSelector():
            found.append(Read(expr.matchers, None))
            return _is_plain(expr)
        case MatrixSelector(selector, range_):
            if not isinstance(range_, NumberLiteral):
                return False
            found.append(Read(selector.matchers, int(range_.value * 1000), goes_through=goes_through))
            return _is_plain(selector)
        case Subquery():
            return False
        case Call(function, args):
            through = function not in GATHERING
            return function != "info" and all(_find(arg, found, goes_through=through) for arg in args)
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
        windows = reach_ms // SHORTEST_INTERVAL_MS if one.goes_through else 1
        cells += series * steps * max(1, windows)
    return cells <= MOST_CELLS
