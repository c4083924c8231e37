"""Backbeat's own mail: the same facts as HTML and as complete text.

In:  a Notification. Out: both parts.
Whoever is on call reads it on a phone at night: first what is wrong and how bad, then value against
threshold, then since when, then everything else.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from backbeat.model.alerts import Alert, Notification
from backbeat.model.severity import rank
from backbeat.notify.links import dashboard_url, silence_url, web_url
from backbeat.notify.measure import Measure, measure
from backbeat.notify.texts import subject
from backbeat.templating.functions.humanize import humanize_duration
from backbeat.templating.pages import page

_PAGE = Path(__file__).with_name("templates") / "mail.html.j2"
_LIMIT = 50
"""alerts in a section; mail programs cut long mails off"""
_SHOWN_APART = frozenset(
    ("summary", "description", "message", "runbook_url", "runbook", "dashboard_url", "dashboard")
)


class Told(Struct, frozen=True):
    """What the mail says of one alert."""

    name: str
    severity: str
    tone: str
    """which of the page's colours: critical, warning, info or resolved"""
    summary: str
    description: str
    since: str
    lasted: str
    ended: str
    measure: Measure
    labels: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]


class Section(Struct, frozen=True):
    heading: str
    alerts: tuple[Told, ...]
    left_out: int


def html(message: Notification) -> str:
    sections = _sections(message)
    return page(_PAGE).render(
        title=subject(message),
        tone=sections[0].alerts[0].tone if sections else "resolved",
        headline=_headline(message),
        group=[(name, value) for name, value in message.group_labels if name != "alertname"],
        sections=sections,
        truncated=message.truncated_alerts,
        receiver=message.receiver,
        reason=message.reason,
        sent=_moment(message.now_ms),
        acknowledge=web_url(message.acknowledge_url),
        home=web_url(f"{message.external_url}/alerts"),
    )


def text(message: Notification) -> str:
    lines = [_headline(message)]
    if acknowledge := web_url(message.acknowledge_url):
        lines += ["", f"Acknowledge: {acknowledge}"]
    for section in _sections(message):
        lines += ["", f"{section.heading.upper()} ({len(section.alerts) + section.left_out})"]
        for told in section.alerts:
            lines += ["", *_lines(told)]
        if section.left_out:
            lines += ["", f"… and {section.left_out} more"]
    if message.truncated_alerts:
        lines += ["", f"{message.truncated_alerts} more alerts are left out."]
    because = f": {message.reason}" if message.reason else ""
    lines += ["", "-- ", f"Backbeat to {message.receiver} at {_moment(message.now_ms)}{because}"]
    return "\n".join([*lines, *filter(None, [web_url(f"{message.external_url}/alerts")])]) + "\n"


def _headline(message: Notification) -> str:
    """`2 alerts firing, 1 resolved`."""
    firing, resolved = len(message.firing), len(message.resolved)
    counts = [f"{firing} alert{'s' * (firing != 1)} firing"] if firing else []
    if resolved:
        counts.append(
            f"{resolved} resolved" if firing else f"{resolved} alert{'s' * (resolved != 1)} resolved"
        )
    return ", ".join(counts)


def _lines(told: Told) -> list[str]:
    lines = [told.name + (f" · {told.severity}" if told.severity else "")]
    lines += [line for line in (told.summary, told.description) if line]
    if str(told.measure):
        name = "Last value" if told.ended else "Value"
        lines.append(f"{name}: {told.measure}" if told.measure.value else str(told.measure).capitalize())
    if told.ended:
        lines.append(f"From {told.since} to {told.ended} ({told.lasted})")
    else:
        lines.append(f"Since {told.since} ({told.lasted})")
    lines += [f"  {name} = {value}" for name, value in told.labels]
    lines += [f"{name}: {value}" for name, value in told.annotations]
    return lines + [f"{name}: {url}" for name, url in told.links]


def _sections(message: Notification) -> list[Section]:
    both = (("Firing", message.firing), ("Resolved", message.resolved))
    return [
        Section(
            heading,
            tuple(_told(alert, message) for alert in sorted(alerts, key=_rank)[:_LIMIT]),
            max(0, len(alerts) - _LIMIT),
        )
        for heading, alerts in both
        if alerts
    ]


def _rank(alert: Alert) -> tuple[int, int]:
    """The worst first, then the oldest."""
    return rank(alert.labels.get("severity")), alert.starts_at_ms


def _told(alert: Alert, message: Notification) -> Told:
    is_resolved = alert.resolved_at(message.now_ms)
    until_ms = alert.ends_at_ms if is_resolved else message.now_ms
    severity = alert.labels.get("severity")
    known = alert.annotations
    links = {
        "Dashboard": dashboard_url(message.external_url, alert, until_ms),
        "Runbook": known.get("runbook_url") or known.get("runbook"),
        "Query": alert.generator_url,
        "Silence": "" if is_resolved else silence_url(message.external_url, alert.labels),
    }
    return Told(
        name=alert.name,
        severity=severity,
        tone="resolved" if is_resolved else _tone(severity),
        summary=known.get("summary"),
        description=known.get("description") or known.get("message"),
        since=_moment(alert.starts_at_ms),
        lasted=_duration(until_ms - alert.starts_at_ms),
        ended=_moment(alert.ends_at_ms) if is_resolved else "",
        measure=measure(alert),
        labels=tuple((name, value) for name, value in alert.labels if name != "alertname"),
        annotations=tuple(
            (name, value)
            for name, value in known
            if name not in _SHOWN_APART and name not in ("value", "threshold")
        ),
        links=tuple((name, url) for name, url in links.items() if web_url(url)),
    )


def _tone(severity: str) -> str:
    return {0: "critical", 1: "critical", 4: "info"}.get(rank(severity), "warning")


def _duration(ms: int) -> str:
    """`3h`, `12m 4s`: without the zeros at its end."""
    parts = str(humanize_duration(max(0, ms) // 1000)).split(" ")
    while len(parts) > 1 and parts[-1].startswith("0"):
        parts.pop()
    return " ".join(parts)


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
