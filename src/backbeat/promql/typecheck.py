"""The types of a query's parts, and everything that is wrong with them.

In:  a syntax tree. Out: its type, or BadQuery with Prometheus's words for the first mistake in its order.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from backbeat.model import gotext
from backbeat.model.labels import METRIC_NAME
from backbeat.model.results import BadQuery
from backbeat.promql.ast import (
    Aggregate,
    Binary,
    Call,
    Cardinality,
    Expr,
    MatrixSelector,
    NumberLiteral,
    Paren,
    Span,
    StringLiteral,
    Subquery,
    Unary,
    ValueType,
    VectorSelector,
)
from backbeat.promql.lexer import COMPARISONS, SET_OPERATORS
from backbeat.promql.mistakes import bad_query
from backbeat.promql.signatures import SIGNATURES

_SHOWN = {ValueType.VECTOR: "instant vector", ValueType.MATRIX: "range vector"}
_OPERANDS = (ValueType.SCALAR, ValueType.VECTOR)


def shown(type_: ValueType) -> str:
    """The type's name in messages and documentation."""
    return _SHOWN.get(type_, str(type_))


def value_type(expr: Expr, binaries: Mapping[int, ValueType] | None = None) -> ValueType:
    """What an expression evaluates to; `binaries` may hold the known types of operators, by id."""
    while isinstance(expr, Paren | Unary):
        expr = expr.expr
    match expr:
        case NumberLiteral():
            return ValueType.SCALAR
        case StringLiteral():
            return ValueType.STRING
        case MatrixSelector() | Subquery():
            return ValueType.MATRIX
        case Call(function):
            return SIGNATURES[function].returns
        case Binary(_, left, right):
            known = None if binaries is None else binaries.get(id(expr))
            if known is not None:
                return known
            both = value_type(left) is value_type(right) is ValueType.SCALAR
            return ValueType.SCALAR if both else ValueType.VECTOR
        case _:
            return ValueType.VECTOR


def check(expr: Expr, query: str) -> ValueType:
    """Raise BadQuery where `expr`, parsed from `query`, makes no sense; returns its type."""
    return _Checker(query).check(expr)


class _Checker(Struct, frozen=True):
    query: str

    def mistake(self, at: Span | int, message: str) -> BadQuery:
        return bad_query(self.query, at if isinstance(at, int) else at.start, message)

    def check(self, expr: Expr) -> ValueType:
        match expr:
            case Paren(inner):
                return self.check(inner)
            case Unary():
                return self.unary(expr)
            case Binary():
                return self.binary(expr)
            case Call():
                return self.call(expr)
            case Aggregate():
                return self.aggregate(expr)
            case Subquery():
                return self.subquery(expr)
            case MatrixSelector(selector):
                self.selector(selector)
            case VectorSelector():
                self.selector(expr)
        return value_type(expr)

    def expect(self, expr: Expr, wanted: ValueType, context: str) -> None:
        found = self.check(expr)
        if found is not wanted:
            raise self.mistake(expr.span, f"expected type {shown(wanted)} in {context}, got {shown(found)}")

    def unary(self, node: Unary) -> ValueType:
        found = self.check(node.expr)
        if found not in _OPERANDS:
            raise self.mistake(
                node.span,
                "unary expression only allowed on expressions of type scalar or instant vector, "
                f'got "{shown(found)}"',
            )
        return found

    def subquery(self, node: Subquery) -> ValueType:
        found = self.check(node.expr)
        if found is not ValueType.VECTOR:
            raise self.mistake(node.span, f"subquery is only allowed on instant vector, got {found} instead")
        return ValueType.MATRIX

    def aggregate(self, node: Aggregate) -> ValueType:
        self.expect(node.expr, ValueType.VECTOR, "aggregation expression")
        if node.param is not None:
            wanted = ValueType.STRING if node.op == "count_values" else ValueType.SCALAR
            self.expect(node.param, wanted, "aggregation parameter")
        return ValueType.VECTOR

    def binary(self, node: Binary) -> ValueType:
        types = (self.check(node.left), self.check(node.right))
        is_comparison = node.op in COMPARISONS
        both_scalar = types == (ValueType.SCALAR, ValueType.SCALAR)
        if node.return_bool and not is_comparison:
            raise self.mistake(self.operator(node), "bool modifier can only be used on comparison operators")
        if is_comparison and both_scalar and not node.return_bool:
            raise self.mistake(self.operator(node), "comparisons between scalars must use BOOL modifier")
        self.matching_labels(node)
        for side, found in zip((node.left, node.right), types, strict=True):
            if found not in _OPERANDS:
                raise self.mistake(
                    side.span, "binary expression must contain only scalar and instant vector types"
                )
        if types == (ValueType.VECTOR, ValueType.VECTOR):
            self.set_operator(node)
        else:
            self.without_matching(node)
        return ValueType.SCALAR if both_scalar else ValueType.VECTOR

    def operator(self, node: Binary) -> int:
        """Where the operator stands: the first thing behind the left side that is no space."""
        at = node.left.span.end
        while self.query[at : at + 1].isspace():
            at += 1
        return at

    def matching_labels(self, node: Binary) -> None:
        matching = node.matching
        if matching is None or not matching.on:
            return
        for label in matching.labels:
            if label in matching.include:
                raise self.mistake(
                    self.operator(node),
                    f"label {gotext.quote(label)} must not occur in ON and GROUP clause at once",
                )

    def set_operator(self, node: Binary) -> None:
        matching = node.matching
        if node.op not in SET_OPERATORS or matching is None:
            return
        if matching.cardinality is not Cardinality.MANY_TO_MANY:
            raise self.mistake(node.span, f'no grouping allowed for "{node.op}" operation')
        if matching.fill_left is not None or matching.fill_right is not None:
            raise self.mistake(node.span, "filling in missing series not allowed for set operators")

    def without_matching(self, node: Binary) -> None:
        """At least one side is no vector, so there is nothing to match."""
        if node.matching is not None and node.matching.labels:
            raise self.mistake(node.span, "vector matching only allowed between instant vectors")
        if node.matching is not None:
            raise self.mistake(node.span, "filling in missing series only allowed between instant vectors")
        if node.op in SET_OPERATORS:
            raise self.mistake(node.span, f'set operator "{node.op}" not allowed in binary scalar expression')

    def call(self, node: Call) -> ValueType:
        signature = SIGNATURES[node.function]
        count, fewest, most = len(node.args), signature.fewest, signature.most
        where = f'argument(s) in call to "{node.function}", got {count}'
        if fewest == most and count != fewest:
            raise self.mistake(node.span, f"expected {fewest} {where}")
        if count < fewest:
            raise self.mistake(node.span, f"expected at least {fewest} {where}")
        if most is not None and count > most:
            raise self.mistake(node.span, f"expected at most {most} {where}")
        if node.function == "info" and count > 1:
            self.info_selector(node, node.args[1])
        for index, arg in enumerate(node.args):
            if node.function == "info" and index == 1:
                continue  # its selector may match everything
            self.expect(arg, signature.argument(index), f'call to function "{node.function}"')
        return signature.returns

    def info_selector(self, call: Call, arg: Expr) -> None:
        """info()'s second argument is braces alone: which info series and which of their labels."""
        found = value_type(arg)
        if found is not ValueType.VECTOR:
            raise self.mistake(
                call.span, f'expected type instant vector in call to function "info", got {shown(found)}'
            )
        if not isinstance(arg, VectorSelector):
            raise self.mistake(arg.span, "expected label selectors only")
        if arg.name:
            raise self.mistake(arg.span, "expected label selectors only, got vector selector instead")

    def selector(self, node: VectorSelector) -> None:
        if node.name:
            for matcher in node.matchers[:-1]:
                if matcher.name == METRIC_NAME:
                    names = f"{gotext.quote(node.name)} or {gotext.quote(matcher.value)}"
                    raise self.mistake(node.span, f"metric name must not be set twice: {names}")
        elif all(matcher.matches_empty for matcher in node.matchers):
            raise self.mistake(node.span, "vector selector must contain at least one non-empty matcher")
