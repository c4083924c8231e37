"""From a directory to a running server: files read, address taken, store opened, all else loads.

Reading the log of a store takes as long as loading the modules of a server, and most of it needs no
Python: one thread does the first while another does the second. So this module imports only what is
needed to read the files and to open the store; `backbeat.running` is everything else.
"""

from __future__ import annotations

import asyncio
import resource
import signal
import socket
from contextlib import AsyncExitStack
from pathlib import Path

from backbeat.model.clock import now_ms
from backbeat.settings import (
    NotStarted,
    read_config,
    refuse_open_doors,
    say_warnings,
    storage_options,
    with_host_collector,
)
from backbeat.storage import open_storage


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


async def serve(config_dir: Path, data: Path, host: str, port: int) -> None:
    """Run until SIGTERM or SIGINT. Raises BackbeatError where it cannot start."""
    config = with_host_collector(read_config(config_dir))
    refuse_open_doors(config, host)
    say_warnings(config)
    allow_descriptors()
    listener = bind(host, port)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        opening = loop.run_in_executor(None, open_storage, data / "samples", storage_options(config), now_ms)
        from backbeat.running import run  # meanwhile

        storage = await opening
        stack.push_async_callback(asyncio.to_thread, storage.close)
        await run(config_dir, data, config, storage, listener, host, stop)


__all__ = ["NotStarted", "serve"]
