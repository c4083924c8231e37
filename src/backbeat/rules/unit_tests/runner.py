"""Running a file of rule tests.

In:  a `TestFile` and the groups of its rule files. Out: what failed, test by test; nothing is printed.
The rules are evaluated by the very code that a server runs, over a store in a temporary directory, at every
evaluation interval from the first sample to the last moment that a test asks about.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np

from backbeat.config.prometheus import RuleGroup
from backbeat.config.rule_tests import AlertTest, ExprTest, TestFile, TestGroup
from backbeat.model.alerts import Alert
from backbeat.model.arrays import Float64s, Int64s
from backbeat.model.durations import format_duration
from backbeat.model.errors import BackbeatError, Position
from backbeat.model.labels import Labels
from backbeat.model.results import QueryError
from backbeat.promql.engine import Engine
from backbeat.promql.limits import Deadline, Limits
from backbeat.promql.local import LocalQuerier, Result
from backbeat.rules.alerting import AlertingRule
from backbeat.rules.expand import ALERT_NAME
from backbeat.rules.group import Group, Surroundings
from backbeat.rules.metrics import RuleMetrics
from backbeat.rules.state import AlertState
from backbeat.rules.unit_tests.notation import NotationError, labels_of, values_of
from backbeat.rules.unit_tests.so_far import SoFar
from backbeat.rules.vector import RuleError, ask
from backbeat.storage import Storage, StorageOptions, open_storage

_ALWAYS_MS = 2**60
ParseTime = Callable[[str], int]
Item = TypeVar("Item", bound=tuple[Labels, object])


@dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that was not met.

    title:   what was tested, and when
    missing: expected, and not there; extra: there, and not expected; each as lines of text
    """

    at: Position
    title: str
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupResult:
    group: TestGroup
    failures: tuple[Failure, ...]
    took_s: float


class _Inline(LocalQuerier):
    """Queries are computed where they are asked: nothing else is going on here."""

    async def _query(self, timeout_ms: int | None, compute: Callable[[Deadline], Result]) -> Result:
        return compute(self._engine.deadline(timeout_ms))


class _Nobody:
    async def receive(self, alerts: Sequence[Alert]) -> None:
        """Alerts are looked at in the rules themselves."""


def run_file(
    file: TestFile,
    rule_groups: Sequence[RuleGroup],
    parse_time: ParseTime,
    *,
    wanted: Callable[[str], bool] = lambda name: True,
) -> list[GroupResult]:
    """Run the test groups whose names are wanted. parse_time: ms of a moment; raises BackbeatError."""
    order = {name: place for place, name in enumerate(file.group_eval_order)}
    ordered = sorted(rule_groups, key=lambda group: order.get(group.name, 0))
    results = []
    for group in file.groups:
        if wanted(group.name):
            began = time.perf_counter()
            failures = _run_group(file, group, ordered, parse_time)
            results.append(GroupResult(group, tuple(failures), time.perf_counter() - began))
    return results


def _run_group(
    file: TestFile, group: TestGroup, rule_groups: Sequence[RuleGroup], parse_time: ParseTime
) -> list[Failure]:
    try:
        start_ms = parse_time(group.start) if group.start else 0
    except BackbeatError as error:
        return [Failure(group.start_at, f"start_timestamp: {error}")]
    options = StorageOptions(out_of_order_window_ms=_ALWAYS_MS, retention_time_ms=0)
    with TemporaryDirectory(prefix="backbeat-test-") as directory:
        storage = open_storage(Path(directory, "data"), options, lambda: _ALWAYS_MS)
        try:
            mistakes = _load(storage, group, start_ms)
            if mistakes:
                return mistakes
            stage = _Stage(file, group, rule_groups, storage, start_ms)
            return asyncio.run(stage.play())
        finally:
            storage.close()


def _load(storage: Storage, group: TestGroup, start_ms: int) -> list[Failure]:
    """Store the input series; returns the mistakes in them."""
    mistakes: list[Failure] = []
    loaded: dict[Labels, tuple[Int64s, Float64s]] = {}
    for each in group.input_series:
        try:
            labels = labels_of(each.series)
        except NotationError as error:
            mistakes.append(Failure(each.at, f"series {each.series}: {error}"))
            continue
        try:
            values, present = values_of(each.values)
        except NotationError as error:
            mistakes.append(Failure(each.values_at, f"values of {each.series}: {error}"))
            continue
        times = start_ms + group.interval_ms * np.arange(len(values), dtype=np.int64)
        loaded[labels] = times[present], values[present]  # of a series that is given twice, the last counts
    for labels, (moments, numbers) in loaded.items():
        storage.append_samples([labels] * len(moments), moments, numbers)
    return mistakes


class _Stage:
    """One test group under way."""

    def __init__(
        self,
        file: TestFile,
        group: TestGroup,
        rule_groups: Sequence[RuleGroup],
        storage: Storage,
        start_ms: int,
    ) -> None:
        self._file = file
        self._group = group
        self._start_ms = start_ms
        self._at_ms = start_ms
        limits = Limits(default_subquery_step_ms=file.evaluation_interval_ms)
        self._seen = SoFar(storage, start_ms)
        self._querier = _Inline(Engine(self._seen, limits))
        around = Surroundings(
            querier=self._querier,
            appender=storage,
            sink=_Nobody(),
            now=lambda: self._at_ms,
            timer=time.perf_counter,
            sleep=asyncio.sleep,
            metrics=RuleMetrics(),
            external_url=group.external_url,
            external_labels=group.external_labels,
        )
        self._groups = [
            Group(spec, spec.interval_ms or group.interval_ms, spec.query_offset_ms, around)
            for spec in rule_groups
        ]
        for rule in self._alerting_rules():
            rule.remembered = {}  # nothing came before

    async def play(self) -> list[Failure]:
        """Evaluate from the first moment to the last, then compare."""
        failures: list[Failure] = []
        every_ms = self._file.evaluation_interval_ms
        waiting = sorted(self._group.alert_tests, key=lambda test: test.eval_time_ms)
        moments = [test.eval_time_ms for test in self._group.alert_tests]
        moments += [test.eval_time_ms for test in self._group.expr_tests]
        last_ms = max(moments, default=0)
        for after_ms in range(0, last_ms + 1, every_ms):
            self._at_ms = self._seen.till_ms = self._start_ms + after_ms
            broken = await self._evaluate(after_ms)
            if broken:
                self._querier.close()
                return failures + broken
            while waiting and waiting[0].eval_time_ms < after_ms + every_ms:
                failures += self._compare_alerts(waiting.pop(0))
        for test in self._group.expr_tests:
            failures += await self._compare_samples(test)
        self._querier.close()
        return sorted(failures, key=lambda failure: failure.at.line)

    def _alerting_rules(self) -> list[AlertingRule]:
        return [
            each.rule for group in self._groups for each in group.rules if isinstance(each.rule, AlertingRule)
        ]

    async def _evaluate(self, after_ms: int) -> list[Failure]:
        """Evaluate every group once; returns the rules that failed."""
        broken = []
        for group in self._groups:
            await group.evaluate(self._at_ms)
            for each in group.rules:
                if each.last_error:
                    title = (
                        f"rule {each.rule.spec.name}, time: {format_duration(after_ms)}: {each.last_error}"
                    )
                    broken.append(Failure(each.rule.spec.at, title))
        return broken

    def _compare_alerts(self, test: AlertTest) -> list[Failure]:
        found = [
            (alert.labels, alert.annotations)
            for rule in self._alerting_rules()
            if rule.spec.alert == test.alertname
            for alert in rule.alerts()
            if alert.state is AlertState.FIRING
        ]
        expected = [
            (alert.labels.set({ALERT_NAME: test.alertname}), alert.annotations) for alert in test.expected
        ]
        title = f"alertname: {test.alertname}, time: {format_duration(test.eval_time_ms)}"
        missing, extra = _unmatched(expected, found, lambda one, two: one == two)
        if not missing and not extra:
            return []
        return [Failure(test.at, title, tuple(map(_alert, missing)), tuple(map(_alert, extra)))]

    async def _compare_samples(self, test: ExprTest) -> list[Failure]:
        title = f"expr: {test.expr}, time: {format_duration(test.eval_time_ms)}"
        try:
            vector = await ask(self._querier, test.expr, self._start_ms + test.eval_time_ms)
        except (QueryError, RuleError) as error:
            return [Failure(test.at, f"{title}: {error}")]
        expected: list[tuple[Labels, float]] = []
        for sample in test.expected:
            try:
                expected.append((labels_of(sample.labels), sample.value))
            except NotationError as error:
                return [Failure(sample.at, f"{title}: labels {sample.labels}: {error}")]
        found = list(zip(vector.labels, vector.values.tolist(), strict=True))
        close = _is_near if self._file.fuzzy_compare else float.__eq__
        missing, extra = _unmatched(
            expected, found, lambda one, two: one[0] == two[0] and bool(close(one[1], two[1]))
        )
        if not missing and not extra:
            return []
        return [Failure(test.at, title, tuple(map(_sample, missing)), tuple(map(_sample, extra)))]


def _is_near(one: float, two: float) -> bool:
    """Equal, or neighbours among the floats."""
    return one == two or math.nextafter(one, -math.inf) == two or math.nextafter(one, math.inf) == two


def _unmatched(
    expected: Sequence[Item], found: Sequence[Item], same: Callable[[Item, Item], bool]
) -> tuple[list[Item], list[Item]]:
    """What is only expected, and what is only found; one of each goes with one of the other."""
    missing: list[Item] = []
    extra = list(found)
    for one in expected:
        place = next((place for place, two in enumerate(extra) if same(one, two)), -1)
        if place < 0:
            missing.append(one)
        else:
            del extra[place]
    return sorted(missing, key=str), sorted(extra, key=str)


def _alert(alert: tuple[Labels, Labels]) -> str:
    labels, annotations = alert
    return f"{labels}" + "".join(f"\n  {name}: {value}" for name, value in annotations)


def _sample(sample: tuple[Labels, float]) -> str:
    labels, value = sample
    return f"{labels} {value!r}"
