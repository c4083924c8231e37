"""Runs an ASGI application beside other tasks of one event loop, leaving the signals to the caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from backbeat.model.errors import WorldFailure


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: ASGIApp, host: str, port: int) -> AsyncIterator[None]:
    """Answer requests while the block runs."""
    settings = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = _Server(settings)
    task = asyncio.create_task(server.serve(), name=f"http server on {host}:{port}")
    try:
        while not server.started:
            if task.done():
                raise WorldFailure(f"{host}:{port}: cannot listen there; is the port in use?")
            await asyncio.sleep(0.02)
        yield
    finally:
        server.should_exit = True
        # uvicorn leaves by SystemExit when it cannot listen; the message above says it better.
        await asyncio.gather(task, return_exceptions=True)
