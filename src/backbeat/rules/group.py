"""A group of rules: evaluated in order, at one moment, again and again.

In:  the querier, and the moments of the group's grid.
Out: samples to the group's cohort, alerts to the sink, figures to the rules page.
A rule that fails says so on itself, and the group goes on; its firing alerts are held, not resolved.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from backbeat.config.prometheus import RuleGroup
from backbeat.model.alerts import Alert, AlertSink, RuleStep
from backbeat.model.appender import Appended, Appender
from backbeat.model.clock import Now
from backbeat.model.errors import BackbeatError
from backbeat.model.labels import NO_LABELS, Labels
from backbeat.model.results import Querier, QueryError
from backbeat.rules.alerting import AlertingRule
from backbeat.rules.expand import Expansion
from backbeat.rules.grid import Grid
from backbeat.rules.metrics import RuleMetrics
from backbeat.rules.recording import RecordingRule
from backbeat.rules.restore import read_for_state
from backbeat.rules.status import GroupStatus, Health, RuleStatus
from backbeat.rules.vector import ask
from backbeat.rules.writer import GroupWriter, RuleWriter

log = logging.getLogger(__name__)

RESTORE_WINDOW_MS = 60_000


class Surroundings(Struct):
    """What all groups share. A reload replaces the labels in place, so unchanged groups see them too."""

    querier: Querier
    appender: Appender
    sink: AlertSink
    now: Now
    timer: Callable[[], float]
    """seconds, monotonic; measures how long things take"""
    sleep: Callable[[float], Awaitable[None]]
    metrics: RuleMetrics
    external_url: str = ""
    external_labels: Labels = NO_LABELS
    relabel_alert: Callable[[Labels], Labels | None] | None = None
    """alert_relabel_configs; None drops the alert"""
    witness: Callable[[Sequence[RuleStep]], None] | None = None
    """told what rules decide about their alerts, for the trail"""
    resend_delay_ms: int = 60_000
    outage_tolerance_ms: int = 3_600_000
    grace_ms: int = 0


class Evaluated(Struct):
    """A rule with what its last evaluation left."""

    rule: AlertingRule | RecordingRule
    writer: RuleWriter
    health: Health = Health.UNKNOWN
    last_error: str = ""
    evaluation_time_s: float = 0.0
    last_evaluation_ms: int = 0
    samples: int = 0

    @property
    def identity(self) -> tuple[str, Labels]:
        """What makes a rule the same rule after its group was changed."""
        return self.rule.spec.name, self.rule.labels

    def status(self) -> RuleStatus:
        rule = self.rule
        shared = RuleStatus(
            kind=rule.kind,
            name=rule.spec.name,
            query=rule.spec.expr,
            labels=rule.labels,
            health=self.health,
            last_error=self.last_error,
            evaluation_time_s=self.evaluation_time_s,
            last_evaluation_ms=self.last_evaluation_ms,
        )
        if isinstance(rule, RecordingRule):
            return shared
        return replace(
            shared,
            state=rule.state,
            for_ms=rule.spec.for_ms,
            keep_firing_for_ms=rule.spec.keep_firing_for_ms,
            annotations=Labels.of(rule.spec.annotations),
            alerts=rule.alerts(),
        )


class Group:
    """One group and its task. `evaluate` is one iteration; `run` calls it on the grid."""

    def __init__(self, spec: RuleGroup, interval_ms: int, query_offset_ms: int, around: Surroundings) -> None:
        self.spec = spec
        self.key = f"{spec.file};{spec.name}"
        self.interval_ms = interval_ms
        self.query_offset_ms = query_offset_ms
        self.grid = Grid.of(self.key, interval_ms)
        self.evaluation_time_s = 0.0
        self.last_evaluation_ms = 0
        self.writer = GroupWriter(around.appender, f"rules/{self.key}")
        self._around = around
        self._began_ms = 0
        self.rules = [
            Evaluated(
                AlertingRule(rule, spec.labels, interval_ms, around.grace_ms)
                if rule.alert
                else RecordingRule(rule, spec.labels),
                RuleWriter(self.writer),
            )
            for rule in spec.rules
        ]

    def copy_state(self, old: Group) -> set[Labels]:
        """Go on where an earlier form of this group stood; returns the series of rules that are gone."""
        self.evaluation_time_s, self.last_evaluation_ms = old.evaluation_time_s, old.last_evaluation_ms
        gone = list(old.rules)
        for new in self.rules:
            match = next((rule for rule in gone if rule.identity == new.identity), None)
            if match is None:
                continue
            gone.remove(match)
            new.writer = RuleWriter(self.writer, match.writer.series)
            if isinstance(new.rule, AlertingRule) and isinstance(match.rule, AlertingRule):
                new.rule.instances = dict(match.rule.instances)
        return {series for rule in gone for series in rule.writer.series}

    def series(self) -> set[Labels]:
        """What the last evaluation wrote."""
        return {series for rule in self.rules for series in rule.writer.series}

    async def run(self) -> None:
        """Evaluate on the grid until cancelled."""
        now, metrics = self._around.now, self._around.metrics
        at_ms = self.grid.after(now())
        while True:
            while (wait_ms := at_ms - now()) > 0:
                if wait_ms > self.interval_ms:
                    at_ms = self.grid.after(now())  # the clock was set back
                    continue
                await self._around.sleep(wait_ms / 1000)
            metrics.iterations.labels(self.key).inc()
            await self.evaluate(at_ms)
            at_ms, missed = self.grid.next(at_ms, now())
            if missed:
                metrics.missed.labels(self.key).inc(missed)
                metrics.iterations.labels(self.key).inc(missed)

    async def evaluate(self, at_ms: int) -> None:
        """One iteration: every rule in its order, all at the moment `at_ms`."""
        around, started = self._around, self._around.timer()
        began_at_ms = around.now()
        self._began_ms = self._began_ms or at_ms
        await self._recall(at_ms)
        for evaluated in self.rules:
            await self._evaluate_rule(evaluated, at_ms)
            await asyncio.sleep(0)  # small queries do not wait, so others may want a turn
        self.evaluation_time_s = around.timer() - started
        self.last_evaluation_ms = began_at_ms
        metrics = around.metrics
        metrics.group_duration.observe(self.evaluation_time_s)
        metrics.last_duration.labels(self.key).set(self.evaluation_time_s)
        metrics.last_evaluation.labels(self.key).set(began_at_ms / 1000)
        metrics.last_rule_sum.labels(self.key).set(sum(rule.evaluation_time_s for rule in self.rules))
        metrics.samples.labels(self.key).set(sum(rule.samples for rule in self.rules))

    async def _recall(self, at_ms: int) -> None:
        """Read ALERTS_FOR_STATE once, trying again while it fails; after a while the past is past."""
        around, started = self._around, self._around.timer()
        waiting = [
            rule.rule
            for rule in self.rules
            if isinstance(rule.rule, AlertingRule) and rule.rule.remembered is None
        ]
        for rule in waiting:
            try:
                remembered = await read_for_state(
                    around.querier, rule.spec.alert, around.now(), around.outage_tolerance_ms
                )
            except QueryError as error:
                log.warning(
                    "group %s: alert %s: cannot read its state from before: %s",
                    self.key,
                    rule.spec.alert,
                    error,
                )
                continue
            offset_ms = self.query_offset_ms
            rule.recall(
                {
                    labels: replace(entry, last_written_ms=entry.last_written_ms + offset_ms)
                    for labels, entry in remembered.items()
                },
                self._began_ms,
            )
        if waiting:
            around.metrics.last_restore.labels(self.key).set(around.timer() - started)
        elif at_ms > self._began_ms + max(2 * self.interval_ms, RESTORE_WINDOW_MS):
            for evaluated in self.rules:
                if isinstance(evaluated.rule, AlertingRule):
                    evaluated.rule.remembered = {}

    async def _evaluate_rule(self, evaluated: Evaluated, at_ms: int) -> None:
        around, started = self._around, self._around.timer()
        around.metrics.evaluations.labels(self.key).inc()
        began_at_ms = around.now()
        try:
            error = await self._query_and_write(evaluated, at_ms)
        except BackbeatError as failure:
            error = str(failure)
        except Exception as bug:
            log.exception("group %s: rule %s: internal error", self.key, evaluated.rule.spec.name)
            error = f"internal error: {bug!r}"
        if error:
            around.metrics.failures.labels(self.key).inc()
            log.warning(
                "group %s: rule %s (%s): %s",
                self.key,
                evaluated.rule.spec.name,
                evaluated.rule.spec.at,
                error,
            )
        evaluated.health = Health.ERR if error else Health.OK
        evaluated.last_error = error
        evaluated.evaluation_time_s = around.timer() - started
        evaluated.last_evaluation_ms = began_at_ms
        around.metrics.rule_duration.observe(evaluated.evaluation_time_s)

    async def _query_and_write(self, evaluated: Evaluated, at_ms: int) -> str:
        """Returns what storage refused, or an empty text. Raises BackbeatError."""
        around, rule = self._around, evaluated.rule
        query_at_ms = at_ms - self.query_offset_ms
        evaluated.samples = 0
        if isinstance(rule, RecordingRule):
            vector = rule.record(await ask(around.querier, rule.spec.expr, query_at_ms), self.spec.limit)
        else:
            try:
                found = await ask(around.querier, rule.spec.expr, query_at_ms)
                expansion = Expansion(around.querier, at_ms, around.external_labels, around.external_url)
                await rule.evaluate(found, at_ms, self.spec.limit, expansion)
                self._tell(rule)
            finally:
                # Also after a failure: an alert that is not renewed would count as resolved.
                await self._send(rule, at_ms)
            vector = rule.samples()
        evaluated.samples = len(vector.labels)
        return _refused(evaluated.writer.write(query_at_ms, vector))

    async def _send(self, rule: AlertingRule, at_ms: int) -> None:
        around = self._around
        url = f"{around.external_url}/explore?expr={quote(rule.spec.expr, safe='')}"
        due = rule.due(at_ms, around.resend_delay_ms, url)
        if not due:
            return
        outgoing = [alert for alert in map(self._dress, due) if alert is not None]
        try:
            await around.sink.receive(outgoing)
        except BackbeatError as failure:
            log.error("group %s: alert %s: sent again soon: %s", self.key, rule.spec.alert, failure)
            return
        except Exception:
            log.exception(
                "group %s: alert %s: not taken; sent again at the next evaluation", self.key, rule.spec.alert
            )
            return
        rule.mark_sent(due, at_ms)

    def _tell(self, rule: AlertingRule) -> None:
        if self._around.witness is not None and rule.steps:
            dressed = ((step, self._dressed(step.labels)) for step in rule.steps)
            self._around.witness([replace(step, labels=labels) for step, labels in dressed if labels])

    def _dress(self, alert: Alert) -> Alert | None:
        labels = self._dressed(alert.labels)
        return replace(alert, labels=labels) if labels else None

    def _dressed(self, own: Labels) -> Labels | None:
        """With the external labels that it does not have itself, relabelled."""
        around = self._around
        labels: Labels | None = around.external_labels.set(dict(own))
        if labels is not None and around.relabel_alert is not None:
            labels = around.relabel_alert(labels)
        return labels

    def status(self) -> GroupStatus:
        return GroupStatus(
            name=self.spec.name,
            file=self.spec.file,
            interval_ms=self.interval_ms,
            limit=self.spec.limit,
            query_offset_ms=self.query_offset_ms,
            evaluation_time_s=self.evaluation_time_s,
            last_evaluation_ms=self.last_evaluation_ms,
            rules=[rule.status() for rule in self.rules],
        )


def _refused(appended: Appended) -> str:
    if appended.conflicting:
        return f"{appended.conflicting} samples refused: the series has another value at that time already"
    if appended.out_of_order:
        return f"{appended.out_of_order} samples refused: out of order"
    if appended.too_far_ahead:
        return f"{appended.too_far_ahead} samples refused: too far in the future; is the clock right?"
    return ""
