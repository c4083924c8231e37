"""Tests of what people are told, which go on where promtool's tests of rules end.

In:  the nodes of a test group: `silences` and `notification_test`.
Out: typed expectations, every one with its place. What is left out is not compared.
"""

from __future__ import annotations

from msgspec import Struct

from backbeat.config.alertmanager_fields import MATCHERS
from backbeat.config.kinds import DURATION, TEXT, OneOf, Text, texts
from backbeat.config.schema import ListOf, MapOf, Section, StructOf
from backbeat.model.errors import Position
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher

LABELS = MapOf(TEXT, what="a mapping of names to texts")
SUPPRESSED_BY = ("silence", "inhibition", "time_interval")

SILENCE = StructOf(
    "a silence",
    {"matchers": MATCHERS, "from": DURATION, "until": DURATION, "comment": TEXT},
    instead={
        "startsAt": "did you mean `from`, as time since the beginning?",
        "endsAt": "did you mean `until`, as time since the beginning?",
    },
)
TOLD_ALERT = StructOf(
    "an alert in a notification",
    {"status": OneOf(("", "firing", "resolved")), "exp_labels": LABELS, "exp_annotations": LABELS},
    instead={"labels": "did you mean `exp_labels`?", "annotations": "did you mean `exp_annotations`?"},
)
EXPECTED_NOTIFICATION = StructOf(
    "an expected notification",
    {
        "receiver": TEXT,
        "integration": TEXT,
        "sent_at": DURATION,
        "reason": TEXT,
        "group_labels": LABELS,
        "firing": texts(),
        "resolved": texts(),
        "exp_alerts": ListOf(TOLD_ALERT),
        "subject": Text(),
        "text": Text(),
        "text_contains": texts(),
    },
    instead={
        "at": "did you mean `sent_at`?",
        "time": "did you mean `sent_at`?",
        "title": "did you mean `subject`?",
        "body": "did you mean `text`?",
        "alerts": "did you mean `exp_alerts`, or `firing` and `resolved`?",
    },
)
SUPPRESSED = StructOf(
    "a suppressed alert",
    {"alertname": TEXT, "exp_labels": LABELS, "by": OneOf(("", *SUPPRESSED_BY)), "source": TEXT},
    instead={"labels": "did you mean `exp_labels`?", "alert": "did you mean `alertname`?"},
)
NOTIFICATION_TEST = StructOf(
    "a test of notifications",
    {
        "eval_time": DURATION,
        "since": DURATION,
        "receiver": TEXT,
        "integration": TEXT,
        "exp_notifications": ListOf(EXPECTED_NOTIFICATION),
        "exp_suppressed": ListOf(SUPPRESSED),
    },
    instead={
        "notifications": "did you mean `exp_notifications`?",
        "exp_silenced": "did you mean `exp_suppressed` with `by: silence`?",
        "exp_inhibited": "did you mean `exp_suppressed` with `by: inhibition`?",
        "exp_muted": "did you mean `exp_suppressed` with `by: time_interval`?",
    },
)


class TestSilence(Struct, frozen=True):
    """Made when it begins. Times are ms since the beginning of the test; until_ms 0: to the end of it."""

    at: Position
    matchers: tuple[Matcher, ...]
    from_ms: int
    until_ms: int
    comment: str


class ToldAlert(Struct, frozen=True):
    """annotations: None: any"""

    status: str
    labels: Labels
    annotations: Labels | None


class ExpectedNotification(Struct, frozen=True):
    """Empty texts and None: any. integration: `email`, or `email[1]` where a receiver has several."""

    at: Position
    receiver: str
    integration: str
    sent_at_ms: int | None
    reason: str
    group_labels: Labels | None
    firing: tuple[str, ...] | None
    resolved: tuple[str, ...] | None
    alerts: tuple[ToldAlert, ...] | None
    subject: str | None
    text: str | None
    text_contains: tuple[str, ...]


class Suppressed(Struct, frozen=True):
    """An alert that fires and is kept quiet. labels: None: any; source: what keeps it quiet."""

    at: Position
    alertname: str
    labels: Labels | None
    by: str
    source: str


class NotificationTest(Struct, frozen=True):
    """What was told in [since_ms, eval_time_ms], and what is kept quiet at its end; None: not compared."""

    at: Position
    eval_time_ms: int
    since_ms: int
    receiver: str
    integration: str
    """only what this receiver is told, and by this integration; empty: all"""
    notifications: tuple[ExpectedNotification, ...] | None
    suppressed: tuple[Suppressed, ...] | None


def check_notification_tests(group: Section, *, has_config: bool) -> None:
    """What the fields' kinds cannot say."""
    for silence in group.sections("silences"):
        silence.require("matchers")
        if silence.has("until") and silence.get("until") <= silence.get("from", 0):
            silence.error("until", "a silence ends after it begins: expected more than `from`")
    for test in group.sections("notification_test"):
        _check_test(test)
    if not has_config:
        for section in (*group.sections("silences"), *group.sections("notification_test")):
            section.error(
                "", "who is told is not known; name the file with the routes: `alertmanager_config`"
            )


def _check_test(test: Section) -> None:
    if "exp_notifications" not in test.keys and "exp_suppressed" not in test.keys:
        test.error("", "nothing is expected; expected `exp_notifications` or `exp_suppressed`")
    if test.get("since", 0) > test.get("eval_time", 0):
        test.error("since", "the time of the test ends before it begins: expected at most `eval_time`")
    for expected in test.sections("exp_notifications"):
        if not test.has("receiver"):
            expected.require("receiver")
    for quiet in test.sections("exp_suppressed"):
        quiet.require("alertname")


def silences(group: Section) -> tuple[TestSilence, ...]:
    return tuple(
        TestSilence(
            place(each, "matchers"),
            tuple(matcher for line in each.get("matchers") or () for matcher in line),
            each.get("from", 0),
            each.get("until", 0),
            each.get("comment", ""),
        )
        for each in group.sections("silences")
    )


def notification_tests(group: Section) -> tuple[NotificationTest, ...]:
    return tuple(
        NotificationTest(
            place(test),
            test.get("eval_time", 0),
            test.get("since", 0),
            test.get("receiver", ""),
            test.get("integration", ""),
            tuple(_expected(each, test) for each in test.sections("exp_notifications"))
            if "exp_notifications" in test.keys
            else None,
            tuple(_suppressed(each) for each in test.sections("exp_suppressed"))
            if "exp_suppressed" in test.keys
            else None,
        )
        for test in group.sections("notification_test")
    )


def place(section: Section, name: str = "") -> Position:
    node = section.at(name) if name else section.node
    return Position(
        section.reading.path, node.line, node.column, section.field(name) if name else section.path
    )


def _expected(section: Section, test: Section) -> ExpectedNotification:
    return ExpectedNotification(
        place(section),
        section.get("receiver", "") or test.get("receiver", ""),
        section.get("integration", "") or test.get("integration", ""),
        section.get("sent_at"),
        section.get("reason", ""),
        _labels(section, "group_labels"),
        _given(section, "firing"),
        _given(section, "resolved"),
        tuple(_told(each) for each in section.sections("exp_alerts"))
        if "exp_alerts" in section.keys
        else None,
        section.get("subject"),
        section.get("text"),
        tuple(section.get("text_contains") or ()),
    )


def _told(section: Section) -> ToldAlert:
    return ToldAlert(
        section.get("status", ""),
        Labels.of(section.get("exp_labels") or ()),
        _labels(section, "exp_annotations"),
    )


def _suppressed(section: Section) -> Suppressed:
    return Suppressed(
        place(section),
        section.get("alertname", ""),
        _labels(section, "exp_labels"),
        section.get("by", ""),
        section.get("source", ""),
    )


def _labels(section: Section, name: str) -> Labels | None:
    return Labels.of(section.get(name) or ()) if name in section.keys else None


def _given(section: Section, name: str) -> tuple[str, ...] | None:
    return tuple(section.get(name) or ()) if name in section.keys else None
