"""Backbeat's own API of acknowledgements: who looks after which alert."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from backbeat.alerting import Alerting, Filter
from backbeat.web.bodies import Body, signed_in
from backbeat.web.dispatch import Route
from backbeat.web.oncall_views import acknowledgement_fields
from backbeat.web.params import BadParameter, Parameters
from backbeat.web.responses import success

_ROOT = "/api/backbeat/v1/acknowledgements"


class AcknowledgeAPI:
    """Described in docs/backbeat-api.md."""

    def __init__(self, alerting: Alerting) -> None:
        self._alerting = alerting

    def routes(self) -> list[Route]:
        return [
            Route(_ROOT, self.acknowledgements, methods=["GET"]),
            Route(_ROOT, self.post, methods=["POST"]),
            Route(f"{_ROOT}/{{fingerprint}}", self.delete, methods=["DELETE"]),
        ]

    async def acknowledgements(self, request: Request) -> Response:
        return success(request, [acknowledgement_fields(each) for each in self._alerting.acknowledgements()])

    async def post(self, request: Request) -> Response:
        """Acknowledge firing alerts: those that are named, or those that matchers accept."""
        body = await Body.of(request)
        named, matchers = body.texts("alerts", '["Slow"]'), body.matchers()
        if bool(named) == bool(matchers):
            raise BadParameter("expected either alerts, fingerprints or alert names, or matchers")
        found = await self._alerting.alerts_unhurried(Filter(matchers=matchers))
        wanted = [
            view.fingerprint
            for view in found
            if matchers or view.fingerprint in named or view.alert.name in named
        ]
        made = await self._alerting.acknowledge(wanted, body.created_by(), body.text("comment"))
        return success(request, [acknowledgement_fields(each) for each in made])

    async def delete(self, request: Request) -> Response:
        """Take an acknowledgement back: the alert is repeated again."""
        by = (await Parameters.of(request)).text("by") or signed_in(request)
        if not by:
            raise BadParameter("by: say who you are, such as by=ann")
        await self._alerting.take_back_acknowledgement(request.path_params["fingerprint"], by)
        return success(request, None)
