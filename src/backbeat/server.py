"""Wiring: constructs, connects, starts and stops. The only module that knows everyone.

What is opened first is closed last: the store and the state outlive everything that writes to them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from msgspec.structs import replace
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from backbeat import __version__
from backbeat.alerting import NOBODY, Alerting
from backbeat.alerting.forward import ExternalAlertmanagers, FanOut
from backbeat.collect.manager import ScrapeManager
from backbeat.collect.metrics import CollectMetrics
from backbeat.collect.relabel import Relabeler
from backbeat.collect.remote_write import RemoteWriteReceiver
from backbeat.config.backbeat import Config
from backbeat.config.prometheus import RelabelConfig
from backbeat.model.alerts import Alert, Channel
from backbeat.model.clock import now_ms
from backbeat.model.errors import BackbeatError
from backbeat.model.hosts import is_loopback
from backbeat.model.labels import Labels
from backbeat.notify import build_channels, new_session
from backbeat.promql.engine import Engine
from backbeat.promql.limits import Limits
from backbeat.promql.local import LocalQuerier
from backbeat.rules import AlertState, RuleManager
from backbeat.self_watch import (
    SelfWatch,
    ending_silences,
    failing_groups,
    failing_pools,
    failing_receivers,
)
from backbeat.settings import (
    read_config,
    refuse_open_doors,
    say_warnings,
    storage_options,
    with_host_collector,
)
from backbeat.state import open_state
from backbeat.state.metrics import StateCollector
from backbeat.storage import Storage
from backbeat.storage.metrics import StorageCollector
from backbeat.web.ack_page import AckPage
from backbeat.web.acknowledge_api import AcknowledgeAPI
from backbeat.web.admin_api import AdminAPI
from backbeat.web.alertmanager_api import AlertmanagerAPI
from backbeat.web.app import build_app
from backbeat.web.deployments_api import DeploymentsAPI
from backbeat.web.explain_api import ExplainAPI
from backbeat.web.federate import FederateAPI
from backbeat.web.ingest_api import IngestAPI
from backbeat.web.live import LiveStream, News
from backbeat.web.oncall_api import OnCallAPI
from backbeat.web.openapi import openapi_routes
from backbeat.web.ops_api import OpsAPI
from backbeat.web.query_api import QueryAPI
from backbeat.web.routing_api import RoutingAPI
from backbeat.web.runbooks import runbook_routes
from backbeat.web.security import Guard
from backbeat.web.silences_api import SilencesAPI
from backbeat.web.state_api import StateAPI
from backbeat.web.storage_api import StorageAPI
from backbeat.web.targets_api import TargetsAPI

log = logging.getLogger("backbeat")

RULE_THREADS = 2
NEWS_EVERY_S = 1.0
WATCH_EVERY_S = 15.0
UPKEEP_EVERY_S = 1.0
STOP_CONNECTIONS_S = 2
_LOG_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}


def relabel_alerts(configs: tuple[RelabelConfig, ...], labels: Labels) -> Labels | None:
    """Apply alert_relabel_configs; None drops the alert. Raises RegexError."""
    if not configs:
        return labels
    changed = dict(labels)
    return Labels.of(changed) if Relabeler(configs).apply(changed) else None


def external_alertmanagers(config: Config) -> ExternalAlertmanagers:
    targets = config.prometheus.alertmanagers
    own = [partial(relabel_alerts, each.alert_relabel_configs) for each in targets]
    return ExternalAlertmanagers(targets, lambda labels: labels, own)


class Backbeat:
    """A running Backbeat: its parts, and how a new configuration reaches them."""

    def __init__(
        self, config_dir: Path, config: Config, storage: Storage, external_url: str, host: str
    ) -> None:
        own = config.backbeat
        self.config_dir = config_dir
        self.config = config
        self.storage = storage
        self._listens_at = external_url
        self._said_level = logging.getLogger().level
        self._apply_log_level()
        self.started_ms = now_ms()
        self.is_ready = False
        self._host = host
        self._guard: Guard | None = None
        self.registry = CollectorRegistry()
        limits = Limits(
            max_samples=own.query_max_samples,
            timeout_ms=own.query_timeout_ms,
            lookback_ms=own.lookback_delta_ms,
            max_concurrency=own.query_max_concurrency,
            default_subquery_step_ms=config.prometheus.evaluation_interval_ms,
        )
        self.querier = LocalQuerier(Engine(storage, limits, watched=storage), lookups=storage)
        self.live = LiveStream(self.querier, now_ms)
        self.external = external_alertmanagers(config)
        self._reloading = asyncio.Lock()
        self._reload_task: asyncio.Task[None] | None = None
        self._reload_ok = Gauge(
            "prometheus_config_last_reload_successful",
            "Whether the last configuration reload attempt was successful.",
            registry=self.registry,
        )
        self._reload_ok.set(1)
        self._loaded = (self.started_ms, True)
        build = Gauge("backbeat_build_info", "The version.", ["version"], registry=self.registry)
        build.labels(__version__).set(1)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.registry.register(StorageCollector(storage))

    @property
    def external_url(self) -> str:
        """How people reach this Backbeat."""
        return self.config.backbeat.external_url or self._listens_at

    def _apply_log_level(self) -> None:
        level = _LOG_LEVELS.get(self.config.prometheus.log_level, self._said_level)
        logging.getLogger().setLevel(level)

    async def start(self, stack: AsyncExitStack, state_path: str) -> None:
        """Start every part, in the way of the data from its end; `stack` stops them in reverse."""
        stack.callback(self.querier.close)
        state = open_state(self.config.backbeat.state or state_path)
        stack.push_async_callback(state.close)
        self.registry.register(StateCollector(state))
        self._sessions = [new_session()]
        stack.push_async_callback(self._close_sessions)
        alertmanager = self.config.alertmanager or NOBODY
        self.alerting = Alerting(
            alertmanager,
            self._channels(),
            state,
            now_ms,
            self.external_url,
            events_kept_ms=self.config.backbeat.alert_history_ms,
        )
        self.registry.register(self.alerting.collector)
        await self.alerting.start()
        stack.push_async_callback(self.alerting.stop)
        await self.external.start()
        stack.push_async_callback(self._stop_external)
        collect_metrics = CollectMetrics(self.registry)
        self.receiver = RemoteWriteReceiver(self.storage, collect_metrics)
        self.scrapes = ScrapeManager(self.storage, now_ms, metrics=collect_metrics)
        rule_querier = self.querier.reserved(RULE_THREADS)
        stack.callback(rule_querier.close)
        self.rules = RuleManager(
            rule_querier,
            self.storage,
            self,
            now_ms,
            external_url=self.external_url,
            relabel_alert=self._relabel_alert,
            witness=self.alerting.notice,
            registry=self.registry,
        )
        stack.push_async_callback(self.scrapes.stop)
        stack.push_async_callback(self.rules.stop)
        await self.scrapes.apply(self.config.prometheus)
        await self.rules.apply(self.config.prometheus)
        self._self_watch = SelfWatch(self.external_url)
        self._self_watch.remember(self.alerting.firing())

    async def receive(self, alerts: Sequence[Alert]) -> None:
        """The door for alerts: routed here, and handed to external Alertmanagers."""
        await FanOut(self.alerting, self.external).receive(alerts)

    def _channels(self) -> dict[str, list[Channel]]:
        if self.config.alertmanager is None:
            return {}
        return build_channels(self.config.alertmanager, self._sessions[-1])

    def _relabel_alert(self, labels: Labels) -> Labels | None:
        return relabel_alerts(self.config.prometheus.alert_relabel_configs, labels)

    async def _close_sessions(self) -> None:
        for session in self._sessions:
            await session.close()

    async def _stop_external(self) -> None:
        await self.external.stop()

    async def reload(self) -> None:
        """Read every file again and apply all. Raises BackbeatError, and then nothing is changed."""
        async with self._reloading:
            try:
                config = with_host_collector(await asyncio.to_thread(read_config, self.config_dir))
                refuse_open_doors(config, self._host)
            except BackbeatError as error:
                self._reload_ok.set(0)
                self._loaded = (self._loaded[0], False)
                log.error("the configuration was not reloaded, the old one stays: %s", error)
                raise
            say_warnings(config)
            own, waiting = config.backbeat.in_force_beside(self.config.backbeat)
            if waiting:
                log.warning("backbeat.yml: %s changed, and counts from the next start on", ", ".join(waiting))
            self.config = replace(config, backbeat=own)
            self._apply_log_level()
            old_external, self.external = self.external, external_alertmanagers(config)
            await self.external.start()
            old_sessions, self._sessions = self._sessions, [new_session()]
            self.alerting.events_kept_ms = config.backbeat.alert_history_ms
            await self.alerting.apply(config.alertmanager or NOBODY, self._channels(), self.external_url)
            await self.scrapes.apply(config.prometheus)
            self.rules.set_external_url(self.external_url)
            await self.rules.apply(config.prometheus)
            self._self_watch.use_external_url(self.external_url)
            self.storage.apply(storage_options(config))
            if self._guard is not None:
                self._guard.apply(config.web, self._hosts())
            await old_external.stop()
            for session in old_sessions:
                await session.close()
            self._reload_ok.set(1)
            self._loaded = (now_ms(), True)
            log.info("the configuration was reloaded")

    def reload_soon(self) -> None:
        """What SIGHUP asks for; a refusal is said in the log and the old configuration stays."""

        async def reload() -> None:
            with contextlib.suppress(BackbeatError):
                await self.reload()

        self._reload_task = asyncio.get_running_loop().create_task(reload(), name="reload")

    async def keep_log(self) -> None:
        """Fsync what was written, at its own pace: neither a merge nor a busy thread pool holds it up."""
        interval_s = max(self.config.backbeat.fsync_interval_ms, 100) / 1000
        with ThreadPoolExecutor(1, thread_name_prefix="log") as thread:
            while True:
                await asyncio.sleep(interval_s)
                await asyncio.get_running_loop().run_in_executor(thread, self.storage.keep_log)

    async def keep_store(self) -> None:
        """Compaction and retention, off the event loop, for as long as Backbeat runs."""
        while True:
            await asyncio.sleep(UPKEEP_EVERY_S)
            try:
                await asyncio.to_thread(self.storage.maintain)
            except (BackbeatError, OSError) as error:
                log.error("upkeep of the store failed, trying again: %s", error)

    async def tell_news(self) -> None:
        """Let open pages know when samples have landed or alerts have changed."""
        while True:
            await asyncio.sleep(NEWS_EVERY_S)
            newest = max((target.last_scrape_ms for target in self.scrapes.targets()), default=0)
            newest = max(newest, self.rules.last_evaluation_ms)
            await self.live.publish(
                News(newest, self.rules.count(AlertState.FIRING), self.rules.count(AlertState.PENDING))
            )

    async def watch_itself(self) -> None:
        """Raise alerts about what of Backbeat keeps failing, and about silences that end soon."""
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            if self.config.backbeat.own_alerts:
                await self.look_at_itself(now_ms())

    async def look_at_itself(self, at_ms: int) -> None:
        troubles = (
            *failing_pools(self.scrapes.targets()),
            *failing_groups(self.rules.groups()),
            *failing_receivers(self.alerting.plan().receivers),
        )
        lead_ms = self.config.backbeat.silence_warning_ms
        ending = ending_silences(self.alerting.silences(), lead_ms, at_ms)
        try:
            await self.receive(self._self_watch.look(troubles, ending, at_ms))
        except BackbeatError as error:
            log.error("alerts about Backbeat itself, told again soon: %s", error)

    def _hosts(self) -> list[str]:
        """The names that this server answers to."""
        return [*self.config.backbeat.allowed_hosts, self._host]

    def app(self) -> Guard:
        own = self.config.backbeat
        routes = [
            *QueryAPI(self.querier, now_ms).routes(),
            *ExplainAPI(self.querier, now_ms).routes(),
            *TargetsAPI(self.scrapes, lambda: self.config).routes(),
            *StateAPI(
                self.rules,
                self.storage,
                lambda: self.external,
                lambda: self.config,
                self.started_ms,
                lambda: self._loaded,
            ).routes(),
            *AlertmanagerAPI(self.alerting, self, now_ms, self.started_ms).routes(),
            *OnCallAPI(self.alerting, now_ms).routes(),
            *RoutingAPI(self.alerting).routes(),
            *StorageAPI(self.storage).routes(),
            *AcknowledgeAPI(self.alerting).routes(),
            *AckPage(self.alerting).routes(),
            *SilencesAPI(self.alerting, now_ms).routes(),
            *OpsAPI(
                self.registry, self.reload if own.enable_lifecycle_api else None, lambda: self.is_ready
            ).routes(),
            *(IngestAPI(self.receiver).routes() if own.enable_remote_write_receiver else ()),
            *AdminAPI(self.storage, now_ms, enabled=own.enable_admin_api).routes(),
            *FederateAPI(self.storage, now_ms, lambda: self.config.prometheus.external_labels).routes(),
            *DeploymentsAPI(self.querier, self.storage, now_ms).routes(),
            *openapi_routes(),
            *self.live.routes(),
            *runbook_routes(),
        ]
        self._guard = build_app(
            routes, hosts=self._hosts(), web=self.config.web, check_host=is_loopback(self._host)
        )
        return self._guard
