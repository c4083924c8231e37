"""Backbeat's own API of silences: with a reason, with a schedule, and tried out first.

Alertmanager's (`/api/v2/silences`) is answered beside it, over the same silences.
"""

from __future__ import annotations

from typing import Any

import orjson
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from backbeat.alerting import Alerting, Filter
from backbeat.config.schedule import schedule_fields, schedule_from
from backbeat.model.clock import Now
from backbeat.model.durations import parse_duration
from backbeat.model.errors import DurationError
from backbeat.model.matchers import Matcher
from backbeat.state.records import Silence, SilenceState
from backbeat.web.bodies import Body, matchers_of
from backbeat.web.dispatch import Route
from backbeat.web.moments import parse_rfc3339, rfc3339
from backbeat.web.oncall_views import alert_fields
from backbeat.web.params import BadParameter, Parameters
from backbeat.web.responses import success

_ROOT = "/api/backbeat/v1/silences"


class SilencesAPI:
    """Described in docs/backbeat-api.md."""

    def __init__(self, alerting: Alerting, now: Now) -> None:
        self._alerting = alerting
        self._now = now

    def routes(self) -> list[Route]:
        return [
            Route(_ROOT, self.silences, methods=["GET"]),
            Route(_ROOT, self.post, methods=["POST"]),
            Route(f"{_ROOT}/preview", self.preview, methods=["POST"]),
            Route(f"{_ROOT}/{{id}}", self.delete, methods=["DELETE"]),
        ]

    async def silences(self, request: Request) -> Response:
        params = await Parameters.of(request)
        states = params.all("state") or [SilenceState.ACTIVE.value, SilenceState.PENDING.value]
        known = [state.value for state in SilenceState]
        if any(state not in known for state in states):
            raise BadParameter(f"state: found {', '.join(states)}, expected {', '.join(known)}")
        wanted = matchers_of(params.all("match"), "match")
        return success(
            request,
            [
                self._fields(each)
                for each in self._alerting.silences()
                if each.state(self._now()) in states and all(matcher in each.matchers for matcher in wanted)
            ],
        )

    async def post(self, request: Request) -> Response:
        """Make a silence, or change one by its id; it holds, and is written, when this is answered."""
        body = await Body.of(request)
        kept = await self._alerting.set_silence(self._silence(body), confirmed=body.flag("confirmed"))
        return success(request, {**self._fields(kept), "mutes": await self._muted(list(kept.matchers))})

    async def preview(self, request: Request) -> Response:
        """Which firing alerts a silence with these matchers would mute now."""
        matchers = (await Body.of(request)).matchers()
        if not matchers:
            raise BadParameter('matchers: expected a list of texts such as ["alertname=\\"X\\""]')
        return success(request, {"wouldMute": await self._muted(matchers)})

    async def delete(self, request: Request) -> Response:
        """End a silence now; one that has ended stays as it is."""
        await self._alerting.expire_silence(request.path_params["id"])
        return success(request, self._fields(self._alerting.silence(request.path_params["id"])))

    async def _muted(self, matchers: list[Matcher]) -> list[dict[str, Any]]:
        found = await self._alerting.alerts_unhurried(Filter(matchers=matchers))
        return [alert_fields(view) for view in found]

    def _silence(self, body: Body) -> Silence:
        comment = body.text("comment")
        if not comment:
            raise BadParameter("comment: say why, for those who wonder later why nobody was told")
        schedule = body.fields.get("schedule")
        silence = Silence(
            id=body.text("id"),
            matchers=tuple(body.matchers()),
            starts_at_ms=parse_rfc3339(body.fields.get("startsAt"), "startsAt"),
            ends_at_ms=0,
            created_by=body.created_by(),
            comment=comment,
            schedule=schedule_from(orjson.dumps(schedule).decode()) if schedule else (),
        )
        return replace(silence, ends_at_ms=self._end(body, silence.starts_at_ms or self._now()))

    @staticmethod
    def _end(body: Body, starts_at_ms: int) -> int:
        ends_at_ms, lasts = parse_rfc3339(body.fields.get("endsAt"), "endsAt"), body.text("duration")
        if bool(ends_at_ms) == bool(lasts):
            raise BadParameter('expected either endsAt, a time, or duration, such as "2h"')
        try:
            return ends_at_ms or starts_at_ms + parse_duration(lasts)
        except DurationError as error:
            raise BadParameter(f"duration: {error}") from None

    def _fields(self, silence: Silence) -> dict[str, Any]:
        return {
            "id": silence.id,
            "state": silence.state(self._now()).value,
            "matchers": [str(matcher) for matcher in silence.matchers],
            "startsAt": rfc3339(silence.starts_at_ms),
            "endsAt": rfc3339(silence.ends_at_ms),
            "updatedAt": rfc3339(silence.updated_at_ms),
            "createdBy": silence.created_by,
            "comment": silence.comment,
            "schedule": schedule_fields(silence.schedule),
        }
