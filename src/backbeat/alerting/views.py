"""Answers about alerts, groups and receivers, shaped for /api/v2 and the pages.

Reads the core's memory; changes nothing. What keeps an alert quiet is asked now, not at the last flush.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from backbeat.alerting.ack_links import group_digest
from backbeat.alerting.book import Entry
from backbeat.alerting.core import Core
from backbeat.alerting.groups import Group
from backbeat.alerting.matching import accepts_all
from backbeat.alerting.ordering import alert_order, labels_order
from backbeat.alerting.pipeline import muting_intervals
from backbeat.model.alerts import Alert
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, compile_regex


class AlertState(StrEnum):
    ACTIVE = "active"
    SUPPRESSED = "suppressed"


class AlertStatus(Struct, frozen=True):
    """state: whether a silence or an inhibition keeps it quiet; time intervals (`muted_by`) mute groups."""

    state: AlertState
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()
    muted_by: tuple[str, ...] = ()
    acknowledged_by: str = ""
    """who looks after it; it is told all the same, and not repeated"""


class AlertView(Struct, frozen=True):
    """A firing alert with what becomes of it."""

    fingerprint: str
    alert: Alert
    receivers: tuple[str, ...]
    status: AlertStatus


class GroupView(Struct, frozen=True):
    key: str
    receiver: str
    labels: Labels
    route_labels: Labels
    alerts: tuple[AlertView, ...]
    next_flush_ms: int
    muted_by: tuple[str, ...] = ()


class Filter(Struct, frozen=True):
    """Which alerts are wanted; the defaults are those of Alertmanager's API. receiver: an anchored regex.

    The API's `unprocessed` has no counterpart: what keeps an alert quiet is worked out when one asks.
    """

    active: bool = True
    silenced: bool = True
    inhibited: bool = True
    muted: bool = True
    matchers: Sequence[Matcher] = ()
    receiver: str = ""
    _receiver: Any = None

    def __post_init__(self) -> None:
        """Raises RegexError."""
        if self.receiver:
            force_setattr(self, "_receiver", compile_regex(self.receiver))

    def wants_receiver(self, name: str) -> bool:
        return self._receiver is None or self._receiver.fullmatch(name) is not None

    def wants(self, status: AlertStatus) -> bool:
        if status.silenced_by and not self.silenced:
            return False
        if status.inhibited_by and not self.inhibited:
            return False
        if status.muted_by and not self.muted:
            return False
        return status.state is not AlertState.ACTIVE or self.active


def alerts(core: Core, wanted: Filter, now_ms: int) -> list[AlertView]:
    """The alerts that fire, by fingerprint."""
    return by_fingerprint(each_alert(core, wanted, now_ms))


def by_fingerprint(found: Iterable[AlertView | None]) -> list[AlertView]:
    return sorted((view for view in found if view), key=lambda view: view.fingerprint)


def each_alert(core: Core, wanted: Filter, now_ms: int) -> Iterator[AlertView | None]:
    """A step for each alert that is known; None for one that is not wanted."""
    for entry in list(core.book):
        yield _alert_view(core, entry, wanted, now_ms)


def _alert_view(core: Core, entry: Entry, wanted: Filter, now_ms: int) -> AlertView | None:
    if entry.alert.resolved_at(now_ms):
        return None
    labels = dict(entry.alert.labels)
    if not accepts_all(wanted.matchers, labels):
        return None
    receivers = tuple(node.route.receiver for node in core.groups.match(entry.alert.labels))
    if not any(wanted.wants_receiver(name) for name in receivers):
        return None
    status = _status(core, entry, labels, core.groups.of(entry), now_ms)
    return AlertView(entry.fingerprint, entry.alert, receivers, status) if wanted.wants(status) else None


def groups(core: Core, wanted: Filter, now_ms: int) -> list[GroupView]:
    """The groups that have a firing alert, by labels and receiver."""
    return by_labels(each_group(core, wanted, now_ms, alerts(core, wanted, now_ms)))


def by_labels(found: Iterable[GroupView | None]) -> list[GroupView]:
    return sorted(
        (view for view in found if view), key=lambda view: (labels_order(view.labels), view.receiver)
    )


def each_group(
    core: Core, wanted: Filter, now_ms: int, inside: Sequence[AlertView]
) -> Iterator[GroupView | None]:
    """A step for each group; None for one in which no wanted alert is."""
    views = {view.fingerprint: view for view in inside}
    wanted_groups = [group for group in core.groups if wanted.wants_receiver(group.receiver)]
    receivers: dict[str, list[str]] = {}
    for group in wanted_groups:
        for fingerprint in group.alerts:
            receivers.setdefault(fingerprint, []).append(group.receiver)
    for group in wanted_groups:
        own = [
            replace(views[name], receivers=tuple(sorted(receivers.get(name, ()))))
            for name in group.alerts
            if name in views
        ]
        muted_by, _ = muting_intervals(group.node.route, core.intervals, now_ms)
        is_wanted = own and (wanted.muted or not muted_by)
        yield _group_view(group, own, muted_by) if is_wanted else None


def group_of_digest(core: Core, digest: bytes, now_ms: int) -> GroupView | None:
    """The group that a signed link names, with its firing alerts; None where none fires."""
    for group in core.groups:
        if group_digest(group.key, group.receiver) == digest:
            entries = (core.book.get(name) for name in group.alerts)
            found = (_alert_view(core, entry, Filter(), now_ms) for entry in entries if entry)
            inside = [view for view in found if view]
            return _group_view(group, inside, group.muted_by) if inside else None
    return None


def _group_view(group: Group, inside: list[AlertView], muted_by: tuple[str, ...]) -> GroupView:
    return GroupView(
        group.key,
        group.receiver,
        group.labels,
        Labels.of(group.node.route.labels),
        tuple(sorted(inside, key=lambda view: alert_order(view.alert))),
        group.due_ms,
        muted_by,
    )


def _status(
    core: Core, entry: Entry, labels: Mapping[str, str], groups: Sequence[Group], now_ms: int
) -> AlertStatus:
    silenced_by = tuple(sorted(core.silences.muting(labels, now_ms)))
    inhibition = core.inhibited_by(entry.fingerprint, now_ms)
    muted_by: tuple[str, ...] = ()
    mutings = [muting_intervals(group.node.route, core.intervals, now_ms)[0] for group in groups]
    if mutings and all(mutings):
        muted_by = tuple(dict.fromkeys(name for names in mutings for name in names))
    state = AlertState.SUPPRESSED if silenced_by or inhibition else AlertState.ACTIVE
    acknowledged = core.acknowledgements.get(entry.fingerprint)
    return AlertStatus(
        state,
        silenced_by,
        (inhibition.source,) if inhibition else (),
        muted_by,
        acknowledged.created_by if acknowledged else "",
    )
