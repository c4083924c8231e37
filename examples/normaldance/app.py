"""Puts the service together: routes, measurement, and the switches for its faults."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from backbeat_instrument import Metrics, MetricsEndpoint, MetricsMiddleware

from . import api, media
from .cache import Cache
from .database import Database
from .faults import DESCRIPTIONS, Faults, UnknownFaultError
from .rate_limit import RateLimit
from .service import Service

_PAGE = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
_WARM_TRACKS = 200
_WRITE_PLAYS_EVERY_S = 2.0


def build_app(data_dir: Path, registry: CollectorRegistry | None = None) -> Starlette:
    """The service with its files under `data_dir`, which is made if missing."""
    upload_dir = data_dir / "uploads"
    upload_dir.mkdir(parents=True, exist_ok=True)
    metrics, faults = Metrics(registry or _own_registry()), Faults()
    database = Database(data_dir, metrics, faults)
    service = Service(
        metrics=metrics,
        faults=faults,
        database=database,
        cache=Cache(metrics, faults, time.monotonic),
        rate_limit=RateLimit(faults, time.monotonic),
        upload_dir=upload_dir,
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(_warm_cache, service)
        writer = asyncio.create_task(_write_plays(service), name="write plays")
        yield
        writer.cancel()
        await asyncio.wait([writer])
        database.close()

    app = Starlette(
        routes=[
            Route("/", front_page),
            Route("/favicon.ico", lambda _: Response(status_code=204)),
            Route("/healthz", lambda _: PlainTextResponse("ok\n")),
            Route("/metrics", MetricsEndpoint(metrics)),
            Route("/chaos", show_faults, methods=["GET"]),
            Route("/chaos", switch_faults, methods=["POST"]),
            *api.routes(),
            *media.routes(),
        ],
        middleware=[
            Middleware(
                MetricsMiddleware,
                metrics=metrics,
                skip_paths=("/metrics", "/healthz", "/chaos", "/favicon.ico"),
            )
        ],
        lifespan=lifespan,
    )
    app.state.service = service
    return app


def _warm_cache(service: Service) -> None:
    """Read what listeners ask for most, so that a restart does not send it to the database."""
    for track in reversed(service.database.most_played(_WARM_TRACKS)):
        service.cache.put(("track", track["id"]), track)


async def _write_plays(service: Service) -> None:
    while True:
        await asyncio.sleep(_WRITE_PLAYS_EVERY_S)
        if service.plays:
            plays = dict(service.plays)
            service.plays.clear()
            await run_in_threadpool(service.database.add_plays, plays)


def _own_registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


async def front_page(_: Request) -> Response:
    return HTMLResponse(_PAGE)


async def show_faults(request: Request) -> Response:
    state = api.service_of(request).faults.state()
    return JSONResponse(
        {"faults": state, "descriptions": DESCRIPTIONS}, headers={"Cache-Control": "no-store"}
    )


async def switch_faults(request: Request) -> Response:
    """Take {"name": true, …}. The JSON type is required since another site's page cannot send it unasked."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        return JSONResponse({"error": "send Content-Type: application/json"}, 415)
    try:
        wanted = json.loads(await request.body())
    except ValueError as error:
        return JSONResponse({"error": f"the body is not JSON: {error}"}, 400)
    if not isinstance(wanted, dict) or not all(isinstance(on, bool) for on in wanted.values()):
        return JSONResponse({"error": 'expected an object such as {"slow_database": true}'}, 400)
    if unknown := [name for name in wanted if name not in DESCRIPTIONS]:
        return JSONResponse({"error": str(UnknownFaultError(unknown[0]))}, 400)
    faults = api.service_of(request).faults
    for name, on in wanted.items():
        faults.switch(name, on)
    return await show_faults(request)
