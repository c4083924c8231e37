"""All rule groups, and what a reload does to them.

In:  the rule groups of a configuration.
Out: running groups; stale markers for series that no rule makes any more.
Unchanged groups go on undisturbed; changed ones keep the state of the rules that stay.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from backbeat.config.prometheus import PrometheusConfig, Rule, RuleGroup
from backbeat.model.alerts import AlertSink, RuleStep
from backbeat.model.appender import Appender
from backbeat.model.clock import Now
from backbeat.model.errors import BackbeatError, Position
from backbeat.model.labels import Labels
from backbeat.model.results import Querier
from backbeat.model.severity import NO_SEVERITY
from backbeat.rules.alerting import AlertingRule
from backbeat.rules.group import Group, Surroundings
from backbeat.rules.metrics import RuleMetrics
from backbeat.rules.state import AlertState
from backbeat.rules.status import GroupStatus
from backbeat.rules.writer import GroupWriter

log = logging.getLogger(__name__)

_NOWHERE = Position("", 0)


class RuleManager:
    """Owns one task for each group. `apply` may be called again at any time; `stop` ends everything."""

    def __init__(
        self,
        querier: Querier,
        appender: Appender,
        sink: AlertSink,
        now: Now,
        *,
        external_url: str = "",
        relabel_alert: Callable[[Labels], Labels | None] | None = None,
        witness: Callable[[Sequence[RuleStep]], None] | None = None,
        registry: CollectorRegistry | None = None,
        resend_delay_ms: int = 60_000,
        outage_tolerance_ms: int = 3_600_000,
        grace_ms: int = 0,
        timer: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """
        relabel_alert: what alert_relabel_configs do to an alert's labels; see `set_relabeling` for reloads
        witness: told what rules decide about their alerts, for the trail; it must not wait
        outage_tolerance_ms: how long Backbeat may have been away for `for` to go on where it stood
        grace_ms: the least that is left of `for` after a restart; Prometheus's default is 10 minutes, which
            starts every shorter `for` anew
        """
        self._around = Surroundings(
            querier=querier,
            appender=appender,
            sink=sink,
            now=now,
            timer=timer,
            sleep=sleep,
            metrics=RuleMetrics(registry),
            external_url="",
            relabel_alert=relabel_alert,
            witness=witness,
            resend_delay_ms=resend_delay_ms,
            outage_tolerance_ms=outage_tolerance_ms,
            grace_ms=grace_ms,
        )
        self.set_external_url(external_url)
        self._groups: dict[str, Group] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._farewells: set[asyncio.Task[None]] = set()

    def set_relabeling(self, relabel_alert: Callable[[Labels], Labels | None] | None) -> None:
        """Use other alert_relabel_configs from now on."""
        self._around.relabel_alert = relabel_alert

    def set_external_url(self, external_url: str) -> None:
        """Where links of alerts lead from now on."""
        self._around.external_url = external_url.rstrip("/")

    async def apply(self, config: PrometheusConfig) -> None:
        """Run the groups of this configuration from now on."""
        self._around.external_labels = config.external_labels
        wanted = {group.key: group for group in (self._group(spec, config) for spec in config.rule_groups)}
        kept = {key for key, group in self._groups.items() if key in wanted and _same(group, wanted[key])}
        ended = {key: group for key, group in self._groups.items() if key not in kept}
        await self._cancel(self._tasks.pop(key) for key in ended)
        orphans: dict[str, set[Labels]] = {}
        for key, old in ended.items():
            orphans[key] = wanted[key].copy_state(old) if key in wanted else old.series()
            if key not in wanted:
                self._around.metrics.end(key)
        self._groups = {key: self._groups[key] if key in kept else group for key, group in wanted.items()}
        for key, series in orphans.items():
            self._say_farewell(ended[key], series)
        for key, group in self._groups.items():
            if key not in kept:
                self._around.metrics.begin(key, len(group.rules), group.interval_ms)
                self._tasks[key] = asyncio.create_task(self._run(group), name=f"rules {key}")

    async def stop(self) -> None:
        """End all groups. No stale markers: the alerts are not over, only Backbeat is."""
        await self._cancel((*self._tasks.values(), *self._farewells))
        self._tasks.clear()

    def groups(self) -> list[GroupStatus]:
        """In the order of the rule files."""
        return [group.status() for group in self._groups.values()]

    @property
    def last_evaluation_ms(self) -> int:
        """When a group was evaluated last; 0: never."""
        return max((group.last_evaluation_ms for group in self._groups.values()), default=0)

    def count(self, state: AlertState) -> int:
        """How many alerts are in this state; of severity "none", as a watchdog's, they are no news."""
        return sum(
            alert.state is state and alert.labels.get("severity") != NO_SEVERITY
            for group in self._groups.values()
            for evaluated in group.rules
            if isinstance(evaluated.rule, AlertingRule)
            for alert in evaluated.rule.instances.values()
        )

    async def evaluate_once(self, at_ms: int) -> None:
        """Evaluate every group at one moment, outside its grid; for tests and replays of rules."""
        for group in self._groups.values():
            await group.evaluate(at_ms)

    def _group(self, spec: RuleGroup, config: PrometheusConfig) -> Group:
        return Group(
            spec,
            spec.interval_ms or config.evaluation_interval_ms,
            spec.query_offset_ms or config.rule_query_offset_ms,
            self._around,
        )

    async def _run(self, group: Group) -> None:
        """A bug in a group must not end it for good."""
        while True:
            try:
                await group.run()
            except Exception:
                log.exception("group %s: internal error; it goes on at its next moment", group.key)

    async def _cancel(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        ending = list(tasks)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    def _say_farewell(self, old: Group, series: set[Labels]) -> None:
        """Mark stale what nobody makes any more.

        A rule may have moved to another group, and writes the same series there from its next evaluation on.
        A marker in between would be a gap that resolves alerts: where a rule still has the name, wait.
        """
        names = {rule.name for group in self._groups.values() for rule in (r.rule.spec for r in group.rules)}
        moved = {labels for labels in series if (labels.get("alertname") or labels.metric) in names}
        writer = GroupWriter(self._around.appender, f"rules/{old.key}")
        self._mark_stale(old.key, writer, series - moved)
        if moved:
            task = asyncio.create_task(self._mark_stale_later(old, writer, moved), name=f"farewell {old.key}")
            self._farewells.add(task)
            task.add_done_callback(self._farewells.discard)
        elif old.key not in self._groups:
            writer.close()

    async def _mark_stale_later(self, old: Group, writer: GroupWriter, moved: set[Labels]) -> None:
        await self._around.sleep(2 * old.interval_ms / 1000)
        made = {labels for group in self._groups.values() for labels in group.series()}
        self._mark_stale(old.key, writer, moved - made)
        if old.key not in self._groups:
            writer.close()

    def _mark_stale(self, key: str, writer: GroupWriter, series: set[Labels]) -> None:
        try:
            writer.mark_stale(self._around.now(), sorted(series))
        except BackbeatError as error:
            log.warning("group %s: cannot mark the series of removed rules stale: %s", key, error)


def _same(running: Group, wanted: Group) -> bool:
    """Whether a reload leaves the group as it is, wherever it now stands in its file."""
    return (
        running.interval_ms == wanted.interval_ms
        and running.query_offset_ms == wanted.query_offset_ms
        and _placeless(running.spec) == _placeless(wanted.spec)
    )


def _placeless(spec: RuleGroup) -> RuleGroup:
    def bare(rule: Rule) -> Rule:
        return replace(rule, at=_NOWHERE, expr_at=_NOWHERE)

    return replace(spec, rules=tuple(bare(rule) for rule in spec.rules))
