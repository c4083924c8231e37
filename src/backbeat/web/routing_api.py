"""How alerts are routed: the tree, what inhibits and mutes, and how the receivers fare."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from backbeat.alerting import Alerting, PlannedIntegration, PlannedReceiver, PlannedRoute
from backbeat.config.alertmanager import InhibitRule
from backbeat.web.dispatch import Route
from backbeat.web.moments import rfc3339
from backbeat.web.responses import success

_ROOT = "/api/backbeat/v1"


class RoutingAPI:
    """Described in docs/backbeat-api.md."""

    def __init__(self, alerting: Alerting) -> None:
        self._alerting = alerting

    def routes(self) -> list[Route]:
        return [
            Route(f"{_ROOT}/routing", self.routing, methods=["GET"]),
            Route(f"{_ROOT}/receivers", self.receivers, methods=["GET"]),
        ]

    async def routing(self, request: Request) -> Response:
        found = self._alerting.plan()
        data = {
            "configured": bool(self._alerting.config.path),
            "route": _route(found.root),
            "inhibitRules": [_inhibit_rule(each) for each in found.inhibit_rules],
            "timeIntervals": [{"name": name, "holdsNow": holds} for name, holds in found.intervals],
        }
        return success(request, data)

    async def receivers(self, request: Request) -> Response:
        return success(request, [_receiver(each) for each in self._alerting.plan().receivers])


def _route(node: PlannedRoute) -> dict[str, Any]:
    route = node.route
    return {
        "matchers": node.matchers,
        "receiver": route.receiver,
        "continue": route.continue_,
        "groupBy": ["..."] if route.group_by_all else list(route.group_by),
        "groupWaitMs": route.group_wait_ms,
        "groupIntervalMs": route.group_interval_ms,
        "repeatIntervalMs": route.repeat_interval_ms,
        "muteTimeIntervals": list(route.mute_time_intervals),
        "activeTimeIntervals": list(route.active_time_intervals),
        "groups": node.groups,
        "muted": node.muted,
        "routes": [_route(child) for child in node.children],
    }


def _inhibit_rule(rule: InhibitRule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "sourceMatchers": [str(matcher) for matcher in rule.source_matchers],
        "targetMatchers": [str(matcher) for matcher in rule.target_matchers],
        "equal": list(rule.equal),
    }


def _receiver(receiver: PlannedReceiver) -> dict[str, Any]:
    return {
        "name": receiver.name,
        "used": receiver.is_used,
        "integrations": [dict(_integration(each)) for each in receiver.integrations],
    }


def _integration(each: PlannedIntegration) -> Iterator[tuple[str, Any]]:
    yield "name", each.name
    yield "lastSuccess", _moment(each.reached.last_success_ms)
    yield "lastFailure", _moment(each.reached.last_failure_ms)
    yield "lastError", each.reached.last_error
    yield "failures", each.reached.failures
    yield "waiting", each.waiting
    yield "dead", each.dead


def _moment(at_ms: int) -> str | None:
    return rfc3339(at_ms) if at_ms else None
