"""Whether people were told what a test expects.

In:  a `NotificationTest`, and what was sent and kept quiet. Out: failures, one for each expectation.
Pure. What a test leaves out of an expectation is not compared.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from backbeat.config.notification_tests import ExpectedNotification, NotificationTest, Suppressed, ToldAlert
from backbeat.model.alerts import Alert, Notification
from backbeat.model.durations import format_duration
from backbeat.model.labels import Labels
from backbeat.unit_tests.failures import Failure, unmatched
from backbeat.unit_tests.people import KeptQuiet, Sent


class _Difference(Struct, frozen=True):
    missing: tuple[str, ...]
    extra: tuple[str, ...]


def compare_sent(test: NotificationTest, sent: Sequence[Sent]) -> list[Failure]:
    """Everything that was sent in the time of the test, against all that is expected."""
    if test.notifications is None:
        return []
    found = [
        each
        for each in sent
        if test.since_ms <= each.after_ms <= test.eval_time_ms
        and test.receiver in ("", each.receiver)
        and _is_by(test.integration, each.integration)
    ]
    missing, extra = unmatched(
        test.notifications, found, lambda expected, one: not _differences(expected, one)
    )
    time = f"time: {_span(test)}"
    failures = []
    for expected in missing:
        nearest = _take_nearest(expected, extra)
        if nearest is None:
            title = f"notification to {expected.receiver} that was not sent, {time}"
            failures.append(Failure(expected.at, title, (_described(expected),)))
            continue
        differences = _differences(expected, nearest)
        title = f"notification to {nearest.receiver} by {nearest.integration}, {time}"
        failures.append(
            Failure(
                expected.at,
                title,
                tuple(line for each in differences for line in each.missing),
                tuple(line for each in differences for line in each.extra),
            )
        )
    if extra:
        title = f"notifications that are not expected, {time}"
        failures.append(Failure(test.at, title, (), tuple(map(_told, extra))))
    return failures


def compare_quiet(test: NotificationTest, quiet: Sequence[KeptQuiet]) -> list[Failure]:
    """What is kept quiet at the end of the test's time."""
    if test.suppressed is None:
        return []
    missing, extra = unmatched(test.suppressed, quiet, _is_expected)
    if not missing and not extra:
        return []
    at = missing[0].at if missing else test.at
    title = f"suppressed alerts, time: {format_duration(test.eval_time_ms)}"
    return [Failure(at, title, tuple(map(_suppressed, missing)), tuple(map(_kept, extra)))]


def _span(test: NotificationTest) -> str:
    end = format_duration(test.eval_time_ms)
    return f"{format_duration(test.since_ms)} to {end}" if test.since_ms else end


def _take_nearest(expected: ExpectedNotification, extra: list[Sent]) -> Sent | None:
    """Out of what was sent to the receiver, that which differs least."""
    own = [each for each in extra if each.receiver == expected.receiver]
    own = [each for each in own if _is_by(expected.integration, each.integration)] or own
    nearest = min(own, key=lambda each: len(_differences(expected, each)), default=None)
    if nearest is not None:
        extra.remove(nearest)
    return nearest


def _is_by(expected: str, integration: str) -> bool:
    return expected in ("", integration, integration.partition("[")[0])


# -- one notification ------------------------------------------------------------------------------------


def _differences(expected: ExpectedNotification, sent: Sent) -> list[_Difference]:
    """Field by field; empty where the two agree."""
    return [*_of_envelope(expected, sent), *_of_alerts(expected, sent.message), *_of_words(expected, sent)]


def _of_envelope(expected: ExpectedNotification, sent: Sent) -> Iterator[_Difference]:
    message = sent.message
    if expected.receiver != sent.receiver:
        yield _field("receiver", expected.receiver, sent.receiver)
    if not _is_by(expected.integration, sent.integration):
        yield _field("integration", expected.integration, sent.integration)
    if expected.sent_at_ms not in (None, sent.after_ms):
        yield _field("sent_at", _duration(expected.sent_at_ms), format_duration(sent.after_ms))
    if expected.reason not in ("", message.reason):
        yield _field("reason", expected.reason, message.reason)
    if expected.group_labels not in (None, message.group_labels):
        yield _field("group_labels", str(expected.group_labels), str(message.group_labels))


def _of_alerts(expected: ExpectedNotification, message: Notification) -> Iterator[_Difference]:
    for name, wanted, found in (
        ("firing", expected.firing, message.firing),
        ("resolved", expected.resolved, message.resolved),
    ):
        names = _names(found)
        if wanted is not None and sorted(wanted) != names:
            yield _field(name, ", ".join(sorted(wanted)) or "none", ", ".join(names) or "none")
    if expected.alerts is not None:
        statuses = [(each, _status(each, message)) for each in message.alerts]
        missing, extra = unmatched(expected.alerts, statuses, lambda one, two: _is_told(one, *two))
        if missing or extra:
            yield _Difference(
                tuple(_alert(each.status, each.labels, each.annotations) for each in missing),
                tuple(_alert(status, each.labels, each.annotations) for each, status in extra),
            )


def _of_words(expected: ExpectedNotification, sent: Sent) -> Iterator[_Difference]:
    if expected.subject is not None and expected.subject.strip() != sent.words.subject.strip():
        yield _field("subject", expected.subject.strip(), sent.words.subject.strip())
    text = _lines(sent.words.text)
    if expected.text is not None and _lines(expected.text) != text:
        yield _of_lines(_lines(expected.text), text)
    absent = [each for each in expected.text_contains if each.strip() not in "\n".join(text)]
    if absent:
        yield _Difference(
            tuple(f"text contains: {each.strip()}" for each in absent),
            tuple(f"text: {line}" for line in text),
        )


def _of_lines(expected: list[str], found: list[str]) -> _Difference:
    """Only the lines that differ; a long mail is not shown twice."""
    missing: list[str] = []
    extra: list[str] = []
    for what, a, b, c, d in difflib.SequenceMatcher(None, expected, found).get_opcodes():
        if what != "equal":
            missing += (f"text: {line}" for line in expected[a:b])
            extra += (f"text: {line}" for line in found[c:d])
    return _Difference(tuple(missing), tuple(extra))


def _lines(text: str) -> list[str]:
    """Blanks at the end of lines and of the text cannot be seen, and do not count."""
    return [line.rstrip() for line in text.strip().splitlines()]


def _status(alert: Alert, message: Notification) -> str:
    return "resolved" if alert.resolved_at(message.now_ms) else "firing"


def _is_told(expected: ToldAlert, alert: Alert, status: str) -> bool:
    return (
        expected.status in ("", status)
        and expected.labels == alert.labels
        and expected.annotations in (None, alert.annotations)
    )


# -- words for people ------------------------------------------------------------------------------------


def _field(name: str, expected: str, found: str) -> _Difference:
    return _Difference((f"{name}: {expected}",), (f"{name}: {found}",))


def _names(alerts: Sequence[Alert]) -> list[str]:
    return sorted(alert.name for alert in alerts)


def _duration(ms: int | None) -> str:
    return "" if ms is None else format_duration(ms)


def _alert(status: str, labels: Labels, annotations: Labels | None) -> str:
    more = "".join(f"\n  {name}: {value}" for name, value in annotations or ())
    return f"{status or 'alert'} {labels}{more}"


def _described(expected: ExpectedNotification) -> str:
    facts = {
        "integration": expected.integration,
        "sent_at": _duration(expected.sent_at_ms),
        "reason": expected.reason,
        "group_labels": str(expected.group_labels or ""),
        "firing": ", ".join(sorted(expected.firing or ())),
        "resolved": ", ".join(sorted(expected.resolved or ())),
        "subject": expected.subject or "",
    }
    return _facts(f"to {expected.receiver}", facts)


def _told(sent: Sent) -> str:
    message = sent.message
    facts = {
        "firing": ", ".join(_names(message.firing)),
        "resolved": ", ".join(_names(message.resolved)),
        "subject": sent.words.subject,
    }
    head = f"to {sent.receiver} by {sent.integration} at {format_duration(sent.after_ms)}: {message.reason}"
    return _facts(head, facts)


def _facts(head: str, facts: Mapping[str, str]) -> str:
    return "\n  ".join([head, *(f"{name}: {value}" for name, value in facts.items() if value)])


def _is_expected(expected: Suppressed, quiet: KeptQuiet) -> bool:
    return (
        expected.alertname == quiet.labels.get("alertname")
        and expected.labels in (None, quiet.labels.drop("alertname"), quiet.labels)
        and expected.by in ("", quiet.by)
        and expected.source in ("", quiet.source)
    )


def _suppressed(expected: Suppressed) -> str:
    labels = str(expected.labels) if expected.labels is not None else ""
    by = f" by {expected.by}" if expected.by else ""
    return f"{expected.alertname}{labels}{by}" + (f": {expected.source}" if expected.source else "")


def _kept(quiet: KeptQuiet) -> str:
    labels = quiet.labels
    return f"{labels.get('alertname')}{labels.drop('alertname')} by {quiet.by}" + (
        f": {quiet.source}" if quiet.source else ""
    )
