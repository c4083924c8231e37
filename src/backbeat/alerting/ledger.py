"""What each destination was told, what is on its way to it, and what it must be told next.

In:  a flush that went through the pipeline; the outcome of attempts.
Out: `Changes` to be written down. The outbox says which attempts may begin.
Pure but for its own memory.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from backbeat.alerting.ack_links import AckLinks
from backbeat.alerting.changes import Changes
from backbeat.alerting.counters import Counters
from backbeat.alerting.dedup import Decision, Reason, decide
from backbeat.alerting.ordering import alert_order
from backbeat.alerting.outbox import LaneId, Outbox, Random, backoff_ms
from backbeat.alerting.pipeline import Flush
from backbeat.alerting.reach import Reach
from backbeat.model.alerts import Delivery, Notification
from backbeat.model.labels import NO_LABELS, Labels
from backbeat.state.records import Destination, Event, EventKind, LogEntry, Message, MessageState

_LONGEST_KEPT_MS = 5 * 86_400_000


class Integration(Struct, frozen=True):
    """What is to be known of a channel. name: kind and index among the receiver's channels of that kind."""

    name: str
    kind: str
    send_resolved: bool


Integrations = Mapping[str, Sequence[Integration]]
"""By receiver."""


class Ledger:
    def __init__(
        self, integrations: Integrations, external_url: str, random: Random, counters: Counters
    ) -> None:
        self.outbox = Outbox()
        self.reach = Reach()
        self.external_url = external_url
        self.ack_links: AckLinks | None = None
        """once the key is known"""
        self._counters = counters
        self._random = random
        self._log: dict[Destination, LogEntry] = {}
        self.integrations = integrations

    @property
    def lanes(self) -> frozenset[LaneId]:
        return self._lanes

    @property
    def integrations(self) -> Integrations:
        return self._integrations

    @integrations.setter
    def integrations(self, integrations: Integrations) -> None:
        self._integrations = integrations
        self._lanes = frozenset((name, each.name) for name, own in integrations.items() for each in own)

    def use_external_url(self, external_url: str) -> None:
        """Where links of messages lead from now on."""
        self.external_url = external_url
        if self.ack_links is not None:
            self.ack_links = replace(self.ack_links, external_url=external_url)

    def remember(self, log: Iterable[LogEntry], messages: Sequence[Message], now_ms: int) -> None:
        """Take over what the last run wrote down."""
        self._log = {entry.to: entry for entry in log}
        self.reach.remember(self._log.values(), messages, now_ms)
        for message in messages:
            self.outbox.put(message)
            self.outbox.release(message)

    def bury_orphans(self, now_ms: int) -> Changes:
        """Messages whose receiver or integration is no longer configured stay visible."""
        changes = Changes()
        for message in list(self.outbox):
            is_waiting = message.state is MessageState.WAITING and not self.outbox.is_under_way(message.to)
            if is_waiting and self._is_orphan(message):
                self._bury(message, _ORPHAN, now_ms, changes)
        return changes

    # -- deciding -------------------------------------------------------------------------------------

    def decide(self, to: Destination, integration: Integration, flush: Flush) -> Decision | None:
        """Whether a destination is told about a flush. None where every alert is kept quiet."""
        if not flush.alerts:
            return None
        return decide(
            self._log.get(to),
            self.outbox.waiting(to),
            flush.firing,
            flush.resolved,
            send_resolved=integration.send_resolved,
            repeat_interval_ms=flush.route.repeat_interval_ms,
            now_ms=flush.now_ms,
            acknowledged=flush.acknowledged.keys(),
        )

    def act(self, to: Destination, decision: Decision | None, flush: Flush, changes: Changes) -> None:
        """Put the message on its way, or withdraw one that is no longer to be sent."""
        waiting = self.outbox.waiting(to)
        if decision and decision.sends:
            self._enqueue(to, waiting, decision, flush, changes)
            return
        if waiting and waiting.is_rest and decision and decision.reason is not Reason.ACKNOWLEDGED:
            self._follow(waiting, flush, changes)
        elif waiting:
            why = decision.reason if decision else "every alert of the group is kept quiet"
            self._withdraw(waiting, why, flush.now_ms, changes)
        if decision and decision.reason.notifies:
            remembered = self._remembered(to, decision)
            entry = LogEntry(to, flush.firing, flush.resolved, flush.now_ms, _expiry(flush), remembered)
            self._write_log(entry, changes)

    def _enqueue(
        self, to: Destination, waiting: Message | None, decision: Decision, flush: Flush, changes: Changes
    ) -> None:
        owed = decision.owed
        if waiting and waiting.is_rest:
            # Everybody is told anew, so those who were left of the last message are among them.
            owed |= waiting.owed & (flush.firing | flush.resolved)
            changes.messages_gone.append(waiting.id)
            waiting = None
        if waiting and (waiting.firing, waiting.resolved) == (flush.firing, flush.resolved):
            return
        message = Message(
            id=waiting.id if waiting else uuid.uuid4().hex,
            to=to,
            notification=self._notification(to, decision, flush),
            firing=flush.firing,
            resolved=flush.resolved,
            owed=owed,
            created_at_ms=waiting.created_at_ms if waiting else flush.now_ms,
            next_attempt_ms=waiting.next_attempt_ms if waiting else flush.now_ms,
            log_expires_ms=_expiry(flush),
            attempts=waiting.attempts if waiting else 0,
            last_error=waiting.last_error if waiting else "",
        )
        refused = self.outbox.at(to)
        if refused and refused.state is MessageState.DEAD:
            changes.messages_gone.append(refused.id)
        if not waiting:
            self._counters.notifications[to.kind] += 1
        self.outbox.put(message)
        changes.messages.append(message)
        changes.events.append(_message_event(flush.now_ms, EventKind.QUEUED, message, decision.reason))

    def _follow(self, rest: Message, flush: Flush, changes: Changes) -> None:
        """Those who are left will read what is true by then, of what they are owed."""
        if rest.firing == flush.firing:
            return
        shown = flush.firing | (rest.owed & flush.resolved)
        if not shown:
            self._withdraw(rest, Reason.NEVER_TOLD, flush.now_ms, changes)
            return
        told = self._notification(rest.to, Decision(Reason.OWED, shown, rest.owed), flush)
        later = replace(
            rest,
            notification=told.for_those_left(rest.notification.left),
            firing=flush.firing,
            resolved=flush.resolved,
        )
        self.outbox.put(later)
        changes.messages.append(later)
        changes.events.append(_message_event(flush.now_ms, EventKind.QUEUED, later, Reason.OWED))

    def _notification(self, to: Destination, decision: Decision, flush: Flush) -> Notification:
        shown = sorted((flush.alerts[name] for name in decision.shown), key=alert_order)
        parts = (to.group_key, to.receiver, to.integration, str(flush.now_ms), *sorted(flush.alerts))
        return Notification(
            receiver=to.receiver,
            group_key=to.group_key,
            group_labels=flush.group_labels,
            alerts=tuple(shown),
            now_ms=flush.now_ms,
            external_url=self.external_url,
            reason=decision.reason.value,
            idempotency_key=hashlib.sha256("\xff".join(parts).encode()).hexdigest()[:32],
            route_labels=Labels.of(flush.route.labels),
            acknowledge_url=self._acknowledge_url(to, flush) if flush.firing else "",
            remembered=self._remembered(to, decision),
        )

    def _remembered(self, to: Destination, decision: Decision) -> Labels:
        """What the receiver's last answer asked to remember, while its group goes on."""
        entry = self._log.get(to)
        return (
            NO_LABELS if entry is None or decision.reason is Reason.FIRST_NOTIFICATION else entry.remembered
        )

    def _acknowledge_url(self, to: Destination, flush: Flush) -> str:
        links = self.ack_links
        return links.url(to.group_key, to.receiver, flush.now_ms) if links else ""

    def _withdraw(self, message: Message, why: str, now_ms: int, changes: Changes) -> None:
        self.outbox.remove(message.to)
        changes.messages_gone.append(message.id)
        changes.events.append(_message_event(now_ms, EventKind.WITHDRAWN, message, why))

    def owes(self, to: Destination) -> bool:
        """Whether a message about its group is on its way to the destination, and nobody of it was told."""
        waiting = self.outbox.waiting(to)
        return waiting is not None and not waiting.is_rest

    # -- attempts -------------------------------------------------------------------------------------

    def attempt_ended(self, message: Message, delivery: Delivery, now_ms: int, changes: Changes) -> None:
        """Record what became of an attempt: delivered, to be tried again, or refused for good."""
        self._counters.requests[message.to.kind] += 1
        self.reach.note(message.to, delivery, now_ms)
        is_known = self.outbox.ended(message)
        if delivery.ok:
            is_half = bool(delivery.left) and is_known
            delivered = self._half_delivered if is_half else self._delivered
            delivered(message, is_known, delivery, now_ms, changes)
            return
        self._counters.requests_failed[message.to.kind] += 1
        if is_known:
            self._failed(message, delivery, now_ms, changes)

    def _delivered(
        self, message: Message, is_known: bool, delivery: Delivery, now_ms: int, changes: Changes
    ) -> None:
        if is_known:
            self.outbox.remove(message.to)
            changes.messages_gone.append(message.id)
        self._told(message, delivery, now_ms, changes)

    def _half_delivered(
        self, message: Message, is_known: bool, delivery: Delivery, now_ms: int, changes: Changes
    ) -> None:
        """Some recipients have it: the log says so, and the rest waits in the outbox for the others."""
        self._told(message, delivery, now_ms, changes)
        wait_ms = backoff_ms(message.attempts + 1, delivery.retry_after_ms, self._random)
        rest = replace(message, notification=message.notification.for_those_left(delivery.left))
        changes.messages.append(self.outbox.try_again(rest, now_ms + wait_ms, delivery.refused))

    def _told(self, message: Message, delivery: Delivery, now_ms: int, changes: Changes) -> None:
        if not message.is_rest:
            # The rest of a message is no repetition: when the group was told stands in the log.
            self._write_log(_entry(message, delivery, now_ms), changes)
        told = message.notification
        count = f"{len(told.firing)} firing, {len(told.resolved)} resolved"
        detail = f"{count}; {delivery.detail}" if delivery.detail else count
        changes.events.append(_message_event(now_ms, EventKind.DELIVERED, message, told.reason, detail))

    def _failed(self, message: Message, delivery: Delivery, now_ms: int, changes: Changes) -> None:
        if not delivery.retry or self._is_orphan(message):
            self._counters.failed[message.to.kind, "clientError"] += 1
            self._bury(message, delivery.detail if not delivery.retry else _ORPHAN, now_ms, changes)
            return
        if message.attempts == 0:
            self._counters.failed[message.to.kind, "other"] += 1
        if message.is_rest and now_ms - message.created_at_ms >= _LONGEST_KEPT_MS:
            self._bury(message, f"given up after five days: {delivery.detail}", now_ms, changes)
            return
        wait_ms = backoff_ms(message.attempts + 1, delivery.retry_after_ms, self._random)
        later = self.outbox.try_again(message, now_ms + wait_ms, delivery.detail)
        changes.attempts.append(later)
        if delivery.detail != message.last_error or message.attempts == 0:
            changes.events.append(_message_event(now_ms, EventKind.FAILED, later, delivery.detail))

    def _bury(self, message: Message, why: str, now_ms: int, changes: Changes) -> None:
        dead = self.outbox.bury(message, why)
        changes.attempts.append(dead)
        changes.events.append(_message_event(now_ms, EventKind.DEAD, dead, why))

    def _is_orphan(self, message: Message) -> bool:
        return (message.to.receiver, message.to.integration) not in self._lanes

    # -- the log --------------------------------------------------------------------------------------

    def _write_log(self, entry: LogEntry, changes: Changes) -> None:
        self._log[entry.to] = entry
        changes.log.append(entry)

    def last_told(self, to: Destination) -> LogEntry | None:
        return self._log.get(to)

    def forget(self, now_ms: int, is_current: Callable[[Destination], bool], changes: Changes) -> None:
        """Forget expired log entries and refused messages about groups that are gone."""
        for to, entry in list(self._log.items()):
            if entry.expires_at_ms < now_ms and not is_current(to):
                del self._log[to]
                changes.log_gone.append(to)
        for message in list(self.outbox):
            is_dead = message.state is MessageState.DEAD and not self.outbox.is_under_way(message.to)
            if is_dead and message.log_expires_ms < now_ms and not is_current(message.to):
                self.outbox.remove(message.to)
                changes.messages_gone.append(message.id)


_ORPHAN = "its receiver is no longer in the configuration"


def _entry(message: Message, delivery: Delivery, now_ms: int) -> LogEntry:
    told = (message.firing, message.resolved)
    return LogEntry(message.to, *told, now_ms, message.log_expires_ms, delivery.remember)


def _expiry(flush: Flush) -> int:
    return flush.now_ms + min(2 * flush.route.repeat_interval_ms, _LONGEST_KEPT_MS)


def _message_event(now_ms: int, kind: EventKind, message: Message, reason: str, detail: str = "") -> Event:
    to = message.to
    labels = message.notification.group_labels
    return Event(now_ms, kind, "", to.group_key, to.receiver, to.integration, reason, detail, labels)
