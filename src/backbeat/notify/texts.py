"""The texts of a message, from the operator's templates; a template that fails says so in the message.

In:  templates of the settings, a Notification. Out: text.
"""

from __future__ import annotations

import html as html_text
import logging
from collections.abc import Iterable
from pathlib import Path

from backbeat.model.alerts import Alert, Notification
from backbeat.templating import Template, TemplateError, TemplateSet
from backbeat.templating.functions import alertmanager_functions
from backbeat.templating.records import KV, AlertRecord, Alerts, NotificationRecord

_log = logging.getLogger(__name__)
_DEFAULTS = Path(__file__).with_name("templates") / "default.tmpl"


class Texts:
    """Renders the templates of all channels; parsed once, and errors become text."""

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._set = TemplateSet(alertmanager_functions())
        self._set.add(_DEFAULTS.read_text(encoding="utf-8"), _DEFAULTS.name)
        self._parsed: dict[tuple[str, bool], Template] = {}
        for path in paths:
            try:
                self._set.add(Path(path).read_text(encoding="utf-8"), Path(path).name)
            except (OSError, ValueError, TemplateError) as error:
                _log.error("notify: template file %s is left out: %s", path, error)

    def render(self, text: str, message: Notification, *, html: bool = False) -> str:
        """Never fails: where the template does, its error is the text, after the message's subject."""
        if "{{" not in text:
            return text
        try:
            key = (text, html)
            if key not in self._parsed:
                self._parsed[key] = self._set.parse(text, html=html)
            functions = alertmanager_functions(now_ms=message.now_ms, route_labels=dict(message.route_labels))
            return self._parsed[key].render(record(message), functions=functions)
        except TemplateError as error:
            told = f"{subject(message)} (template error: {error})"
            return html_text.escape(told) if html else told


def subject(message: Notification) -> str:
    """`[FIRING:2] HighLatency`, made without a template."""
    count = f":{len(message.firing)}" if message.firing else ""
    names = sorted({alert.name for alert in message.alerts})
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"[{message.status.upper()}{count}] {', '.join(names[:3])}{more}"


def status_of(alert: Alert, now_ms: int) -> str:
    return "resolved" if alert.resolved_at(now_ms) else "firing"


def record(message: Notification) -> NotificationRecord:
    """What templates see as the dot."""
    return NotificationRecord(
        receiver=message.receiver,
        status=message.status,
        alerts=Alerts(_alert(alert, message.now_ms) for alert in message.alerts),
        group_labels=KV(message.group_labels),
        common_labels=KV(message.common_labels),
        common_annotations=KV(message.common_annotations),
        route_labels=KV(message.route_labels),
        external_url=message.external_url,
        reason=message.reason,
    )


def _alert(alert: Alert, now_ms: int) -> AlertRecord:
    resolved = alert.resolved_at(now_ms)
    return AlertRecord(
        status="resolved" if resolved else "firing",
        labels=KV(alert.labels),
        annotations=KV(alert.annotations),
        starts_at_ms=alert.starts_at_ms,
        ends_at_ms=alert.ends_at_ms if resolved else 0,
        generator_url=alert.generator_url,
        fingerprint=alert.fingerprint,
    )
