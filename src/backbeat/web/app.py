"""The web application: every route behind one guard, errors answered in each API's own form."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from backbeat.config.web import WebConfig
from backbeat.model.errors import BackbeatError
from backbeat.web.alertmanager_api import on_alerting_error
from backbeat.web.pages import Pages
from backbeat.web.responses import on_error
from backbeat.web.security import Guard

log = logging.getLogger(__name__)


def build_app(
    routes: Sequence[Route], *, hosts: Sequence[str], web: WebConfig | None, check_host: bool
) -> Guard:
    """Put the routes of the APIs and the pages (last, they take every other path) behind the guard."""

    async def ours(request: Request, error: Exception) -> Response:
        if request.url.path.startswith("/api/v2/"):
            return on_alerting_error(request, error)
        return on_error(request, error)

    async def bug(request: Request, error: Exception) -> Response:
        log.error("a bug: %s %s failed", request.method, request.url.path, exc_info=error)
        return on_error(request, error)

    app = Starlette(
        routes=[*routes, *Pages().routes()],
        exception_handlers={BackbeatError: ours, Exception: bug},
    )
    return Guard(app, hosts=hosts, web=web, check_host=check_host)
