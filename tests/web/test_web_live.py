"""The live stream: what many pages watch is evaluated once, and every page hears it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pytest

from backbeat.model.labels import Labels
from backbeat.model.results import Answer, BadQuery, Matrix
from backbeat.web.live import LiveStream, Mailbox, News, watched
from backbeat.web.live_points import SETTLE_MS, PanelFeeds, Watch, next_tick
from backbeat.web.params import BadParameter, Parameters


class CountingQuerier:
    """Answers every query with its moment in seconds, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    async def instant(self, expr: str, at_ms: int, **_: object) -> Answer:
        self.asked.append((expr, at_ms))
        await asyncio.sleep(0)
        if expr == "wrong(":
            raise BadQuery("no such thing")
        labels = [Labels.of({"job": "api"}), Labels.of({"job": "gone"})]
        values = np.array([[at_ms / 1000], [0.0]])
        return Answer(Matrix(labels, np.array([at_ms]), values, np.array([[True], [False]])))


class Clock:
    """Stands still until somebody sleeps, and then is where the sleeper wants it; gives up at `end_ms`."""

    def __init__(self, now_ms: int, end_ms: int) -> None:
        self.now_ms, self.end_ms = now_ms, end_ms

    def now(self) -> int:
        return self.now_ms

    async def sleep(self, seconds: float) -> None:
        wanted = self.now_ms + round(seconds * 1000)
        if wanted > self.end_ms:
            await asyncio.Event().wait()
        self.now_ms = max(self.now_ms, wanted)


async def until(happened: Callable[[], bool]) -> None:
    """Let the other tasks run; no time passes but the fake clock's."""
    for _ in range(100_000):
        if happened():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize(
    ("now", "done", "tick"),
    [
        pytest.param(12_000, 0, 10_000, id="the newest that has passed"),
        pytest.param(10_000, 0, 10_000, id="exactly on one"),
        pytest.param(12_000, 10_000, 15_000, id="the next, where the newest is done"),
        pytest.param(61_000, 10_000, 60_000, id="what was slept through is left out"),
    ],
)
def test_next_tick(now: int, done: int, tick: int) -> None:
    assert next_tick(now, 5_000, done) == tick


async def test_many_pages_with_the_same_panels_cost_one_evaluation_a_tick() -> None:
    querier, clock = CountingQuerier(), Clock(100_000, 120_000)
    feeds = PanelFeeds(querier, clock.now, clock.sleep)  # type: ignore[arg-type]
    pages: list[list[bytes]] = [[] for _ in range(200)]
    for page in pages:
        feeds.join(Watch(("up", "wrong("), 5_000), page.append)
    part: list[bytes] = []
    feeds.join(Watch(("up",), 10_000), part.append)
    await until(lambda: len(part) >= 3)
    await feeds.close()
    assert len(querier.asked) == len(set(querier.asked)), "the same was evaluated twice"
    assert all(page == pages[0] for page in pages)
    frames = [orjson.loads(frame) for frame in pages[0]]
    times = [frame["time_ms"] for frame in frames]
    assert times == list(range(times[0], times[-1] + 1, 5_000)), "a tick is missing"
    assert frames[0]["results"] == [
        {"series": [[{"job": "api"}, str(times[0] // 1000)]]},
        {"error": "no such thing"},
    ]


async def test_what_nobody_watches_is_not_evaluated() -> None:
    querier, clock = CountingQuerier(), Clock(100_000, 1_000_000_000)
    feeds = PanelFeeds(querier, clock.now, clock.sleep)  # type: ignore[arg-type]
    heard: list[bytes] = []
    watch = Watch(("up",), 5_000)
    feeds.join(watch, heard.append)
    await until(lambda: len(heard) >= 1)
    feeds.leave(watch, heard.append)
    await asyncio.sleep(0)
    before = len(querier.asked)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(querier.asked) == before


async def test_a_page_that_leaves_while_it_waits_for_anothers_answer_stops_only_itself() -> None:
    clock, answered = Clock(100_000, 130_000), asyncio.Event()

    class SlowQuerier(CountingQuerier):
        async def instant(self, expr: str, at_ms: int, **more: object) -> Answer:
            await answered.wait()
            return await super().instant(expr, at_ms, **more)

    querier = SlowQuerier()
    feeds = PanelFeeds(querier, clock.now, clock.sleep)  # type: ignore[arg-type]
    stays, leaves = Watch(("up",), 5_000), Watch(("up", "down"), 5_000)
    heard: list[bytes] = []
    feeds.join(stays, heard.append)
    await asyncio.sleep(0)
    feeds.join(leaves, print)
    for _ in range(10):
        await asyncio.sleep(0)
    feeds.leave(leaves, print)
    await asyncio.sleep(0)
    answered.set()
    await until(lambda: len(heard) >= 3)
    await feeds.close()


async def test_a_tick_is_evaluated_once_its_samples_can_have_landed() -> None:
    clock = Clock(100_001, 200_000)
    feeds = PanelFeeds(CountingQuerier(), clock.now, clock.sleep)  # type: ignore[arg-type]
    heard: list[tuple[int, int]] = []
    feeds.join(
        Watch(("up",), 5_000), lambda frame: heard.append((orjson.loads(frame)["time_ms"], clock.now_ms))
    )
    await until(lambda: len(heard) >= 3)
    await feeds.close()
    assert all(now_ms >= tick_ms + SETTLE_MS for tick_ms, now_ms in heard)


async def test_a_page_that_reads_slowly_gets_the_newest_of_each_kind() -> None:
    mailbox = Mailbox()
    for event in (b"old", b"new"):
        mailbox.put("points", event)
    mailbox.put("alerts", b"!")
    assert await mailbox.taken() == b"new!"


async def test_a_stream_begins_with_the_news_and_ends_when_the_server_does() -> None:
    live = LiveStream(CountingQuerier(), lambda: 1_000)  # type: ignore[arg-type]
    await live.publish(News(7_000, 2, 1))
    events = live._events(None)
    assert b'{"time_ms":7000}' in (first := await anext(events))
    assert b'{"firing":2,"pending":1}' in first
    await live.publish(News(7_000, 3, 1))
    assert await anext(events) == b'event: alerts\ndata: {"firing":3,"pending":1}\n\n'
    await live.close()
    assert [event async for event in events] in ([], [b""])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"query": ["up"], "every": ["0.1"]}, "between 1s and 1h"),
        ({"query": ["up"], "every": ["x"]}, "valid duration"),
        ({"query": ["up"] * 101, "every": ["5"]}, "at most 100"),
    ],
)
def test_what_cannot_be_watched_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(BadParameter, match=said):
        watched(Parameters(values))


def test_a_page_may_watch_nothing() -> None:
    assert watched(Parameters({"every": ["5"]})) is None
