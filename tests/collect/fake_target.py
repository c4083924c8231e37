"""A target on loopback whose answers a test chooses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def text(body: str | bytes, content_type: str = "text/plain; version=0.0.4", **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        payload = body.encode() if isinstance(body, str) else body
        return web.Response(body=payload, headers={"Content-Type": content_type, **headers})

    return answer


class FakeTarget:
    def __init__(self) -> None:
        self.answer: Answer = text("a 1\n")
        self.requests: list[web.Request] = []
        self.address = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        return await self.answer(request)


@asynccontextmanager
async def fake_target() -> AsyncIterator[FakeTarget]:
    target = FakeTarget()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", target.handle)
    async with TestServer(application, host="127.0.0.1") as server:
        target.address = f"127.0.0.1:{server.port}"
        yield target
