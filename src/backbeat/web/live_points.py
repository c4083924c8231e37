"""The newest points of the panels that open pages watch: each query is evaluated once a tick, for everyone.

In:  the queries of a page and how often it wants them. Out: a frame a tick, the same bytes for every page
     that watches the same.
Pages with the same queries share a feed; feeds with a query in common share its evaluation.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import orjson
from msgspec import Struct, field

from backbeat.model.clock import Now
from backbeat.model.results import Answer, Matrix, Querier, QueryError, Scalar
from backbeat.web.render import format_value

log = logging.getLogger(__name__)

SETTLE_MS = 250
"""how long after a tick it is evaluated, so that scrapes and rules of that moment have landed"""
_TICKS_KEPT = 3

Sleep = Callable[[float], Awaitable[None]]
Hear = Callable[[bytes], None]


class Watch(Struct, frozen=True):
    """What a page watches: its queries in order, evaluated at every multiple of `every_ms`."""

    queries: tuple[str, ...]
    every_ms: int


class _Feed(Struct):
    """Those who watch the same, the task that evaluates for them, and the newest frame."""

    listeners: set[Hear] = field(default_factory=set)
    task: asyncio.Task[None] | None = None
    newest: bytes = b""


class PanelFeeds:
    """Evaluates what is watched, for as long as somebody watches it."""

    def __init__(self, querier: Querier, now: Now, sleep: Sleep = asyncio.sleep) -> None:
        self._querier = querier
        self._now = now
        self._sleep = sleep
        self._feeds: dict[Watch, _Feed] = {}
        self._evaluations: dict[tuple[str, int], asyncio.Future[bytes]] = {}

    def join(self, watch: Watch, hear: Hear) -> None:
        """From now on `hear` is given every frame, the newest one at once."""
        feed = self._feeds.setdefault(watch, _Feed())
        feed.listeners.add(hear)
        if feed.newest:
            hear(feed.newest)
        if feed.task is None:
            feed.task = asyncio.create_task(self._run(watch, feed), name="panel feed")

    def leave(self, watch: Watch, hear: Hear) -> None:
        """The last who leaves ends the feed."""
        feed = self._feeds.get(watch)
        if feed is None:
            return
        feed.listeners.discard(hear)
        if not feed.listeners:
            del self._feeds[watch]
            if feed.task is not None:
                feed.task.cancel()

    async def close(self) -> None:
        tasks = [feed.task for feed in self._feeds.values() if feed.task is not None]
        self._feeds.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, watch: Watch, feed: _Feed) -> None:
        done_ms = 0
        while True:
            tick_ms = next_tick(self._now() - SETTLE_MS, watch.every_ms, done_ms)
            await self._sleep(max(0, tick_ms + SETTLE_MS - self._now()) / 1000)
            feed.newest = await self.frame(watch, tick_ms)
            done_ms = tick_ms
            for hear in tuple(feed.listeners):
                hear(feed.newest)

    async def frame(self, watch: Watch, tick_ms: int) -> bytes:
        """`{"time_ms": …, "results": [{"series": [[labels, value], …]} or {"error": …}, …]}`, in order."""
        results = [await self._result(query, tick_ms) for query in watch.queries]
        return b'{"time_ms":%d,"results":[' % tick_ms + b",".join(results) + b"]}"

    async def _result(self, query: str, tick_ms: int) -> bytes:
        known = self._evaluations.get((query, tick_ms))
        if known is None:
            known = asyncio.get_running_loop().create_future()
            self._evaluations[query, tick_ms] = known
            self._forget_before(tick_ms)
            try:
                known.set_result(await self._evaluate(query, tick_ms))
            except asyncio.CancelledError:
                # Whoever waits for it asks again by itself.
                self._evaluations.pop((query, tick_ms), None)
                known.set_result(b"")
                raise
        # One page that leaves must not end what the others wait for.
        return await asyncio.shield(known) or await self._evaluate(query, tick_ms)

    async def _evaluate(self, query: str, tick_ms: int) -> bytes:
        try:
            return _series(await self._querier.instant(query, tick_ms))
        except QueryError as error:
            return orjson.dumps({"error": str(error)})
        except Exception:
            log.exception("a bug: the watched query %s failed", query)
            return orjson.dumps({"error": "internal error; see Backbeat's log"})

    def _forget_before(self, tick_ms: int) -> None:
        if len(self._evaluations) < 64:
            return
        recent = sorted({tick for _, tick in self._evaluations})[-_TICKS_KEPT:]
        for key in [key for key in self._evaluations if key[1] < recent[0]]:
            if self._evaluations[key].done():
                del self._evaluations[key]


def next_tick(now_ms: int, every_ms: int, done_ms: int) -> int:
    """The newest multiple of `every_ms` that is not done: ticks that were slept through are left out."""
    newest = now_ms - now_ms % every_ms
    return newest if newest > done_ms else done_ms + every_ms


def _series(answer: Answer) -> bytes:
    value = answer.value
    if isinstance(value, Matrix):
        pairs = [
            [dict(labels), format_value(float(row[-1]))]
            for labels, row, present in zip(value.labels, value.values, value.present, strict=True)
            if present[-1]
        ]
    elif isinstance(value, Scalar):
        pairs = [[{}, format_value(float(value.values[-1]))]]
    else:
        return orjson.dumps({"error": "only an expression with numbers can be watched"})
    return orjson.dumps({"series": pairs})
