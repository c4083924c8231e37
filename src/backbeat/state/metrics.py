"""The state's own metrics; register `StateCollector`."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from backbeat.state.database import State


class StateCollector(Collector):
    def __init__(self, state: State) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "backbeat_state_damages",
            "Times since the start that state.db was damaged, set aside and read out; see quarantine/.",
            self._state.damages,
        )
