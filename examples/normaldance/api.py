"""The JSON API: browse, search, sign in, play.

What everybody reads goes through the cache, and every request through the rate limit.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .service import Service

Handler = Callable[[Request], Awaitable[Response]]

_chance = random.Random()  # noqa: S311 (chooses which request a fault hits)


class InternalFault(RuntimeError):
    """Raised by the `http_5xx` fault."""


def routes() -> list[Route]:
    return [
        Route("/api/tracks", _guarded(most_played)),
        Route("/api/tracks/{track_id:int}", _guarded(track)),
        Route("/api/tracks/{track_id:int}/plays", _guarded(play), methods=["POST"]),
        Route("/api/artists/{artist}", _guarded(artist)),
        Route("/api/search", _guarded(search)),
        Route("/api/library", _guarded(library)),
        Route("/api/users", _guarded(register), methods=["POST"]),
        Route("/api/sessions", _guarded(sign_in), methods=["POST"]),
    ]


def _guarded(handler: Handler) -> Handler:
    """Apply the rate limit of the client, and note who is active."""

    async def guarded(request: Request) -> Response:
        service = service_of(request)
        client = request.headers.get("x-user") or (request.client.host if request.client else "unknown")
        if not service.rate_limit.allows(client):
            service.metrics.rate_limited()
            return JSONResponse({"error": "too many requests"}, 429, headers={"Retry-After": "1"})
        service.metrics.user_seen(client)
        if service.faults.is_on("http_5xx") and _chance.random() < 1 / 3:
            raise InternalFault("the http_5xx fault is on")
        return await handler(request)

    return guarded


async def most_played(request: Request) -> Response:
    service = service_of(request)
    found = await _cached(service, "most played", lambda: service.database.most_played(20))
    return JSONResponse({"tracks": found})


async def track(request: Request) -> Response:
    service, track_id = service_of(request), int(request.path_params["track_id"])
    found = await _cached(service, ("track", track_id), lambda: service.database.track(track_id))
    if found is None:
        raise HTTPException(404, "no such track")
    return JSONResponse(found)


async def artist(request: Request) -> Response:
    service, name = service_of(request), str(request.path_params["artist"])
    service.metrics.feature_used("artist_page")
    found = await _cached(service, ("artist", name), lambda: service.database.by_artist(name) or None)
    if found is None:
        raise HTTPException(404, "no such artist")
    return JSONResponse({"artist": name, "tracks": found})


async def search(request: Request) -> Response:
    service, words = service_of(request), request.query_params.get("q", "").strip()[:100]
    if not words:
        raise HTTPException(400, "q is missing: say what to search for, as in /api/search?q=neon")
    service.metrics.feature_used("search")
    found = await _cached(service, ("search", words), lambda: service.database.search(words, 20))
    return JSONResponse({"tracks": found})


async def play(request: Request) -> Response:
    service, track_id = service_of(request), int(request.path_params["track_id"])
    service.metrics.feature_used("play")
    service.plays[track_id] += 1
    return Response(status_code=204)


async def library(request: Request) -> Response:
    """The tracks that the listener likes; each sees another list, so there is nothing to share in a cache."""
    service = service_of(request)
    service.metrics.feature_used("library")
    found = await run_in_threadpool(service.database.liked_by, _user_id(request))
    return JSONResponse({"tracks": found})


async def register(request: Request) -> Response:
    service = service_of(request)
    user_id = await run_in_threadpool(service.database.add_user, "a new listener")
    service.metrics.user_registered()
    return JSONResponse({"user_id": user_id}, 201)


async def sign_in(request: Request) -> Response:
    service = service_of(request)
    user_id = _user_id(request)
    if await run_in_threadpool(service.database.user, user_id) is None:
        raise HTTPException(401, "no such user")
    service.metrics.user_logged_in()
    return JSONResponse({"user_id": user_id}, 201)


def _user_id(request: Request) -> int:
    user = request.headers.get("x-user", "")
    if not (user.isdecimal() and len(user) < 12):
        raise HTTPException(401, "X-User must hold a user id")
    return int(user)


async def _cached(service: Service, key: Any, load: Callable[[], Any]) -> Any:
    value = service.cache.get(key)
    if value is None:
        value = await run_in_threadpool(load)
        if value is not None:
            service.cache.put(key, value)
    return value


def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service
