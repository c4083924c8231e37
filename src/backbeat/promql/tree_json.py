"""A syntax tree as /api/v1/parse_query gives it to the tree view of Prometheus's pages.

In:  a checked `Expr`. Out: plain lists, mappings, strings and numbers.
"""

from __future__ import annotations

from backbeat.model import gotext
from backbeat.model.matchers import Matcher
from backbeat.promql.ast import (
    Aggregate,
    AtEdge,
    Binary,
    Call,
    DurationBinary,
    DurationCall,
    DurationExpr,
    Expr,
    MatrixSelector,
    NumberLiteral,
    Paren,
    RangeMode,
    StringLiteral,
    Subquery,
    Unary,
    VectorMatching,
    VectorSelector,
)
from backbeat.promql.signatures import SIGNATURES

Json = dict[str, object]


def to_json(expr: Expr) -> Json:
    """The tree in Prometheus's JSON; durations and times are milliseconds."""
    match expr:
        case NumberLiteral(value):
            return {"type": "numberLiteral", "val": gotext.positional(value)}
        case StringLiteral(value):
            return {"type": "stringLiteral", "val": gotext.readable(value)}
        case Paren(inner):
            return {"type": "parenExpr", "expr": to_json(inner)}
        case Unary(op, inner):
            return {"type": "unaryExpr", "op": op, "expr": to_json(inner)}
        case VectorSelector() | MatrixSelector() | Subquery():
            return _selection(expr)
        case Call():
            return _call(expr)
        case Aggregate():
            return _aggregate(expr)
        case Binary():
            return _binary(expr)


def _selection(node: VectorSelector | MatrixSelector | Subquery) -> Json:
    match node:
        case VectorSelector():
            return {"type": "vectorSelector"} | _selector(node)
        case MatrixSelector(selector, span):
            return {"type": "matrixSelector"} | _selector(selector) | _length("range", span)
        case Subquery():
            return _subquery(node)


def _aggregate(node: Aggregate) -> Json:
    return {
        "type": "aggregation",
        "op": node.op,
        "expr": to_json(node.expr),
        "param": None if node.param is None else to_json(node.param),
        "grouping": list(node.grouping),
        "without": node.without,
    }


def _call(node: Call) -> Json:
    signature = SIGNATURES[node.function]
    function = {
        "name": node.function,
        "argTypes": [str(one) for one in signature.arguments],
        "variadic": signature.variadic,
        "returnType": str(signature.returns),
    }
    return {"type": "call", "func": function, "args": [to_json(arg) for arg in node.args]}


def _binary(node: Binary) -> Json:
    return {
        "type": "binaryExpr",
        "op": node.op,
        "lhs": to_json(node.left),
        "rhs": to_json(node.right),
        "matching": None if node.matching is None else _matching(node.matching),
        "bool": node.return_bool,
    }


def _matching(matching: VectorMatching) -> Json:
    return {
        "card": str(matching.cardinality),
        "labels": list(matching.labels),
        "on": matching.on,
        "include": list(matching.include),
        "fillValues": {"lhs": matching.fill_left, "rhs": matching.fill_right},
    }


def _selector(node: VectorSelector) -> Json:
    return {
        "name": node.name,
        **_length("offset", node.offset),
        "matchers": [_matcher(matcher) for matcher in node.matchers],
        **_at(node.at),
        "anchored": node.mode is RangeMode.ANCHORED,
        "smoothed": node.mode is RangeMode.SMOOTHED,
    }


def _matcher(matcher: Matcher) -> Json:
    return {
        "name": gotext.readable(matcher.name),
        "value": gotext.readable(matcher.value),
        "type": str(matcher.op),
    }


def _subquery(node: Subquery) -> Json:
    return {
        "type": "subquery",
        "expr": to_json(node.expr),
        **_length("range", node.range),
        **_length("offset", node.offset),
        **_length("step", node.step),
        **_at(node.at),
    }


def _at(at: float | AtEdge | None) -> Json:
    if isinstance(at, AtEdge):
        return {"timestamp": None, "startOrEnd": str(at)}
    return {"timestamp": None if at is None else round(at * 1000), "startOrEnd": None}


def _length(name: str, duration: DurationExpr | None) -> Json:
    """A duration known now as milliseconds, any other as an expression beside a zero."""
    if duration is None:
        return {name: 0, f"{name}Expr": None}
    if isinstance(duration, NumberLiteral):
        return {name: int(duration.value * 1000), f"{name}Expr": None}
    return {name: 0, f"{name}Expr": _duration(duration)}


def _duration(duration: DurationExpr) -> Json:
    match duration:
        case NumberLiteral(value):
            number = gotext.positional(value)
            return {"type": "numberLiteral", "val": number, "duration": duration.is_duration}
        case DurationCall(name, args):
            sides = [_duration(arg) for arg in args]
            lhs, rhs = sides or (None, None)
            return _duration_node(name, lhs, rhs, wrapped=False)
        case DurationBinary("+", None, DurationCall() as call):
            return _duration(call) | {"wrapped": duration.parenthesised}
        case DurationBinary(op, left, right):
            lhs = None if left is None else _duration(left)
            return _duration_node(op, lhs, _duration(right), wrapped=duration.parenthesised)


def _duration_node(op: str, lhs: Json | None, rhs: Json | None, *, wrapped: bool) -> Json:
    return {"type": "durationExpr", "op": op, "lhs": lhs, "rhs": rhs, "wrapped": wrapped}
