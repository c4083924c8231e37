"""The core of alerting: takes alerts in, says which groups are due and what must be sent to whom, and why.

In:  alerts, the outcome of attempts, configuration; the time with each call.
Out: `Changes` to be written down, messages to attempt, the time at which something is due next.
Pure but for its own memory: no clock, no I/O; `service` carries out what it decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from backbeat.alerting import pipeline
from backbeat.alerting.acknowledging import (
    ALERT_RESOLVED,
    Acknowledgements,
    acknowledged_event,
    ended_event,
)
from backbeat.alerting.book import MAX_ALERTS, Book, Entry, why_invalid
from backbeat.alerting.changes import Changes
from backbeat.alerting.counters import Counters
from backbeat.alerting.dedup import Reason
from backbeat.alerting.groups import Group, Groups
from backbeat.alerting.inhibition import Inhibition, Inhibitor
from backbeat.alerting.ledger import Integrations, Ledger
from backbeat.alerting.pipeline import Flush, Held
from backbeat.alerting.routing import plant
from backbeat.alerting.silencing import Silences
from backbeat.alerting.stand_in import stand_ins
from backbeat.config.alertmanager import AlertmanagerConfig
from backbeat.model.alerts import Alert, Delivery
from backbeat.model.durations import format_duration
from backbeat.model.fingerprints import fingerprints
from backbeat.state.records import Acknowledgement, Destination, Event, EventKind, Message, StoredAlert

_SILENCES_KEPT_MS = 5 * 86_400_000


class Received(Struct, frozen=True):
    """What came of alerts sent to us: what to write, a line for each invalid one, how many were too many."""

    changes: Changes
    invalid: tuple[str, ...] = ()
    too_many: int = 0


class Core:
    def __init__(
        self, config: AlertmanagerConfig, silences: Silences, ledger: Ledger, counters: Counters
    ) -> None:
        self.config = config
        self.book = Book()
        self.silences = silences
        self.acknowledgements = Acknowledgements()
        self.ledger = ledger
        self.inhibitor = Inhibitor(config.inhibit_rules)
        self.groups = self._new_groups()
        self.intervals = dict(config.time_intervals)
        self._counters = counters

    # -- start and reload -----------------------------------------------------------------------------

    def remember(
        self, alerts: Sequence[StoredAlert], acknowledged: Sequence[Acknowledgement], now_ms: int
    ) -> Changes:
        """Go on where the last run ended.

        A firing alert that nobody refreshed while we were down has not resolved: its sender gets as long to
        say so as it gave itself then.
        """
        for stored in alerts:
            alert = stored.alert
            hold_ms = alert.ends_at_ms - alert.updated_at_ms
            if hold_ms > 0 and alert.ends_at_ms < now_ms + hold_ms:
                alert = replace(alert, ends_at_ms=now_ms + hold_ms, updated_at_ms=now_ms)
            entry = self.book.put(replace(stored, alert=alert))
            self.inhibitor.add(entry.fingerprint, alert.labels)
            self.groups.insert(entry, now_ms, began=True)
        changes = self.ledger.bury_orphans(now_ms)
        for each in acknowledged:
            self.acknowledgements.keep(each)
            if not self.fires(each.fingerprint, now_ms):
                self._end_acknowledgement(each.fingerprint, ALERT_RESOLVED, now_ms, changes)
        return changes

    def reload(self, config: AlertmanagerConfig, integrations: Integrations, now_ms: int) -> Changes:
        """Route everything anew; groups that stay keep their timing, so nobody is told twice."""
        self.config = config
        self.ledger.integrations = integrations
        self.intervals = dict(config.time_intervals)
        self.inhibitor = Inhibitor(config.inhibit_rules)
        before, self.groups = self.groups, self._new_groups()
        for entry in self.book:
            self.inhibitor.add(entry.fingerprint, entry.alert.labels)
            entry.groups.clear()
            self.groups.insert(entry, now_ms, began=True)
        self.groups.carry_over(before)
        return self.ledger.bury_orphans(now_ms)

    def _new_groups(self) -> Groups:
        root = plant(self.config.route)
        return Groups(root, stand_ins(self.config, root, self.ledger.integrations))

    # -- alerts in ------------------------------------------------------------------------------------

    def receive(self, alerts: Sequence[Alert], now_ms: int) -> Received:
        """Take alerts in, firing and resolved."""
        changes, invalid, too_many = Changes(), list[str](), 0
        sound: list[Alert] = []
        for sent in alerts:
            # Where a known alert starts in the future, the clock was set back while it fired.
            is_ahead = sent.starts_at_ms > now_ms and self.book.knows(sent.labels)
            alert = replace(sent, starts_at_ms=now_ms) if is_ahead else sent
            wrong = why_invalid(alert)
            if wrong:
                invalid.append(wrong)
            else:
                sound.append(alert)
        new = [alert.labels for alert in sound if not self.book.knows(alert.labels)]
        named = dict(zip(new, fingerprints(new), strict=True))
        for alert in sound:
            if len(self.book) >= MAX_ALERTS and not self.book.knows(alert.labels):
                too_many += 1
            else:
                self._receive_one(alert, now_ms, named.get(alert.labels, ""), changes)
        self._counters.invalid += len(invalid)
        self._counters.turned_away += too_many
        return Received(changes, tuple(invalid), too_many)

    def _receive_one(self, alert: Alert, now_ms: int, fingerprint: str, changes: Changes) -> None:
        change = self.book.receive(alert, now_ms, self.config.resolve_timeout_ms, fingerprint)
        if change is None:
            self._counters.received["resolved"] += 1
            return
        entry = change.entry
        fires = not entry.alert.resolved_at(now_ms)
        self._counters.received["firing" if fires else "resolved"] += 1
        self.inhibitor.add(entry.fingerprint, entry.alert.labels)
        joined = self.groups.insert(entry, now_ms, began=change.began)
        if change.worth_storing:
            changes.alerts.append(entry.stored)
        if change.began or change.ended:
            kind = EventKind.FIRING if change.began else EventKind.RESOLVED
            changes.events.append(Event(now_ms, kind, entry.fingerprint, labels=entry.alert.labels))
        if change.began:
            self._note_rise(entry, now_ms, changes)
        if change.ended:
            self._end_acknowledgement(entry.fingerprint, ALERT_RESOLVED, now_ms, changes)
        for group in joined:
            changes.events.append(_grouped_event(group, entry, now_ms))

    def fires(self, fingerprint: str, now_ms: int) -> bool:
        entry = self.book.get(fingerprint)
        return entry is not None and not entry.alert.resolved_at(now_ms)

    def inhibited_by(self, fingerprint: str, now_ms: int) -> Inhibition | None:
        return self.inhibitor.inhibition(fingerprint, lambda source: self.fires(source, now_ms))

    def inhibition_words(self, inhibition: Inhibition) -> str:
        """The rule, and what fires, by the name that people know."""
        source = self.book.get(inhibition.source)
        return f"{inhibition.rule}: {source.alert.name if source else inhibition.source} fires"

    # -- acknowledgements ---------------------------------------------------------------------------------

    def acknowledge(
        self, fingerprints: Iterable[str], created_by: str, comment: str, now_ms: int
    ) -> tuple[list[Acknowledgement], Changes]:
        """Note that somebody looks after these alerts; one that does not fire is passed over."""
        changes = Changes()
        for fingerprint in dict.fromkeys(fingerprints):
            entry = self.book.get(fingerprint)
            if entry is None or entry.alert.resolved_at(now_ms):
                continue
            made = Acknowledgement(fingerprint, entry.alert.labels, created_by, comment, now_ms)
            self.acknowledgements.keep(made)
            changes.acknowledgements.append(made)
            changes.events.append(acknowledged_event(made))
        return changes.acknowledgements, changes

    def take_back_acknowledgement(self, fingerprint: str, by: str, now_ms: int) -> Changes:
        """Changes are empty where there was none."""
        changes = Changes()
        self._end_acknowledgement(fingerprint, f"taken back by {by}", now_ms, changes)
        return changes

    def _note_rise(self, entry: Entry, now_ms: int, changes: Changes) -> None:
        labels = entry.alert.labels
        for fingerprint in self.acknowledgements.risen(labels):
            why = f"its severity rose to {labels.get('severity')}: {entry.alert.name} fires"
            self._end_acknowledgement(fingerprint, why, now_ms, changes)

    def _end_acknowledgement(self, fingerprint: str, why: str, now_ms: int, changes: Changes) -> None:
        ended = self.acknowledgements.end(fingerprint)
        if ended is not None:
            changes.acknowledgements_over.append(fingerprint)
            changes.events.append(ended_event(ended, why, now_ms))

    # -- groups out -----------------------------------------------------------------------------------

    def flush_due(self, now_ms: int, alerts: int) -> Changes | None:
        """Flush due groups until so many alerts are among them: decide for each of their destinations.

        None where no group is due.
        """
        due = self.groups.due(now_ms, alerts)
        changes = Changes()
        for group in due:
            self._flush(group, now_ms, changes)
        return changes if due else None

    def next_due_ms(self) -> int | None:
        """When a group must be flushed or a message attempted next; None while there is neither."""
        times = (self.groups.next_due_ms(), self.ledger.outbox.next_due_ms(self.ledger.lanes))
        return min((time for time in times if time is not None), default=None)

    def _flush(self, group: Group, now_ms: int, changes: Changes) -> None:
        self.groups.mark_flushed(group, now_ms)
        before = Flush(
            group.key,
            group.node.route,
            group.labels,
            now_ms,
            self._at(group, now_ms, changes),
            {},
            acknowledged=self.acknowledgements.among(group.alerts),
        )
        flush = pipeline.run(
            before,
            (
                lambda value: pipeline.inhibit(
                    value, lambda name: self.inhibited_by(name, now_ms), self.inhibition_words
                ),
                lambda value: pipeline.silence(value, lambda of: self.silences.muting(dict(of), now_ms)),
                lambda value: pipeline.keep_times(value, self.intervals),
            ),
        )
        group.resolved_at_flush = {name: group.alerts[name] for name in before.resolved}
        self._note_held(group, flush, changes)
        integrations = self.ledger.integrations.get(group.receiver, ())
        if not integrations:
            self._note_decision(group, "", Reason.NO_INTEGRATION, flush, changes)
        for integration in integrations:
            to = group.destination(integration.name)
            if self.ledger.outbox.is_under_way(to):
                group.is_undecided = True
                continue
            decision = self.ledger.decide(to, integration, flush)
            if decision:
                self._note_decision(group, integration.name, decision.reason, flush, changes)
            self.ledger.act(to, decision, flush, changes)
        self._settle(group, changes)

    def _at(self, group: Group, now_ms: int, changes: Changes) -> dict[str, Alert]:
        """The group's alerts at the moment: one that is not over has no end; one that ran out is noted."""
        found: dict[str, Alert] = {}
        for fingerprint, alert in group.alerts.items():
            if not alert.resolved_at(now_ms):
                found[fingerprint] = alert.without_end
                continue
            found[fingerprint] = alert
            entry = self.book.get(fingerprint)
            if entry is not None and entry.alert.updated_at_ms < entry.alert.ends_at_ms <= now_ms:
                self._run_out(entry, now_ms, changes)
        return found

    def _run_out(self, entry: Entry, now_ms: int, changes: Changes) -> None:
        entry.alert = replace(entry.alert, updated_at_ms=entry.alert.ends_at_ms)
        changes.alerts.append(entry.stored)
        for group in self.groups.of(entry):
            group.alerts[entry.fingerprint] = entry.alert
        why = "not heard of any more"
        changes.events.append(
            Event(now_ms, EventKind.RESOLVED, entry.fingerprint, reason=why, labels=entry.alert.labels)
        )
        self._end_acknowledgement(entry.fingerprint, ALERT_RESOLVED, now_ms, changes)

    def attempt_ended(self, message: Message, delivery: Delivery, now_ms: int) -> Changes:
        """Record what became of an attempt, and look again at groups that waited for it."""
        changes = Changes()
        self.ledger.attempt_ended(message, delivery, now_ms, changes)
        for group in list(self.groups.sharing(message.to)):
            if group.is_undecided:
                self.groups.mark_overdue(group)
            else:
                self._settle(group, changes)
        return changes

    # -- what is over ---------------------------------------------------------------------------------

    def _settle(self, group: Group, changes: Changes) -> None:
        """Let go of alerts that were resolved at the last flush, once everybody has been told."""
        integrations = self.ledger.integrations.get(group.receiver, ())
        if not group.resolved_at_flush or any(
            self.ledger.owes(group.destination(each.name)) for each in integrations
        ):
            return
        over = [name for name, alert in group.resolved_at_flush.items() if group.alerts.get(name) is alert]
        group.resolved_at_flush = {}
        self.groups.let_go(group, over)
        for fingerprint in over:
            entry = self.book.get(fingerprint)
            if entry is None:
                continue
            entry.groups.discard(group.id)
            if not entry.groups:
                self.book.remove(entry)
                self.inhibitor.discard(fingerprint)
                changes.alerts_gone.append(fingerprint)

    def maintain(self, now_ms: int) -> Changes:
        """Forget silences and log entries that nothing refers to any more."""
        changes = Changes()
        if self.silences.forget_ended_before(now_ms - _SILENCES_KEPT_MS):
            changes.silences_ended_before_ms = now_ms - _SILENCES_KEPT_MS
        self.ledger.forget(now_ms, lambda to: bool(self.groups.sharing(to)), changes)
        return changes

    def outlast(self, gap_ms: int, now_ms: int) -> None:
        """The machine was asleep for so long: what fired before gets as much longer to be confirmed."""
        for entry in self.book:
            if entry.alert.ends_at_ms > now_ms - gap_ms:
                entry.alert = replace(entry.alert, ends_at_ms=entry.alert.ends_at_ms + gap_ms)
                for group in self.groups.of(entry):
                    group.alerts[entry.fingerprint] = entry.alert

    def shift(self, by_ms: int) -> None:
        """The clock was set back by so much (a negative number)."""
        self.groups.shift(by_ms)
        self.ledger.outbox.shift(by_ms)

    # -- the trail ----------------------------------------------------------------------------------------

    def _note_held(self, group: Group, flush: Flush, changes: Changes) -> None:
        """Keep what changed: an alert held back for another reason than before, or let through again."""
        group.muted_by = flush.muted_by
        for held in flush.held.values():
            self._counters.suppressed[_SUPPRESSED[held.kind]] += 1
        for fingerprint, held in flush.held.items():
            if group.held.get(fingerprint) != held:
                changes.events.append(_held_event(flush.now_ms, held.kind, fingerprint, group, held))
        for fingerprint, held in group.held.items():
            if fingerprint not in flush.held and fingerprint in flush.alerts:
                changes.events.append(_held_event(flush.now_ms, EventKind.PASSED, fingerprint, group, held))
        group.held = dict(flush.held)

    def _note_decision(
        self, group: Group, integration: str, reason: Reason, flush: Flush, changes: Changes
    ) -> None:
        """Keep every decision to tell somebody, and the first of a row of decisions not to."""
        if group.decided.get(integration) != reason or reason.notifies:
            counts = f"{len(flush.firing)} firing, {len(flush.resolved)} resolved"
            if reason.notifies:
                counts += f"; repeated after {format_duration(flush.route.repeat_interval_ms)}"
            if reason is Reason.ACKNOWLEDGED:
                counts = "by " + ", ".join(sorted({flush.acknowledged[name] for name in flush.firing}))
            to = group.destination(integration)
            changes.events.append(_decision_event(flush.now_ms, to, reason, counts, group))
        group.decided[integration] = reason


_SUPPRESSED = {
    EventKind.INHIBITED: "inhibition",
    EventKind.SILENCED: "silence",
    EventKind.MUTED: "mute_time_interval",
}


def _grouped_event(group: Group, entry: Entry, now_ms: int) -> Event:
    """An alert that joined its group, with how many others, and what it waits for."""
    route, others = group.node.route, len(group.alerts) - 1
    company = f"with {others} others" if others else "alone so far"
    if group.is_overdue:
        waits = "told at once, since it began longer ago than group_wait"
    elif group.flushed_ms is None:
        waits = f"waits for group_wait, {format_duration(route.group_wait_ms)} from its first alert on"
    else:
        waits = f"waits for group_interval, {format_duration(route.group_interval_ms)} from the last time on"
    own = (entry.fingerprint, group.key, group.receiver)
    why, detail = f"route {group.node.id}", f"{company}; {waits}"
    return Event(now_ms, EventKind.GROUPED, *own, reason=why, detail=detail, labels=entry.alert.labels)


def _held_event(now_ms: int, kind: EventKind, fingerprint: str, group: Group, held: Held) -> Event:
    alert = group.alerts.get(fingerprint)
    labels = alert.labels if alert else group.labels
    return Event(now_ms, kind, fingerprint, group.key, group.receiver, reason=held.reason, labels=labels)


def _decision_event(now_ms: int, to: Destination, reason: Reason, detail: str, group: Group) -> Event:
    own = (to.group_key, to.receiver, to.integration)
    return Event(now_ms, EventKind.DECIDED, "", *own, reason.value, detail, group.labels)
