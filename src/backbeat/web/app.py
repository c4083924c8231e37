"""The web application: every route behind one guard, errors answered in each API's own form."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from backbeat.config.web import WebConfig
from backbeat.model.errors import BackbeatError
from backbeat.web.alertmanager_api import on_alerting_error
from backbeat.web.dispatch import Dispatcher, Route
from backbeat.web.pages import Pages
from backbeat.web.responses import on_error
from backbeat.web.security import Guard

log = logging.getLogger(__name__)


def build_app(
    routes: Sequence[Route], *, hosts: Sequence[str], web: WebConfig | None, check_host: bool
) -> Guard:
    """Put the routes of the APIs and the pages (last, they take every other path) behind the guard."""
    app = Dispatcher([*routes, *Pages().routes()], _on_error)
    return Guard(app, hosts=hosts, web=web, check_host=check_host)


def _on_error(request: Request, error: Exception) -> Response:
    path = request.scope["path"]
    if not isinstance(error, BackbeatError):
        log.error("a bug: %s %s failed", request.method, path, exc_info=error)
    elif path.startswith("/api/v2/"):
        return on_alerting_error(request, error)
    return on_error(request, error)
