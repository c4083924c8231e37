"""Backbeat's own API for deployments: what changed in a stretch of time, and the door to tell of one."""

from __future__ import annotations

import asyncio

import anyio.to_thread
import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from backbeat.model.appender import Appender
from backbeat.model.clock import Now
from backbeat.model.labels import METRIC_NAME, Labels
from backbeat.model.results import Matrix, Querier, RawSamples
from backbeat.web.bodies import Body
from backbeat.web.deployments import (
    STARTS,
    TOLD_METRIC,
    VERSIONS,
    Change,
    in_order,
    new_versions,
    starts,
    told,
)
from backbeat.web.dispatch import Route
from backbeat.web.params import BadParameter, Parameters, parse_time
from backbeat.web.responses import success

PATH = "/api/backbeat/v1/deployments"
_LONGEST_NAME = 200
_MOST_STEPS = 1000
_FINEST_STEP_MS = 15_000
_LONGEST_MS = 366 * 86_400_000


class DeploymentsAPI:
    """Described in docs/backbeat-api.md."""

    def __init__(self, querier: Querier, appender: Appender, now: Now) -> None:
        self._querier = querier
        self._appender = appender
        self._now = now

    def routes(self) -> list[Route]:
        return [Route(PATH, self.changes, methods=["GET"]), Route(PATH, self.tell, methods=["POST"])]

    async def changes(self, request: Request) -> Response:
        params = await Parameters.of(request)
        end_ms = params.time_ms("end", self._now())
        start_ms = params.time_ms("start", end_ms - 86_400_000)
        if not 0 < end_ms - start_ms <= _LONGEST_MS:
            raise BadParameter("end must be after start, and by a year at most")
        found = await self.between(start_ms, end_ms)
        return success(request, [_fields(each) for each in found])

    async def between(self, start_ms: int, end_ms: int) -> list[Change]:
        step_ms = max(_FINEST_STEP_MS, -(-(end_ms - start_ms) // _MOST_STEPS))
        said, versions, processes = await asyncio.gather(
            self._querier.instant(f"{TOLD_METRIC}[{end_ms - start_ms}ms]", end_ms),
            self._querier.range(VERSIONS, start_ms, end_ms, step_ms),
            self._querier.range(STARTS, start_ms, end_ms, step_ms),
        )
        deployed = told(said.value) if isinstance(said.value, RawSamples) else []
        if isinstance(versions.value, Matrix):
            deployed += new_versions(versions.value)
        restarted = starts(processes.value, start_ms, end_ms) if isinstance(processes.value, Matrix) else []
        return in_order(deployed, restarted)

    async def tell(self, request: Request) -> Response:
        """`{"service": …, "version": …, "at": …}`; kept as a sample, so that PromQL knows it as well."""
        change = _change(await Body.of(request), self._now())
        series = Labels.of({METRIC_NAME: TOLD_METRIC, "service": change.service, "version": change.version})
        times, values = np.array([change.at_ms], np.int64), np.ones(1)
        appended = await anyio.to_thread.run_sync(self._appender.append_samples, [series], times, values)
        if not appended.stored + appended.duplicate:
            raise BadParameter("at: too old or too far ahead to be stored")
        return success(request, _fields(change))


def _change(body: Body, now_ms: int) -> Change:
    service, version = body.text("service"), body.text("version")
    for name, value in (("service", service), ("version", version)):
        if len(value) > _LONGEST_NAME:
            raise BadParameter(f"{name}: expected a text of at most {_LONGEST_NAME} characters")
    if not service:
        raise BadParameter('service: say what was deployed, such as "api"')
    at = body.fields.get("at")
    if at is None:
        return Change(now_ms, "deployed", service, version)
    if not isinstance(at, (str, int, float)) or isinstance(at, bool):
        raise BadParameter("at: expected a moment as RFC 3339 or in seconds")
    return Change(parse_time(str(at), "at"), "deployed", service, version)


def _fields(change: Change) -> dict[str, object]:
    return {
        "atMs": change.at_ms,
        "kind": change.kind,
        "service": change.service,
        "version": change.version,
        "words": change.words,
    }
