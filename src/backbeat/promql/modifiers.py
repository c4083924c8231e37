"""What may follow a selector: `[5m]`, `[1h:5m]`, `offset`, `@`, `anchored`, `smoothed`.

In:  the expression before it, and tokens. Out: the same expression with the modifier in it, or around it.
"""

from __future__ import annotations

import math

from msgspec.structs import replace

from backbeat.model import gotext
from backbeat.model.results import BadQuery
from backbeat.promql.ast import (
    AtEdge,
    DurationExpr,
    Expr,
    MatrixSelector,
    NumberLiteral,
    RangeMode,
    Span,
    Subquery,
    VectorSelector,
)
from backbeat.promql.durations import offset_duration, range_duration
from backbeat.promql.lexer import DURATION, NUMBER, Token
from backbeat.promql.tokens import TokenReader

POSTFIX = frozenset(("[", "offset", "@", "anchored", "smoothed"))
_SELECTORS = (VectorSelector, MatrixSelector, Subquery)
_Selector = VectorSelector | MatrixSelector | Subquery


def postfix(tokens: TokenReader, left: Expr, token: Token) -> Expr:
    tokens.take()
    if token.kind == "[":
        return _brackets(tokens, left, token)
    if token.kind == "offset":
        with tokens.inside("offset", "number, duration, step(), or range()"):
            offset = offset_duration(tokens)
        return _with_offset(tokens, left, offset)
    if token.kind == "@":
        return _with_at(tokens, left)
    return _with_mode(tokens, left, RangeMode(token.kind))


def _brackets(tokens: TokenReader, left: Expr, opening: Token) -> Expr:
    """`[range]` or `[range:step]`; a chain of them nests."""
    with tokens.inside("subquery or range selector", "number, duration, step(), or range()"):
        span = range_duration(tokens)
    follows = tokens.peek().kind
    if follows == "]":
        closing = tokens.take()
        return _matrix(tokens, left, span, opening, closing)
    if follows != ":":
        raise tokens.unexpected("subquery or range", '":" or "]"')
    tokens.take()
    step = None
    if tokens.peek().kind != "]":
        with tokens.inside("subquery selector", 'number, duration, step(), range(), or "]"'):
            step = range_duration(tokens)
        if tokens.peek().kind != "]":
            raise tokens.unexpected("subquery selector", '"]"')
    return Subquery(left, span, step, Span(left.span.start, tokens.take().end))


def _matrix(tokens: TokenReader, left: Expr, span: DurationExpr, opening: Token, closing: Token) -> Expr:
    problem = ""
    if not isinstance(left, VectorSelector):
        problem = "ranges only allowed for vector selectors"
    elif left.offset is not None:
        problem = "no offset modifiers allowed before range"
    elif left.at is not None:
        problem = "no @ modifiers allowed before range"
    if problem or not isinstance(left, VectorSelector):
        raise tokens.mistake(opening.start, problem)
    return MatrixSelector(left, span, Span(left.span.start, closing.end))


def _with_offset(tokens: TokenReader, left: Expr, offset: DurationExpr) -> Expr:
    if not isinstance(left, _SELECTORS):
        raise _not_a_selector(tokens, left, "offset modifier")
    holder = left.selector if isinstance(left, MatrixSelector) else left
    if holder.offset is not None:
        raise tokens.mistake(left.span.start, "offset may not be set multiple times")
    if isinstance(offset, NumberLiteral) and offset.value == 0:
        return _extend(tokens, left)
    if isinstance(left, MatrixSelector):
        return _extend(tokens, replace(left, selector=replace(left.selector, offset=offset)))
    return _extend(tokens, replace(left, offset=offset))


def _with_at(tokens: TokenReader, left: Expr) -> Expr:
    at = _at_time(tokens, left)
    if not isinstance(left, _SELECTORS):
        raise _not_a_selector(tokens, left, "@ modifier")
    holder = left.selector if isinstance(left, MatrixSelector) else left
    if holder.at is not None:
        raise tokens.mistake(left.span.start, "@ <timestamp> may not be set multiple times")
    if isinstance(left, MatrixSelector):
        return _extend(tokens, replace(left, selector=replace(left.selector, at=at)))
    return _extend(tokens, replace(left, at=at))


def _at_time(tokens: TokenReader, left: Expr) -> float | AtEdge:
    """A time in seconds, rounded to milliseconds, or an edge of the query's range."""
    with tokens.inside("@", "timestamp"):
        token = tokens.peek()
        if token.kind in ("start", "end"):
            tokens.take()
            tokens.expect("(")
            tokens.expect(")")
            return AtEdge(token.kind)
        sign = -1.0 if token.kind == "-" else 1.0
        if token.kind in ("+", "-"):
            tokens.take()
        if tokens.peek().kind not in (NUMBER, DURATION):
            raise tokens.unexpected()
        seconds = sign * tokens.number().value
    if not -(2.0**63) < seconds < 2.0**63:
        shown = gotext.special_float(seconds) or f"{seconds:f}"
        raise tokens.mistake(left.span.start, f"timestamp out of bounds for @ modifier: {shown}")
    milliseconds = math.copysign(math.floor(abs(seconds) * 1000 + 0.5), seconds)
    # Beyond 64 bits Go's conversion gives the smallest number.
    return (milliseconds if abs(milliseconds) < 2.0**63 else -(2.0**63)) / 1000


def _with_mode(tokens: TokenReader, left: Expr, mode: RangeMode) -> Expr:
    """The selector's place does not reach to the word, as in Prometheus."""
    start = left.span.start
    if isinstance(left, Subquery):
        raise tokens.mistake(start, f"{mode} modifier is not supported for subqueries")
    if not isinstance(left, VectorSelector | MatrixSelector):
        raise tokens.mistake(start, f"{mode} modifier not implemented")
    holder = left.selector if isinstance(left, MatrixSelector) else left
    if holder.mode not in (RangeMode.PLAIN, mode):
        raise tokens.mistake(start, "anchored and smoothed modifiers cannot be used together")
    if isinstance(left, MatrixSelector):
        return replace(left, selector=replace(left.selector, mode=mode))
    return replace(left, mode=mode)


def _extend(tokens: TokenReader, node: _Selector) -> _Selector:
    """The same node, reaching to the token taken last."""
    return replace(node, span=Span(node.span.start, tokens.last_end))


def _not_a_selector(tokens: TokenReader, left: Expr, what: str) -> BadQuery:
    return tokens.mistake(
        left.span.start,
        f"{what} must be preceded by an instant vector selector or range vector selector or a subquery",
    )
