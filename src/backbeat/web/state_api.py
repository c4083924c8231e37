"""Prometheus's API for what is running: rules, alerts, exemplars, status."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterator, Sequence

import anyio.to_thread
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from backbeat import __version__
from backbeat.alerting.forward import ExternalAlertmanagers
from backbeat.config.backbeat import Config
from backbeat.model.appender import Exemplar
from backbeat.model.durations import format_duration
from backbeat.model.labels import Labels
from backbeat.promql.ast import VectorSelector
from backbeat.promql.parser import parse
from backbeat.rules import AlertStatus, GroupStatus, RuleManager, RuleStatus
from backbeat.storage import Storage, StorageOptions
from backbeat.web.dispatch import Route
from backbeat.web.moments import rfc3339
from backbeat.web.params import MAX_TIME_MS, MIN_TIME_MS, BadParameter, Parameters
from backbeat.web.render import format_value
from backbeat.web.responses import success


class StateAPI:
    """Reads what the parts of a running Backbeat say of themselves."""

    def __init__(
        self,
        rules: RuleManager,
        storage: Storage,
        external: Callable[[], ExternalAlertmanagers],
        config: Callable[[], Config],
        started_ms: int,
        loaded: Callable[[], tuple[int, bool]] | None = None,
    ) -> None:
        """loaded: when the configuration was read last, in ms, and whether the last reload succeeded."""
        self._rules = rules
        self._storage = storage
        self._external = external
        self._config = config
        self._started_ms = started_ms
        self._loaded = loaded or (lambda: (started_ms, True))

    def routes(self) -> list[Route]:
        paths = {
            "query_exemplars": self.exemplars,
            "rules": self.rules,
            "alerts": self.alerts,
            "alertmanagers": self.alertmanagers,
            "status/config": self.config,
            "status/buildinfo": self.build,
            "status/runtimeinfo": self.runtime,
            "status/flags": self.flags,
            "status/tsdb": self.tsdb,
            "status/walreplay": self.replay,
        }
        both = ("query_exemplars",)
        return [
            Route(f"/api/v1/{path}", answer, methods=["GET", "POST"] if path in both else ["GET"])
            for path, answer in paths.items()
        ]

    async def exemplars(self, request: Request) -> Response:
        params = await Parameters.of(request)
        start_ms, end_ms = params.time_ms("start", MIN_TIME_MS), params.time_ms("end", MAX_TIME_MS)
        if end_ms < start_ms:
            raise BadParameter("end timestamp must not be before start timestamp")

        def find() -> set[Exemplar]:
            selectors = {each.matchers for each in vector_selectors(parse(params.text("query")))}
            return {one for each in selectors for one in self._storage.exemplars(each, start_ms, end_ms)}

        found = await anyio.to_thread.run_sync(find)
        shown: dict[Labels, list[dict[str, object]]] = {}
        for one in sorted(found, key=lambda each: (each.series, each.timestamp_ms, each.labels)):
            told = {
                "labels": dict(one.labels),
                "value": format_value(one.value),
                "timestamp": one.timestamp_ms / 1000,
            }
            shown.setdefault(one.series, []).append(told)
        data = [{"seriesLabels": dict(series), "exemplars": told} for series, told in shown.items()]
        return success(request, data)

    async def replay(self, request: Request) -> Response:
        """The log is read before the first request can be answered."""
        return success(request, {"min": 0, "max": 0, "current": 0})

    async def rules(self, request: Request) -> Response:
        params = await Parameters.of(request)
        kind = params.text("type").lower()
        if kind not in ("", "alert", "record"):
            raise BadParameter(f'invalid parameter "type": not supported value "{kind}"')
        names, groups, files = params.all("rule_name[]"), params.all("rule_group[]"), params.all("file[]")
        matchers = await params.selectors()
        with_alerts = not params.flag("exclude_alerts", "error converting exclude_alerts")
        most, token = _page(params)
        after = not token
        shown: list[dict[str, object]] = []
        for group in self._rules.groups():
            after = after or token == _token(group)
            if not after or (groups and group.name not in groups) or (files and group.file not in files):
                continue
            chosen = [
                rule
                for rule in group.rules
                if (not names or rule.name in names)
                and kind in ("", {"alerting": "alert", "recording": "record"}[rule.kind])
                and (not matchers or any(all(m.accepts(rule.labels) for m in each) for each in matchers))
            ]
            if chosen and most and len(shown) == most:
                return success(request, {"groups": shown, "groupNextToken": _token(group)})
            if chosen:
                shown.append(_group(group, chosen, with_alerts=with_alerts))
        if not after:
            raise BadParameter(
                f"invalid parameter \"group_next_token\": invalid group_next_token '{token}'."
                " were rule groups changed?"
            )
        return success(request, {"groups": shown})

    async def alerts(self, request: Request) -> Response:
        alerts = [
            _alert(alert) for group in self._rules.groups() for rule in group.rules for alert in rule.alerts
        ]
        return success(request, {"alerts": alerts})

    async def alertmanagers(self, request: Request) -> Response:
        active = [{"url": target.url} for target in self._external().targets()]
        return success(request, {"activeAlertmanagers": active, "droppedAlertmanagers": []})

    async def config(self, request: Request) -> Response:
        return success(request, {"yaml": self._config().prometheus.text})

    async def build(self, request: Request) -> Response:
        data = {
            "version": __version__,
            "revision": "",
            "branch": "",
            "buildUser": "",
            "buildDate": "",
            "goVersion": f"Python {platform.python_version()}",
        }
        return success(request, data)

    async def runtime(self, request: Request) -> Response:
        stats = await anyio.to_thread.run_sync(self._storage.stats, 1)
        loaded_ms, is_loaded = self._loaded()
        data = {
            "startTime": rfc3339(self._started_ms),
            "CWD": "",
            "reloadConfigSuccess": is_loaded,
            "lastConfigTime": rfc3339(loaded_ms),
            "corruptionCount": stats.quarantined,
            "storageRetention": retention(self._storage.options),
            "timeSeriesCount": stats.series_in_memory,
            "samples": stats.samples,
            "bytesPerSample": round(stats.bytes_per_sample, 3),
        }
        return success(request, data)

    async def flags(self, request: Request) -> Response:
        own = self._config().backbeat
        flags = {
            "query.timeout": format_duration(own.query_timeout_ms),
            "query.max-concurrency": str(own.query_max_concurrency),
            "query.max-samples": str(own.query_max_samples),
            "query.lookback-delta": format_duration(own.lookback_delta_ms),
            "storage.tsdb.retention.time": format_duration(self._storage.options.retention_time_ms),
            "storage.tsdb.retention.size": f"{self._storage.options.retention_size_bytes}B",
            "web.enable-lifecycle": str(own.enable_lifecycle_api).lower(),
            "web.enable-admin-api": str(own.enable_admin_api).lower(),
            "web.enable-remote-write-receiver": str(own.enable_remote_write_receiver).lower(),
        }
        return success(request, flags)

    async def tsdb(self, request: Request) -> Response:
        limit = (await Parameters.of(request)).limit() or 10
        stats = await anyio.to_thread.run_sync(self._storage.stats, limit)
        data = {
            "headStats": {
                "numSeries": stats.series_in_memory,
                "numLabelPairs": len(stats.label_pairs),
                "chunkCount": 0,
                "minTime": stats.min_ms or 0,
                "maxTime": stats.max_ms or 0,
            },
            "seriesCountByMetricName": _table(stats.metric_names),
            "labelValueCountByLabelName": _table(stats.label_value_counts),
            "memoryInBytesByLabelName": [],
            "seriesCountByLabelValuePair": _table(stats.label_pairs),
        }
        return success(request, data)


def retention(options: StorageOptions) -> str:
    """How long samples are kept, as Prometheus tells it: `15d or 10000B`."""
    parts = [format_duration(options.retention_time_ms)] if options.retention_time_ms else []
    if options.retention_percent:
        parts.append(f"{options.retention_percent:g}%")
    elif options.retention_size_bytes:
        parts.append(f"{options.retention_size_bytes}B")
    return " or ".join(parts)


def vector_selectors(node: object) -> Iterator[VectorSelector]:
    """Every selector of a tree, wherever it stands."""
    if isinstance(node, VectorSelector):
        yield node
    elif isinstance(node, tuple):
        for each in node:
            yield from vector_selectors(each)
    elif isinstance(node, Struct):
        for name in node.__struct_fields__:
            yield from vector_selectors(getattr(node, name))


def _page(params: Parameters) -> tuple[int, str]:
    """`group_limit`, 0 for none, and `group_next_token`. Raises BadParameter."""
    text, token = params.text("group_limit"), params.text("group_next_token")
    if token and not text:
        raise BadParameter(
            'invalid parameter "group_next_token": group_limit needs to be present in order to paginate'
            " over the groups"
        )
    if text and not (text.isascii() and text.isdigit() and int(text[:12]) > 0):
        raise BadParameter('invalid parameter "group_limit": group_limit needs to be greater than 0')
    return int(text[:12] or 0), token


def _token(group: GroupStatus) -> str:
    return hashlib.sha256(f"{group.file};{group.name}".encode()).hexdigest()


def _table(rows: Sequence[tuple[str, int]]) -> list[dict[str, object]]:
    return [{"name": name, "value": count} for name, count in rows]


def _group(group: GroupStatus, rules: Sequence[RuleStatus], *, with_alerts: bool) -> dict[str, object]:
    return {
        "name": group.name,
        "file": group.file,
        "rules": [_rule(rule, with_alerts=with_alerts) for rule in rules],
        "interval": group.interval_ms / 1000,
        "limit": group.limit,
        "evaluationTime": group.evaluation_time_s,
        "lastEvaluation": rfc3339(group.last_evaluation_ms),
    }


def _rule(rule: RuleStatus, *, with_alerts: bool) -> dict[str, object]:
    shown: dict[str, object] = {
        "name": rule.name,
        "query": rule.query,
        "labels": dict(rule.labels),
        "health": str(rule.health),
        "evaluationTime": rule.evaluation_time_s,
        "lastEvaluation": rfc3339(rule.last_evaluation_ms),
        "type": rule.kind,
    }
    if rule.last_error:
        shown["lastError"] = rule.last_error
    if rule.kind == "alerting":
        shown.update(
            state=str(rule.state),
            duration=rule.for_ms / 1000,
            keepFiringFor=rule.keep_firing_for_ms / 1000,
            annotations=dict(rule.annotations),
            alerts=[_alert(alert) for alert in rule.alerts] if with_alerts else [],
        )
    return shown


def _alert(alert: AlertStatus) -> dict[str, object]:
    shown: dict[str, object] = {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "state": str(alert.state),
        "activeAt": rfc3339(alert.active_at_ms),
        "value": format_value(alert.value),
    }
    if alert.keep_firing_since_ms:
        shown["keepFiringSince"] = rfc3339(alert.keep_firing_since_ms)
    return shown
