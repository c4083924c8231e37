"""What the manager's grid and its reloads do, on a fake clock."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from prometheus_client import CollectorRegistry
from rule_stage import START_MS, Stage, alerting, at, config, group, recording, settle, vector

from backbeat.model.labels import Labels
from backbeat.rules.grid import Grid

MINUTE = 60_000
UP = vector((1.0, {"i": "a"}))


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        pytest.param(100, 101, (160, 0), id="done early"),
        pytest.param(100, 165, (160, 0), id="a little late: not missed"),
        pytest.param(100, 221, (220, 1), id="one missed"),
        pytest.param(100, 1000, (1000, 14), id="fourteen missed"),
        pytest.param(100, 30, (40, 0), id="the clock was set back"),
    ],
)
def test_grid_next(last: int, now: int, expected: tuple[int, int]) -> None:
    assert Grid(60, 40).next(last, now) == expected


def test_the_grid_is_the_same_after_a_restart_and_spread_over_groups() -> None:
    grids = [Grid.of(f"rules.yml;group{n}", MINUTE) for n in range(50)]
    assert grids == [Grid.of(f"rules.yml;group{n}", MINUTE) for n in range(50)]
    assert len({grid.offset_ms // 10_000 for grid in grids}) == 6
    for grid in grids:
        after = grid.after(START_MS)
        assert START_MS < after <= START_MS + MINUTE
        assert (after - grid.offset_ms) % MINUTE == 0
        assert grid.after(after) == after + MINUTE


async def test_groups_run_on_their_grid_without_drift() -> None:
    stage = Stage()
    stage.querier.answers["up"] = UP
    await stage.manager.apply(config(group(recording("r", "up"), interval_ms=15_000)))
    await stage.time.pass_until(at(10))
    moments = [when for expr, when in stage.querier.asked if expr == "up"]
    assert len(moments) == 40
    assert {later - earlier for earlier, later in pairwise(moments)} == {15_000}
    await stage.manager.stop()


async def test_slow_evaluations_miss_moments_and_are_counted() -> None:
    registry = CollectorRegistry()
    stage = Stage(registry=registry)

    def slow(_: int) -> float:
        stage.time.now_ms += 35_000
        return 1.0

    stage.querier.answers["up"] = slow
    await stage.manager.apply(config(group(recording("r", "up"), interval_ms=10_000)))
    await stage.time.pass_until(at(10))
    await stage.manager.stop()

    def counted(name: str) -> float:
        return registry.get_sample_value(f"prometheus_rule_{name}", {"rule_group": "rules.yml;g"}) or 0

    missed, iterations = counted("group_iterations_missed_total"), counted("group_iterations_total")
    assert missed > 10
    assert iterations == missed + counted("evaluations_total")
    assert counted("group_last_evaluation_samples") == 1
    assert counted("group_last_duration_seconds") == 35


async def test_a_clock_that_is_set_back_stops_no_group() -> None:
    stage = Stage()
    stage.querier.answers["up"] = UP
    await stage.manager.apply(config(group(recording("r", "up"), interval_ms=15_000)))
    await stage.time.pass_until(at(2))
    stage.time.now_ms = at(-60)
    stage.time.sleepers = [(min(when, at(-59.75)), woken) for when, woken in stage.time.sleepers]
    stage.querier.asked.clear()
    await stage.time.pass_until(at(-50))
    assert len([1 for expr, _ in stage.querier.asked if expr == "up"]) >= 38
    await stage.manager.stop()


async def test_unchanged_groups_go_on_wherever_they_stand_in_the_file() -> None:
    stage = Stage()
    stage.querier.answers |= {"up": UP, "slow > 1": vector((2.0, {"instance": "a"}))}
    await stage.manager.apply(
        config(group(alerting(for_ms=2 * MINUTE)), group(recording("r", "up"), name="h"))
    )
    await stage.time.pass_until(at(1.5))
    before = stage.states()
    await stage.manager.apply(
        config(group(recording("r", "up"), name="h"), group(alerting(for_ms=2 * MINUTE)))
    )
    assert stage.states() == before == {"a": "pending"}
    assert [each.name for each in stage.manager.groups()] == ["h", "g"]
    await stage.time.pass_until(at(4))
    assert stage.states() == {"a": "firing"}
    await stage.manager.stop()


async def test_a_changed_group_keeps_the_state_of_its_rules() -> None:
    stage = Stage()
    stage.querier.answers |= {"slow > 1": vector((2.0, {"instance": "a"})), "slow > 2": {}}
    await stage.manager.apply(config(group(alerting())))
    (fired,) = await stage.evaluate(0)
    await stage.manager.apply(config(group(recording("new", "1"), alerting(expr="slow > 2"))))
    (resolved,) = await stage.evaluate(1)
    assert resolved.labels == fired.labels
    assert resolved.ends_at_ms == at(1)
    assert set(stage.appender.series_at(at(1)).values()) == {None}
    await stage.manager.stop()


async def test_series_of_a_removed_rule_end_at_once() -> None:
    stage = Stage()
    stage.querier.answers |= {"up": UP, "slow > 1": vector((2.0, {"instance": "a"}))}
    await stage.manager.apply(config(group(recording("gone", "up"), alerting(), recording("stays", "up"))))
    await stage.evaluate(0)
    stage.time.now_ms = at(0.5)
    await stage.manager.apply(config(group(recording("stays", "up"))))
    assert stage.appender.series_at(at(0.5)) == {
        'gone{i="a"}': None,
        'ALERTS{alertname="Slow", alertstate="firing", instance="a"}': None,
        'ALERTS_FOR_STATE{alertname="Slow", instance="a"}': None,
    }
    await stage.manager.stop()


async def test_a_rule_that_moved_to_another_group_has_no_gap() -> None:
    stage = Stage()
    stage.querier.answers["up"] = vector((1.0, {"i": "a"}), (1.0, {"i": "b"}))
    await stage.manager.apply(config(group(recording("r", "up"), name="old")))
    await stage.time.pass_until(at(2))
    stage.querier.answers["up"] = UP
    await stage.manager.apply(config(group(recording("r", "up"), name="new")))
    await stage.time.pass_until(at(6))
    await stage.manager.stop()
    ended = {series for (series, _), value in stage.appender.samples.items() if value is None}
    assert ended == {'r{i="b"}'}, "only what nobody makes any more"


async def test_stopping_ends_all_tasks_and_marks_nothing_stale() -> None:
    stage = Stage()
    stage.querier.answers["up"] = UP
    await stage.manager.apply(config(group(recording("r", "up")), group(alerting("A", "up"), name="h")))
    await stage.time.pass_until(at(2))
    await stage.manager.stop()
    await settle()
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
    assert None not in stage.appender.samples.values()


async def test_a_reload_in_the_middle_of_an_evaluation_loses_no_alert() -> None:
    stage = Stage()
    stage.querier.answers["slow > 1"] = vector((2.0, {"instance": "a"}))
    await stage.manager.apply(config(group(alerting(for_ms=MINUTE))))
    await stage.time.pass_until(at(1.9))
    entered = asyncio.Event()

    async def stuck(_: object) -> None:
        entered.set()
        await asyncio.Event().wait()

    taken, stage.sink.receive = stage.sink.receive, stuck  # type: ignore[method-assign]
    passing = asyncio.create_task(stage.time.pass_until(at(3)))
    await entered.wait()
    await passing
    stage.sink.receive = taken  # type: ignore[method-assign]
    await stage.manager.apply(config(group(alerting(for_ms=MINUTE), recording("r", "slow > 1"))))
    await stage.time.pass_until(at(5))
    await stage.manager.stop()
    assert stage.sink.received
    assert {alert.labels for alert in stage.sink.received} == {Labels.of(alertname="Slow", instance="a")}
