"""Rules that are valid and yet do not say what they seem to say.

In:  one alerting rule. Out: remarks for the person who wrote it, none for most rules.
Pure: looks at the syntax tree only, so a remark is a suspicion, never an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from backbeat.config.prometheus import Rule
from backbeat.promql.ast import (
    Aggregate,
    Binary,
    Call,
    Expr,
    NumberLiteral,
    Paren,
    Unary,
    VectorSelector,
)
from backbeat.promql.parser import parse

_COMPARISONS = frozenset((">", ">=", "<", "<="))
_RATES = frozenset(("rate", "irate", "increase"))
_ERROR_METRIC = re.compile(r"error|fail|exception", re.IGNORECASE)
_ERROR_STATUS = re.compile(r"^[45](?:\.|x|\[|\d)")
_STATUS_LABELS = frozenset(("status", "code", "status_code", "http_response_status_code"))
_PERSONAL = frozenset(
    ("user", "user_id", "userid", "session", "session_id", "email", "ip", "client_ip", "request_id")
)
# Of the client libraries' default histogram, and of the histograms that Backbeat's instrument package makes.
_BOUNDS = frozenset(
    (
        *(
            0.001,
            0.0025,
            0.005,
            0.01,
            0.025,
            0.05,
            0.075,
            0.1,
            0.25,
            0.5,
            0.75,
            1.0,
            1.5,
            2.0,
            2.5,
            3.0,
            4.0,
            5.0,
        ),
        *(7.5, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 300.0),
    )
)


def lint_rule(rule: Rule) -> Iterator[str]:
    """Remarks on an alerting rule whose expression parses."""
    if not rule.alert:
        return
    tree = parse(rule.expr)
    for node in _walk(tree):
        if isinstance(node, Binary) and node.op in _COMPARISONS:
            threshold = _number(node.right)
            if threshold is not None:
                yield from _of_comparison(node, threshold)
        elif isinstance(node, Aggregate) and not node.without:
            yield from _of_grouping(node)


def _of_comparison(node: Binary, threshold: float) -> Iterator[str]:
    measured = _bare(node.left)
    if node.op in (">", ">=") and 0 < threshold < 1 and _is_errors_a_second(measured):
        yield (
            f"compares errors a second with {threshold:g}; where {threshold * 100:g} % of all requests is "
            "meant, divide by the rate of all requests"
        )
    if isinstance(measured, Call) and measured.function == "histogram_quantile":
        if not _aggregates(measured.args[1]):
            yield (
                "the quantile is not aggregated: one alert for each route and instance; "
                "take it of `sum by (job, le) (rate(…))`"
            )
        if threshold not in _BOUNDS:
            yield (
                f"{threshold:g} is no usual bucket bound; between two bounds a quantile is interpolated, so "
                "make the threshold a bound of the histogram"
            )
    elif _is_ratio_of_rates(measured):
        yield (
            "the ratio is not aggregated: one alert for each route and instance; "
            "divide `sum by (job) (rate(…))` by such a sum"
        )


def _of_grouping(node: Aggregate) -> Iterator[str]:
    personal = sorted(_PERSONAL & set(node.grouping))
    if personal:
        names = ", ".join(personal)
        yield (
            f"groups by {names}: that needs a series for each of them, which no memory holds for long; "
            "let the application count them into one gauge"
        )


def _is_errors_a_second(node: Expr) -> bool:
    while isinstance(node, Aggregate) and node.op in ("sum", "max", "avg"):
        node = _bare(node.expr)
    if not (isinstance(node, Call) and node.function in ("rate", "irate")):
        return False
    return any(_counts_errors(each) for each in _walk(node) if isinstance(each, VectorSelector))


def _counts_errors(selector: VectorSelector) -> bool:
    if _ERROR_METRIC.search(selector.name):
        return True
    return any(
        each.name in _STATUS_LABELS and each.op in ("=", "=~") and _ERROR_STATUS.match(each.value)
        for each in selector.matchers
    )


def _is_ratio_of_rates(node: Expr) -> bool:
    if not isinstance(node, Binary) or node.op != "/" or _aggregates(node):
        return False
    return all(
        any(isinstance(each, Call) and each.function in _RATES for each in _walk(side))
        for side in (node.left, node.right)
    )


def _aggregates(node: Expr) -> bool:
    return any(isinstance(each, Aggregate) for each in _walk(node))


def _bare(node: Expr) -> Expr:
    while isinstance(node, Paren):
        node = node.expr
    return node


def _number(node: Expr) -> float | None:
    node = _bare(node)
    if isinstance(node, Unary) and node.op == "-":
        inner = _number(node.expr)
        return None if inner is None else -inner
    return node.value if isinstance(node, NumberLiteral) else None


def _walk(node: Expr) -> Iterator[Expr]:
    """The node and all below it."""
    yield node
    for name in node.__struct_fields__:
        value = getattr(node, name)
        for child in value if isinstance(value, tuple) else (value,):
            if isinstance(child, Expr):
                yield from _walk(child)
