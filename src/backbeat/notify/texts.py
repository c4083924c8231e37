"""The texts of a message, from the operator's templates; a template that fails says so in the message.

In:  templates of the settings and of the template files, a Notification. Out: text.
"""

from __future__ import annotations

import html as html_text
import logging
import re
from collections.abc import Iterable
from pathlib import Path
from threading import Lock

from msgspec.structs import replace

from backbeat.model.alerts import Alert, Notification
from backbeat.model.labels import Labels
from backbeat.templating import Limits, Template, TemplateError, TemplateSet
from backbeat.templating.functions import alertmanager_functions
from backbeat.templating.records import KV, AlertRecord, Alerts, NotificationRecord

_log = logging.getLogger(__name__)
_DEFAULTS = Path(__file__).with_name("templates") / "default.tmpl"
_DEFINED = re.compile(r"\{\{-?\s*define\s+\"([^\"]+)\"")


class Texts:
    """Renders the templates of all channels; parsed once, errors become text. Safe to use from threads."""

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._set = TemplateSet(alertmanager_functions())
        self._set.add(_DEFAULTS.read_text(encoding="utf-8"), _DEFAULTS.name)
        self._parsed: dict[tuple[str, bool], Template] = {}
        self._lock = Lock()
        self._redefined: set[str] = set()
        for path in paths:
            try:
                text = Path(path).read_text(encoding="utf-8")
                self._set.add(text, Path(path).name)
                self._redefined.update(_DEFINED.findall(text))
            except (OSError, ValueError, TemplateError) as error:
                _log.error("notify: template file %s is left out: %s", path, error)

    def own(self, name: str) -> str | None:
        """A call of the named default template where the operator's files define it anew, else None."""
        return f'{{{{ template "{name}" . }}}}' if name in self._redefined else None

    def render(self, text: str, message: Notification, *, html: bool = False) -> str:
        """Never fails: where the template does, the message's subject and the error are the text."""
        try:
            return self.strict(text, message, html=html)
        except TemplateError as error:
            _log.warning("notify: receiver %s: template failed: %s", message.receiver, error)
            told = f"{subject(message)} (template error: {error})"
            return html_text.escape(told) if html else told

    def routed(self, message: Notification) -> Notification:
        """The message with the templates in the labels of its route rendered; they may name each other."""
        written = dict(message.route_labels)
        labels = written
        for _ in written:
            if not any("{{" in text for text in labels.values()):
                break
            so_far = replace(message, route_labels=Labels.of(labels))
            labels = {name: self.render(text, so_far) for name, text in written.items()}
        return message if labels is written else replace(message, route_labels=Labels.of(labels))

    def strict(self, text: str, message: Notification, *, html: bool = False) -> str:
        """Raises TemplateError; for addresses, where an error's text would be of no use."""
        if "{{" not in text:
            return text
        limits = Limits(seconds=10, steps=5_000_000, output_bytes=2 << 20)  # a group can hold many alerts
        functions = alertmanager_functions(now_ms=message.now_ms, route_labels=dict(message.route_labels))
        return self._template(text, html).render(record(message), functions=functions, limits=limits)

    def _template(self, text: str, html: bool) -> Template:
        with self._lock:
            parsed = self._parsed.get((text, html))
            if parsed is None:
                parsed = self._parsed[text, html] = self._set.parse(text, html=html)
            return parsed


class MessageRecord(NotificationRecord, frozen=True):
    """Alertmanager's data, what only webhooks get there, and the link that acknowledges."""

    group_key: str = ""
    truncated_alerts: int = 0
    acknowledge_url: str = ""

    def fields(self) -> dict[str, object]:
        own = {
            "GroupKey": self.group_key,
            "TruncatedAlerts": self.truncated_alerts,
            "AcknowledgeURL": self.acknowledge_url,
        }
        return {**NotificationRecord.fields(self), **own}


def subject(message: Notification) -> str:
    """`[FIRING:2] HighLatency`, made without a template."""
    count = f":{len(message.firing)}" if message.firing else ""
    names = sorted({alert.name for alert in message.alerts})
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"[{message.status.upper()}{count}] {', '.join(names[:3])}{more}"


def status_of(alert: Alert, now_ms: int) -> str:
    return "resolved" if alert.resolved_at(now_ms) else "firing"


def record(message: Notification) -> MessageRecord:
    """What templates see as the dot."""
    return MessageRecord(
        receiver=message.receiver,
        status=message.status,
        alerts=Alerts(_alert(alert, message.now_ms) for alert in message.alerts),
        group_labels=KV(message.group_labels),
        common_labels=KV(message.common_labels),
        common_annotations=KV(message.common_annotations),
        route_labels=KV(message.route_labels),
        external_url=message.external_url,
        reason=message.reason,
        group_key=message.group_key,
        truncated_alerts=message.truncated_alerts,
        acknowledge_url=message.acknowledge_url,
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
