"""How an answer leaves: its head with the beginning of its body in one write, so that the client wakes once.

In:  uvicorn's protocol, which writes the head by itself. Out: the same, with the two together.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle


class Gathering:
    """Stands in for a transport while what belongs together is written."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        self._parts.append(data)

    def flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts:
            self.transport.writelines(parts)

    def is_closing(self) -> bool:
        return self.transport.is_closing()

    def close(self) -> None:
        self.flush()
        self.transport.close()


class Answering:
    """What an application sends for one request: the head waits for the first of the body."""

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._head: Any = None

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._head = message
            return
        if self._head is None:
            await self._cycle.send(message)
            return
        head, self._head = self._head, None
        gathering: Any = Gathering(self._cycle.transport)
        self._cycle.transport = gathering
        try:
            await self._cycle.send(head)
            await self._cycle.send(message)
        finally:
            self._cycle.transport = gathering.transport
            gathering.flush()


class OneWriteProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP/1.1."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            await app(scope, receive, Answering(cycle))

        # Uvicorn types an application by the protocols of asgiref, which Starlette's are not.
        super()._start_asgi_task(cycle, answer)  # type: ignore[arg-type]
