"""The scrape manager: the loops that the configuration asks for, and no others.

In:  prometheus.yml as settings, again at every reload; target files as they change.
Out: running scrape loops; the targets page; the metadata of what they expose.
A target that a reload leaves as it was is not disturbed.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Mapping
from types import TracebackType

from msgspec import Struct, field
from msgspec.structs import replace
from yarl import URL

from backbeat.collect.discovery import TargetFinder
from backbeat.collect.exposition import Metadata
from backbeat.collect.fetch import HTTPFetch
from backbeat.collect.host_target import HostCollector, host_target
from backbeat.collect.metrics import CollectMetrics
from backbeat.collect.relabel import Relabeler
from backbeat.collect.scrape import Fetch, ScrapeLoop, Surroundings
from backbeat.collect.target import DroppedTarget, ResolvedTargets, Target, TargetStatus, resolve
from backbeat.collect.ticks import Monotonic, Sleep
from backbeat.config.prometheus import Discovery, PrometheusConfig, ScrapeConfig
from backbeat.httpclient import Session
from backbeat.model.appender import Appender
from backbeat.model.clock import Now

_log = logging.getLogger(__name__)

_DROPPED_SHOWN = 10_000
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class TargetMetadata(Struct, frozen=True):
    """The metadata of one metric family as one target exposes it."""

    target: TargetStatus
    metric: str
    metadata: Metadata


class _Pool(Struct):
    """One scrape_config with its targets."""

    config: ScrapeConfig
    finder: TargetFinder
    resolved: ResolvedTargets = field(default_factory=lambda: ResolvedTargets((), (), ()))
    loops: dict[str, _Running] = field(default_factory=dict)
    watch: asyncio.Task[None] | None = None


class _Running(Struct):
    loop: ScrapeLoop
    task: asyncio.Task[None]


class ScrapeManager:
    """Owns every scrape loop; `stop` (or leaving the `async with`) ends them all."""

    def __init__(
        self,
        appender: Appender,
        now: Now,
        *,
        metrics: CollectMetrics | None = None,
        external_host: str = "",
        sleep: Sleep = asyncio.sleep,
        monotonic: Monotonic = time.monotonic,
        fetcher: Callable[[ScrapeConfig, Target], Fetch] | None = None,
    ) -> None:
        """external_host: the name under which others reach this machine, for global URLs.

        fetcher: how to fetch a target; HTTP, or the host collector, where it is None.
        """
        self._metrics = metrics or CollectMetrics()
        self._around = Surroundings(appender, now, self._metrics, sleep, monotonic)
        self._external_host = external_host or socket.gethostname()
        self._fetcher = fetcher or self._default_fetcher
        self._session: Session | None = None
        self._pools: dict[str, _Pool] = {}
        self._applying = asyncio.Lock()

    async def __aenter__(self) -> ScrapeManager:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def apply(self, config: PrometheusConfig) -> None:
        """Make the running loops those of `config`. Raises RegexError before any change."""
        async with self._applying:
            wanted = {each.job_name: each for each in config.scrape_configs}
            pools = {name: await self._pool(each) for name, each in wanted.items()}
            removed = [pool for name, pool in self._pools.items() if name not in wanted]
            for pool in removed:
                await self._end_watch(pool)
                await self._sync(pool, ResolvedTargets((), (), ()))
                self._metrics.pool_targets.remove(pool.config.job_name)
            for name, (pool, resolved) in pools.items():
                if (old := self._pools.get(name)) is not None and old is not pool:
                    await self._end_watch(old)
                self._pools[name] = pool
                await self._sync(pool, resolved)
                self._start_watch(pool)
            self._pools = {name: pool for name, (pool, _) in pools.items()}
            self._metrics.pools.set(len(self._pools))

    async def stop(self) -> None:
        """End every loop, mark its series stale, and close the connections."""
        async with self._applying:
            for pool in self._pools.values():
                await self._end_watch(pool)
                await self._sync(pool, ResolvedTargets((), (), ()))
            self._pools = {}
            if self._session is not None:
                await self._session.close()
                self._session = None

    def targets(self) -> list[TargetStatus]:
        """Every target that is scraped, job by job."""
        return [
            running.loop.status(self._global_url(running.loop.target.url))
            for pool in self._pools.values()
            for running in pool.loops.values()
        ]

    def dropped_targets(self) -> list[DroppedTarget]:
        """What relabelling dropped; at most 10,000."""
        dropped = [each for pool in self._pools.values() for each in pool.resolved.dropped]
        return dropped[:_DROPPED_SHOWN]

    def target_errors(self) -> list[str]:
        """Discovered label sets that make no target, each with its reason."""
        return [error for pool in self._pools.values() for error in pool.resolved.errors]

    def metadata(self) -> list[TargetMetadata]:
        """What each target says about the metric families that it exposes."""
        return [
            TargetMetadata(status, metric, said)
            for pool in self._pools.values()
            for running in pool.loops.values()
            for status in (running.loop.status(self._global_url(running.loop.target.url)),)
            for metric, said in running.loop.metadata.items()
        ]

    async def _pool(self, config: ScrapeConfig) -> tuple[_Pool, ResolvedTargets]:
        """The pool of a job under new settings; nothing runs differently yet."""
        old = self._pools.get(config.job_name)
        if old is not None and old.config == config:
            return old, old.resolved
        Relabeler(config.metric_relabel_configs)
        pool = _Pool(config, TargetFinder(config.discovery))
        if old is not None:
            pool.loops = old.loops
            if _same_files(old.config.discovery, config.discovery):
                pool.finder = replace(old.finder, discovery=config.discovery)
        return pool, await self._find(pool)

    async def _find(self, pool: _Pool) -> ResolvedTargets:
        finder, config = pool.finder, pool.config
        errors = finder.read_errors
        await asyncio.to_thread(finder.refresh)
        if finder.read_errors > errors:
            self._metrics.sd_file_errors.inc(finder.read_errors - errors)
        found = sum(len(group.targets) for group in finder.groups)
        self._metrics.sd_targets.labels("scrape", config.job_name).set(found)
        if config.host_collector:
            return ResolvedTargets((host_target(config),), (), ())
        resolved = resolve(config, finder.groups)
        for error in resolved.errors:
            _log.warning("target left out: %s", error)
        if config.target_limit and len(resolved.targets) > config.target_limit:
            self._metrics.over_target_limit.inc()
            reason = f"{config.job_name}: {len(resolved.targets)} targets, the limit is {config.target_limit}"
            _log.error("%s (target_limit); none of them is scraped", reason)
            return replace(resolved, targets=(), errors=(*resolved.errors, reason))
        return resolved

    async def _sync(self, pool: _Pool, resolved: ResolvedTargets) -> None:
        """Make the pool's loops those of its targets."""
        wanted = {target.key: target for target in resolved.targets}
        changed = {
            key: running
            for key, running in pool.loops.items()
            if key not in wanted or not _runs_as(running.loop, wanted[key], pool.config)
        }
        await _cancel([running.task for running in changed.values()])
        loops = {key: running for key, running in pool.loops.items() if key not in changed}
        for key, target in wanted.items():
            if key not in loops:
                loops[key] = self._start(pool.config, target, changed.get(key))
        for key, running in changed.items():
            if key not in wanted:
                running.loop.end(self._around.now())
        pool.loops, pool.resolved = loops, resolved
        self._metrics.pool_syncs.labels(pool.config.job_name).inc()
        self._metrics.pool_targets.labels(pool.config.job_name).set(len(loops))

    def _start(self, config: ScrapeConfig, target: Target, before: _Running | None) -> _Running:
        loop = ScrapeLoop(target, config, self._fetcher(config, target), self._around)
        if before is not None:
            loop.inherit(before.loop)
        return _Running(loop, asyncio.create_task(loop.run(), name=f"scrape {target.url}"))

    def _default_fetcher(self, config: ScrapeConfig, target: Target) -> Fetch:
        if config.host_collector:
            return HostCollector(target.timeout_ms)
        if self._session is None:
            self._session = Session()
        return HTTPFetch(self._session, config, target.url, target.timeout_ms, target.unix_socket)

    def _start_watch(self, pool: _Pool) -> None:
        if pool.finder.poll_ms and pool.watch is None:
            name = f"watch targets of {pool.config.job_name}"
            pool.watch = asyncio.create_task(self._watch(pool), name=name)

    async def _watch(self, pool: _Pool) -> None:
        """Follow the pool's target files."""
        while True:
            await self._around.sleep(pool.finder.poll_ms / 1000)
            # Under the lock, so that a reload cancels this task only while it changes nothing.
            async with self._applying:
                resolved = await self._find(pool)
                if resolved != pool.resolved:
                    await self._sync(pool, resolved)

    @staticmethod
    async def _end_watch(pool: _Pool) -> None:
        if pool.watch is not None:
            await _cancel([pool.watch])
            pool.watch = None

    def _global_url(self, url: str) -> str:
        parsed = URL(url)
        return str(parsed.with_host(self._external_host)) if parsed.host in _LOCAL_HOSTS else url


def by_metric(found: list[TargetMetadata]) -> Mapping[str, list[Metadata]]:
    """The different metadata of each metric over all targets, as /api/v1/metadata shows it."""
    metrics: dict[str, list[Metadata]] = {}
    for each in found:
        known = metrics.setdefault(each.metric, [])
        if each.metadata not in known:
            known.append(each.metadata)
    return metrics


def _runs_as(loop: ScrapeLoop, target: Target, config: ScrapeConfig) -> bool:
    """Whether a running loop is what the settings ask for; where targets come from does not matter to it."""
    if loop.target != target:
        return False
    anything = Discovery()
    return replace(loop.config, discovery=anything) == replace(config, discovery=anything)


def _same_files(old: Discovery, new: Discovery) -> bool:
    return old.file_sd_configs == new.file_sd_configs


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
