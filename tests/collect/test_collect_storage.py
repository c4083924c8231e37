"""Scraping and remote write into the real storage: what went in can be selected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from fake_target import fake_target, text
from fake_time import FakeTime
from write_messages import body, series

from backbeat.collect.manager import ScrapeManager
from backbeat.collect.remote_write import RemoteWriteReceiver
from backbeat.config.prometheus import Discovery, PrometheusConfig, ScrapeConfig, TargetGroup
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.model.samples import is_stale
from backbeat.storage import Storage, StorageOptions, open_storage

NOW = 1_700_000_000_000


@pytest.fixture
async def clock() -> FakeTime:
    return FakeTime(NOW)


@pytest.fixture
async def storage(tmp_path: Path, clock: FakeTime) -> AsyncIterator[Storage]:
    opened = open_storage(tmp_path, StorageOptions(), clock.now)
    yield opened
    opened.close()


def selected(storage: Storage, metric: str) -> list[tuple[int, float | str]]:
    """The samples of the one series of this name."""
    found: list[tuple[int, float | str]] = []
    for block in storage.select([Matcher("__name__", MatchOp.EQUAL, metric)], NOW - 10**6, NOW + 10**6):
        for place in range(len(block.labels)):
            row = block.values[place]
            present = np.ones(len(row), bool) if block.present is None else block.present[place]
            stale = is_stale(row)
            found += [
                (int(at) - NOW, "stale" if ended else float(value))
                for at, value, there, ended in zip(block.times, row, present, stale, strict=True)
                if there
            ]
    return sorted(found)


async def test_scrapes_are_stored_and_vanished_series_end(storage: Storage, clock: FakeTime) -> None:
    async with fake_target() as target:
        job = ScrapeConfig("shop", Discovery((TargetGroup((target.address,)),)))
        async with ScrapeManager(storage, clock.now, sleep=clock.sleep, monotonic=clock.monotonic) as manager:
            await manager.apply(PrometheusConfig("", "", scrape_configs=(job,)))
            (running,) = manager._pools["shop"].loops.values()
            for second, answer in enumerate(
                ["a 1\nb 2\n", "a 3\nb 2\n", "a 4\n", "a 5\nb 7\nc 1 " + str(NOW)]
            ):
                target.answer = text(answer)
                clock.now_ms = NOW + second * 1000
                await running.loop.scrape(clock.now_ms)
            clock.now_ms += 500
    assert selected(storage, "a") == [(0, 1), (1000, 3), (2000, 4), (3000, 5), (3500, "stale")]
    assert selected(storage, "b") == [(0, 2), (1000, 2), (2000, "stale"), (3000, 7), (3500, "stale")]
    assert selected(storage, "c") == [(0, 1)]
    assert selected(storage, "up") == [(0, 1), (1000, 1), (2000, 1), (3000, 1), (3500, "stale")]


async def test_remote_write_is_stored_once(storage: Storage) -> None:
    receiver = RemoteWriteReceiver(storage)
    pairs = (("__name__", "w"), ("job", "a"))
    for second in (0, 1, 1, 2):
        assert await receiver.receive(body([series(pairs, (NOW + second, float(second)))])) == (204, "")
    assert selected(storage, "w") == [(0, 0), (1, 1), (2, 2)]
    status, message = await receiver.receive(body([series(pairs, (NOW + 2, 9.0))]))
    assert (status, message.partition(" (")[0]) == (400, "duplicate sample for timestamp")
    status, message = await receiver.receive(body([series(pairs, (NOW + 3_600_000, 9.0))]))
    assert (status, message.partition(":")[0]) == (400, "out of bounds")
