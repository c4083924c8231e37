"""The process around a server: its socket, its signals, its tasks, its end.

What is opened first is closed last: the store and the state outlive everything that writes to them.
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
from backbeat.model.clock import now_ms
from backbeat.model.errors import BackbeatError, WorldFailure
from backbeat.server import Backbeat, read_config, say_warnings, storage_options, with_host_collector
from backbeat.storage import open_storage
from backbeat.web.security import is_loopback

log = logging.getLogger("backbeat")

STOP_CONNECTIONS_S = 2


class NotStarted(BackbeatError):
    """Backbeat cannot start here; the message says what to do."""


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


def refuse_open_doors(config: Config, host: str) -> None:
    """Raises NotStarted for an address that others reach while nobody has to sign in."""
    open_to_all = not (config.web and config.web.users) and not config.backbeat.allow_unauthenticated
    if not is_loopback(host) and open_to_all:
        raise NotStarted(
            f"refusing to listen on {host} without authentication; add basic_auth_users to web.yml,"
            " or listen on 127.0.0.1, or set allow_unauthenticated: true in backbeat.yml"
        )


class WebServer(uvicorn.Server):
    """Uvicorn without signal handlers of its own: the server's owner says when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(config_dir: Path, data: Path, host: str, port: int) -> None:
    """Run until SIGTERM or SIGINT. Raises BackbeatError where it cannot start."""
    config = with_host_collector(read_config(config_dir))
    refuse_open_doors(config, host)
    say_warnings(config)
    listener = bind(host, port)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    shown_host = f"[{host}]" if ":" in host else host
    url = f"http://{shown_host}:{listener.getsockname()[1]}"
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        storage = await asyncio.to_thread(open_storage, data / "samples", storage_options(config), now_ms)
        stack.push_async_callback(asyncio.to_thread, storage.close)
        backbeat = Backbeat(config_dir, config, storage, url)
        await backbeat.start(stack, str(data / "state.db"))
        loop.add_signal_handler(signal.SIGHUP, backbeat.reload_soon)
        await _run(backbeat, listener, host, stop, url)


async def _run(backbeat: Backbeat, listener: socket.socket, host: str, stop: asyncio.Event, url: str) -> None:
    web = backbeat.config.web
    settings = uvicorn.Config(
        backbeat.app(host),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=STOP_CONNECTIONS_S,
        limit_concurrency=512,
        ssl_certfile=(web.tls_cert_file or None) if web else None,
        ssl_keyfile=(web.tls_key_file or None) if web else None,
    )
    server = WebServer(settings)
    tasks = [
        asyncio.create_task(server.serve(sockets=[listener]), name="web"),
        asyncio.create_task(backbeat.keep_store(), name="store upkeep"),
        asyncio.create_task(backbeat.tell_news(), name="news"),
    ]
    backbeat.is_ready = True
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    log.info("Backbeat %s listens on %s", __version__, url)
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


__all__ = ["NotStarted", "serve"]
