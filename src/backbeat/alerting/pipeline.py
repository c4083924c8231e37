"""The stages between a group's flush and the decision to notify; one typed value goes through them all.

In:  a group's alerts at the moment of its flush.
Out: the alerts that are left, and those that were held back, each with what held it.
Pure: what the stages consult (inhibitor, silences, time intervals) is given to them as functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from msgspec import Struct, field
from msgspec.structs import replace

from backbeat.alerting.inhibition import Inhibition
from backbeat.alerting.intervals import names_containing
from backbeat.config.alertmanager import Route, TimeInterval
from backbeat.model.alerts import Alert
from backbeat.model.labels import Labels
from backbeat.state.records import EventKind


class Held(Struct, frozen=True):
    """Why an alert is kept quiet: by which silences, source alert or time intervals."""

    kind: EventKind
    by: tuple[str, ...]
    reason: str


class Flush(Struct, frozen=True, dict=True):
    """A group at one moment, on its way to people.

    alerts: by fingerprint, still to be told; a firing one has no end
    held:   by fingerprint, taken out on the way
    acknowledged: by fingerprint, who looks after an alert
    """

    group_key: str
    route: Route
    group_labels: Labels
    now_ms: int
    alerts: Mapping[str, Alert]
    held: Mapping[str, Held]
    muted_by: tuple[str, ...] = ()
    acknowledged: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def firing(self) -> frozenset[str]:
        return frozenset(name for name, alert in self.alerts.items() if alert.ends_at_ms == 0)

    @cached_property
    def resolved(self) -> frozenset[str]:
        return frozenset(name for name, alert in self.alerts.items() if alert.ends_at_ms != 0)

    def hold(self, found: Mapping[str, Held]) -> Flush:
        """The same flush with these alerts taken out."""
        if not found:
            return self
        left = {name: alert for name, alert in self.alerts.items() if name not in found}
        return replace(self, alerts=left, held={**self.held, **found})


Stage = Callable[[Flush], Flush]
InhibitedBy = Callable[[str], Inhibition | None]
SilencedBy = Callable[[Labels], Sequence[str]]
Intervals = Mapping[str, Sequence[TimeInterval]]


def run(flush: Flush, stages: Sequence[Stage]) -> Flush:
    for stage in stages:
        flush = stage(flush)
    return flush


def inhibit(flush: Flush, inhibited_by: InhibitedBy, words: Callable[[Inhibition], str]) -> Flush:
    """Take out alerts for which a more important one fires; `words` says which."""
    found = {}
    for fingerprint in flush.alerts:
        inhibition = inhibited_by(fingerprint)
        if inhibition:
            found[fingerprint] = Held(EventKind.INHIBITED, (inhibition.source,), words(inhibition))
    return flush.hold(found)


def silence(flush: Flush, silenced_by: SilencedBy) -> Flush:
    """Take out alerts that an active silence accepts."""
    found = {}
    for fingerprint, alert in flush.alerts.items():
        ids = tuple(silenced_by(alert.labels))
        if ids:
            found[fingerprint] = Held(EventKind.SILENCED, ids, "silence " + ", ".join(ids))
    return flush.hold(found)


def keep_times(flush: Flush, intervals: Intervals) -> Flush:
    """Take out everything outside the route's active intervals or inside its mute intervals."""
    muted_by, reason = muting_intervals(flush.route, intervals, flush.now_ms)
    flush = replace(flush, muted_by=muted_by)
    return flush.hold(
        dict.fromkeys(flush.alerts, Held(EventKind.MUTED, muted_by, reason)) if muted_by else {}
    )


def muting_intervals(route: Route, intervals: Intervals, now_ms: int) -> tuple[tuple[str, ...], str]:
    """The interval names that mute a route now, with the reason in words."""
    active = route.active_time_intervals
    if active and not names_containing(active, intervals, now_ms):
        return active, "outside the active time interval " + ", ".join(active)
    muting = names_containing(route.mute_time_intervals, intervals, now_ms)
    return muting, "inside the mute time interval " + ", ".join(muting) if muting else ""
