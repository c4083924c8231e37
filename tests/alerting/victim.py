"""A process that is killed again and again.

A fork server has imported Backbeat once, so that a start costs milliseconds, and a thousand kills minutes.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

PATIENCE_S = 120.0
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["backbeat.alerting", "backbeat.state", "aiohttp"])


class Victim:
    """Runs `main(connection, *args)`, a function of a module, in a process of its own."""

    def __init__(self, main: Callable[..., None], *args: object) -> None:
        self._main = main
        self._args = args
        self._connection: Connection[Any, Any]
        self._process: Any

    async def begin(self) -> None:
        """Start it, also after a kill."""
        self._connection, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=self._main, args=(theirs, *self._args), daemon=True)
        await asyncio.to_thread(self._process.start)
        theirs.close()

    async def ask(self, request: object) -> object:
        self._connection.send(request)
        return await self.hear()

    async def hear(self) -> object:
        """What it says next. Raises EOFError where it ended, TimeoutError where it says nothing."""
        if not await asyncio.to_thread(self._connection.poll, PATIENCE_S):
            raise TimeoutError("the process says nothing")
        return self._connection.recv()

    async def kill(self) -> list[object]:
        """kill -9; returns what it had said and nobody had heard."""
        self._process.kill()
        await asyncio.to_thread(self._process.join)
        unheard: list[object] = []
        with suppress(EOFError, OSError):
            while self._connection.poll():
                unheard.append(self._connection.recv())
        self._connection.close()
        self._process.close()
        return unheard
