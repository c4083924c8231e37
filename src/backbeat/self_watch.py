"""Backbeat's alerts about itself: what keeps failing, and silences that end soon.

In:  scrape targets, rule groups, receivers and silences as they are now; the time.
Out: alerts for the door that all alerts enter by, so that they are routed, shown and kept like any other.
Pure but for its memory of since when something fails. They are built in and not rules, since rules are among
what can fail, and since they must be there whatever files somebody brings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from backbeat.alerting import PlannedReceiver
from backbeat.alerting.stand_in import RECEIVER_FAILING, receiver_failing
from backbeat.collect.target import TargetStatus
from backbeat.model.alerts import Alert
from backbeat.model.durations import format_duration
from backbeat.model.labels import Labels
from backbeat.rules.status import GroupStatus, Health
from backbeat.state.records import Silence, SilenceState
from backbeat.web.moments import rfc3339_short

HOLDS_MS = 5 * 60_000
"""how long something fails before it is told"""


class Trouble(Struct, frozen=True):
    """Something that fails now. labels: its identity."""

    labels: Labels
    summary: str
    description: str


def failing_pools(targets: Sequence[TargetStatus]) -> Iterator[Trouble]:
    """Scrape pools of which no target answers; of single targets, `up` and the team's rules tell."""
    pools: dict[str, list[TargetStatus]] = defaultdict(list)
    for target in targets:
        pools[target.scrape_pool].append(target)
    for pool, own in pools.items():
        if all(target.health == "down" for target in own):
            labels = Labels.of(alertname="ScrapePoolFailing", severity="critical", scrape_pool=pool)
            summary = f"No target of {pool} can be scraped"
            yield Trouble(labels, summary, f"All {len(own)} fail, one of them: {own[0].last_error}")


def failing_groups(groups: Iterable[GroupStatus]) -> Iterator[Trouble]:
    """Rule groups of which a rule cannot be evaluated."""
    for group in groups:
        bad = [rule for rule in group.rules if rule.health is Health.ERR]
        if bad:
            labels = Labels.of(
                alertname="RuleGroupFailing", severity="critical", rule_group=group.name, file=group.file
            )
            names = ", ".join(rule.name for rule in bad[:3]) + (" and others" if len(bad) > 3 else "")
            summary = f"Rules of {group.name} cannot be evaluated: {names}"
            yield Trouble(labels, summary, f"{bad[0].name}: {bad[0].last_error}")


def failing_receivers(receivers: Iterable[PlannedReceiver]) -> Iterator[Trouble]:
    """Integrations that have taken nothing since their last failure."""
    for receiver in receivers:
        for each in receiver.integrations:
            if each.reached.failures:
                labels = receiver_failing(receiver.name, each.name)
                summary = f"Messages to {receiver.name} by {each.name} do not get through"
                kind, _, index = each.name.removesuffix("]").partition("[")
                where = f"alertmanager.yml, receiver {receiver.name}, {kind}_configs, entry {int(index) + 1}"
                yield Trouble(labels, summary, f"It answered last: {each.reached.last_error}. See {where}")


def ending_silences(silences: Iterable[Silence], lead_ms: int, now_ms: int) -> Iterator[Alert]:
    """An alert for each silence that ends within `lead_ms`; a short one, just made, needs no warning."""
    for silence in silences:
        is_over = silence.state(now_ms) is SilenceState.EXPIRED
        lasts_ms = silence.ends_at_ms - silence.starts_at_ms
        if is_over or lasts_ms < 2 * lead_ms or silence.ends_at_ms - now_ms > lead_ms:
            continue
        matchers = ", ".join(str(matcher) for matcher in silence.matchers)
        yield Alert(
            Labels.of(
                alertname="SilenceExpiresSoon",
                severity="warning",
                silence=silence.id,
                created_by=silence.created_by,
            ),
            Labels.of(
                summary=f"A silence by {silence.created_by or 'somebody'} ends"
                f" at {rfc3339_short(silence.ends_at_ms)}: {{{matchers}}}",
                description=f"From then on its alerts are told again. It was made for: {silence.comment}",
            ),
            starts_at_ms=silence.ends_at_ms - lead_ms,
            ends_at_ms=silence.ends_at_ms,
            updated_at_ms=now_ms,
        )


class SelfWatch:
    """external_url: where the alerts' links lead."""

    def __init__(self, external_url: str) -> None:
        self.use_external_url(external_url)
        self._since: dict[Labels, int] = {}
        self._ends: dict[Labels, Alert] = {}

    def use_external_url(self, external_url: str) -> None:
        self._url = f"{external_url.rstrip('/')}/alerts"

    def remember(self, firing: Iterable[Alert]) -> None:
        """Go on with what fired before a restart and is known to fail still: receivers that kept failing."""
        for alert in firing:
            if alert.name == RECEIVER_FAILING and alert.generator_url.endswith("/alerts"):
                self._since[alert.labels] = alert.starts_at_ms - HOLDS_MS
                self._ends[alert.labels] = alert.without_end

    def look(self, troubles: Iterable[Trouble], ending: Iterable[Alert], now_ms: int) -> list[Alert]:
        """What to tell now: alerts that fire, each time anew, and those that have just resolved."""
        found = {trouble.labels: trouble for trouble in troubles}
        self._since = {labels: self._since.get(labels, now_ms) for labels in found}
        firing = {
            labels: self._alert(found[labels], since_ms, now_ms)
            for labels, since_ms in self._since.items()
            if now_ms - since_ms >= HOLDS_MS
        }
        firing |= {alert.labels: alert for alert in ending}
        over = [alert for labels, alert in self._ends.items() if labels not in firing]
        self._ends = firing
        resolved = [
            Alert(each.labels, each.annotations, each.starts_at_ms, now_ms, now_ms, each.generator_url)
            for each in over
            if not each.resolved_at(now_ms)
        ]
        return [*firing.values(), *resolved]

    def _alert(self, trouble: Trouble, since_ms: int, now_ms: int) -> Alert:
        annotations = Labels.of(
            summary=f"{trouble.summary} (for {format_duration(HOLDS_MS)} and more)",
            description=trouble.description,
        )
        began_ms = since_ms + HOLDS_MS
        return Alert(trouble.labels, annotations, began_ms, 0, now_ms, self._url)
