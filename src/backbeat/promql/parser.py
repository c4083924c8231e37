"""A PromQL query's text to its syntax tree: Prometheus 3.14's grammar, experimental parts included.

In:  the text an operator wrote. Out: an `Expr` whose types are checked (`promql.typecheck`).
A Pratt parser: `_expression(power)` reads a prefix and then every operator that binds at least so tightly.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

from backbeat.model.errors import RegexError
from backbeat.model.labels import METRIC_NAME
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.model.results import BadQuery
from backbeat.promql import lexer
from backbeat.promql.ast import (
    Aggregate,
    AtEdge,
    Binary,
    Call,
    Cardinality,
    DurationExpr,
    Expr,
    MatrixSelector,
    NumberLiteral,
    Paren,
    RangeMode,
    Span,
    StringLiteral,
    Subquery,
    Unary,
    ValueType,
    VectorMatching,
    VectorSelector,
)
from backbeat.promql.durations import offset_duration, range_duration
from backbeat.promql.lexer import DURATION, END, IDENTIFIER, METRIC_IDENTIFIER, NUMBER, STRING, Token
from backbeat.promql.mistakes import bad_query
from backbeat.promql.names import nearest
from backbeat.promql.signatures import SIGNATURES
from backbeat.promql.tokens import MAX_DEPTH, TokenReader
from backbeat.promql.typecheck import check, value_type

MAX_QUERY_BYTES = 64 * 1024

_POWER = {
    "or": 1,
    "and": 2,
    "unless": 2,
    "==": 3,
    "!=": 3,
    "<=": 3,
    "<": 3,
    ">=": 3,
    ">": 3,
    "</": 3,
    ">/": 3,
}
_POWER |= {"+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "atan2": 5, "^": 6}
_SIGN_POWER = 5
_POSTFIX = frozenset(("[", "offset", "@", "anchored", "smoothed"))
_WITH_PARAMETER = frozenset(("topk", "bottomk", "count_values", "quantile", "limitk", "limit_ratio"))
_METRIC_WORDS = (
    lexer.AGGREGATORS
    | lexer.PREPROCESSORS
    | lexer.SET_OPERATORS
    | {"by", "fill", "fill_left", "fill_right", "offset", "without", "anchored", "smoothed"}
)
_LABEL_WORDS = (_METRIC_WORDS - {"without"}) | {
    "bool",
    "group_left",
    "group_right",
    "ignoring",
    "on",
    "atan2",
}
_SELECTORS = (VectorSelector, MatrixSelector, Subquery)
_Selector = VectorSelector | MatrixSelector | Subquery


@lru_cache(maxsize=4096)
def parse(text: str) -> Expr:
    """Parse and check one query. Raises BadQuery, whose first line is the one Prometheus would give."""
    _check_size(text)
    try:
        return _Parser(text).query()
    except RecursionError:
        raise bad_query(text, 0, f"query nests deeper than {MAX_DEPTH} levels") from None


@lru_cache(maxsize=4096)
def parse_selector(text: str) -> tuple[Matcher, ...]:
    """The matchers of one vector selector, as in `match[]`; it may match everything. Raises BadQuery."""
    _check_size(text)
    return _Parser(text).lone_selector()


def _check_size(text: str) -> None:
    size = len(text) if len(text) > MAX_QUERY_BYTES else len(text.encode("utf-8", "replace"))
    if size > MAX_QUERY_BYTES:
        raise BadQuery(f"query has {size} bytes, expected at most {MAX_QUERY_BYTES}; use recording rules")


class _Parser:
    """Reads one query; used once."""

    def __init__(self, text: str) -> None:
        self._tokens = TokenReader(text)
        self._types: dict[int, ValueType] = {}
        """of the binary operators built so far, by id: their tree is alive until the parser goes"""
        self._height = 0
        """of the tree that `_expression` or `_prefix` returned last"""

    def query(self) -> Expr:
        if self._tokens.peek().kind == END:
            raise self._tokens.mistake(0, "no expression found in input")
        expr = self._expression()
        if self._tokens.peek().kind != END:
            raise self._tokens.unexpected()
        check(expr, self._tokens.text)
        return expr

    def lone_selector(self) -> tuple[Matcher, ...]:
        token = self._tokens.peek()
        if token.kind not in (IDENTIFIER, METRIC_IDENTIFIER, "{") and token.kind not in _METRIC_WORDS:
            raise self._tokens.unexpected()
        selector = self._vector_selector()
        if self._tokens.peek().kind != END:
            raise self._tokens.unexpected()
        return selector.matchers

    # Operators

    def _expression(self, power: int = 0) -> Expr:
        tokens = self._tokens
        with tokens.deeper():
            left = self._prefix()
            height = self._height
            while True:
                token = tokens.peek()
                if token.kind in _POSTFIX:
                    left = self._postfix(left, token)
                    height += token.kind == "["
                elif _POWER.get(token.kind, -1) >= power:
                    left = self._binary(left, token)
                    height = max(height, self._height) + 1
                else:
                    break
                tokens.check_chain(height, token.start)
            self._height = height
            return left

    def _binary(self, left: Expr, op: Token) -> Binary:
        self._tokens.take()
        return_bool, matching = self._modifiers()
        right = self._expression(_POWER[op.kind] + (0 if op.kind == "^" else 1))
        types = (value_type(left, self._types), value_type(right, self._types))
        kept: VectorMatching | None = matching
        if types == (ValueType.VECTOR, ValueType.VECTOR):
            if op.kind in lexer.SET_OPERATORS and matching.cardinality is Cardinality.ONE_TO_ONE:
                kept = replace(matching, cardinality=Cardinality.MANY_TO_MANY)
        elif not matching.labels and matching.fill_left is None and matching.fill_right is None:
            kept = None  # what is wrong with the others is the type check's to say
        binary = Binary(op.kind, left, right, Span(left.span.start, right.span.end), kept, return_bool)
        both_scalar = types == (ValueType.SCALAR, ValueType.SCALAR)
        self._types[id(binary)] = ValueType.SCALAR if both_scalar else ValueType.VECTOR
        return binary

    def _modifiers(self) -> tuple[bool, VectorMatching]:
        """`bool`, `on (...)` or `ignoring (...)` with `group_left (...)`, and the fills."""
        tokens = self._tokens
        return_bool = tokens.peek().kind == "bool"
        if return_bool:
            tokens.take()
        matching = VectorMatching()
        word = tokens.peek().kind
        if word in ("on", "ignoring"):
            tokens.take()
            matching = VectorMatching(on=word == "on", labels=self._grouping())
            side = tokens.peek().kind
            if side in ("group_left", "group_right"):
                tokens.take()
                one = Cardinality.MANY_TO_ONE if side == "group_left" else Cardinality.ONE_TO_MANY
                include = self._grouping() if tokens.peek().kind == "(" else ()
                matching = replace(matching, cardinality=one, include=include)
        return return_bool, self._fills(matching)

    def _fills(self, matching: VectorMatching) -> VectorMatching:
        kind = self._tokens.peek().kind
        if kind == "fill":
            value = self._fill_value()
            return replace(matching, fill_left=value, fill_right=value)
        if kind in ("fill_left", "fill_right"):
            other = "fill_right" if kind == "fill_left" else "fill_left"
            values = {kind: self._fill_value()}
            if self._tokens.peek().kind == other:
                values[other] = self._fill_value()
            return replace(matching, fill_left=values.get("fill_left"), fill_right=values.get("fill_right"))
        return matching

    def _fill_value(self) -> float:
        tokens = self._tokens
        tokens.take()
        tokens.expect("(")
        sign = tokens.take().kind if tokens.peek().kind in ("+", "-") else "+"
        if tokens.peek().kind not in (NUMBER, DURATION):
            raise tokens.unexpected()
        value = tokens.number().value
        tokens.expect(")")
        return -value if sign == "-" else value

    # What an expression begins with

    def _prefix(self) -> Expr:
        tokens = self._tokens
        token = tokens.peek()
        kind = token.kind
        self._height = 1
        if kind in (NUMBER, DURATION):
            return tokens.number()
        if kind == STRING:
            return StringLiteral(tokens.string(), Span(token.start, token.end))
        if kind == "(":
            return self._paren(token)
        if kind in ("+", "-"):
            return self._sign(token)
        if kind not in (IDENTIFIER, METRIC_IDENTIFIER, "{") and kind not in _METRIC_WORDS:
            raise tokens.unexpected()
        return self._named(token)

    def _named(self, token: Token) -> Expr:
        """An aggregation, a call, or a selector, by what follows the name."""
        tokens = self._tokens
        if token.kind == "{" or token.kind == METRIC_IDENTIFIER:
            return self._vector_selector()
        tokens.take()
        follows = tokens.peek().kind
        if token.kind in lexer.AGGREGATORS:
            if follows in ("(", "by", "without"):
                return self._aggregate(token)
            if follows in (IDENTIFIER, METRIC_IDENTIFIER, NUMBER, DURATION, STRING):
                raise tokens.unexpected("aggregation")
        elif follows == "(" and (token.kind == IDENTIFIER or token.kind in lexer.PREPROCESSORS):
            return self._call(token)
        return self._vector_selector(token)

    def _paren(self, opening: Token) -> Expr:
        self._tokens.take()
        inner = self._expression()
        self._height += 1
        return Paren(inner, Span(opening.start, self._tokens.expect(")").end))

    def _sign(self, sign: Token) -> Expr:
        self._tokens.take()
        operand = self._expression(_SIGN_POWER + 1)
        span = Span(sign.start, operand.span.end)
        if isinstance(operand, NumberLiteral):
            value = -operand.value if sign.kind == "-" else operand.value
            return replace(operand, value=value, span=span, text=sign.text + operand.text)
        self._height += 1
        return Unary(sign.kind, operand, span)

    def _call(self, name: Token) -> Expr:
        arguments = self._arguments()
        if name.text not in SIGNATURES:
            close = nearest(name.text, SIGNATURES)
            hint = f"did you mean {close}()?" if close else ""
            raise self._tokens.mistake(name.start, f'unknown function with name "{name.text}"', hint)
        return Call(name.text, arguments, Span(name.start, self._tokens.last_end))

    def _arguments(self) -> tuple[Expr, ...]:
        tokens = self._tokens
        tokens.expect("(")
        arguments: list[Expr] = []
        height = 0
        while tokens.peek().kind != ")" or arguments:
            if arguments:
                if tokens.peek().kind == ")":
                    break
                comma = tokens.expect(",")
                if not self._begins_expression(tokens.peek()):
                    raise tokens.mistake(comma.start, "trailing commas not allowed in function call args")
            arguments.append(self._expression())
            height = max(height, self._height)
        tokens.take()
        self._height = height + 1
        return tuple(arguments)

    @staticmethod
    def _begins_expression(token: Token) -> bool:
        begins = (NUMBER, DURATION, STRING, IDENTIFIER, METRIC_IDENTIFIER, "(", "{", "+", "-")
        return token.kind in begins or token.kind in _METRIC_WORDS

    # Aggregations

    def _aggregate(self, op: Token) -> Expr:
        tokens = self._tokens
        grouping: tuple[str, ...] = ()
        without = False
        with tokens.inside("aggregation"):
            has_modifier = tokens.peek().kind in ("by", "without")
            if has_modifier:
                without, grouping = self._aggregate_modifier()
            arguments = self._arguments()
        height, end = self._height, tokens.last_end
        if not has_modifier and tokens.peek().kind in ("by", "without"):
            without, grouping = self._aggregate_modifier()
            end = tokens.last_end
        self._height = height
        if not arguments:
            raise tokens.mistake(op.start, "no arguments for aggregate expression provided")
        wanted = 2 if op.kind in _WITH_PARAMETER else 1
        if len(arguments) != wanted:
            raise tokens.mistake(
                op.start,
                "wrong number of arguments for aggregate expression provided, "
                f"expected {wanted}, got {len(arguments)}",
            )
        param = arguments[0] if wanted == 2 else None
        return Aggregate(op.kind, arguments[-1], Span(op.start, end), param, grouping, without)

    def _aggregate_modifier(self) -> tuple[bool, tuple[str, ...]]:
        without = self._tokens.take().kind == "without"
        return without, self._grouping()

    def _grouping(self) -> tuple[str, ...]:
        """`(a, b, "c.d")`, with a comma at the end if one likes."""
        tokens = self._tokens
        if tokens.peek().kind != "(":
            raise tokens.unexpected("grouping opts", '"("')
        tokens.take()
        labels: list[str] = []
        while tokens.peek().kind != ")":
            labels.append(self._grouping_label())
            if tokens.peek().kind == ",":
                tokens.take()
            elif tokens.peek().kind != ")":
                raise tokens.unexpected("grouping opts", '"," or ")"')
        tokens.take()
        return tuple(labels)

    def _grouping_label(self) -> str:
        tokens = self._tokens
        token = tokens.peek()
        if token.kind == STRING:
            name = tokens.string()
            if not name:
                raise tokens.mistake(token.start, 'invalid label name for grouping: ""')
            return name
        if token.kind not in (IDENTIFIER, METRIC_IDENTIFIER) and token.kind not in _LABEL_WORDS:
            raise tokens.unexpected("grouping opts", "label")
        return tokens.take().text

    # Selectors

    def _vector_selector(self, name: Token | None = None) -> VectorSelector:
        """A metric name (taken already, or next), its braces, or both."""
        tokens = self._tokens
        if name is None and tokens.peek().kind != "{":
            name = tokens.take()
        start = tokens.peek().start if name is None else name.start
        matchers = self._matchers() if tokens.peek().kind == "{" else []
        if name is not None:
            matchers.append(Matcher(METRIC_NAME, MatchOp.EQUAL, name.text))
        return VectorSelector(
            tuple(matchers), Span(start, tokens.last_end), name="" if name is None else name.text
        )

    def _matchers(self) -> list[Matcher]:
        tokens = self._tokens
        tokens.take()
        matchers: list[Matcher] = []
        while tokens.peek().kind != "}":
            matchers.append(self._matcher())
            if tokens.peek().kind == ",":
                tokens.take()
            elif tokens.peek().kind != "}":
                raise tokens.unexpected("label matching", '"," or "}"')
        tokens.take()
        return matchers

    def _matcher(self) -> Matcher:
        """`label="value"`, `"utf-8 label"="value"`, or a quoted metric name alone."""
        tokens = self._tokens
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

    # What may follow a selector

    def _postfix(self, left: Expr, token: Token) -> Expr:
        self._tokens.take()
        if token.kind == "[":
            return self._brackets(left, token)
        if token.kind == "offset":
            with self._tokens.inside("offset", "number, duration, step(), or range()"):
                offset = offset_duration(self._tokens)
            return self._with_offset(left, offset)
        if token.kind == "@":
            return self._with_at(left)
        return self._with_mode(left, RangeMode(token.kind))

    def _brackets(self, left: Expr, opening: Token) -> Expr:
        """`[range]` or `[range:step]`; a chain of them nests."""
        tokens = self._tokens
        with tokens.inside("subquery or range selector", "number, duration, step(), or range()"):
            span = range_duration(tokens)
        follows = tokens.peek().kind
        if follows == "]":
            closing = tokens.take()
            return self._matrix(left, span, opening, closing)
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

    def _matrix(self, left: Expr, span: DurationExpr, opening: Token, closing: Token) -> Expr:
        problem = ""
        if not isinstance(left, VectorSelector):
            problem = "ranges only allowed for vector selectors"
        elif left.offset is not None:
            problem = "no offset modifiers allowed before range"
        elif left.at is not None:
            problem = "no @ modifiers allowed before range"
        if problem or not isinstance(left, VectorSelector):
            raise self._tokens.mistake(opening.start, problem)
        return MatrixSelector(left, span, Span(left.span.start, closing.end))

    def _with_offset(self, left: Expr, offset: DurationExpr) -> Expr:
        if not isinstance(left, _SELECTORS):
            raise self._not_a_selector(left, "offset modifier")
        holder = left.selector if isinstance(left, MatrixSelector) else left
        if holder.offset is not None:
            raise self._tokens.mistake(left.span.start, "offset may not be set multiple times")
        if isinstance(offset, NumberLiteral) and offset.value == 0:
            return self._extend(left)
        if isinstance(left, MatrixSelector):
            return self._extend(replace(left, selector=replace(left.selector, offset=offset)))
        return self._extend(replace(left, offset=offset))

    def _with_at(self, left: Expr) -> Expr:
        at = self._at_time(left)
        if not isinstance(left, _SELECTORS):
            raise self._not_a_selector(left, "@ modifier")
        holder = left.selector if isinstance(left, MatrixSelector) else left
        if holder.at is not None:
            raise self._tokens.mistake(left.span.start, "@ <timestamp> may not be set multiple times")
        if isinstance(left, MatrixSelector):
            return self._extend(replace(left, selector=replace(left.selector, at=at)))
        return self._extend(replace(left, at=at))

    def _at_time(self, left: Expr) -> float | AtEdge:
        """A time in seconds, rounded to milliseconds, or an edge of the query's range."""
        tokens = self._tokens
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
            shown = (
                f"{seconds:f}"
                if math.isfinite(seconds)
                else {math.inf: "+Inf", -math.inf: "-Inf"}.get(seconds, "NaN")
            )
            raise tokens.mistake(left.span.start, f"timestamp out of bounds for @ modifier: {shown}")
        return math.copysign(math.floor(abs(seconds) * 1000 + 0.5), seconds) / 1000

    def _with_mode(self, left: Expr, mode: RangeMode) -> Expr:
        start = left.span.start
        if isinstance(left, Subquery):
            raise self._tokens.mistake(start, f"{mode} modifier is not supported for subqueries")
        if not isinstance(left, VectorSelector | MatrixSelector):
            raise self._tokens.mistake(start, f"{mode} modifier not implemented")
        holder = left.selector if isinstance(left, MatrixSelector) else left
        if holder.mode not in (RangeMode.PLAIN, mode):
            raise self._tokens.mistake(start, "anchored and smoothed modifiers cannot be used together")
        if isinstance(left, MatrixSelector):
            return self._extend(replace(left, selector=replace(left.selector, mode=mode)))
        return self._extend(replace(left, mode=mode))

    def _extend(self, node: _Selector) -> _Selector:
        """The same node, reaching to the token taken last."""
        return replace(node, span=Span(node.span.start, self._tokens.last_end))

    def _not_a_selector(self, left: Expr, what: str) -> BadQuery:
        return self._tokens.mistake(
            left.span.start,
            f"{what} must be preceded by an instant vector selector or range vector selector or a subquery",
        )
