"""The live stream: tells open pages that new samples have landed or that alerts have changed.

Server-sent events at /api/backbeat/v1/live. Only news travels; pages fetch what they show.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

MAX_LISTENERS = 200
KEEPALIVE_S = 15.0


@dataclass(frozen=True, slots=True)
class News:
    """What open pages want to know at a moment."""

    newest_sample_ms: int
    firing: int
    pending: int


class LiveStream:
    """Fans news out to every open page; a slow page misses old news, never blocks others."""

    def __init__(self) -> None:
        self._news = News(0, 0, 0)
        self._changed = asyncio.Condition()
        self._listeners = 0
        self._closed = False

    async def publish(self, news: News) -> None:
        if news == self._news:
            return
        async with self._changed:
            self._news = news
            self._changed.notify_all()

    async def close(self) -> None:
        """End every stream, so that the server can stop."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    def routes(self) -> list[Route]:
        return [Route("/api/backbeat/v1/live", self.stream, methods=["GET"])]

    async def stream(self, request: Request) -> Response:
        if self._listeners >= MAX_LISTENERS:
            return PlainTextResponse("too many open pages; this one falls back to polling\n", 503)
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._events(), media_type="text/event-stream", headers=headers)

    async def _events(self) -> AsyncIterator[bytes]:
        self._listeners += 1
        try:
            seen = News(-1, -1, -1)
            yield b"retry: 2000\n\n"
            while not self._closed:
                news = self._news
                if news.newest_sample_ms != seen.newest_sample_ms:
                    yield _event("data", {"time_ms": news.newest_sample_ms})
                if (news.firing, news.pending) != (seen.firing, seen.pending):
                    yield _event("alerts", {"firing": news.firing, "pending": news.pending})
                if news == seen:
                    yield b": still here\n\n"
                seen = news
                await self._wait_for_news(seen)
        finally:
            self._listeners -= 1

    async def _wait_for_news(self, seen: News) -> None:
        try:
            async with asyncio.timeout(KEEPALIVE_S), self._changed:
                await self._changed.wait_for(lambda: self._closed or self._news != seen)
        except TimeoutError:
            pass


def _event(name: str, data: dict[str, int]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"
