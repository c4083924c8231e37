"""Running a file of rule tests.

In:  a `TestFile`, the groups of its rule files, its alertmanager.yml.
Out: what failed, test by test; nothing is printed.
Rules are evaluated, and alerts routed, grouped and worded, by the very code that a server runs, over a store
in a temporary directory, from the first sample to the last moment that a test asks about.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
from msgspec import Struct

from backbeat.config.alertmanager import AlertmanagerConfig
from backbeat.config.prometheus import RuleGroup
from backbeat.config.rule_tests import AlertTest, ExprTest, TestFile, TestGroup
from backbeat.model.alerts import Alert
from backbeat.model.arrays import Float64s, Int64s
from backbeat.model.durations import format_duration
from backbeat.model.errors import BackbeatError
from backbeat.model.labels import Labels
from backbeat.model.results import QueryError
from backbeat.promql.engine import Engine
from backbeat.promql.limits import Deadline, Limits
from backbeat.promql.local import LocalQuerier, Result
from backbeat.rules.alerting import AlertingRule
from backbeat.rules.expand import ALERT_NAME
from backbeat.rules.group import Group, Surroundings
from backbeat.rules.metrics import RuleMetrics
from backbeat.rules.recording import RecordingRule
from backbeat.rules.state import AlertState
from backbeat.rules.vector import RuleError, ask
from backbeat.storage import Storage, StorageOptions, open_storage
from backbeat.unit_tests.coverage import Coverage
from backbeat.unit_tests.failures import Failure, unmatched
from backbeat.unit_tests.notation import NotationError, labels_of, values_of
from backbeat.unit_tests.people import People
from backbeat.unit_tests.so_far import SoFar
from backbeat.unit_tests.told import compare_quiet, compare_sent

_ALWAYS_MS = 2**60
Item = TypeVar("Item")
ParseTime = Callable[[str], int]


class GroupResult(Struct, frozen=True):
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
    alertmanager: AlertmanagerConfig | None = None,
    coverage: Coverage | None = None,
    wanted: Callable[[str], bool] = lambda name: True,
) -> list[GroupResult]:
    """Run the test groups whose names are wanted. parse_time: ms of a moment; raises BackbeatError.

    alertmanager: who is told what; tests of notifications need it
    coverage: notes what is reached
    """
    suite = _Suite(file, _in_order(file, rule_groups), alertmanager, coverage or Coverage())
    suite.coverage.expect_rules(rule_groups)
    if alertmanager is not None:
        suite.coverage.expect_config(alertmanager)
    results = []
    for group in file.groups:
        if wanted(group.name):
            began = time.perf_counter()
            failures = _run_group(suite, group, parse_time)
            results.append(GroupResult(group, tuple(failures), time.perf_counter() - began))
    return results


class _Suite(Struct, frozen=True):
    """What the test groups of a file share."""

    file: TestFile
    rule_groups: Sequence[RuleGroup]
    alertmanager: AlertmanagerConfig | None
    coverage: Coverage


def _in_order(file: TestFile, rule_groups: Sequence[RuleGroup]) -> Sequence[RuleGroup]:
    order = {name: place for place, name in enumerate(file.group_eval_order)}
    return sorted(rule_groups, key=lambda group: order.get(group.name, 0))


def _run_group(suite: _Suite, group: TestGroup, parse_time: ParseTime) -> list[Failure]:
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
            return asyncio.run(_play(suite, group, storage, start_ms))
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


async def _play(suite: _Suite, group: TestGroup, storage: Storage, start_ms: int) -> list[Failure]:
    config = suite.alertmanager
    if config is None:
        return await _Stage(suite, group, storage, start_ms, None).play()
    async with People(config, group.silences, group.external_url, start_ms) as people:
        if people.mistakes:
            return people.mistakes
        return await _Stage(suite, group, storage, start_ms, people).play()


class _Stage:
    """One test group under way."""

    def __init__(
        self, suite: _Suite, group: TestGroup, storage: Storage, start_ms: int, people: People | None
    ) -> None:
        self._file = file = suite.file
        self._suite = suite
        self._people = people
        self._group = group
        self._start_ms = start_ms
        self._at_ms = start_ms
        limits = Limits(default_subquery_step_ms=file.evaluation_interval_ms)
        self._seen = SoFar(storage, start_ms)
        self._querier = _Inline(Engine(self._seen, limits))
        around = Surroundings(
            querier=self._querier,
            appender=storage,
            sink=people or _Nobody(),
            now=lambda: self._at_ms,
            timer=time.perf_counter,
            sleep=asyncio.sleep,
            metrics=RuleMetrics(),
            external_url=group.external_url,
            external_labels=group.external_labels,
        )
        self._groups = [
            # What fires is renewed at each evaluation, so a receiver must not take it for resolved before.
            Group(
                spec,
                max(spec.interval_ms or group.interval_ms, file.evaluation_interval_ms),
                spec.query_offset_ms,
                around,
            )
            for spec in suite.rule_groups
        ]
        for rule in self._alerting_rules():
            rule.remembered = {}  # nothing came before

    async def play(self) -> list[Failure]:
        """Evaluate from the first moment to the last, then compare."""
        failures: list[Failure] = []
        every_ms = self._file.evaluation_interval_ms
        for after_ms in range(0, self._last_ms() + 1, every_ms):
            self._at_ms = self._seen.till_ms = self._start_ms + after_ms
            if self._people is not None:
                await self._people.pass_time(self._at_ms, with_end=False)
            broken = await self._evaluate(after_ms)
            if broken:
                self._querier.close()
                return failures + broken
            failures += self._compare_alerts(after_ms, after_ms + every_ms)
            failures += await self._compare_notifications(after_ms, after_ms + every_ms)
        for test in self._group.expr_tests:
            failures += await self._compare_samples(test)
        self._querier.close()
        return sorted(failures, key=lambda failure: failure.at.line)

    def _last_ms(self) -> int:
        """The last moment that a test asks about."""
        group = self._group
        moments = [test.eval_time_ms for test in group.alert_tests]
        moments += [test.eval_time_ms for test in group.expr_tests]
        moments += [test.eval_time_ms for test in group.notification_tests]
        return max(moments, default=0)

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
                if _is_reached(each.rule, each.samples):
                    self._suite.coverage.reach_rule(each.rule.spec)
        return broken

    def _compare_alerts(self, from_ms: int, before_ms: int) -> list[Failure]:
        tests = [test for test in self._group.alert_tests if from_ms <= test.eval_time_ms < before_ms]
        return [failure for test in tests for failure in self._compare_alert(test)]

    async def _compare_notifications(self, from_ms: int, before_ms: int) -> list[Failure]:
        """Let time pass up to each test that is made before the next evaluation."""
        people, config = self._people, self._suite.alertmanager
        if people is None or config is None:
            return []
        failures: list[Failure] = []
        tests = [test for test in self._group.notification_tests if from_ms <= test.eval_time_ms < before_ms]
        for test in sorted(tests, key=lambda test: test.eval_time_ms):
            await people.pass_time(self._start_ms + test.eval_time_ms)
            failures += compare_sent(test, people.sent)
            failures += compare_quiet(test, people.kept_quiet())
        await people.pass_time(self._at_ms)
        self._suite.coverage.reach_routes(config, people.received)
        self._suite.coverage.reach_inhibitions(config, people.inhibitions())
        return failures

    def _compare_alert(self, test: AlertTest) -> list[Failure]:
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
        missing, extra = unmatched(expected, found, lambda one, two: one == two)
        if not missing and not extra:
            return []
        return [Failure(test.at, title, _shown(_alert, missing), _shown(_alert, extra))]

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
        missing, extra = unmatched(
            expected, found, lambda one, two: one[0] == two[0] and bool(close(one[1], two[1]))
        )
        if not missing and not extra:
            return []
        return [Failure(test.at, title, _shown(_sample, missing), _shown(_sample, extra))]


def _is_reached(rule: AlertingRule | RecordingRule, samples: int) -> bool:
    if isinstance(rule, RecordingRule):
        return samples > 0
    return any(alert.state is AlertState.FIRING for alert in rule.alerts())


def _is_near(one: float, two: float) -> bool:
    """Equal, or neighbours among the floats."""
    return one == two or math.nextafter(one, -math.inf) == two or math.nextafter(one, math.inf) == two


def _shown(words: Callable[[Item], str], items: Sequence[Item]) -> tuple[str, ...]:
    return tuple(map(words, sorted(items, key=str)))


def _alert(alert: tuple[Labels, Labels]) -> str:
    labels, annotations = alert
    return f"{labels}" + "".join(f"\n  {name}: {value}" for name, value in annotations)


def _sample(sample: tuple[Labels, float]) -> str:
    labels, value = sample
    return f"{labels} {value!r}"
