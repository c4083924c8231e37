"""How rule evaluation itself is doing, under Prometheus's names."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Summary

_LABELS = ("rule_group",)


class RuleMetrics:
    """One set for all groups; `rule_group` is `<file>;<group>`."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Without a registry the figures are kept but shown nowhere."""
        registry = registry or CollectorRegistry()

        def counter(name: str, text: str) -> Counter:
            return Counter(f"prometheus_rule_{name}", text, _LABELS, registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"prometheus_rule_{name}", text, _LABELS, registry=registry)

        self.evaluations = counter("evaluations_total", "Rule evaluations.")
        self.failures = counter("evaluation_failures_total", "Rule evaluations that failed.")
        self.iterations = counter("group_iterations_total", "Group evaluations, executed or missed.")
        self.missed = counter(
            "group_iterations_missed_total", "Group evaluations missed because one was slow."
        )
        self.interval = gauge("group_interval_seconds", "Interval of the group.")
        self.last_evaluation = gauge(
            "group_last_evaluation_timestamp_seconds", "When the group was last evaluated."
        )
        self.last_duration = gauge("group_last_duration_seconds", "How long the last group evaluation took.")
        self.last_rule_sum = gauge(
            "group_last_rule_duration_sum_seconds", "Sum of what the rules took in the last group evaluation."
        )
        self.last_restore = gauge(
            "group_last_restore_duration_seconds", "How long reading ALERTS_FOR_STATE took."
        )
        self.rules = gauge("group_rules", "Rules in the group.")
        self.samples = gauge("group_last_evaluation_samples", "Samples of the last group evaluation.")
        self.rule_duration = Summary(
            "prometheus_rule_evaluation_duration_seconds", "How long a rule takes.", registry=registry
        )
        self.group_duration = Summary(
            "prometheus_rule_group_duration_seconds", "How long a group takes.", registry=registry
        )
        self._by_group = (
            self.evaluations,
            self.failures,
            self.iterations,
            self.missed,
            self.interval,
            self.last_evaluation,
            self.last_duration,
            self.last_rule_sum,
            self.last_restore,
            self.rules,
            self.samples,
        )

    def begin(self, group: str, rules: int, interval_ms: int) -> None:
        """Show the group's series from the start, at zero."""
        for metric in self._by_group:
            metric.labels(group)
        self.rules.labels(group).set(rules)
        self.interval.labels(group).set(interval_ms / 1000)

    def end(self, group: str) -> None:
        for metric in self._by_group:
            metric.remove(group)
