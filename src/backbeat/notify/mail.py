"""Backbeat's own mail: the same facts as HTML and as complete text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from backbeat.model.alerts import Alert, Notification
from backbeat.notify.links import silence_url, threshold, web_url
from backbeat.notify.texts import subject

_LIMIT = 50
_PAGES = Environment(loader=FileSystemLoader(Path(__file__).with_name("templates")), autoescape=True)


@dataclass(frozen=True, slots=True)
class Told:
    """What the mail says of one alert."""

    name: str
    severity: str
    summary: str
    description: str
    since: str
    ended: str
    measure: str
    labels: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]


def html(message: Notification) -> str:
    return _PAGES.get_template("mail.html.j2").render(
        title=subject(message),
        sections=_sections(message),
        limit=_LIMIT,
        truncated=message.truncated_alerts,
        receiver=message.receiver,
        reason=message.reason,
    )


def text(message: Notification) -> str:
    lines = [subject(message), ""]
    for heading, _, alerts in _sections(message):
        if not alerts:
            continue
        lines += [f"{heading} ({len(alerts)})", ""]
        for told in alerts[:_LIMIT]:
            lines += [*_lines(told), ""]
        if len(alerts) > _LIMIT:
            lines += [f"… and {len(alerts) - _LIMIT} more", ""]
    if message.truncated_alerts:
        lines += [f"{message.truncated_alerts} more alerts are left out.", ""]
    lines.append(
        f"Sent by Backbeat to {message.receiver}" + (f": {message.reason}" if message.reason else "")
    )
    return "\n".join(lines) + "\n"


def _lines(told: Told) -> list[str]:
    lines = [told.name + (f" · {told.severity}" if told.severity else "")]
    lines += [line for line in (told.summary, told.description) if line]
    lines.append(f"since {told.since}" + (f", resolved {told.ended}" if told.ended else ""))
    lines += [told.measure] if told.measure else []
    lines += [f"  {name}={value}" for name, value in told.labels]
    return lines + [f"{name}: {url}" for name, url in told.links]


def _sections(message: Notification) -> list[tuple[str, str, list[Told]]]:
    return [
        ("Firing", "#d0021b", [_told(alert, message) for alert in message.firing]),
        ("Resolved", "#2e8b57", [_told(alert, message) for alert in message.resolved]),
    ]


def _told(alert: Alert, message: Notification) -> Told:
    resolved = alert.resolved_at(message.now_ms)
    links = {
        "Dashboard": alert.annotations.get("dashboard_url"),
        "Runbook": alert.annotations.get("runbook_url"),
        "Source": alert.generator_url,
        "Silence": "" if resolved else silence_url(message.external_url, alert.labels),
    }
    return Told(
        name=alert.name,
        severity=alert.labels.get("severity"),
        summary=alert.annotations.get("summary"),
        description=alert.annotations.get("description"),
        since=_moment(alert.starts_at_ms),
        ended=_moment(alert.ends_at_ms) if resolved else "",
        measure=_measure(alert),
        labels=tuple((name, value) for name, value in alert.labels if name != "alertname"),
        links=tuple((name, url) for name, url in links.items() if web_url(url)),
    )


def _measure(alert: Alert) -> str:
    """The value where the rule annotates it, and the threshold where its expression ends in one."""
    value, limit = alert.annotations.get("value"), threshold(alert.generator_url)
    parts = [f"value {value}" if value else "", f"alerts at {limit}" if limit else ""]
    return ", ".join(part for part in parts if part)


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
