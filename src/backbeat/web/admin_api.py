"""Prometheus's admin API: deletes series, frees their space, takes snapshots. Off unless it is enabled."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from backbeat.model.clock import Now
from backbeat.model.results import BadQuery
from backbeat.promql.parser import parse_selector
from backbeat.storage import Storage
from backbeat.web.dispatch import Route
from backbeat.web.params import MAX_TIME_MS, MIN_TIME_MS, BadParameter, Parameters
from backbeat.web.responses import failure, success

CHANGES = ["POST", "PUT"]


class AdminAPI:
    """Changes what is stored; `enabled` is backbeat.yml's enable_admin_api."""

    def __init__(self, storage: Storage, now: Now, *, enabled: bool) -> None:
        self._storage = storage
        self._now = now
        self._enabled = enabled

    def routes(self) -> list[Route]:
        paths = {
            "delete_series": self.delete_series,
            "clean_tombstones": self.clean_tombstones,
            "snapshot": self.snapshot,
        }
        if not self._enabled:
            paths = dict.fromkeys(paths, self.refuse)
        return [Route(f"/api/v1/admin/tsdb/{path}", do, methods=CHANGES) for path, do in paths.items()]

    async def refuse(self, request: Request) -> Response:
        return failure(request, "unavailable", "admin APIs disabled")

    async def delete_series(self, request: Request) -> Response:
        """Delete samples of `match[]` from `start` to `end`; every selector is read before the first goes."""
        params = await Parameters.of(request)
        if not params.all("match[]"):
            raise BadParameter("no match[] parameter provided")
        start_ms, end_ms = params.time_ms("start", MIN_TIME_MS), params.time_ms("end", MAX_TIME_MS)
        try:
            selectors = [parse_selector(text) for text in params.all("match[]")]
        except BadQuery as error:
            raise BadParameter(f'invalid parameter "match[]": {error}') from None
        for matchers in selectors:
            await anyio.to_thread.run_sync(self._storage.delete_series, matchers, start_ms, end_ms)
        return Response(status_code=204)

    async def clean_tombstones(self, request: Request) -> Response:
        await anyio.to_thread.run_sync(self._storage.clean_tombstones)
        return Response(status_code=204)

    async def snapshot(self, request: Request) -> Response:
        """Copy everything, what is in memory too, to snapshots/<name> in the data directory."""
        moment = datetime.fromtimestamp(self._now() / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
        name = f"{moment}-{secrets.token_hex(8)}"
        target = self._storage.directory / "snapshots" / name
        await anyio.to_thread.run_sync(self._storage.snapshot, target)
        return success(request, {"name": name})
