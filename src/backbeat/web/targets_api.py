"""Prometheus's API for what is scraped: targets, their metadata, scrape pools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from backbeat.collect.manager import ScrapeManager, by_metric
from backbeat.collect.target import TargetStatus
from backbeat.config.backbeat import Config
from backbeat.model import gotext
from backbeat.model.durations import format_duration
from backbeat.promql.parser import parse_selector
from backbeat.web.dispatch import Route
from backbeat.web.moments import rfc3339
from backbeat.web.params import BadParameter, Parameters
from backbeat.web.responses import success


class TargetsAPI:
    """Reads what the scrapes of a running Backbeat say of themselves."""

    def __init__(self, scrapes: ScrapeManager, config: Callable[[], Config]) -> None:
        self._scrapes = scrapes
        self._config = config

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/scrape_pools", self.pools, methods=["GET"]),
            Route("/api/v1/scrape_pools/config", self.pool_config, methods=["GET"]),
            Route("/api/v1/targets", self.targets, methods=["GET"]),
            Route("/api/v1/targets/metadata", self.targets_metadata, methods=["GET"]),
            Route("/api/v1/metadata", self.metadata, methods=["GET"]),
        ]

    async def pools(self, request: Request) -> Response:
        names = {each.job_name for each in self._config().prometheus.scrape_configs}
        return success(request, {"scrapePools": sorted(names)})

    async def pool_config(self, request: Request) -> Response:
        name = (await Parameters.of(request)).text("scrapePool")
        if not name:
            raise BadParameter("no scrapePool parameter provided")
        prometheus = self._config().prometheus
        for scrape, text in zip(prometheus.scrape_configs, prometheus.pools, strict=True):
            if scrape.job_name == name:
                return success(request, {"yaml": text})
        raise BadParameter(f"error retrieving scrape config: scrape pool {gotext.quote(name)} not found")

    async def targets(self, request: Request) -> Response:
        params = await Parameters.of(request)
        state, pool = params.text("state").lower(), params.text("scrapePool")
        active = [
            _target(one)
            for one in self._scrapes.targets()
            if state != "dropped" and pool in ("", one.scrape_pool)
        ]
        dropped = [
            {"discoveredLabels": dict(one.discovered_labels), "scrapePool": one.scrape_pool}
            for one in self._scrapes.dropped_targets()
            if state != "active" and pool in ("", one.scrape_pool)
        ]
        return success(
            request,
            {"activeTargets": active, "droppedTargets": dropped, "droppedTargetCounts": _counts(dropped)},
        )

    async def targets_metadata(self, request: Request) -> Response:
        params = await Parameters.of(request)
        chosen = params.text("match_target")
        matchers = parse_selector(chosen) if chosen else ()
        metric, limit = params.text("metric"), params.count("limit")
        found = [
            {
                "target": dict(one.target.labels),
                **({} if metric else {"metric": one.metric}),
                "type": one.metadata.type,
                "help": one.metadata.help,
                "unit": one.metadata.unit,
            }
            for one in self._scrapes.metadata()
            if metric in ("", one.metric) and all(matcher.accepts(one.target.labels) for matcher in matchers)
        ]
        return success(request, found[:limit])

    async def metadata(self, request: Request) -> Response:
        params = await Parameters.of(request)
        metric, limit = params.text("metric"), params.count("limit")
        per_metric = params.count("limit_per_metric") or 0
        found: dict[str, Any] = {}
        for name, entries in by_metric(self._scrapes.metadata()).items():
            if metric in ("", name) and (limit is None or len(found) < limit):
                shown = entries[:per_metric] if per_metric > 0 else entries
                found[name] = [{"type": one.type, "help": one.help, "unit": one.unit} for one in shown]
        return success(request, found)


def _target(one: TargetStatus) -> dict[str, object]:
    return {
        "discoveredLabels": dict(one.discovered_labels),
        "labels": dict(one.labels),
        "scrapePool": one.scrape_pool,
        "scrapeUrl": one.scrape_url,
        "globalUrl": one.global_url,
        "lastError": one.last_error,
        "lastScrape": rfc3339(one.last_scrape_ms),
        "lastScrapeDuration": one.last_scrape_duration_s,
        "health": one.health,
        "scrapeInterval": format_duration(one.interval_ms),
        "scrapeTimeout": format_duration(one.timeout_ms),
    }


def _counts(dropped: list[dict[str, Any]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in dropped:
        counts[one["scrapePool"]] = counts.get(one["scrapePool"], 0) + 1
    return counts
