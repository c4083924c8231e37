"""One task that wakes when something is due, does it, and sleeps until the next.

In:  the core, which says what is due and when. Out: its changes to the journal, messages to the attempts.
The clock may be set and the machine suspended meanwhile: both are noticed, and the core is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from backbeat.alerting.attempts import Attempts
from backbeat.alerting.core import Core
from backbeat.alerting.journal import Journal
from backbeat.model.clock import Now

_ALERTS_FLUSHED_AT_ONCE = 500
_LONGEST_SLEEP_MS = 5_000
_MAINTAIN_EVERY_MS = 600_000
_STEP_BACK_MS = 1_000
_OVERSLEPT_MS = 30_000
_EVENTS_KEPT = 2_000_000
_log = logging.getLogger(__name__)


class Driver:
    """wake: set when something may be due earlier than it was; events_kept_ms: how long history is kept."""

    def __init__(
        self,
        core: Core,
        journal: Journal,
        attempts: Attempts,
        now: Now,
        wake: asyncio.Event,
        events_kept_ms: Callable[[], int],
    ) -> None:
        self._core = core
        self._journal = journal
        self._attempts = attempts
        self._now = now
        self._wake = wake
        self._events_kept_ms = events_kept_ms
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._last_seen_ms = now()
        self._maintained_ms = 0

    def start(self) -> None:
        self._task = asyncio.create_task(self._drive(), name="alerting")

    async def stop(self) -> None:
        """Returns when the step under way, if any, is done."""
        self._is_stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task

    async def tick(self) -> int | None:
        """Do everything that is due now, and begin attempts. Returns when something is due next."""
        now_ms = self._now()
        self._notice_step_back(now_ms)
        await self._journal.catch_up()
        while (changes := self._core.flush_due(now_ms, _ALERTS_FLUSHED_AT_ONCE)) is not None:
            await self._journal.write(changes)
            await asyncio.sleep(0)
            for message in changes.messages:
                self._core.ledger.outbox.release(message)
        self._attempts.begin_due()
        if now_ms - self._maintained_ms >= _MAINTAIN_EVERY_MS:
            await self._maintain(now_ms)
        return self._core.next_due_ms()

    async def _drive(self) -> None:
        while not self._is_stopping:
            self._wake.clear()
            try:
                due_ms = await self.tick()
            except Exception:
                # A bug in one step must not end alerting for good; it is loud in the log and tried again.
                _log.exception("alerting: a step failed")
                due_ms = self._now() + _LONGEST_SLEEP_MS
            await self._sleep_until(due_ms)

    async def _sleep_until(self, due_ms: int | None) -> None:
        """Sleep, but never for long: the clock may be set, the machine suspended."""
        rest_ms = _LONGEST_SLEEP_MS if due_ms is None else min(due_ms - self._now(), _LONGEST_SLEEP_MS)
        if rest_ms <= 0:
            await asyncio.sleep(0)
            return
        fell_asleep_ms = self._now()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), rest_ms / 1000)
        overslept_ms = self._now() - fell_asleep_ms - rest_ms
        if overslept_ms > _OVERSLEPT_MS:
            _log.warning("alerting: the machine was asleep, or its clock set, by %d s", overslept_ms // 1000)
            self._core.outlast(overslept_ms, self._now())

    def _notice_step_back(self, now_ms: int) -> None:
        if now_ms < self._last_seen_ms - _STEP_BACK_MS:
            _log.warning("alerting: the clock was set back by %d s", (self._last_seen_ms - now_ms) // 1000)
            self._core.shift(now_ms - self._last_seen_ms)
            self._maintained_ms = now_ms
        self._last_seen_ms = now_ms

    async def _maintain(self, now_ms: int) -> None:
        self._maintained_ms = now_ms
        await self._journal.write(self._core.maintain(now_ms))
        await self._journal.prune_events(now_ms - self._events_kept_ms(), _EVENTS_KEPT)
