"""A syntax tree as text again: on one line, or laid out for people.

In:  a checked `Expr`. Out: text that parses to the same tree. The forms are Prometheus's own
(`Expr.String()`, `promtool promql format`), so that both print a query alike.
"""

from __future__ import annotations

from backbeat.model import gotext
from backbeat.model.durations import format_duration
from backbeat.model.labels import LEGACY_LABEL_NAME, METRIC_NAME
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.promql.ast import (
    Aggregate,
    AtEdge,
    Binary,
    Call,
    Cardinality,
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

MAX_LINE = 100
_INDENT = "  "
_NEVER_LABELS = frozenset(("inf", "nan", "without"))


def format_expr(expr: Expr) -> str:
    """The canonical text on one line."""
    match expr:
        case NumberLiteral():
            return format_number(expr)
        case StringLiteral(value):
            return gotext.quote(value)
        case VectorSelector() | MatrixSelector():
            return _selector(expr)
        case Subquery():
            return format_expr(expr.expr) + _subquery_suffix(expr)
        case Call(function, args):
            return f"{function}({', '.join(map(format_expr, args))})"
        case Aggregate():
            param = "" if expr.param is None else format_expr(expr.param) + ", "
            return f"{_aggregate_head(expr)}({param}{format_expr(expr.expr)})"
        case Binary(_, left, right):
            return f"{format_expr(left)} {_operator(expr)} {format_expr(right)}"
        case Unary(op, inner):
            return op + format_expr(inner)
        case Paren(inner):
            return f"({format_expr(inner)})"


def pretty(expr: Expr) -> str:
    """The text over several lines where one would be longer than 100 bytes."""
    return _pretty(expr, 0)


def _pretty(expr: Expr, level: int) -> str:
    indent = _INDENT * level
    line = format_expr(expr)
    if isinstance(expr, Unary):
        return indent + expr.op + _pretty(expr.expr, level).strip()
    if isinstance(expr, Subquery):
        # Not indented where it is short, in keeping with promtool.
        return line if _is_short(line) else _pretty(expr.expr, level) + _subquery_suffix(expr)
    if _is_short(line):
        return indent + line
    match expr:
        case Aggregate():
            parts = [expr.expr] if expr.param is None else [expr.param, expr.expr]
            return f"{indent}{_aggregate_head(expr)}({_pretty_list(parts, level)})"
        case Call(function, args):
            return f"{indent}{function}({_pretty_list(args, level)})"
        case Paren(inner):
            return f"{indent}({_pretty_list((inner,), level)})"
        case Binary(_, left, right):
            return f"{_pretty(left, level + 1)}\n{indent}{_operator(expr)}\n{_pretty(right, level + 1)}"
        case _:
            return indent + line


def _is_short(line: str) -> bool:
    """Bytes count, as they do for promtool."""
    return len(line) <= MAX_LINE and (line.isascii() or len(line.encode(errors="replace")) <= MAX_LINE)


def _pretty_list(parts: list[Expr] | tuple[Expr, ...], level: int) -> str:
    return "\n" + ",\n".join(_pretty(part, level + 1) for part in parts) + "\n" + _INDENT * level


def format_number(number: NumberLiteral) -> str:
    """With units where it was written with units, else the shortest exact decimal."""
    ms = round(number.value * 1000) if number.is_duration else 0
    return (
        format_duration(ms)
        if number.is_duration and ms / 1000 == number.value
        else gotext.positional(number.value)
    )


def format_seconds(duration: DurationExpr) -> str:
    """A range, step or offset: plain numbers are shown with units too."""
    if not isinstance(duration, NumberLiteral):
        return _duration(duration)
    ms = round(duration.value * 1000)
    return format_duration(ms) if ms / 1000 == duration.value else gotext.positional(duration.value)


def _duration(duration: DurationExpr) -> str:
    match duration:
        case NumberLiteral():
            return format_number(duration)
        case DurationCall(name, args):
            return f"{name}({', '.join(map(_duration, args))})"
        case DurationBinary(op, None, right):
            text = ("-" if op == "-" else "") + _duration(right)
        case DurationBinary(op, left, right):
            text = f"{'' if left is None else _duration(left)} {op} {_duration(right)}"
    return f"({text})" if duration.parenthesised else text


def _aggregate_head(node: Aggregate) -> str:
    if node.without:
        return f"{node.op} without {_labels(node.grouping)} "
    return f"{node.op} by {_labels(node.grouping)} " if node.grouping else node.op


def _labels(names: tuple[str, ...]) -> str:
    """In groupings a few words are no names unless they are quoted."""
    shown = (gotext.quote(name) if name.lower() in _NEVER_LABELS else _label(name) for name in names)
    return f"({', '.join(shown)})"


def _label(name: str) -> str:
    return name if LEGACY_LABEL_NAME.fullmatch(name) else gotext.quote(name)


def _operator(node: Binary) -> str:
    """The operator with its modifiers."""
    return (
        node.op
        + (" bool" if node.return_bool else "")
        + ("" if node.matching is None else _matching(node.matching))
    )


def _matching(matching: VectorMatching) -> str:
    text = ""
    one_sided = matching.cardinality in (Cardinality.MANY_TO_ONE, Cardinality.ONE_TO_MANY)
    if matching.labels or matching.on or one_sided:
        text += f" {'on' if matching.on else 'ignoring'} {_labels(matching.labels)}"
    if one_sided:
        side = "left" if matching.cardinality is Cardinality.MANY_TO_ONE else "right"
        text += f" group_{side} {_labels(matching.include)}"
    left, right = matching.fill_left, matching.fill_right
    if left is not None and left == right:
        return f"{text} fill ({gotext.general(left)})"
    text += "" if left is None else f" fill_left ({gotext.general(left)})"
    return text + ("" if right is None else f" fill_right ({gotext.general(right)})")


def format_matcher(matcher: Matcher) -> str:
    return f"{_label(matcher.name)}{matcher.op}{gotext.quote(matcher.value)}"


def _selector(node: VectorSelector | MatrixSelector) -> str:
    """Prometheus puts `anchored` before `@` behind a range, and after it behind a plain selector."""
    selector = node.selector if isinstance(node, MatrixSelector) else node
    shown = sorted(
        format_matcher(matcher)
        for matcher in selector.matchers
        if (matcher.name, matcher.op, matcher.value) != (METRIC_NAME, MatchOp.EQUAL, selector.name or None)
    )
    text = selector.name + (f"{{{','.join(shown)}}}" if shown or not selector.name else "")
    mode = "" if selector.mode is RangeMode.PLAIN else f" {selector.mode}"
    offset = _offset(selector.offset)
    if isinstance(node, MatrixSelector):
        return f"{text}[{format_seconds(node.range)}]{mode}{_at(selector.at)}{offset}"
    return f"{text}{_at(selector.at)}{mode}{offset}"


def _subquery_suffix(node: Subquery) -> str:
    step = "" if node.step is None else format_seconds(node.step)
    return f"[{format_seconds(node.range)}:{step}]{_at(node.at)}{_offset(node.offset)}"


def _offset(offset: DurationExpr | None) -> str:
    return "" if offset is None else f" offset {format_seconds(offset)}"


def _at(at: float | AtEdge | None) -> str:
    if at is None:
        return ""
    return f" @ {at}()" if isinstance(at, AtEdge) else f" @ {at:.3f}"
