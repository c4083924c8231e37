"""The live stream: tells open pages that samples landed, that alerts changed, and what their panels show.

Server-sent events at /api/backbeat/v1/live. A page that watches queries gets their newest points as well
(`web/live_points.py`); everything else pages fetch when they hear news.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import orjson
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from backbeat.model.clock import Now
from backbeat.model.results import Querier
from backbeat.web.dispatch import Route
from backbeat.web.live_points import PanelFeeds, Watch
from backbeat.web.params import BadParameter, Parameters

MAX_LISTENERS = 1000
MAX_QUERIES = 100
MIN_EVERY_MS, MAX_EVERY_MS = 1000, 3_600_000
KEEPALIVE_S = 15.0


class News(Struct, frozen=True):
    """What open pages want to know at a moment."""

    newest_sample_ms: int
    firing: int
    pending: int


class Mailbox:
    """What one page has not been sent yet: the newest event of each kind. A slow page blocks nobody."""

    def __init__(self) -> None:
        self._events: dict[str, bytes] = {}
        self._filled = asyncio.Event()

    def put(self, kind: str, event: bytes) -> None:
        self._events[kind] = event
        self._filled.set()

    def wake(self) -> None:
        self._filled.set()

    async def taken(self) -> bytes:
        """All that has come; a comment where nothing came for a while. The connection is known to live."""
        try:
            async with asyncio.timeout(KEEPALIVE_S):
                await self._filled.wait()
        except TimeoutError:
            return b": still here\n\n"
        self._filled.clear()
        events, self._events = self._events, {}
        return b"".join(events.values())


class LiveStream:
    """Fans news and points out to every open page."""

    def __init__(self, querier: Querier, now: Now) -> None:
        self._news = News(0, 0, 0)
        self._mailboxes: set[Mailbox] = set()
        self._feeds = PanelFeeds(querier, now)
        self._closed = False

    async def publish(self, news: News) -> None:
        events = _news_events(news, self._news)
        self._news = news
        for kind, event in events.items():
            for mailbox in self._mailboxes:
                mailbox.put(kind, event)

    async def close(self) -> None:
        """End every stream, so that the server can stop."""
        self._closed = True
        for mailbox in self._mailboxes:
            mailbox.wake()
        await self._feeds.close()

    def routes(self) -> list[Route]:
        return [Route("/api/backbeat/v1/live", self.stream, methods=["GET"])]

    async def stream(self, request: Request) -> Response:
        watch = watched(await Parameters.of(request))
        if len(self._mailboxes) >= MAX_LISTENERS:
            return PlainTextResponse("too many open pages; this one falls back to polling\n", 503)
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._events(watch), media_type="text/event-stream", headers=headers)

    async def _events(self, watch: Watch | None) -> AsyncIterator[bytes]:
        mailbox = Mailbox()
        hear = partial(_points, mailbox)
        self._mailboxes.add(mailbox)
        if watch is not None:
            self._feeds.join(watch, hear)
        try:
            yield b"retry: 2000\n\n" + b"".join(_news_events(self._news, None).values())
            while not self._closed:
                yield await mailbox.taken()
        finally:
            self._mailboxes.discard(mailbox)
            if watch is not None:
                self._feeds.leave(watch, hear)


def watched(params: Parameters) -> Watch | None:
    """`query`, repeated, and `every`; None where nothing is watched. Raises BadParameter."""
    queries = params.all("query")
    if not queries:
        return None
    if len(queries) > MAX_QUERIES:
        raise BadParameter(
            f'invalid parameter "query": {len(queries)} queries, at most {MAX_QUERIES} a stream'
        )
    every_ms = params.duration_ms("every")
    if not MIN_EVERY_MS <= every_ms <= MAX_EVERY_MS:
        raise BadParameter('invalid parameter "every": expected between 1s and 1h')
    return Watch(tuple(queries), every_ms)


def _news_events(news: News, before: News | None) -> dict[str, bytes]:
    events = {}
    if before is None or news.newest_sample_ms != before.newest_sample_ms:
        events["data"] = _event("data", orjson.dumps({"time_ms": news.newest_sample_ms}))
    if before is None or (news.firing, news.pending) != (before.firing, before.pending):
        counts = {"firing": news.firing, "pending": news.pending}
        events["alerts"] = _event("alerts", orjson.dumps(counts))
    return events


def _points(mailbox: Mailbox, frame: bytes) -> None:
    mailbox.put("points", _event("points", frame))


def _event(name: str, data: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
