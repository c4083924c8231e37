"""Backbeat's own API for those on call: history, an alert's trail, its way, receivers tried out."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from backbeat.alerting import Alerting, AlertView, Search, Way
from backbeat.model.clock import Now
from backbeat.model.durations import parse_duration
from backbeat.model.errors import DurationError
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.state.records import Event
from backbeat.web.bodies import matchers_of
from backbeat.web.dispatch import Route
from backbeat.web.oncall_views import event_fields, quiet_fields, standing_fields
from backbeat.web.params import BadParameter, Parameters, parse_time
from backbeat.web.responses import success

_LOOKED_THROUGH, _MOST_REMEMBERED = 1000, 10
_ROOT = "/api/backbeat/v1"


class OnCallAPI:
    """Described in docs/backbeat-api.md."""

    def __init__(self, alerting: Alerting, now: Now) -> None:
        self._alerting = alerting
        self._now = now

    def routes(self) -> list[Route]:
        return [
            Route(f"{_ROOT}/alerts/history", self.history, methods=["GET"]),
            Route(f"{_ROOT}/alerts/{{alert}}/trail", self.trail, methods=["GET"]),
            Route(f"{_ROOT}/route", self.route, methods=["GET"]),
            Route(f"{_ROOT}/receivers/{{receiver}}/test", self.try_receiver, methods=["POST"]),
        ]

    async def history(self, request: Request) -> Response:
        params = await Parameters.of(request)
        page = await self._alerting.search(
            Search(
                since_ms=self._moment(params, "since"),
                until_ms=self._moment(params, "until"),
                matchers=matchers_of(params.all("match"), "match"),
                text=params.text("text"),
                before=params.count("before") or 0,
                limit=params.count("limit") or 100,
            )
        )
        return success(
            request, {"events": [event_fields(each) for each in page.events], "nextBefore": page.next_before}
        )

    async def trail(self, request: Request) -> Response:
        """By fingerprint, or by alert name: of each of that name that fires, else that the history has."""
        asked = request.path_params["alert"]
        params = await Parameters.of(request)
        firing = {view.fingerprint: view for view in self._alerting.alerts()}
        named = [name for name, view in firing.items() if view.alert.name == asked]
        trails = []
        for fingerprint in named or await self._remembered(asked) or [asked]:
            events = await self._alerting.history(
                fingerprint=fingerprint,
                since_ms=self._moment(params, "since"),
                limit=params.count("limit") or 1000,
            )
            view = firing.get(fingerprint)
            trails.append(
                {
                    "fingerprint": fingerprint,
                    "labels": dict(view.alert.labels) if view else _labels_of(events, fingerprint),
                    "firing": view is not None,
                    "trail": [event_fields(each) for each in events],
                    "now": self._present(view) if view else None,
                }
            )
        return success(request, trails)

    async def _remembered(self, alert_name: str) -> list[str]:
        """Fingerprints of the alerts of a name that the history had last."""
        matchers = (Matcher("alertname", MatchOp.EQUAL, alert_name),)
        page = await self._alerting.search(Search(matchers=matchers, limit=_LOOKED_THROUGH))
        found = dict.fromkeys(event.fingerprint for event in page.events if event.fingerprint)
        return list(found)[:_MOST_REMEMBERED]

    def _present(self, view: AlertView) -> dict[str, Any]:
        standings = self._alerting.standings(view.fingerprint)
        return {**quiet_fields(view), "groups": [standing_fields(each) for each in standings]}

    async def route(self, request: Request) -> Response:
        params = await Parameters.of(request)
        pairs = [text.partition("=") for text in params.all("label")]
        if not pairs or any(not name or not equals for name, equals, _ in pairs):
            raise BadParameter('label: expected one or more of the form "severity=critical"')
        labels = Labels.of((name, value) for name, _, value in pairs)
        found = self._alerting.preview(labels)
        return success(
            request,
            {
                "labels": dict(labels),
                "routes": [_way(each) for each in found.ways],
                "silencedBy": list(found.silenced_by),
                "inhibitedBy": found.inhibited,
                "reachesSomebody": found.reaches_somebody,
            },
        )

    async def try_receiver(self, request: Request) -> Response:
        """Send a marked test message, and say what each integration answered."""
        answers = await self._alerting.try_receiver(request.path_params["receiver"])
        return success(
            request,
            [{"integration": name, "ok": each.ok, "answer": each.detail} for name, each in answers.items()],
        )

    def _moment(self, params: Parameters, name: str) -> int:
        """A moment, or how long ago; 0 where it is not given."""
        text = params.text(name)
        if not text:
            return 0
        try:
            return self._now() - parse_duration(text)
        except DurationError:
            return parse_time(text, name)


def _labels_of(events: list[Event], fingerprint: str) -> dict[str, str]:
    own = (each.labels for each in events if each.fingerprint == fingerprint and each.labels)
    return dict(next(own, Labels()))


def _way(way: Way) -> dict[str, Any]:
    return {
        "path": list(way.path),
        "places": None if way.places is None else list(way.places),
        "receiver": way.receiver,
        "integrations": list(way.integrations),
        "groupBy": list(way.group_by),
        "groupLabels": dict(way.group_labels),
        "groupKey": way.group_key,
        "groupWaitMs": way.group_wait_ms,
        "groupIntervalMs": way.group_interval_ms,
        "repeatIntervalMs": way.repeat_interval_ms,
        "muted": way.muted,
    }
