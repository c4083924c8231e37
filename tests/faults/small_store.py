"""The real server with a store that cuts, merges and forgets within seconds, and a door for deletions.

    python tests/faults/small_store.py CONFIG DATA PORT     and a line on stdin for each start

`PUT /test/delete?n=<series>&start=<ms>&end=<ms>` deletes samples of `pushed`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

import backbeat.server as server
import backbeat.serving as serving
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.web.dispatch import Route

RETENTION_MS = 15_000
_options_of = server.storage_options
_routes_of = server.IngestAPI.routes


def small_options(config: Any) -> Any:
    return replace(
        _options_of(config),
        head_span_ms=500,
        cut_delay_ms=500,
        chunk_rows=8,
        segment_bytes=50_000,
        compaction_spans=(2_000, 8_000),
        retention_time_ms=RETENTION_MS,
    )


def routes_with_deletion(api: Any) -> list[Route]:
    async def delete(request: Request) -> Response:
        asked = request.query_params
        matchers = [
            Matcher("__name__", MatchOp.EQUAL, "pushed"),
            Matcher("n", MatchOp.EQUAL, asked["n"]),
        ]
        store = api._receiver._appender
        await asyncio.to_thread(store.delete_series, matchers, int(asked["start"]), int(asked["end"]))
        return Response(status_code=204)

    return [*_routes_of(api), Route("/test/delete", delete, methods=["PUT"])]


def main() -> None:
    """Start a server at each line of stdin, say its process, wait for its end and say that."""
    for _ in sys.stdin:
        # What is imported already need not be imported at each start, so that kills are cheap.
        process = os.fork()
        if not process:
            _serve()
        print(process, flush=True)
        os.waitpid(process, 0)
        print("ended", flush=True)


def _serve() -> NoReturn:
    try:
        logging.basicConfig(level=logging.WARNING)
        serving.storage_options = small_options
        server.IngestAPI.routes = routes_with_deletion  # type: ignore[method-assign]
        # Upkeep looks for windows at every run, and runs often.
        server.Storage.maintain = _maintain_at_once  # type: ignore[method-assign]
        config, data, port = sys.argv[1:4]
        asyncio.run(serving.serve(Path(config), Path(data), "127.0.0.1", int(port)))
    except BaseException:
        logging.exception("the server ended by itself")
    os._exit(1)


def _maintain_at_once(store: Any) -> None:
    store._keeper._checked_at = -(10**9)
    store._keeper.run()


if __name__ == "__main__":
    main()
