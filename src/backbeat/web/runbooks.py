"""The runbooks as a page, where alerts' runbook_url points."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from backbeat.profile.runbooks import RUNBOOKS_CSS, runbooks_page
from backbeat.web.dispatch import Route


def runbook_routes() -> list[Route]:
    return [
        Route("/runbooks", _page, methods=["GET"]),
        Route("/runbooks.css", _style, methods=["GET"]),
    ]


async def _page(request: Request) -> Response:
    return HTMLResponse(runbooks_page())


async def _style(request: Request) -> Response:
    return Response(RUNBOOKS_CSS, media_type="text/css")
