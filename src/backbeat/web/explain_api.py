"""What a query does, node by node, for the page that explains it."""

from __future__ import annotations

from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from backbeat.model.clock import Now
from backbeat.model.results import Answer
from backbeat.promql.explain import Explained
from backbeat.web.dispatch import Route
from backbeat.web.params import Parameters, check_grid
from backbeat.web.responses import success
from backbeat.web.until_gone import answered


class Explainer(Protocol):
    """`promql.local.LocalQuerier`: only an engine in this process can be looked at."""

    async def explain(
        self, expr: str, start_ms: int, end_ms: int, step_ms: int, *, timeout_ms: int | None = None
    ) -> tuple[Explained, Answer]: ...


class ExplainAPI:
    """Described in docs/backbeat-api.md."""

    def __init__(self, explainer: Explainer, now: Now) -> None:
        self._explainer = explainer
        self._now = now

    def routes(self) -> list[Route]:
        return [Route("/api/backbeat/v1/explain", self.explain, methods=["GET", "POST"])]

    async def explain(self, request: Request) -> Response:
        """At one moment, or over a range where `start` is given."""
        params = await Parameters.of(request)
        start_ms = end_ms = params.time_ms("time", self._now())
        step_ms = 1
        if params.text("start"):
            start_ms, end_ms = params.time_ms("start"), params.time_ms("end")
            step_ms = params.duration_ms("step")
        check_grid(start_ms, end_ms, step_ms)
        asked = self._explainer.explain(
            params.text("query"), start_ms, end_ms, step_ms, timeout_ms=params.timeout_ms()
        )
        tree, answer = await answered(request, asked)
        data = {
            "tree": _node(tree),
            "samplesRead": answer.samples_read,
            "peakSamples": answer.peak_samples,
            "steps": (end_ms - start_ms) // step_ms + 1,
        }
        return success(request, data)


def _node(node: Explained) -> dict[str, object]:
    shown: dict[str, object] = {
        "kind": node.kind,
        "text": node.text,
        "start": node.span.start,
        "end": node.span.end,
        "children": [_node(child) for child in node.children],
    }
    if node.cost:
        shown["cost"] = {
            "evaluations": node.cost.evaluations,
            "steps": node.cost.steps,
            "series": node.cost.series,
            "samples": node.cost.samples,
            "totalMs": round(node.cost.total_s * 1000, 3),
            "ownMs": round(node.cost.own_s * 1000, 3),
        }
    if node.reading:
        shown["read"] = {
            "series": node.reading.series,
            "samples": node.reading.samples,
            "ms": round(node.reading.took_s * 1000, 3),
        }
    return shown
