"""Webhooks, with the JSON of Alertmanager's version 4."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import aiohttp
import orjson

from backbeat.config.alertmanager import WebhookConfig
from backbeat.model.alerts import Alert, Delivery, Notification
from backbeat.notify.http import post
from backbeat.notify.texts import Texts, status_of
from backbeat.templating import TemplateError

_NEVER = "0001-01-01T00:00:00Z"


class WebhookChannel:
    kind = "webhook"

    def __init__(self, config: WebhookConfig, session: aiohttp.ClientSession, texts: Texts) -> None:
        self.send_resolved = config.send_resolved
        self._config = config
        self._session = session
        self._texts = texts

    async def send(self, notification: Notification) -> Delivery:
        try:
            template = self._config.url.read()
            url = (await asyncio.to_thread(self._texts.strict, template, notification)).strip()
        except (OSError, ValueError):
            return Delivery(False, retry=True, detail="the file of the webhook's URL cannot be read")
        except TemplateError as error:
            return Delivery(False, detail=f"the template of the webhook's URL failed: {error.message}")
        key = notification.idempotency_key
        return await post(
            self._session,
            url,
            orjson.dumps(payload(notification, self._config.max_alerts)),
            self._config.http,
            timeout_ms=self._config.timeout_ms,
            headers={"Idempotency-Key": key} if key else None,
        )


def payload(message: Notification, max_alerts: int = 0) -> dict[str, object]:
    """What common labels and status are said of are the alerts that are in it."""
    left_out = max(0, len(message.alerts) - max_alerts) if max_alerts else 0
    if left_out:
        message = replace(message, alerts=message.alerts[:max_alerts])
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
        "truncatedAlerts": message.truncated_alerts + left_out,
    }


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
