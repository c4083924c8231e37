"""The trail of an alert: every decision about it in one line of plain words.

Pure: the events are those of the history, the words are made from them alone.
"""

from __future__ import annotations

from backbeat.model.alerts import Alert, RuleStep
from backbeat.model.integrations import spoken
from backbeat.state.records import Event, EventKind

_SENTENCES = {
    EventKind.PENDING: "pending{why}{more}",
    EventKind.RULE: "the rule{why}{more}",
    EventKind.FIRING: "firing{why}{more}",
    EventKind.RESOLVED: "resolved{why}{more}",
    EventKind.GROUPED: "routed to {receiver} by {reason}; in the group {group}{more}",
    EventKind.INHIBITED: "not told to {receiver}, inhibited{why}{more}",
    EventKind.SILENCED: "not told to {receiver}, silenced{why}{more}",
    EventKind.MUTED: "not told to {receiver}, muted{why}{more}",
    EventKind.PASSED: "nothing keeps it from {receiver} any more; before{why}{more}",
    EventKind.DECIDED: "decided for {whom}{why}{more}",
    EventKind.QUEUED: "a message to {whom} is on its way{why}{more}",
    EventKind.DELIVERED: "sent to {whom}{why}{more}",
    EventKind.FAILED: "{whom} did not take the message, it is tried again{why}{more}",
    EventKind.DEAD: "{whom} refused the message for good{why}{more}",
    EventKind.WITHDRAWN: "the message to {whom} is withdrawn{why}{more}",
    EventKind.ACKNOWLEDGED: "acknowledged {reason}{more}",
    EventKind.UNACKNOWLEDGED: "no longer acknowledged{why}{more}",
    EventKind.SILENCE: "silence {reason}{more}",
}


def step_event(step: RuleStep) -> Event:
    """What a rule decided, as a line of the alert's history."""
    kind = EventKind.PENDING if step.state == "pending" else EventKind.RULE
    fingerprint = Alert(step.labels).fingerprint
    return Event(step.at_ms, kind, fingerprint, reason=step.reason, detail=step.detail, labels=step.labels)


def words(event: Event) -> str:
    """`sent to team by webhook: first notification (2 firing, 0 resolved)`."""
    return _SENTENCES[event.kind].format(
        receiver=event.receiver,
        whom=f"{event.receiver} by {spoken(event.integration)}" if event.integration else event.receiver,
        reason=event.reason,
        group=event.group_key,
        why=f": {event.reason}" if event.reason else "",
        more=f" ({event.detail})" if event.detail else "",
    )
