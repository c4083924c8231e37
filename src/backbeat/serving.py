"""The process around a server: its socket, its signals, its tasks, its end.

What is opened first is closed last: the store and the state outlive everything that writes to them.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import uvicorn

from backbeat import __version__
from backbeat.model.clock import now_ms
from backbeat.model.errors import WorldFailure
from backbeat.server import (
    Backbeat,
    NotStarted,
    read_config,
    refuse_open_doors,
    say_warnings,
    storage_options,
    with_host_collector,
)
from backbeat.storage import open_storage
from backbeat.web.tls import protocol_for, server_context

log = logging.getLogger("backbeat")

STOP_CONNECTIONS_S = 2


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises NotStarted where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise NotStarted(
            f"cannot listen on {host}:{port}: {reason}; stop the other program or choose another --listen"
        ) from None
    return listener


def allow_descriptors() -> None:
    """As many open files and connections as the system lets this process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class WebServer(uvicorn.Server):
    """Uvicorn without signal handlers of its own: the server's owner says when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(config_dir: Path, data: Path, host: str, port: int) -> None:
    """Run until SIGTERM or SIGINT. Raises BackbeatError where it cannot start."""
    config = with_host_collector(read_config(config_dir))
    refuse_open_doors(config, host)
    tls = config.web.tls if config.web else None
    context = server_context(tls) if tls else None
    say_warnings(config)
    allow_descriptors()
    listener = bind(host, port)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    shown_host = f"[{host}]" if ":" in host else host
    url = f"http{'s' if tls else ''}://{shown_host}:{listener.getsockname()[1]}"
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        storage = await asyncio.to_thread(open_storage, data / "samples", storage_options(config), now_ms)
        stack.push_async_callback(asyncio.to_thread, storage.close)
        backbeat = Backbeat(config_dir, config, storage, url, host)
        await backbeat.start(stack, str(data / "state.db"))
        loop.add_signal_handler(signal.SIGHUP, backbeat.reload_soon)
        settings = uvicorn.Config(
            backbeat.app(),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=STOP_CONNECTIONS_S,
            limit_concurrency=512,
            http=protocol_for(tls.client_allowed_sans if tls else ()),
            ssl_context_factory=(lambda *_: context) if context else None,
        )
        log.info("Backbeat %s listens on %s", __version__, url)
        await _run(backbeat, WebServer(settings), listener, stop)


async def _run(backbeat: Backbeat, server: WebServer, listener: socket.socket, stop: asyncio.Event) -> None:
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
    server.should_exit = True
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


__all__ = ["NotStarted", "keep_pauses_short", "serve"]
