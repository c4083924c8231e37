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
from starlette.routing import Route

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
from backbeat.config.matcher_syntax import MatcherError, parse_matchers
from backbeat.model.alerts import Alert, AlertSink
from backbeat.model.clock import Now
from backbeat.model.errors import BackbeatError, WorldFailure
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.state.records import Silence, SilenceState
from backbeat.web.ingest_api import read_body
from backbeat.web.moments import parse_rfc3339, rfc3339
from backbeat.web.params import BadParameter, Parameters
from backbeat.web.responses import json_body

MAX_BODY_BYTES = 8 << 20
_LARGE_BYTES = 1 << 17
_YES = frozenset(("1", "t", "true", "y", "yes", "ok", "on", "selected", "checked", "enabled"))
_STATUS: tuple[tuple[type[BackbeatError], int], ...] = (
    (TooManyAlerts, 429),
    (UnknownSilence, 404),
    (InvalidAlerts, 400),
    (InvalidSilence, 400),
    (WorldFailure, 503),
)


class Unprocessable(BackbeatError):
    """A body or an id that lacks what the API's schema requires; answered with 422 and the schema's code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


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
        ]

    async def post_alerts(self, request: Request) -> Response:
        entries = await _json(request, "alerts")
        if entries is None:
            return Response()
        if not isinstance(entries, list):
            raise BadParameter("the body must be a JSON list of alerts")
        now_ms = self._now()
        alerts = await unhurried(_alert_of(entry, index, now_ms) for index, entry in enumerate(entries))
        await self._sink.receive(alerts)
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
        body = await _json(request, "silence")
        if not isinstance(body, dict):
            raise BadParameter("the body must be a JSON object describing a silence")
        _require(body, ("comment", "createdBy", "endsAt", "matchers", "startsAt"), "")
        silence = self._with_schedule(_silence_of(body))
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
        return _answer(request, self._silence(self._alerting.silence(_silence_id(request))))

    async def delete_silence(self, request: Request) -> Response:
        await self._alerting.expire_silence(_silence_id(request))
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
        }


def on_alerting_error(request: Request, error: Exception) -> Response:
    """API v2 answers errors as a JSON text, and as an object where its schema speaks."""
    if isinstance(error, Unprocessable):
        return json_body(request, orjson.dumps({"code": error.code, "message": str(error)}), 422)
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 400)
    return json_body(request, orjson.dumps(str(error)), status)


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
    if "json" not in request.headers.get("content-type", "application/json"):
        raise BadParameter("the body must be JSON, with content-type application/json")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadParameter(f"the body is not JSON: {error}") from None


def _require(body: dict[str, Any], names: Sequence[str], where: str) -> None:
    for name in names:
        if body.get(name) is None:
            raise Unprocessable(602, f"{where}{name} in body is required")
    if body.get("matchers") == []:
        raise Unprocessable(612, "matchers in body should have at least 1 items")


def _silence_id(request: Request) -> str:
    text = str(request.path_params["id"])
    try:
        return str(UUID(text))
    except ValueError:
        raise Unprocessable(601, f'silenceID in path must be of type uuid: "{text}"') from None


def _texts(value: object, what: str, *, keep_empty: bool = False) -> Labels:
    if value is None:
        return Labels()
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise BadParameter(f"{what}: found {value!r}, expected an object of texts")
    return Labels(sorted(value.items())) if keep_empty else Labels.of(value)


def _alert_of(entry: object, index: int, now_ms: int) -> Alert:
    if not isinstance(entry, dict):
        raise BadParameter(f"alert {index}: found {entry!r}, expected an object with labels")
    _require(entry, ("labels",), f"{index}.")
    where = f"alert {index}"
    return Alert(
        labels=_texts(entry.get("labels"), f"{where}: labels"),
        annotations=_texts(entry.get("annotations"), f"{where}: annotations", keep_empty=True),
        starts_at_ms=parse_rfc3339(entry.get("startsAt"), f"{where}: startsAt"),
        ends_at_ms=parse_rfc3339(entry.get("endsAt"), f"{where}: endsAt"),
        updated_at_ms=now_ms,
        generator_url=str(entry.get("generatorURL") or ""),
    )


def _silence_of(body: dict[str, Any]) -> Silence:
    matchers = body.get("matchers")
    if not isinstance(matchers, list) or not all(isinstance(one, dict) for one in matchers):
        raise BadParameter("matchers: expected a list of objects with name, value, isRegex and isEqual")
    for index, one in enumerate(matchers):
        _require(one, ("isRegex", "name", "value"), f"matchers.{index}.")
    return Silence(
        id=str(body.get("id") or ""),
        matchers=tuple(_matcher_of(one) for one in matchers),
        starts_at_ms=parse_rfc3339(body.get("startsAt"), "startsAt"),
        ends_at_ms=parse_rfc3339(body.get("endsAt"), "endsAt"),
        created_by=str(body.get("createdBy") or ""),
        comment=str(body.get("comment") or ""),
    )


def _matcher_of(one: dict[str, Any]) -> Matcher:
    equal, regex = one.get("isEqual", True) is not False, one.get("isRegex", False) is True
    ops = {
        (True, False): MatchOp.EQUAL,
        (False, False): MatchOp.NOT_EQUAL,
        (True, True): MatchOp.REGEX,
        (False, True): MatchOp.NOT_REGEX,
    }
    name, value = one.get("name"), one.get("value")
    if not isinstance(name, str) or not name or not isinstance(value, str):
        raise BadParameter(f"matchers: found {one!r}, expected name and value as texts")
    return Matcher(name, ops[equal, regex], value)


def _matcher(matcher: Matcher) -> dict[str, Any]:
    return {
        "name": matcher.name,
        "value": matcher.value,
        "isRegex": matcher.op in (MatchOp.REGEX, MatchOp.NOT_REGEX),
        "isEqual": matcher.op in (MatchOp.EQUAL, MatchOp.REGEX),
    }


def _matchers(texts: list[str]) -> list[Matcher]:
    try:
        return [matcher for text in texts for matcher in parse_matchers(text)]
    except MatcherError as error:
        raise BadParameter(f"bad matcher format: {error}") from None


def _is_wanted(params: Parameters, name: str) -> bool:
    """A switch that is on where nobody says so; what does not say yes says no, as in Alertmanager."""
    return params.text(name, "true").lower() in _YES


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
