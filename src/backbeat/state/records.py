"""The rows of the state as frozen values; what alerting keeps beyond one run of the process."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from backbeat.config.alertmanager import TimeInterval
from backbeat.config.interval_clock import contains
from backbeat.model.alerts import Alert, Notification
from backbeat.model.labels import NO_LABELS, Labels
from backbeat.model.matchers import Matcher


class StoredAlert(Struct, frozen=True):
    """A current alert. `by_timeout`: its end was set by the resolve timeout, not by its sender."""

    fingerprint: str
    alert: Alert
    by_timeout: bool = False


class Destination(Struct, frozen=True):
    """Who is told about which group: the identity of a log entry and of a message under way.

    integration: kind and index among the receiver's integrations of that kind, e.g. `webhook[0]`.
    """

    group_key: str
    receiver: str
    integration: str

    @property
    def kind(self) -> str:
        return self.integration.partition("[")[0]


class LogEntry(Struct, frozen=True):
    """What a destination was last told: fingerprints of firing and resolved alerts, and when."""

    to: Destination
    firing: frozenset[str]
    resolved: frozenset[str]
    sent_at_ms: int
    expires_at_ms: int
    remembered: Labels = NO_LABELS
    """what the receiver's answer asked to remember until the group is over"""


class MessageState(StrEnum):
    WAITING = "waiting"
    DEAD = "dead"


class Message(Struct, frozen=True):
    """A notification on its way. At most one a destination; its content follows the group until delivered.

    firing, resolved: the group's alerts that this message settles when delivered (a channel without
    send_resolved settles resolved alerts that its notification does not show).
    """

    id: str
    to: Destination
    notification: Notification
    firing: frozenset[str]
    resolved: frozenset[str]
    owed: frozenset[str]
    """alerts that fired and of which the destination does not know yet"""
    created_at_ms: int
    next_attempt_ms: int
    log_expires_ms: int
    attempts: int = 0
    state: MessageState = MessageState.WAITING
    last_error: str = ""

    @property
    def is_rest(self) -> bool:
        """Some recipients took it: only those who were refused for now are still to be told."""
        return bool(self.notification.left)


class SilenceState(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


class Silence(Struct, frozen=True):
    """Mutes alerts that all matchers accept, from `starts_at_ms` until before `ends_at_ms`.

    schedule: where it has one, it mutes only in these intervals; outside of them it is pending again.
    """

    id: str
    matchers: tuple[Matcher, ...]
    starts_at_ms: int
    ends_at_ms: int
    updated_at_ms: int = 0
    created_by: str = ""
    comment: str = ""
    annotations: Labels = NO_LABELS
    schedule: tuple[TimeInterval, ...] = ()

    def state(self, now_ms: int) -> SilenceState:
        if now_ms >= self.ends_at_ms:
            return SilenceState.EXPIRED
        is_due = not self.schedule or any(contains(interval, now_ms) for interval in self.schedule)
        return SilenceState.ACTIVE if is_due and now_ms >= self.starts_at_ms else SilenceState.PENDING


class Acknowledgement(Struct, frozen=True):
    """Somebody looks after a firing alert: it is not repeated until it resolves or its severity rises."""

    fingerprint: str
    labels: Labels
    created_by: str
    comment: str
    at_ms: int


class EventKind(StrEnum):
    """What can happen to an alert or to a message about it."""

    PENDING = "pending"
    """the rule's condition holds, and waits for `for`"""
    RULE = "rule"
    """what else the rule decided: `for` has passed, `keep_firing_for` holds, the condition ended"""
    FIRING = "firing"
    RESOLVED = "resolved"
    GROUPED = "grouped"
    INHIBITED = "inhibited"
    SILENCED = "silenced"
    MUTED = "muted"
    PASSED = "passed"
    """nothing suppresses it any more"""
    DECIDED = "decided"
    """whether a destination is told about its group now, and why or why not"""
    QUEUED = "queued"
    FAILED = "failed"
    DELIVERED = "delivered"
    DEAD = "dead"
    WITHDRAWN = "withdrawn"
    SILENCE = "silence"
    """a silence was made, changed or expired"""
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    """an acknowledgement is over, and why"""


class Event(Struct, frozen=True):
    """One line of the history: why was I paged, why was nobody paged."""

    at_ms: int
    kind: EventKind
    fingerprint: str = ""
    group_key: str = ""
    receiver: str = ""
    integration: str = ""
    reason: str = ""
    detail: str = ""
    labels: Labels = NO_LABELS
