"""Webhooks, with the JSON of Alertmanager's version 4."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from backbeat.config.alertmanager import WebhookConfig
from backbeat.model.alerts import Alert, Notification
from backbeat.notify.channel import PostingChannel
from backbeat.notify.http import Request, json_request
from backbeat.notify.texts import status_of
from backbeat.notify.wording import Wording

_NEVER = "0001-01-01T00:00:00Z"


class WebhookChannel(PostingChannel[WebhookConfig]):
    kind = "webhook"

    def request(self, wording: Wording) -> Request:
        url = wording.secret(self.config.url, "the webhook's URL")
        key = wording.message.idempotency_key
        headers = {"Idempotency-Key": key} if key else {}
        if self.config.payload is None:
            return json_request(url, payload(wording.message, self.config.max_alerts), headers)
        shortened = Wording(self.texts, _shortened(wording.message, self.config.max_alerts))
        return json_request(url, shortened.filled(self.config.payload), headers)


def payload(message: Notification, max_alerts: int = 0) -> dict[str, object]:
    """What common labels and status are said of are the alerts that are in it."""
    message = _shortened(message, max_alerts)
    return {
        "receiver": message.receiver,
        "status": message.status,
        "alerts": [_alert(alert, message.now_ms) for alert in message.alerts],
        "notification_reason": message.reason,
        "groupLabels": dict(message.group_labels),
        "commonLabels": dict(message.common_labels),
        "commonAnnotations": dict(message.common_annotations),
        "routeLabels": dict(message.route_labels),
        "externalURL": message.external_url,
        "version": "4",
        "groupKey": message.group_key,
        "truncatedAlerts": message.truncated_alerts,
    }


def _shortened(message: Notification, max_alerts: int) -> Notification:
    """max_alerts: 0 for all"""
    left_out = max(0, len(message.alerts) - max_alerts) if max_alerts else 0
    if not left_out:
        return message
    count = message.truncated_alerts + left_out
    return replace(message, alerts=message.alerts[:max_alerts], truncated_alerts=count)


def _alert(alert: Alert, now_ms: int) -> dict[str, object]:
    return {
        "status": status_of(alert, now_ms),
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": rfc3339(alert.starts_at_ms),
        "endsAt": rfc3339(alert.ends_at_ms if alert.resolved_at(now_ms) else 0),
        "generatorURL": alert.generator_url,
        "fingerprint": alert.fingerprint,
    }


def rfc3339(ms: int) -> str:
    """Zero is Go's zero time; the fraction has no trailing zeros."""
    if ms == 0:
        return _NEVER
    whole = datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{ms % 1000:03d}".rstrip("0").rstrip(".")
    return f"{whole}{fraction}Z"
