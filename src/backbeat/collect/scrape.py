"""One target's loop: fetch, read, store, again and again.

In:  a target, a way to fetch it, the appender.
Out: rows of the target's cohort; its health for the targets page.
A failed scrape is a result (`up` is 0 and the reason is kept), and a bug in one loop stays in that loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct, field

from backbeat.collect.exposition import ExpositionError, Metadata
from backbeat.collect.fetch import BodyTooLarge, Fetched, FetchError
from backbeat.collect.identity import (
    DEFAULT_LABELS,
    DEFAULT_NAME_BYTES,
    DEFAULT_VALUE_BYTES,
    LabelLimitExceeded,
    LabelLimits,
    SeriesIdentity,
)
from backbeat.collect.lines import SampleLimitExceeded
from backbeat.collect.metrics import CollectMetrics
from backbeat.collect.reader import ScrapeReader
from backbeat.collect.reading import Prepared, Reading
from backbeat.collect.relabel import Relabeler
from backbeat.collect.series import REPORT, Report, TargetSeries
from backbeat.collect.target import Target, TargetStatus
from backbeat.collect.ticks import Monotonic, Sleep, ticks
from backbeat.config.prometheus import ScrapeConfig
from backbeat.model.appender import Appended, Appender, StorageUnavailable
from backbeat.model.clock import Now

_log = logging.getLogger(__name__)

DEFAULT_SAMPLES = 50_000
_INLINE_BYTES = 64 * 1024
_INLINE_FAMILIAR_BYTES = 1024 * 1024
_UNFAMILIAR_AT_ONCE = 2
"""more at once take memory, for every line is several objects, and no less time"""

Fetch = Callable[[], Awaitable[Fetched]]
"""Gets one scrape's body, in bounded time. Raises FetchError."""


class Surroundings(Struct, frozen=True):
    """What all loops share."""

    appender: Appender
    now: Now
    metrics: CollectMetrics
    sleep: Sleep = asyncio.sleep
    monotonic: Monotonic = time.monotonic
    unfamiliar: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_UNFAMILIAR_AT_ONCE))
    """turns of bodies whose every line is met for the first time"""


class _Health(Struct):
    state: str = "unknown"
    error: str = ""
    scraped_ms: int = 0
    duration_s: float = 0.0


class ScrapeLoop:
    """Scrapes one target until it is cancelled; then `end` or `inherit` says what becomes of its series."""

    def __init__(self, target: Target, config: ScrapeConfig, fetch: Fetch, around: Surroundings) -> None:
        self.target = target
        self.config = config
        self._fetch = fetch
        self._around = around
        self._health = _Health()
        identity = SeriesIdentity(
            target.labels, config.honor_labels, Relabeler(config.metric_relabel_configs), _limits(config)
        )
        self._series = TargetSeries(
            around.appender, target.cohort, [identity.report(metric) for metric in REPORT]
        )
        self._reader = ScrapeReader(
            identity,
            self._series.cohort.columns,
            reserved=self._series.report_columns,
            extra=len(REPORT),
            sample_limit=config.sample_limit or DEFAULT_SAMPLES,
            honor_timestamps=config.honor_timestamps,
        )

    def inherit(self, old: ScrapeLoop) -> None:
        """Take over from a loop of the same target under other settings: no series ends that goes on here."""
        self._series.inherit(old._series)
        self._health = old._health

    async def run(self) -> None:
        """Scrape for ever."""
        around = self._around
        moments = ticks(
            self.target.interval_ms,
            self.target.offset,
            around.now,
            sleep=around.sleep,
            monotonic=around.monotonic,
        )
        async for at_ms in moments:
            try:
                await self.scrape(at_ms)
            except Exception:
                # Our own bug, but one target's: it is counted and shown, and the next moment tries again.
                around.metrics.crashes.inc()
                self._health.state, self._health.error = "down", "internal error, see the log"
                _log.exception("scraping %s failed", self.target.url)

    async def scrape(self, at_ms: int) -> None:
        """One scrape, whose samples lie at `at_ms`."""
        started = self._around.monotonic()
        self._reader.scraped = 0
        reading: Reading | None = None
        error = ""
        try:
            fetched = await self._fetch()
            reading = self._reader.complete(await self._prepare(fetched, at_ms))
        except (FetchError, ExpositionError, SampleLimitExceeded, LabelLimitExceeded) as failure:
            error = str(failure)
            self._count_failure(failure)
        except StorageUnavailable as failure:
            error = f"storage takes no samples: {failure}"
        duration_s = self._around.monotonic() - started
        kept = reading.kept if reading is not None else 0
        report = Report(reading is not None, duration_s, self._reader.scraped, kept)
        error = self._store(at_ms, reading, report) or error
        self._health = _Health("down" if error else "up", error, at_ms, duration_s)
        metrics = self._around.metrics
        (metrics.scrapes_failed if error else metrics.scrapes_succeeded).inc()

    async def _prepare(self, fetched: Fetched, at_ms: int) -> Prepared:
        """Read a body here if that is quick, else on a thread, so that the event loop stays free."""
        familiar, size = self._reader.familiar, len(fetched.body)
        if size <= (_INLINE_FAMILIAR_BYTES if familiar else _INLINE_BYTES):
            return self._reader.prepare(fetched.body, at_ms, openmetrics=fetched.openmetrics)
        async with contextlib.nullcontext() if familiar else self._around.unfamiliar:
            return await asyncio.to_thread(
                self._reader.prepare, fetched.body, at_ms, openmetrics=fetched.openmetrics
            )

    def _store(self, at_ms: int, reading: Reading | None, report: Report) -> str:
        """Bring the scrape to storage; the reason where storage cannot take it."""
        metrics = self._around.metrics
        try:
            if reading is None:
                self._series.fail(at_ms, report)
                return ""
            appended = self._series.write(at_ms, reading, report)
            stamped = self._series.write_stamped(reading)
        except StorageUnavailable as failure:
            metrics.storage_refusals.inc()
            return f"storage takes no samples: {failure}"
        metrics.samples.inc(appended.stored + stamped.stored)
        if reading.duplicates:
            metrics.duplicate.inc(reading.duplicates)
        for each in (appended, stamped):
            self._note_refused(each)
        return ""

    def _note_refused(self, appended: Appended) -> None:
        if appended.conflicting or appended.out_of_order or appended.too_far_ahead:
            self._around.metrics.count_refused(appended)

    def _count_failure(self, failure: Exception) -> None:
        metrics = self._around.metrics
        if isinstance(failure, BodyTooLarge):
            metrics.over_body_limit.inc()
        elif isinstance(failure, SampleLimitExceeded):
            metrics.over_sample_limit.inc()
        elif isinstance(failure, LabelLimitExceeded):
            metrics.over_label_limit.inc()

    def end(self, at_ms: int) -> None:
        """Mark every series of the target stale. Storage that is away is logged: nothing else helps then."""
        try:
            self._series.end(max(at_ms, self._health.scraped_ms + 1))
        except StorageUnavailable as error:
            _log.warning("no stale markers for %s: %s", self.target.url, error)
        self._series.close()

    @property
    def metadata(self) -> dict[str, Metadata]:
        """Type, help and unit of the metric families that the target exposes."""
        return self._reader.metadata

    def status(self, global_url: str) -> TargetStatus:
        health = self._health
        return TargetStatus(
            discovered_labels=self.target.discovered,
            labels=self.target.labels,
            scrape_pool=self.target.pool,
            scrape_url=self.target.url,
            global_url=global_url,
            health=health.state,
            last_error=health.error,
            last_scrape_ms=health.scraped_ms,
            last_scrape_duration_s=health.duration_s,
            interval_ms=self.target.interval_ms,
            timeout_ms=self.target.timeout_ms,
        )


def _limits(config: ScrapeConfig) -> LabelLimits:
    return LabelLimits(
        config.label_limit or DEFAULT_LABELS,
        config.label_name_length_limit or DEFAULT_NAME_BYTES,
        config.label_value_length_limit or DEFAULT_VALUE_BYTES,
    )
