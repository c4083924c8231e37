"""A server at work: its parts, its web server, its tasks, its end.

What is opened first is closed last: the state outlives everything that writes to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import uvicorn

from backbeat import __version__
from backbeat.config.backbeat import Config
from backbeat.model.errors import WorldFailure
from backbeat.server import Backbeat
from backbeat.storage import Storage
from backbeat.web.tls import protocol_for, server_context

log = logging.getLogger("backbeat")

STOP_CONNECTIONS_S = 2


class WebServer(uvicorn.Server):
    """Uvicorn without signal handlers of its own: the server's owner says when to stop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        self.should_exit = True
        self._stopped.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        """Once a second, not ten times: the date that answers carry."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._stopped.wait()


async def run(
    config_dir: Path,
    data: Path,
    config: Config,
    storage: Storage,
    listener: socket.socket,
    host: str,
    stop: asyncio.Event,
) -> None:
    """Answer on the listener until `stop` is set. Raises BackbeatError where a part cannot start or ends."""
    tls = config.web.tls if config.web else None
    context = server_context(tls) if tls else None
    shown_host = f"[{host}]" if ":" in host else host
    url = f"http{'s' if tls else ''}://{shown_host}:{listener.getsockname()[1]}"
    async with AsyncExitStack() as stack:
        backbeat = Backbeat(config_dir, config, storage, url, host)
        await backbeat.start(stack, str(data / "state.db"))
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, backbeat.reload_soon)
        settings = uvicorn.Config(
            backbeat.app(),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOP_CONNECTIONS_S,
            limit_concurrency=512,
            http=protocol_for(tls.client_allowed_sans if tls else ()),
            ws="none",
            ssl_context_factory=(lambda *_: context) if context else None,
        )
        log.info("Backbeat %s listens on %s", __version__, url)
        await _until_stopped(backbeat, WebServer(settings), listener, stop)


async def _until_stopped(
    backbeat: Backbeat, server: WebServer, listener: socket.socket, stop: asyncio.Event
) -> None:
    tasks = [
        asyncio.create_task(server.serve(sockets=[listener]), name="web"),
        asyncio.create_task(backbeat.keep_log(), name="log upkeep"),
        asyncio.create_task(backbeat.keep_store(), name="store upkeep"),
        asyncio.create_task(backbeat.tell_news(), name="news"),
        asyncio.create_task(backbeat.watch_itself(), name="watch over itself"),
    ]
    backbeat.is_ready = True
    keep_pauses_short()
    stopped = asyncio.create_task(stop.wait(), name="stop")
    done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
    backbeat.is_ready = False
    server.stop()
    await backbeat.live.close()
    for task in [*tasks[1:], stopped]:
        task.cancel()
    await asyncio.gather(*tasks, stopped, return_exceptions=True)
    for task in done - {stopped}:
        if (error := task.exception()) is not None:
            raise error
        raise WorldFailure(f"the {task.get_name()} part of Backbeat ended by itself; see the log")
    log.info("Backbeat stops")


def keep_pauses_short() -> None:
    """Collect garbage often and little: what holds up everyone is a collection of a million objects at once.

    The whole heap is looked at as rarely as it would be after 100 million allocations that stay.
    """
    gc.freeze()
    gc.enable()
    gc.set_threshold(10_000, 3, 3_333)
