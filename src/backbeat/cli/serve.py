"""`backbeat serve`: from the command line to a running server."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import Callable
from pathlib import Path

from backbeat.model.errors import BackbeatError


class UsageError(BackbeatError):
    """An option has a value that cannot be used."""


def parse_listen(text: str) -> tuple[str, int]:
    """Split HOST:PORT; an IPv6 host stands in brackets. Raises UsageError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"--listen: found {text!r}, expected HOST:PORT such as 127.0.0.1:9090")
    return host.removeprefix("[").removesuffix("]"), int(port)


def run_server(config_dir: Path, data: Path, listen: str, *, verbose: bool) -> int:
    """Serve until SIGTERM or SIGINT. Returns the exit code."""
    gc.disable()  # until all is loaded and the server is ready: what is made until then stays
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for chatty in ("asyncio", "aiohttp.access", "alembic", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    host, port = parse_listen(listen)
    # NumPy's linear algebra, which nothing here uses, starts a thread a core when it is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from backbeat.serving import serve

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(config_dir, data, host, port))
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop

    return uvloop.new_event_loop
