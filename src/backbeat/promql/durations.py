"""Duration expressions: `5m`, `[5m + step()]`, `offset -(1m * 2)`, `max_of(a, b)`.

In:  tokens, from `promql.tokens`. Out: a DurationExpr. Everything is seconds.
"""

from __future__ import annotations

from msgspec.structs import replace

from backbeat.promql.ast import DurationBinary, DurationCall, DurationExpr, NumberLiteral, Span
from backbeat.promql.lexer import DURATION, NUMBER, Token
from backbeat.promql.tokens import TokenReader

_POWER = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2, "^": 3}
_SIGN_POWER = 2
_LONGEST_S = 2**63 / 1e9
"""what fits Go's time.Duration"""


def _in_range(number: NumberLiteral, tokens: TokenReader, start: int) -> NumberLiteral:
    if abs(number.value) > _LONGEST_S:
        raise tokens.mistake(start, "duration out of range")
    return number


def range_duration(tokens: TokenReader) -> DurationExpr:
    """The range or step in square brackets, which must be positive where that is known."""
    duration = duration_expression(tokens)
    if isinstance(duration, NumberLiteral) and not duration.value > 0:
        raise tokens.mistake(duration.span.start, "duration must be greater than 0")
    return duration


def offset_duration(tokens: TokenReader) -> DurationExpr:
    """What follows `offset`.

    A signed number, function or parenthesis ends there (`x offset -2 ^ 2` squares x); an unsigned
    parenthesis goes on.
    """
    first = tokens.peek()
    if first.kind == "(":
        return duration_expression(tokens)
    if first.kind not in ("+", "-"):
        return _operand(tokens)
    sign = tokens.take()
    if tokens.peek().kind in ("+", "-"):
        inner = _signed(tokens, sign, duration_expression(tokens, _SIGN_POWER + 1))
        whole = _operators(tokens, inner, 0)
        # Behind two signs, operators belong to the offset; printed with one sign, they must not leave it.
        if isinstance(whole, DurationBinary) and whole is not inner:
            return replace(whole, parenthesised=True)
        return whole
    return _signed(tokens, sign, _operand(tokens))


def duration_expression(tokens: TokenReader, power: int = 0) -> DurationExpr:
    """Arithmetic with the usual precedence; a sign binds like multiplication."""
    with tokens.deeper():
        first = tokens.peek()
        if first.kind in ("+", "-"):
            tokens.take()
            left = _signed(tokens, first, duration_expression(tokens, _SIGN_POWER + 1))
        else:
            left = _operand(tokens)
        return _operators(tokens, left, power)


def _operators(tokens: TokenReader, left: DurationExpr, power: int) -> DurationExpr:
    links = 0
    while (op := tokens.peek()).kind in _POWER and _POWER[op.kind] >= power:
        tokens.take()
        right = duration_expression(tokens, _POWER[op.kind] + (0 if op.kind == "^" else 1))
        if op.kind in "/%" and isinstance(right, NumberLiteral) and right.value == 0:
            raise tokens.mistake(op.start, f"{'division' if op.kind == '/' else 'modulo'} by zero")
        left = DurationBinary(op.kind, left, right, Span(left.span.start, right.span.end))
        links += 1
        tokens.check_chain(links, op.start)
    return left


def _operand(tokens: TokenReader) -> DurationExpr:
    token = tokens.peek()
    if token.kind in (NUMBER, DURATION):
        return _in_range(tokens.number(), tokens, token.start)
    if token.kind in ("step", "range"):
        tokens.take()
        tokens.expect("(")
        return DurationCall(token.kind, (), Span(token.start, tokens.expect(")").end))
    if token.kind in ("max_of", "min_of"):
        tokens.take()
        tokens.expect("(")
        first = duration_expression(tokens)
        tokens.expect(",")
        second = duration_expression(tokens)
        closing = tokens.expect(")")
        return DurationCall(token.kind, (first, second), Span(token.start, closing.end))
    if token.kind != "(":
        raise tokens.unexpected()
    tokens.take()
    inner = duration_expression(tokens)
    tokens.expect(")")
    # As in Prometheus, the place of what is in parentheses is without them, but a number's begins with one.
    if isinstance(inner, DurationBinary):
        return replace(inner, parenthesised=True)
    start = token.start if isinstance(inner, NumberLiteral) else inner.span.start
    # What is no operator is kept in its parentheses by a sign without effect, for printing.
    return DurationBinary("+", None, inner, Span(start, inner.span.end), parenthesised=True)


def _signed(tokens: TokenReader, sign: Token, right: DurationExpr) -> DurationExpr:
    span = Span(sign.start, right.span.end)
    if isinstance(right, NumberLiteral):
        value = -right.value if sign.kind == "-" else right.value
        return _in_range(
            replace(right, value=value, span=span, text=sign.text + right.text), tokens, sign.start
        )
    return DurationBinary("-", None, right, span) if sign.kind == "-" else right
