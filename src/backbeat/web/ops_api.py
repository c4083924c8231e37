"""Health, readiness, reload and Backbeat's own metrics, at the paths people know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio.to_thread
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from backbeat.model.errors import BackbeatError
from backbeat.web.dispatch import Route


class OpsAPI:
    """What operators and supervisors call."""

    def __init__(
        self,
        registry: CollectorRegistry,
        reload: Callable[[], Awaitable[None]] | None,
        ready: Callable[[], bool],
    ) -> None:
        self._registry = registry
        self._reload = reload
        self._ready = ready

    def routes(self) -> list[Route]:
        return [
            Route("/-/healthy", self.healthy, methods=["GET"]),
            Route("/-/ready", self.ready, methods=["GET"]),
            Route("/-/reload", self.reload, methods=["POST", "PUT"]),
            Route("/metrics", self.metrics, methods=["GET"]),
        ]

    async def healthy(self, request: Request) -> Response:
        return PlainTextResponse("Backbeat is healthy.\n")

    async def ready(self, request: Request) -> Response:
        if self._ready():
            return PlainTextResponse("Backbeat is ready.\n")
        return PlainTextResponse("Backbeat is starting or stopping.\n", 503)

    async def reload(self, request: Request) -> Response:
        if self._reload is None:
            return PlainTextResponse(
                "the lifecycle API is off; set enable_lifecycle_api in backbeat.yml\n", 403
            )
        try:
            await self._reload()
        except BackbeatError as error:
            return PlainTextResponse(f"nothing was changed: {error}\n", 500)
        return Response()

    async def metrics(self, request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        body = await anyio.to_thread.run_sync(encode, self._registry)
        return Response(body, media_type=content_type)
