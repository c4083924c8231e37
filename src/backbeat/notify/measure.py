"""The value of an alert against its threshold: `1.84 s > 1 s`.

In:  the alert's annotations and its source link (the rule's expression and value).
Out: texts for people.
The unit is read from the metric's name, which ends in it by Prometheus's rules; in doubt, none is shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct

from backbeat.model.alerts import Alert
from backbeat.model.results import BadQuery
from backbeat.notify.links import asked
from backbeat.promql.ast import Binary, Expr, NumberLiteral, Paren, Unary, VectorSelector
from backbeat.promql.parser import parse
from backbeat.templating.functions.humanize import humanize, humanize_1024, humanize_duration

_FLIPPED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!="}
_SIGNS = {">=": "≥", "<=": "≤", "==": "=", "!=": "≠"}
_SECONDS = ("_seconds", "_seconds_sum", "_seconds_bucket")
_BYTES = ("_bytes", "_bytes_sum", "_bytes_bucket")
_SHARES = ("_ratio", "ratio", "utilisation", "utilization")


class Unit(StrEnum):
    NONE = ""
    SECONDS = "s"
    BYTES = "B"
    SHARE = "%"


class Measure(Struct, frozen=True):
    """Either text may be empty."""

    value: str = ""
    threshold: str = ""
    """with its sign, e.g. `> 1 s`"""

    def __str__(self) -> str:
        if self.value and self.threshold:
            return f"{self.value} against {self.threshold}"
        return self.value or (f"alerts at {self.threshold}" if self.threshold else "")


def measure(alert: Alert) -> Measure:
    """An annotation `value` (and `threshold`) of the rule wins over what its expression tells."""
    expr, value = asked(alert.generator_url)
    op, limit, unit = _condition(expr)
    sign = _SIGNS.get(op, op)
    return Measure(
        value=_told(alert.annotations.get("value"), value, unit),
        threshold=alert.annotations.get("threshold") or (f"{sign} {quantity(limit, unit)}" if op else ""),
    )


def _told(annotated: str, value: float | None, unit: Unit) -> str:
    """A bare number gets its unit; what the rule's author formatted stays as it is."""
    try:
        value = float(annotated) if annotated else value
    except ValueError:
        return annotated
    return "" if value is None or math.isnan(value) else quantity(value, unit)


def quantity(value: float, unit: Unit) -> str:
    """A number as people say it, in its unit."""
    if not math.isfinite(value):
        return f"{value}"
    match unit:
        case Unit.SECONDS if abs(value) >= 120:
            return str(humanize_duration(value))
        case Unit.SECONDS:
            return f"{value * 1000:.3g} ms" if 0 < abs(value) < 0.1 else f"{value:.3g} s"
        case Unit.BYTES:
            return f"{humanize_1024(value)}B"
        case Unit.SHARE:
            return f"{value * 100:.3g} %"
    return str(humanize(value)) if abs(value) >= 100_000 else f"{value:.4g}"


def _condition(text: str) -> tuple[str, float, Unit]:
    """The comparison with a number that the expression ends in: (operator, number, unit)."""
    try:
        expr: Expr | None = parse(text) if text else None
    except BadQuery:
        return "", 0.0, Unit.NONE
    while isinstance(expr, Paren) or (isinstance(expr, Binary) and expr.op in ("and", "unless")):
        expr = expr.expr if isinstance(expr, Paren) else expr.left
    if not isinstance(expr, Binary) or expr.op not in _FLIPPED:
        return "", 0.0, Unit.NONE
    left, right = _number(expr.left), _number(expr.right)
    if right is not None:
        return expr.op, right, _unit(expr.left, right)
    if left is not None:
        return _FLIPPED[expr.op], left, _unit(expr.right, left)
    return "", 0.0, Unit.NONE


def _number(expr: Expr) -> float | None:
    """The value of `1`, `(1)`, `-1`, `5 / 100`."""
    if isinstance(expr, NumberLiteral):
        return expr.value
    if isinstance(expr, Paren):
        return _number(expr.expr)
    if isinstance(expr, Unary):
        inner = _number(expr.expr)
        return -inner if inner is not None and expr.op == "-" else inner
    if isinstance(expr, Binary) and expr.op in "+-*/":
        left, right = _number(expr.left), _number(expr.right)
        if left is None or right is None or (expr.op == "/" and right == 0):
            return None
        return {"+": left + right, "-": left - right, "*": left * right}.get(expr.op, left / (right or 1))
    return None


def _unit(expr: Expr, limit: float) -> Unit:
    names = [node.name for node in _nodes(expr) if isinstance(node, VectorSelector) and node.name]
    divides = any(isinstance(node, Binary) and node.op == "/" for node in _nodes(expr))
    has_seconds = any(name.endswith(_SECONDS) for name in names)
    has_bytes = any(name.endswith(_BYTES) for name in names)
    # A sum over a count is a mean in the sum's unit; over anything of its own kind it is a share.
    is_mean = any(name.endswith("_count") for name in names)
    if names and all(name.endswith(_SHARES) for name in names):
        return Unit.SHARE
    if divides and not (is_mean and has_seconds):
        return Unit.SHARE if 0 < abs(limit) <= 1 else Unit.NONE
    if has_seconds and not any("_cpu_" in name for name in names):
        return Unit.SECONDS
    return Unit.BYTES if has_bytes else Unit.NONE


def _nodes(expr: object) -> Iterator[object]:
    """The expression and everything inside it."""
    yield expr
    if isinstance(expr, Struct):
        for name in expr.__struct_fields__:
            inner = getattr(expr, name)
            for each in inner if isinstance(inner, tuple) else (inner,):
                if isinstance(each, Struct):
                    yield from _nodes(each)
