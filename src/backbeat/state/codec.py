"""Nouns to JSON texts of the tables and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from backbeat.model.alerts import Alert, Notification
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp


def labels_text(labels: Labels) -> str:
    return orjson.dumps(dict(labels)).decode()


def labels_from(text: str) -> Labels:
    return Labels.of(orjson.loads(text)) if text else Labels()


def names_text(names: Iterable[str]) -> str:
    """Fingerprints, sorted, so that equal sets are equal texts."""
    return " ".join(sorted(names))


def names_from(text: str) -> frozenset[str]:
    return frozenset(text.split())


def matchers_text(matchers: Iterable[Matcher]) -> str:
    return orjson.dumps([[m.name, m.op.value, m.value] for m in matchers]).decode()


def matchers_from(text: str) -> tuple[Matcher, ...]:
    return tuple(Matcher(name, MatchOp(op), value) for name, op, value in orjson.loads(text))


def notification_text(notification: Notification) -> str:
    return orjson.dumps(
        {
            "receiver": notification.receiver,
            "group_key": notification.group_key,
            "group_labels": dict(notification.group_labels),
            "alerts": [_alert_fields(alert) for alert in notification.alerts],
            "now_ms": notification.now_ms,
            "external_url": notification.external_url,
            "reason": notification.reason,
            "truncated_alerts": notification.truncated_alerts,
            "idempotency_key": notification.idempotency_key,
            "route_labels": dict(notification.route_labels),
            "remembered": dict(notification.remembered),
            "acknowledge_url": notification.acknowledge_url,
        }
    ).decode()


def notification_from(text: str) -> Notification:
    fields: dict[str, Any] = orjson.loads(text)
    fields["alerts"] = tuple(_alert_from(each) for each in fields["alerts"])
    fields["group_labels"] = Labels.of(fields["group_labels"])
    fields["route_labels"] = Labels.of(fields["route_labels"])
    fields["remembered"] = Labels.of(fields.get("remembered", {}))
    return Notification(**fields)


def _alert_fields(alert: Alert) -> dict[str, Any]:
    return {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "starts_at_ms": alert.starts_at_ms,
        "ends_at_ms": alert.ends_at_ms,
        "updated_at_ms": alert.updated_at_ms,
        "generator_url": alert.generator_url,
    }


def _alert_from(fields: dict[str, Any]) -> Alert:
    return Alert(
        **{
            **fields,
            "labels": Labels.of(fields["labels"]),
            "annotations": Labels.of(fields["annotations"]),
        }
    )
