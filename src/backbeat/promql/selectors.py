"""Selectors: `metric{label="value"}` and the label lists in `by (...)` and `on (...)`.

In:  tokens. Out: a VectorSelector, or label names; nothing here reads an expression.
"""

from __future__ import annotations

from backbeat.model import gotext
from backbeat.model.errors import RegexError
from backbeat.model.labels import METRIC_NAME
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.promql import lexer
from backbeat.promql.ast import Span, VectorSelector
from backbeat.promql.lexer import IDENTIFIER, METRIC_IDENTIFIER, STRING, Token
from backbeat.promql.names import is_label_name
from backbeat.promql.tokens import TokenReader

METRIC_WORDS = (
    lexer.AGGREGATORS
    | lexer.PREPROCESSORS
    | lexer.SET_OPERATORS
    | {"by", "fill", "fill_left", "fill_right", "offset", "without", "anchored", "smoothed"}
)
"""keywords that are metric names where an expression begins"""
LABEL_WORDS = (METRIC_WORDS - {"without"}) | {"bool", "group_left", "group_right", "ignoring", "on", "atan2"}


def begins_selector(token: Token) -> bool:
    return token.kind in (IDENTIFIER, METRIC_IDENTIFIER, "{") or token.kind in METRIC_WORDS


def grouping(tokens: TokenReader) -> tuple[str, ...]:
    """`(a, b, "c.d")`, with a comma at the end if one likes."""
    if tokens.peek().kind != "(":
        raise tokens.unexpected("grouping opts", '"("')
    tokens.take()
    labels: list[str] = []
    while tokens.peek().kind != ")":
        labels.append(_grouping_label(tokens))
        if tokens.peek().kind == ",":
            tokens.take()
        elif tokens.peek().kind != ")":
            raise tokens.unexpected("grouping opts", '"," or ")"')
    tokens.take()
    return tuple(labels)


def _grouping_label(tokens: TokenReader) -> str:
    token = tokens.peek()
    if token.kind == STRING:
        name = tokens.string()
        if not is_label_name(name):
            raise tokens.mistake(token.start, f"invalid label name for grouping: {gotext.quote(name)}")
        return name
    if token.kind not in (IDENTIFIER, METRIC_IDENTIFIER) and token.kind not in LABEL_WORDS:
        raise tokens.unexpected("grouping opts", "label")
    return tokens.take().text


def vector_selector(tokens: TokenReader, name: Token | None = None) -> VectorSelector:
    """A metric name (taken already, or next), its braces, or both."""
    if name is None and tokens.peek().kind != "{":
        name = tokens.take()
    start = tokens.peek().start if name is None else name.start
    matchers = _matchers(tokens) if tokens.peek().kind == "{" else []
    if name is not None:
        matchers.append(Matcher(METRIC_NAME, MatchOp.EQUAL, name.text))
    return VectorSelector(
        tuple(matchers), Span(start, tokens.last_end), name="" if name is None else name.text
    )


def _matchers(tokens: TokenReader) -> list[Matcher]:
    tokens.take()
    matchers: list[Matcher] = []
    while tokens.peek().kind != "}":
        matchers.append(_matcher(tokens))
        if tokens.peek().kind == ",":
            tokens.take()
        elif tokens.peek().kind != "}":
            raise tokens.unexpected("label matching", '"," or "}"')
    tokens.take()
    return matchers


def _matcher(tokens: TokenReader) -> Matcher:
    """`label="value"`, `"utf-8 label"="value"`, or a quoted metric name alone."""
    label = tokens.peek()
    if label.kind not in (IDENTIFIER, STRING):
        raise tokens.unexpected("label matching", 'identifier or "}"')
    name = tokens.string() if label.kind == STRING else tokens.take().text
    op = tokens.peek()
    if op.kind not in ("=", "!=", "=~", "!~"):
        if label.kind == STRING:
            return Matcher(METRIC_NAME, MatchOp.EQUAL, name)
        raise tokens.unexpected("label matching", "label matching operator")
    tokens.take()
    if tokens.peek().kind != STRING:
        raise tokens.unexpected("label matching", "string")
    try:
        return Matcher(name, MatchOp(op.kind), tokens.string())
    except RegexError as error:
        raise tokens.mistake(label.start, str(error)) from None
