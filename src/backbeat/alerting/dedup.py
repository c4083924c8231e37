"""Whether a destination must be told about its group now, given what it was told last.

Pure. The rules are those of Alertmanager's deduplication stage; the reason is data, kept in the history.
"""

from __future__ import annotations

from collections.abc import Set
from enum import StrEnum

from msgspec import Struct

from backbeat.state.records import LogEntry, Message


class Reason(StrEnum):
    FIRST_NOTIFICATION = "first notification"
    NEW_ALERTS_IN_GROUP = "new alerts added"
    SOME_RESOLVED = "some alerts resolved"
    ALL_RESOLVED = "all alerts resolved"
    REPEAT_INTERVAL_ELAPSED = "repeat interval elapsed"
    OWED = "resolved before it could be delivered"
    """The receiver could not be reached while the alert fired, and is told now that it is back."""
    NEVER_TOLD = "resolved before anybody was told"
    ACKNOWLEDGED = "not repeated, since it is acknowledged"
    """The repeat interval has elapsed, and somebody looks after each alert that fires."""
    NOTHING_CHANGED = "nothing changed since the last notification"
    NO_INTEGRATION = "the receiver has no integration"

    @property
    def notifies(self) -> bool:
        return self not in _QUIET


_QUIET = frozenset((Reason.NEVER_TOLD, Reason.ACKNOWLEDGED, Reason.NOTHING_CHANGED, Reason.NO_INTEGRATION))


def needs_notify(
    entry: LogEntry | None,
    firing: Set[str],
    resolved: Set[str],
    *,
    send_resolved: bool,
    repeat_interval_ms: int,
    now_ms: int,
) -> Reason:
    """Compare the group's firing and resolved alerts with the last log entry."""
    told_firing = entry.firing if entry else frozenset[str]()
    if entry is None:
        return Reason.FIRST_NOTIFICATION if firing else Reason.NEVER_TOLD
    if not firing <= told_firing:
        # An entry without firing alerts told of a resolution: the group starts anew.
        return Reason.NEW_ALERTS_IN_GROUP if told_firing else Reason.FIRST_NOTIFICATION
    if not firing:
        # Whatever send_resolved says: the log must learn that nothing fires any more.
        if told_firing:
            return Reason.ALL_RESOLVED
        return Reason.NOTHING_CHANGED if resolved <= entry.resolved else Reason.NEVER_TOLD
    if send_resolved and not resolved <= entry.resolved:
        return Reason.SOME_RESOLVED
    if entry.sent_at_ms < now_ms - repeat_interval_ms:
        return Reason.REPEAT_INTERVAL_ELAPSED
    return Reason.NOTHING_CHANGED


class Decision(Struct, frozen=True):
    """What to do about one destination.

    shown: fingerprints that the message shows; empty where only the log must learn of a resolution
    owed:  those of the group that fired and of which the destination does not know yet
    """

    reason: Reason
    shown: frozenset[str] = frozenset()
    owed: frozenset[str] = frozenset()

    @property
    def sends(self) -> bool:
        return self.reason.notifies and bool(self.shown)


def decide(
    entry: LogEntry | None,
    waiting: Message | None,
    firing: frozenset[str],
    resolved: frozenset[str],
    *,
    send_resolved: bool,
    repeat_interval_ms: int,
    now_ms: int,
    acknowledged: Set[str] = frozenset(),
) -> Decision:
    """`needs_notify`, and beyond it: a group whose firing alerts are all acknowledged is not repeated, and an
    alert whose message could not be delivered is owed.

    Where it resolves meanwhile, Alertmanager forgets it. Here the destination is told, in the state that is
    true by then, also where it does not ask for resolved alerts: a late word is better than none.
    """
    reason = needs_notify(
        entry,
        firing,
        resolved,
        send_resolved=send_resolved,
        repeat_interval_ms=repeat_interval_ms,
        now_ms=now_ms,
    )
    if reason is Reason.REPEAT_INTERVAL_ELAPSED and firing <= acknowledged:
        reason = Reason.ACKNOWLEDGED
    promised = waiting.owed if waiting else frozenset[str]()
    owed = ((promised & resolved) | firing) - (entry.firing if entry else frozenset())
    owed_resolved = owed & resolved
    if owed_resolved and (not reason.notifies or not firing):
        reason = Reason.OWED
    if not reason.notifies:
        return Decision(reason)
    return Decision(reason, firing | (resolved if send_resolved else owed_resolved), owed)
