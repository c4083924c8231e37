"""Restarts over real storage and the real engine: `for` goes on, firing stays firing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rule_stage import Stage, alerting, at, config, group, recording

from backbeat.model.labels import Labels
from backbeat.model.results import QueryError
from backbeat.promql.engine import Engine
from backbeat.promql.local import LocalQuerier
from backbeat.storage import StorageOptions, open_storage

SLOW = Labels.of({"__name__": "slow", "instance": "a"})
FIVE = 300_000
EVERY = 0.25
"""minutes between evaluations"""


class House:
    """Storage and engine that outlive the rule managers of a test."""

    def __init__(self, directory: Path) -> None:
        self.now_ms = at(0)
        self.storage = open_storage(directory, StorageOptions(), lambda: self.now_ms)
        self.querier = LocalQuerier(Engine(self.storage))
        self.stage = Stage()

    async def start(self, *rules, **settings) -> None:
        self.stage = Stage(querier=self.querier, appender=self.storage, **settings)
        await self.stage.manager.apply(config(group(*rules, interval_ms=round(EVERY * 60_000))))

    async def live(self, begin: float, end: float, value: float | None = 2.0) -> list[float]:
        """Evaluate on the grid in [begin, end); returns the minutes at which something was sent."""
        sent = []
        for minute in np.arange(begin, end, EVERY):
            self.now_ms = at(minute)
            if value is not None:
                self.storage.append_samples([SLOW], np.array([self.now_ms]), np.array([value]))
            if await self.stage.evaluate(minute):
                sent.append(float(minute))
        return sent

    async def stop(self) -> None:
        await self.stage.manager.stop()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "data")
    yield house
    house.querier.close()
    house.storage.close()


async def test_firing_stays_firing(house: House) -> None:
    await house.start(alerting(for_ms=FIVE))
    assert (await house.live(0, 8))[0] == 5
    await house.stop()
    await house.start(alerting(for_ms=FIVE))
    assert (await house.live(10, 10.5))[0] == 10, "at the first evaluation"
    ((alert,),) = ([*house.stage.manager.groups()[0].rules[0].alerts],)
    assert alert.active_at_ms == at(0)
    await house.stop()


@pytest.mark.parametrize("stops_at", [1, 2.5, 4.75])
@pytest.mark.parametrize("away", [EVERY, 1, 30])
async def test_pending_goes_on_where_it_stood(house: House, stops_at: float, away: float) -> None:
    await house.start(alerting(for_ms=FIVE))
    assert await house.live(0, stops_at) == []
    await house.stop()
    await house.start(alerting(for_ms=FIVE))
    back = stops_at - EVERY + away
    fired = (await house.live(back, back + 6))[0]
    unwatched = away - EVERY
    assert abs(fired - unwatched - 5) <= EVERY
    await house.stop()


async def test_after_too_long_away_it_begins_anew(house: House) -> None:
    await house.start(alerting(for_ms=FIVE))
    await house.live(0, 4)
    await house.stop()
    await house.start(alerting(for_ms=FIVE))
    assert (await house.live(70, 76))[0] == 75
    await house.stop()


async def test_an_alert_that_had_ended_before_the_restart_begins_anew(house: House) -> None:
    await house.start(alerting(for_ms=FIVE, expr="slow > 1"))
    await house.live(0, 6)
    await house.live(6, 7, value=0.5)
    await house.stop()
    await house.start(alerting(for_ms=FIVE, expr="slow > 1"))
    assert (await house.live(8, 14))[0] == 13
    await house.stop()


async def test_an_alert_that_ends_and_begins_again_right_after_the_restart_waits(house: House) -> None:
    await house.start(alerting(for_ms=FIVE))
    await house.live(0, 6)
    await house.stop()
    await house.start(alerting(for_ms=FIVE))
    await house.live(6, 6.25)
    await house.live(6.25, 6.5, value=0.5)
    assert (await house.live(6.5, 12, value=2.0))[-1] >= 11.5
    assert house.stage.states() == {"a": "firing"}
    await house.stop()


async def test_while_the_past_cannot_be_read_it_is_not_overwritten(house: House) -> None:
    await house.start(alerting(for_ms=FIVE))
    await house.live(0, 4)
    await house.stop()
    await house.start(alerting(for_ms=FIVE))
    asked = house.querier.instant

    async def refuse(expr, at_ms, **more):
        if "ALERTS_FOR_STATE" in expr:
            raise QueryError("busy")
        return await asked(expr, at_ms, **more)

    house.querier.instant = refuse
    assert await house.live(4, 4.5) == []
    house.querier.instant = asked
    assert (await house.live(4.5, 6))[0] == pytest.approx(5, abs=2 * EVERY)
    await house.stop()


async def test_the_grace_period_is_waited_where_it_is_set(house: House) -> None:
    await house.start(alerting(for_ms=FIVE))
    await house.live(0, 4.75)
    await house.stop()
    await house.start(alerting(for_ms=FIVE), grace_ms=120_000)
    assert (await house.live(4.75, 8))[0] == 6.75
    await house.stop()


async def test_rules_read_what_earlier_rules_of_their_group_just_wrote(house: House) -> None:
    await house.start(recording("twice", "slow * 2"), alerting(expr="twice > 3.5"))
    assert (await house.live(0, 0.25))[0] == 0
    answer = await house.querier.instant('ALERTS{alertstate="firing"}', at(0))
    assert len(answer.value.labels) == 1
    await house.stop()
