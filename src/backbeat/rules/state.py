"""The states of one alert instance, and the one function that moves between them.

In:  the state before, what the rule's expression returned for these labels (or nothing), moment, terms.
Out: the state after, with the reason; `None` where nothing is left to remember.
Pure: no clock, no I/O. Live evaluation, restart and rule tests all call `advance`.
Semantics are those of Prometheus's alerting rules. Times are ms since the epoch; 0 means "not".
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from backbeat.model.labels import NO_LABELS, Labels

NEVER_MS = -(2**60)
"""Before any moment: a test may begin in 1970, where 0 is one."""
RESOLVED_RETENTION_MS = 15 * 60_000
"""How long a resolved alert is remembered and sent again, so that a receiver that was away hears of it."""


class AlertState(StrEnum):
    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"


class Reason(StrEnum):
    """Why an alert is in its state after an evaluation; shown to people."""

    CONDITION_BEGAN = "the condition began; waiting for `for`"
    STILL_WAITING = "the condition holds; `for` has not passed yet"
    FOR_PASSED = "the condition has held for `for`"
    NO_FOR = "the condition began; the rule has no `for`"
    STILL_FIRING = "the condition still holds"
    FOR_GREW = "`for` was made longer than the condition has held"
    KEPT_FIRING = "the condition ended; `keep_firing_for` has not passed yet"
    CONDITION_ENDED = "the condition ended"
    KEEP_FIRING_PASSED = "the condition ended and `keep_firing_for` has passed"
    ENDED_WHILE_PENDING = "the condition ended before `for` had passed"
    STILL_RESOLVED = "resolved; remembered so that everyone hears of it"
    FORGOTTEN = "resolved long enough ago"


_NO_NEWS = frozenset(
    (Reason.STILL_WAITING, Reason.NO_FOR, Reason.STILL_FIRING, Reason.STILL_RESOLVED, Reason.FORGOTTEN)
)


class Terms(Struct, frozen=True):
    """What a rule asks of time."""

    for_ms: int = 0
    keep_firing_for_ms: int = 0


class Observation(Struct, frozen=True):
    """What one evaluation returned for one label set."""

    value: float
    annotations: Labels = NO_LABELS


class AlertInstance(Struct, frozen=True):
    """One label set of one alerting rule, between two evaluations."""

    labels: Labels
    state: AlertState
    value: float
    active_at_ms: int
    annotations: Labels = NO_LABELS
    fired_at_ms: int = 0
    resolved_at_ms: int = 0
    keep_firing_since_ms: int = 0
    last_sent_ms: int = NEVER_MS
    reason: Reason = Reason.CONDITION_BEGAN

    @property
    def is_active(self) -> bool:
        return self.state is not AlertState.INACTIVE

    def is_due(self, at_ms: int, resend_delay_ms: int) -> bool:
        """Whether the receivers must hear of it now."""
        if self.state is AlertState.PENDING:
            return False
        if self.resolved_at_ms > self.last_sent_ms:
            return True
        return self.last_sent_ms + resend_delay_ms < at_ms


class Transition(Struct, frozen=True):
    """`alert` is None where the instance is forgotten."""

    alert: AlertInstance | None
    reason: Reason

    def is_news(self, before: AlertInstance | None) -> bool:
        """Whether the trail of the alert needs it; that an alert fires or has resolved, it knows already."""
        return self.reason not in _NO_NEWS and (before is None or before.reason is not self.reason)


class Remembered(Struct, frozen=True):
    """What ALERTS_FOR_STATE told about an instance before a restart."""

    active_at_ms: int
    last_written_ms: int


def advance(
    labels: Labels,
    before: AlertInstance | None,
    seen: Observation | None,
    at_ms: int,
    terms: Terms,
    active_since_ms: int | None = None,
) -> Transition:
    """The state of one instance after an evaluation at `at_ms`.

    before: None where the instance was not known
    seen: None where the expression returned nothing for these labels
    active_since_ms: where the instance is new: since when its condition holds, if not since now (a restart)
    """
    if seen is None:
        return _unseen(before, at_ms, terms)
    if before is None or not before.is_active:
        since = at_ms if active_since_ms is None else active_since_ms
        alert = AlertInstance(labels, AlertState.PENDING, seen.value, since, seen.annotations)
        begun = _held(alert, at_ms, terms, Reason.CONDITION_BEGAN)
        if begun.alert is not None and begun.alert.state is AlertState.FIRING:
            # Restored: it fired back then, not now.
            return replace(begun, alert=replace(begun.alert, fired_at_ms=since + terms.for_ms))
        return begun
    alert = replace(before, value=seen.value, annotations=seen.annotations, keep_firing_since_ms=0)
    unchanged = Reason.STILL_FIRING if alert.state is AlertState.FIRING else Reason.STILL_WAITING
    return _held(alert, at_ms, terms, unchanged)


def _held(alert: AlertInstance, at_ms: int, terms: Terms, unchanged: Reason) -> Transition:
    """An instance whose condition holds, or counts as holding: pending until `for` has passed."""
    has_held = at_ms - alert.active_at_ms >= terms.for_ms
    if alert.state is AlertState.PENDING and has_held:
        reason = Reason.FOR_PASSED if terms.for_ms else Reason.NO_FOR
        alert = replace(alert, state=AlertState.FIRING, fired_at_ms=at_ms, reason=reason)
        return Transition(alert, reason)
    if alert.state is AlertState.FIRING and not has_held:
        reason = Reason.FOR_GREW
        alert = replace(
            alert,
            state=AlertState.PENDING,
            fired_at_ms=0,
            last_sent_ms=NEVER_MS,
            keep_firing_since_ms=0,
            reason=reason,
        )
        return Transition(alert, reason)
    return Transition(replace(alert, reason=unchanged), unchanged)


def _unseen(before: AlertInstance | None, at_ms: int, terms: Terms) -> Transition:
    if before is None:
        return Transition(None, Reason.FORGOTTEN)
    if before.state is AlertState.PENDING:
        return Transition(None, Reason.ENDED_WHILE_PENDING)
    if before.state is AlertState.INACTIVE:
        if at_ms - before.resolved_at_ms > RESOLVED_RETENTION_MS:
            return Transition(None, Reason.FORGOTTEN)
        return Transition(replace(before, reason=Reason.STILL_RESOLVED), Reason.STILL_RESOLVED)
    reason = Reason.CONDITION_ENDED
    if terms.keep_firing_for_ms > 0:
        since = before.keep_firing_since_ms or at_ms
        before = replace(before, keep_firing_since_ms=since)
        if at_ms - since < terms.keep_firing_for_ms:
            return _held(before, at_ms, terms, Reason.KEPT_FIRING)
        reason = Reason.KEEP_FIRING_PASSED
    alert = replace(before, state=AlertState.INACTIVE, resolved_at_ms=at_ms, reason=reason)
    return Transition(alert, reason)


def restored_since(
    remembered: Remembered, at_ms: int, terms: Terms, interval_ms: int, grace_ms: int = 0
) -> int:
    """Since when an instance counts as active that is seen again after a restart, at `at_ms`.

    It was firing: since it first was active, so that it fires at once. It was pending: the time in which
    nobody looked (beyond the usual interval) does not count towards `for`. Where less than `grace_ms` would
    be left of `for`, the whole grace period is waited, so that a restart alone fires nothing.
    """
    left_ms = terms.for_ms - (remembered.last_written_ms - remembered.active_at_ms)
    if left_ms <= 0:
        return remembered.active_at_ms
    if left_ms < grace_ms:
        return at_ms + grace_ms - terms.for_ms
    unwatched_ms = max(0, at_ms - remembered.last_written_ms - interval_ms)
    return remembered.active_at_ms + unwatched_ms
