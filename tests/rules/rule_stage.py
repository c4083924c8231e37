"""A stage for rule stories: a clock that a test moves, a querier that answers what a test tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from msgspec import Struct, field

from backbeat.config.prometheus import PrometheusConfig, Rule, RuleGroup
from backbeat.model.alerts import Alert
from backbeat.model.appender import Appended, StorageUnavailable
from backbeat.model.errors import Position
from backbeat.model.labels import Labels
from backbeat.model.results import Answer, BadQuery, Matrix, QueryError, Scalar
from backbeat.model.samples import is_stale
from backbeat.rules.manager import RuleManager

START_MS = 1_700_000_000_000
AT = Position("rules.yml", 1)
Result = dict[Labels, float] | float | QueryError


def at(minutes: float) -> int:
    return START_MS + round(minutes * 60_000)


def alerting(name: str = "Slow", expr: str = "slow > 1", **more: Any) -> Rule:
    labels = Labels.of(more.pop("labels", {}))
    annotations = tuple(more.pop("annotations", {}).items())
    return Rule(expr, AT, AT, alert=name, labels=labels, annotations=annotations, **more)


def recording(name: str, expr: str, **labels: str) -> Rule:
    return Rule(expr, AT, AT, record=name, labels=Labels.of(labels))


def config(*groups: RuleGroup, external_labels: Labels | None = None) -> PrometheusConfig:
    return PrometheusConfig(
        "prometheus.yml", "", rule_groups=groups, external_labels=external_labels or Labels()
    )


def group(*rules: Rule, name: str = "g", **more: Any) -> RuleGroup:
    return RuleGroup(name, more.pop("file", "rules.yml"), rules, **more)


def vector(*values: tuple[float, dict[str, str]]) -> dict[Labels, float]:
    return {Labels.of(labels): value for value, labels in values}


class FakeQuerier(Struct):
    """`answers[expr]` is a result, or a function of the moment."""

    answers: dict[str, Result | Callable[[int], Result]] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def instant(
        self, expr: str, at_ms: int, *, timeout_ms: int | None = None, lookback_ms: int | None = None
    ) -> Answer:
        self.asked.append((expr, at_ms))
        await asyncio.sleep(0)
        found = self.answers.get(expr)
        if found is None:
            if "ALERTS_FOR_STATE" in expr:
                return _answer({}, at_ms)
            raise BadQuery(f"unknown query {expr}")
        result = found(at_ms) if callable(found) else found
        if isinstance(result, QueryError):
            raise result
        return _answer(result, at_ms)


def _answer(result: dict[Labels, float] | float, at_ms: int) -> Answer:
    steps = np.array([at_ms])
    if isinstance(result, float):
        return Answer(Scalar(steps, np.array([result])))
    values = np.array(list(result.values()), float).reshape(-1, 1)
    return Answer(Matrix(list(result), steps, values, np.ones(values.shape, bool)))


class FakeSink(Struct, dict=True):
    received: list[Alert] = field(default_factory=list)
    is_down: bool = False

    async def receive(self, alerts: Sequence[Alert]) -> None:
        if self.is_down:
            raise OSError("the database is away")
        self.received.extend(alerts)

    def take(self) -> list[Alert]:
        taken, self.received = self.received, []
        return taken


class MemoryAppender:
    """Keeps what was appended: {(series, time): value}, None for a stale marker."""

    def __init__(self) -> None:
        self.samples: dict[tuple[str, int], float | None] = {}
        self.cohorts: list[str] = []
        self.is_full = False
        self.layouts: list[Any] = []

    def cohort(self, name: str) -> MemoryCohort:
        self.cohorts.append(name)
        return MemoryCohort(self)

    def append_samples(self, *_: Any) -> Appended:
        raise AssertionError("rules write rows")

    def append_exemplars(self, _: Any) -> None:
        raise AssertionError("rules have no exemplars")

    def series_at(self, at_ms: int) -> dict[str, float | None]:
        return {series: value for (series, time), value in self.samples.items() if time == at_ms}


class MemoryCohort:
    def __init__(self, store: MemoryAppender) -> None:
        self._store = store
        self._names: list[Labels] = []

    def columns(self, series: Sequence[Labels]) -> Any:
        self._names.extend(labels for labels in series if labels not in self._names)
        return np.array([self._names.index(labels) for labels in series], np.int32)

    def append(self, timestamp_ms: int, columns: Any, values: Any) -> Appended:
        if self._store.is_full:
            raise StorageUnavailable("the disk is full")
        assert len(columns) == len(values)
        self._store.layouts.append(columns)
        stored = conflicting = 0
        for column, value, stale in zip(columns, values.tolist(), is_stale(values), strict=True):
            key = str(self._names[column]), timestamp_ms
            if key in self._store.samples:
                conflicting += 1
                continue
            self._store.samples[key] = None if stale else value
            stored += 1
        return Appended(stored=stored, conflicting=conflicting)

    def close(self) -> None:
        pass


class FakeTime:
    """A clock and its sleepers; `pass_until` wakes them at their moments."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self.sleepers: list[tuple[int, asyncio.Future[None]]] = []

    def now(self) -> int:
        return self.now_ms

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sleepers.append((self.now_ms + round(seconds * 1000), woken))
        await woken

    async def pass_until(self, until_ms: int) -> None:
        await settle()
        while due := sorted(
            (each for each in self.sleepers if each[0] <= until_ms and not each[1].done()),
            key=lambda each: each[0],
        ):
            wake_ms, woken = due[0]
            self.now_ms = max(self.now_ms, wake_ms)
            self.sleepers.remove(due[0])
            woken.set_result(None)
            await settle()
        self.now_ms = max(self.now_ms, until_ms)


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


class Stage:
    """One manager whose groups a test evaluates by hand, at minutes after the start."""

    def __init__(self, **settings: Any) -> None:
        self.time = FakeTime()
        self.querier = settings.pop("querier", None) or FakeQuerier()
        self.appender = settings.pop("appender", None) or MemoryAppender()
        self.sink = FakeSink()
        self.manager = RuleManager(
            self.querier,
            self.appender,
            self.sink,
            self.time.now,
            external_url="http://backbeat.example",
            timer=lambda: self.time.now_ms / 1000,
            sleep=self.time.sleep,
            **settings,
        )

    async def evaluate(self, minutes: float) -> list[Alert]:
        """Returns what was sent."""
        self.time.now_ms = at(minutes)
        await self.manager.evaluate_once(at(minutes))
        return self.sink.take()

    def states(self) -> dict[str, str]:
        """Of the first rule that alerts: instance → state."""
        rules = [rule for each in self.manager.groups() for rule in each.rules if rule.kind == "alerting"]
        return {alert.labels.get("instance"): alert.state.value for alert in rules[0].alerts}
