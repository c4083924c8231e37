"""How an alert stands now: in which groups, with how many others, who was told when, when it is repeated.

Reads the core, changes nothing; the time is an argument.
"""

from __future__ import annotations

from msgspec import Struct

from backbeat.alerting.core import Core
from backbeat.alerting.groups import Group
from backbeat.state.records import LogEntry, MessageState


class Told(Struct, frozen=True):
    """One integration of the group's receiver. Times are 0 where there is none.

    next_repeat_ms: the first flush after the repeat interval; 0 as well where the group is not repeated
    waits:          why a message has not been taken yet, or an empty string
    """

    integration: str
    last_told_ms: int
    next_repeat_ms: int
    waits: str


class Standing(Struct, frozen=True):
    group_key: str
    receiver: str
    others: int
    """firing alerts of the group beside this one"""
    next_flush_ms: int
    repeat_interval_ms: int
    held: str
    """why the last flush kept it quiet, or an empty string"""
    acknowledged: bool
    """whether each firing alert of the group is acknowledged, so that it is not repeated"""
    told: tuple[Told, ...]


def standings(core: Core, fingerprint: str, now_ms: int) -> tuple[Standing, ...]:
    """Of each group that has the alert; empty where it is not known any more."""
    entry = core.book.get(fingerprint)
    return (
        tuple(_standing(core, group, fingerprint, now_ms) for group in core.groups.of(entry)) if entry else ()
    )


def _standing(core: Core, group: Group, fingerprint: str, now_ms: int) -> Standing:
    firing = {
        name for name, alert in group.alerts.items() if not alert.resolved_at(now_ms)
    } - group.held.keys()
    acknowledged = bool(firing) and firing == core.acknowledgements.among(firing).keys()
    held = group.held.get(fingerprint)
    return Standing(
        group.key,
        group.receiver,
        len(firing - {fingerprint}),
        max(group.due_ms, now_ms),
        group.node.route.repeat_interval_ms,
        held.reason if held else "",
        acknowledged,
        tuple(
            _told(core, group, each.name, is_repeated=fingerprint in firing and not acknowledged)
            for each in core.ledger.integrations.get(group.receiver, ())
        ),
    )


def _told(core: Core, group: Group, integration: str, *, is_repeated: bool) -> Told:
    to = group.destination(integration)
    entry, message = core.ledger.last_told(to), core.ledger.outbox.at(to)
    waits = ""
    if message is not None:
        waits = message.last_error or "on its way"
        waits = f"refused for good: {waits}" if message.state is MessageState.DEAD else waits
    return Told(
        integration,
        entry.sent_at_ms if entry else 0,
        _next_repeat_ms(group, entry) if entry and is_repeated else 0,
        waits,
    )


def _next_repeat_ms(group: Group, entry: LogEntry) -> int:
    """The first flush of the group at which more than the repeat interval will have passed."""
    route = group.node.route
    due_ms, earliest_ms = group.due_ms, entry.sent_at_ms + route.repeat_interval_ms
    if due_ms > earliest_ms:
        return due_ms
    return due_ms + ((earliest_ms - due_ms) // route.group_interval_ms + 1) * route.group_interval_ms
