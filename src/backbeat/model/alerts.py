"""An alert as it travels from rules (or /api/v2/alerts) through routing to people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from backbeat.model.fingerprints import fingerprint
from backbeat.model.labels import NO_LABELS, Labels

_LEFT = "left"


class Alert(Struct, frozen=True):
    """Identity is `labels`. Times are ms since the epoch.

    ends_at_ms: when it is (or will count as) resolved; 0 means the resolve timeout decides.
    """

    labels: Labels
    annotations: Labels = NO_LABELS
    starts_at_ms: int = 0
    ends_at_ms: int = 0
    updated_at_ms: int = 0
    generator_url: str = ""

    @property
    def name(self) -> str:
        return self.labels.get("alertname")

    @property
    def fingerprint(self) -> str:
        """16 hex digits as Alertmanager computes them."""
        return fingerprint(self.labels)

    @property
    def without_end(self) -> Alert:
        """The same as one that goes on."""
        return replace(self, ends_at_ms=0)

    def resolved_at(self, now_ms: int) -> bool:
        return self.ends_at_ms != 0 and self.ends_at_ms <= now_ms


class RuleStep(Struct, frozen=True):
    """What an alerting rule decided about one of its alerts, for the alert's trail.

    state: pending, firing or inactive, as the rule has it now
    """

    labels: Labels
    at_ms: int
    state: str
    reason: str
    detail: str = ""


class AlertSink(Protocol):
    """The one door for alerts: Backbeat's rules and /api/v2/alerts both enter here."""

    async def receive(self, alerts: Sequence[Alert]) -> None:
        """Take in alerts, firing and resolved; durable before this returns."""
        ...


class Notification(Struct, frozen=True):
    """What one message to one receiver is about; channels render it.

    `alerts` holds firing and resolved ones; `status` is firing while any fires.
    """

    receiver: str
    group_key: str
    group_labels: Labels
    alerts: Sequence[Alert]
    now_ms: int
    external_url: str
    reason: str = ""
    """why it is sent now, e.g. `first notification` or `repeat interval elapsed`"""
    truncated_alerts: int = 0
    idempotency_key: str = ""
    """the same for every attempt at this message"""
    route_labels: Labels = NO_LABELS
    remembered: Labels = NO_LABELS
    """what the receiver's last answer about this group asked to remember"""
    acknowledge_url: str = ""
    """opens a page on which one click acknowledges the group; empty where nothing fires"""

    @property
    def firing(self) -> list[Alert]:
        return [alert for alert in self.alerts if not alert.resolved_at(self.now_ms)]

    @property
    def resolved(self) -> list[Alert]:
        return [alert for alert in self.alerts if alert.resolved_at(self.now_ms)]

    @property
    def status(self) -> str:
        return "firing" if self.firing else "resolved"

    @property
    def common_labels(self) -> Labels:
        return _common([alert.labels for alert in self.alerts])

    @property
    def common_annotations(self) -> Labels:
        return _common([alert.annotations for alert in self.alerts])

    @property
    def left(self) -> tuple[str, ...]:
        """The recipients still to be told, where others took the message; empty: all of them."""
        return tuple(self.remembered.get(_LEFT).splitlines())

    def for_those_left(self, left: Sequence[str]) -> Notification:
        """The same, for these recipients alone; noted in what is remembered, and so kept with it."""
        return replace(self, remembered=Labels.of({**dict(self.remembered), _LEFT: "\n".join(left)}))


def _common(all_labels: Sequence[Labels]) -> Labels:
    if not all_labels:
        return NO_LABELS
    shared = set(all_labels[0]).intersection(*all_labels[1:])
    return Labels(pair for pair in all_labels[0] if pair in shared)


class Delivery(Struct, frozen=True):
    """What became of one attempt to hand a message to a receiver."""

    ok: bool
    retry: bool = False
    """whether another attempt can help"""
    retry_after_ms: int = 0
    """what the receiver asked for (429 Retry-After)"""
    detail: str = ""
    """for people: what the peer said; never a secret"""
    left: tuple[str, ...] = ()
    """of a message that was taken: who was refused for now, to be told again without the others"""
    refused: str = ""
    """of a message that was taken: which recipients were not reached, and why; never a secret"""
    remember: Labels = NO_LABELS
    """what the channel wants to know when it next tells of this group, e.g. which message to change"""


class Channel(Protocol):
    """One configured integration of one receiver."""

    kind: str
    send_resolved: bool

    async def send(self, notification: Notification) -> Delivery:
        """One attempt, with a timeout of its own; never raises for the world's failures.

        A template that fails is not a failure: the message goes out with the error in it.
        """
        ...
