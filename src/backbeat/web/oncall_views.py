"""How alerts, acknowledgements and events look in Backbeat's own API."""

from __future__ import annotations

from typing import Any

from backbeat.alerting import AlertView, Standing
from backbeat.alerting.trail import words
from backbeat.state.records import Acknowledgement, Event
from backbeat.web.moments import rfc3339


def event_fields(event: Event) -> dict[str, Any]:
    return {
        "at": rfc3339(event.at_ms),
        "kind": event.kind.value,
        "words": words(event),
        "fingerprint": event.fingerprint,
        "groupKey": event.group_key,
        "receiver": event.receiver,
        "integration": event.integration,
        "reason": event.reason,
        "detail": event.detail,
        "labels": dict(event.labels),
    }


def alert_fields(view: AlertView) -> dict[str, Any]:
    return {
        "fingerprint": view.fingerprint,
        "labels": dict(view.alert.labels),
        "annotations": dict(view.alert.annotations),
        "startsAt": rfc3339(view.alert.starts_at_ms),
        "receivers": list(view.receivers),
        **quiet_fields(view),
    }


def quiet_fields(view: AlertView) -> dict[str, Any]:
    """What keeps an alert quiet, or from being repeated, now."""
    return {
        "silencedBy": list(view.status.silenced_by),
        "inhibitedBy": list(view.status.inhibited_by),
        "mutedBy": list(view.status.muted_by),
        "acknowledgedBy": view.status.acknowledged_by,
    }


def standing_fields(standing: Standing) -> dict[str, Any]:
    return {
        "groupKey": standing.group_key,
        "receiver": standing.receiver,
        "otherAlerts": standing.others,
        "nextFlushAt": rfc3339(standing.next_flush_ms),
        "repeatIntervalMs": standing.repeat_interval_ms,
        "held": standing.held,
        "acknowledged": standing.acknowledged,
        "told": [
            {
                "integration": each.integration,
                "lastToldAt": rfc3339(each.last_told_ms) if each.last_told_ms else None,
                "nextRepeatAt": rfc3339(each.next_repeat_ms) if each.next_repeat_ms else None,
                "waits": each.waits,
            }
            for each in standing.told
        ],
    }


def acknowledgement_fields(one: Acknowledgement) -> dict[str, Any]:
    return {
        "fingerprint": one.fingerprint,
        "labels": dict(one.labels),
        "createdBy": one.created_by,
        "comment": one.comment,
        "at": rfc3339(one.at_ms),
    }
