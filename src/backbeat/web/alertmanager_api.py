"""Alertmanager's API v2: alerts in and out, groups, silences, receivers, status."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import anyio.to_thread
import orjson
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from backbeat import __version__
from backbeat.alerting import (
    Alerting,
    AlertState,
    AlertView,
    Filter,
    GroupView,
    InvalidAlerts,
    InvalidSilence,
    TooManyAlerts,
    UnknownSilence,
    unhurried,
)
from backbeat.config.matcher_syntax import MatcherError, parse_matcher
from backbeat.model.alerts import AlertSink
from backbeat.model.clock import Now
from backbeat.model.errors import BackbeatError, WorldFailure
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.state.records import Silence, SilenceState
from backbeat.web.alertmanager_bodies import (
    Malformed,
    OtherMedia,
    Unprocessable,
    alert_of,
    first_wrong,
    silence_of,
)
from backbeat.web.dispatch import Route
from backbeat.web.ingest_api import read_body
from backbeat.web.moments import rfc3339
from backbeat.web.params import BadParameter, Parameters
from backbeat.web.responses import json_body

MAX_BODY_BYTES = 8 << 20
_LARGE_BYTES = 1 << 17
_YES = frozenset(("1", "t", "true", "y", "yes", "ok", "on", "selected", "checked", "enabled"))
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_STATUS: tuple[tuple[type[BackbeatError], int], ...] = (
    (TooManyAlerts, 429),
    (UnknownSilence, 404),
    (InvalidAlerts, 400),
    (InvalidSilence, 400),
    (WorldFailure, 503),
)


class AlertmanagerAPI:
    """`sink` is the door for alerts that come in; `alerting` answers everything else."""

    def __init__(self, alerting: Alerting, sink: AlertSink, now: Now, started_ms: int) -> None:
        self._alerting = alerting
        self._sink = sink
        self._now = now
        self._started_ms = started_ms

    def routes(self) -> list[Route]:
        return [
            Route("/api/v2/alerts", self.post_alerts, methods=["POST"]),
            Route("/api/v2/alerts", self.alerts, methods=["GET"]),
            Route("/api/v2/alerts/groups", self.groups, methods=["GET"]),
            Route("/api/v2/silences", self.post_silence, methods=["POST"]),
            Route("/api/v2/silences", self.silences, methods=["GET"]),
            Route("/api/v2/silence/{id}", self.silence, methods=["GET"]),
            Route("/api/v2/silence/{id}", self.delete_silence, methods=["DELETE"]),
            Route("/api/v2/receivers", self.receivers, methods=["GET"]),
            Route("/api/v2/status", self.status, methods=["GET"]),
            Route("/api/v2/{path:path}", self.unknown, methods=_METHODS),
        ]

    async def unknown(self, request: Request) -> Response:
        """No such path, or no such method of it."""
        path = request.scope["path"]
        known = [route for route in self.routes()[:-1] if route.parameters(path) is not None]
        allowed = [method for route in known for method in route.methods if method != "HEAD"]
        if not allowed:
            return _refusal(request, 404, f"path {path} was not found")
        said = f"method {request.method} is not allowed, but [{','.join(allowed)}] are"
        answer = _refusal(request, 405, said)
        answer.headers["Allow"] = ",".join(allowed)
        return answer

    async def post_alerts(self, request: Request) -> Response:
        entries = await _json(request, "alerts")
        if entries is None:
            return Response()
        if not isinstance(entries, list):
            raise Malformed("the body must be a JSON list of alerts")
        now_ms = self._now()
        found = await unhurried(alert_of(entry, index, now_ms) for index, entry in enumerate(entries))
        wrong = first_wrong(found)
        if wrong is not None:
            raise wrong
        await self._sink.receive([alert for alert, _ in found])
        return Response()

    async def alerts(self, request: Request) -> Response:
        wanted = _filter(await Parameters.of(request))
        found = await self._alerting.alerts_unhurried(wanted)
        return await _answer_each(request, (_alert_view(view, ()) for view in found))

    async def groups(self, request: Request) -> Response:
        wanted = _filter(await Parameters.of(request))
        found = await self._alerting.groups_unhurried(wanted)
        return await _answer_each(request, (_group_view(view) for view in found))

    async def post_silence(self, request: Request) -> Response:
        silence = self._with_schedule(silence_of(await _json(request, "silence")))
        confirmed = (await Parameters.of(request)).text("confirmed") == "true"
        kept = await self._alerting.set_silence(silence, confirmed=confirmed)
        return _answer(request, {"silenceID": kept.id})

    async def silences(self, request: Request) -> Response:
        params = await Parameters.of(request)
        matchers = _matchers(params.all("filter"))
        states = [state for state in SilenceState if _is_wanted(params, state)]
        creators = params.all("creator")
        shown = [
            self._silence(one)
            for one in self._alerting.silences()
            if one.state(self._now()) in states
            and all(wanted in one.matchers for wanted in matchers)
            and (not creators or one.created_by in creators)
        ]
        return _answer(request, shown)

    async def silence(self, request: Request) -> Response:
        silence_id = _silence_id(request)
        try:
            return _answer(request, self._silence(self._alerting.silence(silence_id)))
        except UnknownSilence:
            return Response(status_code=404)

    async def delete_silence(self, request: Request) -> Response:
        silence_id = _silence_id(request)
        try:
            await self._alerting.expire_silence(silence_id)
        except UnknownSilence:
            return Response(status_code=404)
        return Response()

    async def receivers(self, request: Request) -> Response:
        return _answer(
            request, [{"name": name, "labels": {"name": name}} for name in self._alerting.receivers()]
        )

    async def status(self, request: Request) -> Response:
        body = {
            "cluster": {"status": "disabled", "peers": []},
            "config": {"original": self._alerting.config.text},
            "uptime": rfc3339(self._started_ms),
            "versionInfo": {
                "version": __version__,
                "revision": "",
                "branch": "",
                "buildUser": "",
                "buildDate": "",
                "goVersion": "",
            },
        }
        return _answer(request, body)

    def _with_schedule(self, silence: Silence) -> Silence:
        """This API knows of no schedules; whoever changes a silence by it leaves the schedule as it is."""
        if not silence.id:
            return silence
        try:
            known = self._alerting.silence(silence.id)
        except UnknownSilence:
            return silence
        return replace(silence, schedule=known.schedule)

    def _silence(self, one: Silence) -> dict[str, Any]:
        return {
            "id": one.id,
            "status": {"state": str(one.state(self._now()))},
            "matchers": [_matcher(matcher) for matcher in one.matchers],
            "startsAt": rfc3339(one.starts_at_ms),
            "endsAt": rfc3339(one.ends_at_ms),
            "updatedAt": rfc3339(one.updated_at_ms),
            "createdBy": one.created_by,
            "comment": one.comment,
            **({"annotations": dict(one.annotations)} if one.annotations else {}),
        }


def on_alerting_error(request: Request, error: Exception) -> Response:
    """API v2 answers errors as a JSON text, and as an object where its schema speaks."""
    if isinstance(error, Unprocessable):
        return _refusal(request, 422, str(error), error.code)
    if isinstance(error, Malformed):
        return _refusal(request, error.status, str(error))
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 400)
    return json_body(request, orjson.dumps(str(error)), status)


def _refusal(request: Request, status: int, message: str, code: int = 0) -> Response:
    """As the API's schema words a refusal. code: the status, where the schema has none of its own."""
    return json_body(request, orjson.dumps({"code": code or status, "message": message}), status)


def _answer(request: Request, body: object) -> Response:
    return json_body(request, orjson.dumps(body))


async def _answer_each(request: Request, items: Iterable[object]) -> Response:
    """A JSON list; where it is long, nobody else waits while it is written and compressed."""
    body = b"[" + b",".join(await unhurried(orjson.dumps(item) for item in items)) + b"]"
    if len(body) < _LARGE_BYTES:
        return json_body(request, body)
    return await anyio.to_thread.run_sync(json_body, request, body)


async def _json(request: Request, what: str) -> Any:
    body = await read_body(request, MAX_BODY_BYTES)
    if body is None:
        raise BadParameter(f"the body is larger than {MAX_BODY_BYTES} bytes")
    if not body.strip():
        raise Unprocessable(602, f"{what} in body is required")
    found = request.headers.get("content-type", "application/octet-stream")
    if "json" not in found:
        raise OtherMedia(f'unsupported media type "{found}", only [application/json] are allowed')
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error}") from None


def _silence_id(request: Request) -> str:
    text = str(request.path_params["id"])
    try:
        return str(UUID(text))
    except ValueError:
        raise Unprocessable(601, f'silenceID in path must be of type uuid: "{text}"') from None


def _matcher(matcher: Matcher) -> dict[str, Any]:
    return {
        "name": matcher.name,
        "value": matcher.value,
        "isRegex": matcher.op in (MatchOp.REGEX, MatchOp.NOT_REGEX),
        "isEqual": matcher.op in (MatchOp.EQUAL, MatchOp.REGEX),
    }


def _matchers(texts: list[str]) -> list[Matcher]:
    try:
        return [parse_matcher(text) for text in texts]
    except MatcherError as error:
        raise BadParameter(str(error)) from None


def _is_wanted(params: Parameters, name: str) -> bool:
    """A switch that is on where nobody says anything; what does not say yes says no, as in Alertmanager."""
    return (params.text(name) or "true").lower() in _YES


def _filter(params: Parameters) -> Filter:
    return Filter(
        active=_is_wanted(params, "active"),
        silenced=_is_wanted(params, "silenced"),
        inhibited=_is_wanted(params, "inhibited"),
        muted=_is_wanted(params, "muted"),
        matchers=_matchers(params.all("filter")),
        receiver=params.text("receiver"),
    )


def _alert_view(view: AlertView, muted_by: Sequence[str]) -> dict[str, Any]:
    """muted_by: what mutes the group in which the alert is shown; on its own, nothing does."""
    alert, status = view.alert, view.status
    state = AlertState.SUPPRESSED if muted_by else status.state
    url = {"generatorURL": alert.generator_url} if alert.generator_url else {}
    return {
        "annotations": dict(alert.annotations),
        "endsAt": rfc3339(alert.ends_at_ms),
        "fingerprint": view.fingerprint,
        "receivers": [{"name": name} for name in view.receivers],
        "startsAt": rfc3339(alert.starts_at_ms),
        "status": {
            "inhibitedBy": list(status.inhibited_by),
            "mutedBy": list(muted_by),
            "silencedBy": list(status.silenced_by),
            "state": str(state),
        },
        "updatedAt": rfc3339(alert.updated_at_ms),
        **url,
        "labels": dict(alert.labels),
    }


def _group_view(view: GroupView) -> dict[str, Any]:
    return {
        "alerts": [_alert_view(one, view.muted_by) for one in view.alerts],
        "labels": dict(view.labels),
        "receiver": {"name": view.receiver},
        "routeLabels": dict(view.route_labels),
    }
