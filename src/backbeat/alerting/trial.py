"""A clearly marked test message to one receiver, outside of routing, log and outbox. Pure."""

from __future__ import annotations

import uuid

from backbeat.model.alerts import Alert, Notification
from backbeat.model.errors import BackbeatError
from backbeat.model.labels import Labels


class UnknownReceiver(BackbeatError):
    """No receiver has this name, or it has no integration."""


def trial_message(receiver: str, now_ms: int, external_url: str) -> Notification:
    labels = Labels.of(alertname="BackbeatTest", severity="info", test="true")
    said = f"This is a test of the receiver {receiver}. Nothing is wrong, nothing needs to be done."
    alert = Alert(labels, Labels.of(summary="TEST: " + said, description=said), starts_at_ms=now_ms)
    return Notification(
        receiver=receiver,
        group_key=f"test/{uuid.uuid4().hex}",
        group_labels=labels.keep(["alertname"]),
        alerts=(alert,),
        now_ms=now_ms,
        external_url=external_url,
        reason="somebody asked for a test message",
        idempotency_key=uuid.uuid4().hex,
    )
