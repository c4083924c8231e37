"""An alerting rule: label sets of its expression become alert instances.

In:  the vector of the expression, the moment, what was remembered over a restart.
Out: the instances (`state.advance` decides), their ALERTS and ALERTS_FOR_STATE samples, the alerts due now.
The only waiting is for templates that ask queries. No clock.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec.structs import replace

from backbeat.config.prometheus import Rule
from backbeat.model.alerts import Alert, RuleStep
from backbeat.model.durations import format_duration
from backbeat.model.labels import METRIC_NAME, Labels
from backbeat.rules.expand import Expander, Expansion
from backbeat.rules.state import (
    AlertInstance,
    AlertState,
    Observation,
    Remembered,
    Terms,
    Transition,
    advance,
    restored_since,
)
from backbeat.rules.status import AlertStatus
from backbeat.rules.vector import RuleError, Vector

ALERTS = "ALERTS"
ALERTS_FOR_STATE = "ALERTS_FOR_STATE"
_SEVERITY = {AlertState.INACTIVE: 0, AlertState.PENDING: 1, AlertState.FIRING: 2}


class AlertingRule:
    """The instances of one rule. They change only in `evaluate` and `mark_sent`, each in one step."""

    kind = "alerting"

    def __init__(self, spec: Rule, group_labels: Labels, interval_ms: int, grace_ms: int = 0) -> None:
        self.spec = spec
        self.labels = group_labels.set(dict(spec.labels))
        self.terms = Terms(spec.for_ms, spec.keep_firing_for_ms)
        self.instances: dict[Labels, AlertInstance] = {}
        self.remembered: Mapping[Labels, Remembered] | None = None
        """What ALERTS_FOR_STATE held at the start; None until it could be read."""
        self.steps: list[RuleStep] = []
        """What the last evaluation decided that an alert's trail should tell."""
        self._interval_ms = interval_ms
        self._grace_ms = grace_ms
        self._expander = Expander(spec.alert, self.labels, spec.annotations)

    def recall(self, remembered: Mapping[Labels, Remembered], began_ms: int) -> None:
        """Take in what was known before a restart; what seems to have begun since `began_ms` may be older."""
        for labels, instance in list(self.instances.items()):
            began_here = instance.state is AlertState.PENDING and instance.active_at_ms >= began_ms
            if began_here and labels in remembered:
                del self.instances[labels]
        self._remember(remembered)

    def _remember(self, remembered: Mapping[Labels, Remembered]) -> None:
        """Each memory serves once: an alert that ends and begins again waits for its `for` anew."""
        self.remembered = {
            labels: entry for labels, entry in remembered.items() if labels not in self.instances
        }

    async def evaluate(self, vector: Vector, at_ms: int, limit: int, expansion: Expansion) -> None:
        """Move every instance on.

        Raises RuleError: for equal labels, and nothing has moved; over the limit, and all is forgotten.
        """
        seen = await self._observe(vector, expansion)
        after: dict[Labels, AlertInstance] = {}
        self.steps = []
        for labels in dict.fromkeys((*self.instances, *seen)):
            before, since_ms = self.instances.get(labels), self._active_since(labels, at_ms)
            step = advance(labels, before, seen.get(labels), at_ms, self.terms, since_ms)
            if step.alert is not None:
                after[labels] = step.alert
            if step.is_news(before):
                self.steps.append(self._step(labels, step, before, at_ms))
        active = sum(alert.is_active for alert in after.values())
        if 0 < limit < active:
            self.instances = {}
            raise RuleError(f"exceeded limit of {limit} with {active} alerts")
        self.instances = after
        if self.remembered:
            self._remember(self.remembered)

    def _step(self, labels: Labels, step: Transition, before: AlertInstance | None, at_ms: int) -> RuleStep:
        alert = step.alert or before
        terms = [f"value {alert.value:g}"] if alert else []
        terms += [f"for {format_duration(self.terms.for_ms)}"] if self.terms.for_ms else []
        if self.terms.keep_firing_for_ms:
            terms.append(f"keep_firing_for {format_duration(self.terms.keep_firing_for_ms)}")
        if before is None and alert and alert.active_at_ms < at_ms:
            terms.append("known from before a restart")
        state = step.alert.state if step.alert else AlertState.INACTIVE
        return RuleStep(labels, at_ms, state.value, step.reason.value, ", ".join(terms))

    async def _observe(self, vector: Vector, expansion: Expansion) -> dict[Labels, Observation]:
        seen: dict[Labels, Observation] = {}
        for labels, value in zip(vector.labels, vector.values.tolist(), strict=True):
            expanded = await self._expander.expand(labels, value, expansion)
            if expanded.labels in seen:
                raise RuleError("vector contains metrics with the same labelset after applying alert labels")
            seen[expanded.labels] = Observation(value, expanded.annotations)
        return seen

    def _active_since(self, labels: Labels, at_ms: int) -> int | None:
        remembered = (self.remembered or {}).get(labels)
        if remembered is None or labels in self.instances:
            return None
        return restored_since(remembered, at_ms, self.terms, self._interval_ms, self._grace_ms)

    def samples(self) -> Vector:
        """ALERTS and ALERTS_FOR_STATE of the active instances; the latter not before the old was read."""
        series: list[Labels] = []
        values: list[float] = []
        for alert in self.instances.values():
            if alert.is_active:
                series.append(alert.labels.set({METRIC_NAME: ALERTS, "alertstate": alert.state}))
                values.append(1.0)
                if self.remembered is not None:
                    series.append(alert.labels.set({METRIC_NAME: ALERTS_FOR_STATE}))
                    values.append(float(alert.active_at_ms // 1000))
        return Vector(series, np.array(values, dtype=np.float64))

    def due(self, at_ms: int, resend_delay_ms: int, generator_url: str) -> list[Alert]:
        """What receivers must hear now, as Prometheus tells an Alertmanager.

        A firing alert ends by itself when four evaluations (or resends) in a row did not renew it.
        """
        valid_until_ms = at_ms + 4 * max(self._interval_ms, resend_delay_ms)
        return [
            Alert(
                labels=alert.labels,
                annotations=alert.annotations,
                starts_at_ms=alert.fired_at_ms,
                ends_at_ms=alert.resolved_at_ms or valid_until_ms,
                updated_at_ms=at_ms,
                # The value travels in the link, so that a message can say it against the threshold.
                generator_url=f"{generator_url}&at={at_ms}&value={alert.value:g}",
            )
            for alert in self.instances.values()
            if alert.is_due(at_ms, resend_delay_ms)
        ]

    def mark_sent(self, sent: list[Alert], at_ms: int) -> None:
        for alert in sent:
            if alert.labels in self.instances:
                self.instances[alert.labels] = replace(self.instances[alert.labels], last_sent_ms=at_ms)

    @property
    def state(self) -> AlertState:
        """The most severe state of its instances."""
        states = (alert.state for alert in self.instances.values())
        return max(states, key=_SEVERITY.__getitem__, default=AlertState.INACTIVE)

    def alerts(self) -> list[AlertStatus]:
        """Pending and firing instances."""
        return [
            AlertStatus(
                labels=alert.labels,
                annotations=alert.annotations,
                state=alert.state,
                value=alert.value,
                active_at_ms=alert.active_at_ms,
                keep_firing_since_ms=alert.keep_firing_since_ms,
                reason=alert.reason,
            )
            for alert in self.instances.values()
            if alert.is_active
        ]
