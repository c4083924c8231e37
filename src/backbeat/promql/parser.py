"""A PromQL query's text to its syntax tree: Prometheus 3.16's grammar, experimental parts included.

In:  the text an operator wrote. Out: an `Expr` whose types are checked (`promql.typecheck`).
A Pratt parser: `_expression(power)` reads a prefix and then every operator that binds at least so tightly.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from msgspec.structs import replace

from backbeat.model.matchers import Matcher
from backbeat.model.results import BadQuery
from backbeat.promql import lexer
from backbeat.promql.ast import (
    Aggregate,
    Binary,
    Call,
    Cardinality,
    Expr,
    NumberLiteral,
    Paren,
    Span,
    StringLiteral,
    Unary,
    ValueType,
    VectorMatching,
)
from backbeat.promql.lexer import DURATION, END, IDENTIFIER, METRIC_IDENTIFIER, NUMBER, STRING, Token
from backbeat.promql.mistakes import bad_query
from backbeat.promql.modifiers import POSTFIX, postfix
from backbeat.promql.names import nearest
from backbeat.promql.selectors import begins_selector, grouping, vector_selector
from backbeat.promql.signatures import SIGNATURES
from backbeat.promql.tokens import MAX_DEPTH, TokenReader
from backbeat.promql.typecheck import check, value_type

MAX_QUERY_BYTES = 64 * 1024
_LONGEST_CACHED = 2048
"""characters; trees never change, so they are shared, but long ones would fill the memory"""

_LEVELS = ("or", "and unless", "== != <= < >= > </ >/", "+ -", "* / % atan2", "^")
_POWER = {op: power for power, level in enumerate(_LEVELS, start=1) for op in level.split()}
_SIGN_POWER = _POWER["*"]
_ELSEWHERE = {"average": "avg", "mean": "avg", "percentile": "quantile", "variance": "stdvar"}
"""aggregations by what other languages call them"""
_WITH_PARAMETER = frozenset(("topk", "bottomk", "count_values", "quantile", "limitk", "limit_ratio"))


def parse(text: str) -> Expr:
    """Parse and check one query. Raises BadQuery, whose first line is the one Prometheus would give."""
    return _parse(text) if len(text) > _LONGEST_CACHED else _parse_cached(text)


def parse_selector(text: str) -> tuple[Matcher, ...]:
    """The matchers of one vector selector, as in `match[]`; it may match everything. Raises BadQuery."""
    _check_size(text)
    return _Parser(text).lone_selector()


def _parse(text: str) -> Expr:
    _check_size(text)
    try:
        return _Parser(text).query()
    except RecursionError:
        raise bad_query(text, 0, f"query nests deeper than {MAX_DEPTH} levels") from None


_parse_cached = lru_cache(maxsize=1024)(_parse)


def _check_size(text: str) -> None:
    size = len(text) if len(text) > MAX_QUERY_BYTES else len(text.encode("utf-8", "replace"))
    if size > MAX_QUERY_BYTES:
        raise BadQuery(f"query has {size} bytes, expected at most {MAX_QUERY_BYTES}; use recording rules")


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    close = _ELSEWHERE.get(name.lower()) or nearest(name, known)
    return f"did you mean {close}()?" if close else ""


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
        if not begins_selector(self._tokens.peek()):
            raise self._tokens.unexpected()
        selector = vector_selector(self._tokens)
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
                if token.kind in POSTFIX:
                    left = postfix(tokens, left, token)
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
            matching = VectorMatching(on=word == "on", labels=grouping(self._tokens))
            side = tokens.peek().kind
            if side in ("group_left", "group_right"):
                tokens.take()
                one = Cardinality.MANY_TO_ONE if side == "group_left" else Cardinality.ONE_TO_MANY
                follows = tokens.peek()
                bare = self._begins_expression(follows) and follows.kind != "("
                include = () if bare else grouping(tokens)
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
        if not begins_selector(token):
            raise tokens.unexpected()
        return self._named(token)

    def _named(self, token: Token) -> Expr:
        """An aggregation, a call, or a selector, by what follows the name."""
        tokens = self._tokens
        if token.kind == "{" or token.kind == METRIC_IDENTIFIER:
            return vector_selector(self._tokens)
        tokens.take()
        follows = tokens.peek().kind
        if token.kind in lexer.AGGREGATORS:
            if follows in ("(", "by", "without"):
                return self._aggregate(token)
        elif follows == "(" and (token.kind == IDENTIFIER or token.kind in lexer.PREPROCESSORS):
            return self._call(token)
        elif follows in ("by", "without"):
            raise tokens.unexpected(hint=_did_you_mean(token.text, lexer.AGGREGATORS))
        return vector_selector(self._tokens, token)

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
            hint = _did_you_mean(name.text, SIGNATURES.keys() | lexer.AGGREGATORS)
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
        return token.kind in (NUMBER, DURATION, STRING, "(", "+", "-") or begins_selector(token)

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
        return without, grouping(self._tokens)
