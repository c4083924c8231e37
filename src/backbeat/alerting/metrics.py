"""Alerting's own metrics, as Prometheus scrapes them; register `AlertingCollector` with a registry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from backbeat.alerting.core import Core
from backbeat.alerting.counters import Counters
from backbeat.model.clock import Now
from backbeat.state.records import MessageState, SilenceState


class AlertingCollector(Collector):
    def __init__(self, core: Core, counters: Counters, now: Now) -> None:
        self._core = core
        self._counters = counters
        self._now = now

    def collect(self) -> Iterator[Metric]:
        yield from self._gauges()
        counted = self._counters
        kinds = sorted({each.kind for own in self._core.ledger.integrations.values() for each in own})
        yield _counter(
            "alertmanager_alerts_received",
            "Alerts received.",
            "status",
            {"firing": 0, "resolved": 0, **counted.received},
        )
        yield CounterMetricFamily(
            "alertmanager_alerts_invalid", "Received alerts that were invalid.", counted.invalid
        )
        yield CounterMetricFamily(
            "backbeat_alerts_turned_away", "Alerts that found no room.", counted.turned_away
        )
        zero = dict.fromkeys(kinds, 0)
        for name, text, numbers in (
            ("alertmanager_notifications", "Attempted notifications.", counted.notifications),
            ("alertmanager_notification_requests", "Attempts at delivery.", counted.requests),
            ("alertmanager_notification_requests_failed", "Failed attempts.", counted.requests_failed),
        ):
            yield _counter(name, text, "integration", {**zero, **numbers})
        yield self._failed(kinds)
        yield _counter(
            "alertmanager_notifications_suppressed",
            "Alerts that were not notified because they were kept quiet.",
            "reason",
            {"silence": 0, "inhibition": 0, "mute_time_interval": 0, **counted.suppressed},
        )
        latency = SummaryMetricFamily(
            "alertmanager_notification_latency_seconds", "Duration of attempts.", labels=["integration"]
        )
        for kind, total in counted.latency_s.items():
            latency.add_metric([kind], counted.requests[kind], total)
        yield latency
        yield CounterMetricFamily(
            "backbeat_state_write_failures", "Changes that the state did not take.", counted.state_failures
        )

    def _failed(self, kinds: list[str]) -> Metric:
        failed = CounterMetricFamily(
            "alertmanager_notifications_failed", "Failed notifications.", labels=["integration", "reason"]
        )
        numbers = {(kind, reason): 0 for kind in kinds for reason in ("clientError", "other")}
        for (kind, reason), count in {**numbers, **self._counters.failed}.items():
            failed.add_metric([kind, reason], count)
        return failed

    def _gauges(self) -> Iterator[Metric]:
        now_ms = self._now()
        core = self._core
        alerts = {"active": 0, "suppressed": 0}
        for entry in core.book:
            if not entry.alert.resolved_at(now_ms):
                quiet = any(entry.fingerprint in group.held for group in core.groups.of(entry))
                alerts["suppressed" if quiet else "active"] += 1
        yield _gauge("alertmanager_alerts", "Firing alerts by state.", "state", alerts)
        silences = dict.fromkeys((state.value for state in SilenceState), 0)
        for silence in core.silences.all():
            silences[silence.state(now_ms).value] += 1
        yield _gauge("alertmanager_silences", "Silences by state.", "state", silences)
        yield GaugeMetricFamily(
            "alertmanager_dispatcher_aggregation_groups", "Groups of alerts.", len(core.groups)
        )
        messages = dict.fromkeys((state.value for state in MessageState), 0)
        for message in core.ledger.outbox:
            messages[message.state.value] += 1
        yield _gauge("backbeat_outbox_messages", "Notifications under way by state.", "state", messages)


def _gauge(name: str, text: str, label: str, numbers: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in numbers.items():
        family.add_metric([value], number)
    return family


def _counter(name: str, text: str, label: str, numbers: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, number in numbers.items():
        family.add_metric([value], number)
    return family
