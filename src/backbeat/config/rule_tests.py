"""Unit tests of rules, in promtool's format, and of the notifications that follow from them.

In:  the nodes of a test file. Out: a `TestFile`, every test with its place.
"""

from __future__ import annotations

from msgspec import Struct

from backbeat.config.kinds import DURATION, FLAG, NUMBER, TEXT, Text, texts
from backbeat.config.notification_tests import (
    LABELS,
    NOTIFICATION_TEST,
    SILENCE,
    NotificationTest,
    TestSilence,
    check_notification_tests,
    notification_tests,
    place,
    silences,
)
from backbeat.config.schema import ListOf, Section, StructOf, duplicates, quoted
from backbeat.model.errors import Position
from backbeat.model.labels import Labels

DEFAULT_INTERVAL_MS = 60_000

INPUT_SERIES = StructOf(
    "an input series",
    {"series": TEXT, "values": Text()},
    instead={"name": "did you mean `series`?", "value": "did you mean `values`?"},
)
EXPECTED_ALERT = StructOf(
    "an expected alert",
    {"exp_labels": LABELS, "exp_annotations": LABELS},
    instead={"labels": "did you mean `exp_labels`?", "annotations": "did you mean `exp_annotations`?"},
)
ALERT_TEST = StructOf(
    "a test of an alert",
    {"eval_time": DURATION, "alertname": TEXT, "exp_alerts": ListOf(EXPECTED_ALERT)},
    instead={"alert": "did you mean `alertname`?", "name": "did you mean `alertname`?"},
)
EXPECTED_SAMPLE = StructOf(
    "an expected sample",
    {"labels": TEXT, "value": NUMBER, "histogram": TEXT},
    instead={"exp_labels": "did you mean `labels`?"},
)
EXPR_TEST = StructOf(
    "a test of an expression",
    {"expr": TEXT, "eval_time": DURATION, "exp_samples": ListOf(EXPECTED_SAMPLE)},
    instead={"query": "did you mean `expr`?"},
)
GROUP = StructOf(
    "a test group",
    {
        "name": TEXT,
        "interval": DURATION,
        "input_series": ListOf(INPUT_SERIES),
        "alert_rule_test": ListOf(ALERT_TEST),
        "promql_expr_test": ListOf(EXPR_TEST),
        "external_labels": LABELS,
        "external_url": TEXT,
        "start_timestamp": TEXT,
        "silences": ListOf(SILENCE),
        "notification_test": ListOf(NOTIFICATION_TEST),
    },
    instead={
        "notification_tests": "did you mean `notification_test`?",
        "alert_rule_tests": "did you mean `alert_rule_test`?",
        "promql_expr_tests": "did you mean `promql_expr_test`?",
    },
)
TEST_FILE = StructOf(
    "a file of rule tests",
    {
        "rule_files": texts(),
        "evaluation_interval": DURATION,
        "group_eval_order": texts(),
        "fuzzy_compare": FLAG,
        "alertmanager_config": TEXT,
        "tests": ListOf(GROUP, "empty or null test group"),
    },
)


class InputSeries(Struct, frozen=True):
    series: str
    values: str
    at: Position
    values_at: Position


class ExpectedAlert(Struct, frozen=True):
    labels: Labels
    annotations: Labels


class AlertTest(Struct, frozen=True):
    """Which alerts of a name fire at a moment."""

    at: Position
    eval_time_ms: int
    alertname: str
    expected: tuple[ExpectedAlert, ...]


class ExpectedSample(Struct, frozen=True):
    labels: str
    value: float
    at: Position


class ExprTest(Struct, frozen=True):
    """What an expression gives at a moment."""

    at: Position
    eval_time_ms: int
    expr: str
    expected: tuple[ExpectedSample, ...]


class TestGroup(Struct, frozen=True):
    """Series, and what is expected of them and of the rules. interval_ms: between the samples of a series."""

    at: Position
    name: str
    interval_ms: int
    input_series: tuple[InputSeries, ...]
    alert_tests: tuple[AlertTest, ...]
    expr_tests: tuple[ExprTest, ...]
    external_labels: Labels
    external_url: str
    start: str
    """when the series begin, as written; empty: 1970"""
    start_at: Position
    silences: tuple[TestSilence, ...] = ()
    notification_tests: tuple[NotificationTest, ...] = ()


class TestFile(Struct, frozen=True):
    """rule_files: patterns; alertmanager_config: a path, or empty. Both are joined with the file's place."""

    path: str
    rule_files: tuple[str, ...]
    evaluation_interval_ms: int
    group_eval_order: tuple[str, ...]
    fuzzy_compare: bool
    groups: tuple[TestGroup, ...]
    alertmanager_config: str = ""


def check_rule_tests(section: Section) -> None:
    """What the fields' kinds cannot say."""
    order = section.get("group_eval_order") or ()
    nodes = section.item_nodes("group_eval_order")
    for name, _, later in duplicates((name, node) for name, node in zip(order, nodes, strict=True)):
        section.reading.error(later, "group_eval_order", f"group {quoted(name)} is named twice")
    for group in section.sections("tests"):
        for series in group.sections("input_series"):
            series.require("series")
        for test in group.sections("alert_rule_test"):
            test.require("alertname")
        for test in group.sections("promql_expr_test"):
            test.require("expr")
            for sample in test.sections("exp_samples"):
                if sample.has("histogram"):
                    sample.error("histogram", "native histograms are not supported; expect a `value`")
        check_notification_tests(group, has_config=section.has("alertmanager_config"))


def rule_tests(section: Section) -> TestFile:
    """The typed tests of a file without mistakes."""
    interval_ms = section.get("evaluation_interval", 0) or DEFAULT_INTERVAL_MS
    return TestFile(
        section.reading.path,
        tuple(section.reading.join(pattern) for pattern in section.get("rule_files") or ()),
        interval_ms,
        tuple(section.get("group_eval_order") or ()),
        bool(section.get("fuzzy_compare")),
        tuple(_group(group, number, interval_ms) for number, group in enumerate(section.sections("tests"))),
        section.reading.join(section.get("alertmanager_config", "")),
    )


def _group(group: Section, number: int, interval_ms: int) -> TestGroup:
    return TestGroup(
        place(group),
        group.get("name", "") or f"unnamed#{number}",
        group.get("interval", 0) or interval_ms,
        tuple(_series(each) for each in group.sections("input_series")),
        tuple(_alert_test(each) for each in group.sections("alert_rule_test")),
        tuple(_expr_test(each) for each in group.sections("promql_expr_test")),
        Labels.of(group.get("external_labels") or ()),
        group.get("external_url", ""),
        group.get("start_timestamp", ""),
        place(group, "start_timestamp"),
        silences(group),
        notification_tests(group),
    )


def _series(series: Section) -> InputSeries:
    return InputSeries(
        series.get("series", ""),
        series.get("values", ""),
        place(series, "series"),
        place(series, "values"),
    )


def _alert_test(test: Section) -> AlertTest:
    expected = tuple(
        ExpectedAlert(Labels.of(alert.get("exp_labels") or ()), Labels.of(alert.get("exp_annotations") or ()))
        for alert in test.sections("exp_alerts")
    )
    return AlertTest(place(test), test.get("eval_time", 0), test.get("alertname", ""), expected)


def _expr_test(test: Section) -> ExprTest:
    expected = tuple(
        ExpectedSample(sample.get("labels", ""), sample.get("value", 0.0), place(sample, "labels"))
        for sample in test.sections("exp_samples")
    )
    return ExprTest(place(test), test.get("eval_time", 0), test.get("expr", ""), expected)
