"""Groups of alerts and when each is due: group_wait before the first flush, group_interval between flushes.

Pure but for its own memory: time is an argument, nothing is sent from here.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct, field

from backbeat.alerting.book import Entry
from backbeat.alerting.dedup import Reason
from backbeat.alerting.pipeline import Held
from backbeat.alerting.routing import Node, group_key, group_labels
from backbeat.model.alerts import Alert
from backbeat.model.labels import Labels
from backbeat.state.records import Destination

GroupId = tuple[str, Labels]
"""Node id and group labels. Unlike the group key it is unique, also where sibling routes look alike."""


class Group(Struct, eq=False):
    """Alerts that one route takes and that share the group labels. Alerts are held by fingerprint."""

    id: GroupId
    node: Node
    labels: Labels
    key: str
    created_ms: int
    alerts: dict[str, Alert] = field(default_factory=dict)
    flushed_ms: int | None = None
    is_overdue: bool = False
    """flush at the next occasion: an alert was old when it came, or a delivery outlasted the last flush"""
    resolved_at_flush: dict[str, Alert] = field(default_factory=dict)
    """what can be let go when every destination knows of it"""
    is_undecided: bool = False
    """a destination was not decided for at the last flush, since an attempt at telling it was under way"""
    muted_by: tuple[str, ...] = ()
    held: dict[str, Held] = field(default_factory=dict)
    """what the last flush kept quiet, and why"""
    decided: dict[str, Reason] = field(default_factory=dict)
    """the last decision, by integration"""

    @property
    def receiver(self) -> str:
        return self.node.route.receiver

    @property
    def due_ms(self) -> int:
        if self.is_overdue:
            return 0
        if self.flushed_ms is None:
            return self.created_ms + self.node.route.group_wait_ms
        return self.flushed_ms + self.node.route.group_interval_ms

    def destination(self, integration: str) -> Destination:
        return Destination(self.key, self.receiver, integration)


class Groups:
    def __init__(self, root: Node, beside: Sequence[Node] = ()) -> None:
        """beside: routes that are asked as well, whatever the tree says."""
        self.root = root
        self.beside = tuple(beside)
        self._groups: dict[GroupId, Group] = {}
        self._by_key: dict[tuple[str, str], list[Group]] = {}
        self._queue: list[tuple[int, int, Group]] = []
        self._queued = 0

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[Group]:
        return iter(self._groups.values())

    def match(self, labels: Labels) -> tuple[Node, ...]:
        """The routes that take an alert with these labels."""
        values = dict(labels)
        found = self.root.match(values)
        return found + tuple(taken for node in self.beside for taken in node.match(values))

    def of(self, entry: Entry) -> list[Group]:
        return [self._groups[group_id] for group_id in sorted(entry.groups)]

    def sharing(self, to: Destination) -> list[Group]:
        """The groups that a destination is told about; more than one where sibling routes look alike."""
        return self._by_key.get((to.group_key, to.receiver), [])

    def insert(self, entry: Entry, now_ms: int, *, began: bool) -> list[Group]:
        """Put an alert, new or changed, into its groups. Returns those that it joined just now.

        One that began to fire may have left a group, which told everyone, while another still holds it.
        """
        for group_id in entry.groups:
            self._groups[group_id].alerts[entry.fingerprint] = entry.alert
        return self._join(entry, now_ms) if began or not entry.groups else []

    def due(self, now_ms: int, alerts: int) -> list[Group]:
        """Take groups whose time has come, the longest overdue first, until they hold so many alerts."""
        found: list[Group] = []
        held = 0
        while self._queue and self._queue[0][0] <= now_ms and held < alerts:
            queued_ms, _, group = heapq.heappop(self._queue)
            if self._groups.get(group.id) is group and group.due_ms == queued_ms:
                found.append(group)
                held += len(group.alerts)
        return found

    def next_due_ms(self) -> int | None:
        return self._queue[0][0] if self._queue else None

    def mark_flushed(self, group: Group, now_ms: int) -> None:
        group.flushed_ms = now_ms
        group.is_overdue = group.is_undecided = False
        self._enqueue(group)

    def mark_overdue(self, group: Group) -> None:
        if not group.is_overdue:
            group.is_overdue = True
            self._enqueue(group)

    def let_go(self, group: Group, fingerprints: Iterable[str]) -> None:
        """Take settled alerts out of a group; an empty group ends."""
        for fingerprint in fingerprints:
            del group.alerts[fingerprint]
            group.held.pop(fingerprint, None)
        if not group.alerts:
            del self._groups[group.id]
            sharing = self._by_key[group.key, group.receiver]
            sharing.remove(group)
            if not sharing:
                del self._by_key[group.key, group.receiver]

    def shift(self, by_ms: int) -> None:
        """The clock was set back: move due times along, so that nothing waits for it to catch up."""
        for group in self._groups.values():
            group.created_ms += by_ms
            if group.flushed_ms is not None:
                group.flushed_ms += by_ms
        self._queue.clear()
        for group in self._groups.values():
            self._enqueue(group)

    def carry_over(self, old: Groups) -> None:
        """After a reload: a group that was there before keeps its timing and what it remembers."""
        for group in self._groups.values():
            before = next(iter(old._by_key.get((group.key, group.receiver), [])), None)
            if before is None:
                continue
            group.created_ms = before.created_ms
            group.flushed_ms = before.flushed_ms
            group.is_overdue, group.is_undecided = before.is_overdue, before.is_undecided
            group.muted_by, group.held, group.decided = before.muted_by, before.held, before.decided
            group.resolved_at_flush = {
                fingerprint: alert
                for fingerprint, alert in before.resolved_at_flush.items()
                if fingerprint in group.alerts
            }
            self._enqueue(group)

    def _join(self, entry: Entry, now_ms: int) -> list[Group]:
        labels = entry.alert.labels
        joined: list[Group] = []
        for node in self.match(labels):
            own = group_labels(node.route, labels)
            group_id = (node.id, own)
            if group_id in entry.groups:
                continue
            group = self._groups.get(group_id)
            if group is None:
                group = self._create(group_id, node, own, now_ms)
                if entry.alert.starts_at_ms + node.route.group_wait_ms < now_ms:
                    self.mark_overdue(group)
            group.alerts[entry.fingerprint] = entry.alert
            entry.groups.add(group_id)
            joined.append(group)
        return joined

    def _create(self, group_id: GroupId, node: Node, labels: Labels, now_ms: int) -> Group:
        group = Group(group_id, node, labels, group_key(node, labels), now_ms)
        self._groups[group_id] = group
        self._by_key.setdefault((group.key, group.receiver), []).append(group)
        self._enqueue(group)
        return group

    def _enqueue(self, group: Group) -> None:
        self._queued += 1
        heapq.heappush(self._queue, (group.due_ms, self._queued, group))
