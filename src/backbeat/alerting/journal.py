"""Writes changes to the state, in order; what the state does not take is kept and written later.

A full disk must not keep a page from anybody: alerting goes on from memory, and catches up when it can.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from sqlalchemy import Connection

from backbeat.alerting.changes import Changes
from backbeat.alerting.counters import Counters
from backbeat.model.errors import WorldFailure
from backbeat.state import State, store

_LONGEST_BACKLOG = 10_000
_log = logging.getLogger(__name__)


class Journal:
    def __init__(self, state: State, counters: Counters) -> None:
        self._state = state
        self._counters = counters
        self._backlog: deque[Changes] = deque()
        self._turn = asyncio.Lock()
        self._appended = 0
        self._written = 0
        self._is_failing = False

    def put(self, changes: Changes) -> None:
        """Hand over what is to be written; `write` says when it is."""
        if not changes:
            return
        # Where the state does not take anything, the number of changes bounds what is kept: none may grow.
        if self._is_failing or not self._backlog or not self._backlog[-1].take_over(changes):
            self._backlog.append(changes)
        self._appended += 1

    async def write(self, changes: Changes | None = None) -> WorldFailure | None:
        """Durable, with all that was put before, when this returns None; else kept for the next write.

        Changes that come while a transaction is under way share the next one.
        """
        if changes is not None:
            if not changes:
                return None
            self.put(changes)
        mine = self._appended
        async with self._turn:
            return None if self._written >= mine else await self._write_backlog()

    async def catch_up(self) -> WorldFailure | None:
        """Try again to write what the state did not take."""
        async with self._turn:
            return await self._write_backlog() if self._backlog else None

    async def prune_events(self, before_ms: int, keep_newest: int) -> None:
        """Bound the history; where that fails, the next time will do."""
        try:
            await self._state.run(lambda connection: store.prune_events(connection, before_ms, keep_newest))
        except WorldFailure as failure:
            _log.warning("%s", failure)

    async def _write_backlog(self) -> WorldFailure | None:
        batch, upto = self._backlog, self._appended
        self._backlog = deque()

        def work(connection: Connection) -> None:
            for changes in batch:
                changes.write(connection)

        try:
            await self._state.run(work)
        except WorldFailure as failure:
            self._backlog.extendleft(reversed(batch))
            self._cut_backlog()
            if not self._is_failing:
                _log.error("%s", failure)
            self._is_failing = True
            self._counters.state_failures += 1
            return failure
        if self._is_failing:
            _log.warning("the state is written again, nothing is missing")
        self._is_failing = False
        self._written = upto
        while len(batch) > 1:
            # Freeing what a storm has written takes a while, too.
            batch.popleft()
            await asyncio.sleep(0)
        return None

    def _cut_backlog(self) -> None:
        """Memory is bounded too: the oldest changes give way, and that is said."""
        excess = len(self._backlog) - _LONGEST_BACKLOG
        for _ in range(max(0, excess)):
            self._backlog.popleft()
        if excess > 0:
            _log.error("%d changes of the state are lost for the next restart; make room for it", excess)
