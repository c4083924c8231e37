"""The local engine behind the seam that everyone asks through.

Small queries and lookups are answered at once. All others run in threads, as many at once as the limits
say; those of rules have threads of their own, so that no dashboard can keep an alert from being evaluated.
Cancelling the awaiting task stops the computation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Protocol, TypeVar

from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher
from backbeat.model.results import Answer
from backbeat.promql.engine import Engine
from backbeat.promql.explain import Explained, explain
from backbeat.promql.limits import Deadline

Result = TypeVar("Result")
Ordered = TypeVar("Ordered", str, Labels)
FEW_SELECTORS, FEW_FOUND = 4, 1000
"""What is put together at once, without a thread: it takes well under a ms."""


class Lookups(Protocol):
    """What is known of label sets without looking for it."""

    def series_at_hand(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> Sequence[Labels] | None:
        """What `Queryable.series` gives, where that takes well under a ms; else None."""
        ...

    def labels_at_hand(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> Sequence[str] | None:
        """What `Queryable.label_values` gives (`label_names`: no name), where that is known; else None."""
        ...


class LocalQuerier:
    """Implements `model.results.Querier`. Close it to wait for its threads."""

    def __init__(
        self, engine: Engine, threads: ThreadPoolExecutor | None = None, *, lookups: Lookups | None = None
    ) -> None:
        """lookups: knows label sets of the engine's queryable; without it each lookup gets a thread."""
        self._engine = engine
        self._queryable = engine.queryable
        self._lookups = lookups
        self._threads = threads or ThreadPoolExecutor(engine.limits.max_concurrency, "query")

    def close(self) -> None:
        """No more queries; returns when those under way are done."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def reserved(self, threads: int) -> LocalQuerier:
        """The same engine with threads of its own, for rules; to be closed by itself."""
        return LocalQuerier(self._engine, ThreadPoolExecutor(threads, "rule-query"), lookups=self._lookups)

    async def instant(
        self, expr: str, at_ms: int, *, timeout_ms: int | None = None, lookback_ms: int | None = None
    ) -> Answer:
        if self._engine.is_quick(expr, at_ms, at_ms, 1):
            deadline = self._engine.deadline(timeout_ms)
            return self._engine.instant(expr, at_ms, deadline=deadline, lookback_ms=lookback_ms)
        return await self._query(
            timeout_ms,
            lambda deadline: self._engine.instant(expr, at_ms, deadline=deadline, lookback_ms=lookback_ms),
        )

    async def range(
        self,
        expr: str,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        *,
        timeout_ms: int | None = None,
        lookback_ms: int | None = None,
        anew: bool = False,
    ) -> Answer:
        if self._engine.is_quick(expr, start_ms, end_ms, step_ms):
            return self._engine.range(
                expr,
                start_ms,
                end_ms,
                step_ms,
                deadline=self._engine.deadline(timeout_ms),
                lookback_ms=lookback_ms,
                anew=anew,
            )
        return await self._query(
            timeout_ms,
            lambda deadline: self._engine.range(
                expr, start_ms, end_ms, step_ms, deadline=deadline, lookback_ms=lookback_ms, anew=anew
            ),
        )

    async def explain(
        self, expr: str, start_ms: int, end_ms: int, step_ms: int, *, timeout_ms: int | None = None
    ) -> tuple[Explained, Answer]:
        """A range query's tree with what each node gave and cost. Raises QueryError."""
        return await self._query(
            timeout_ms, lambda deadline: explain(self._engine, expr, start_ms, end_ms, step_ms, deadline)
        )

    async def _query(self, timeout_ms: int | None, compute: Callable[[Deadline], Result]) -> Result:
        # The time spent waiting for a thread counts: a query that timed out in the queue does not start.
        deadline = self._engine.deadline(timeout_ms)

        def run() -> Result:
            deadline.check()
            return compute(deadline)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, run)
        except asyncio.CancelledError:
            deadline.cancel()
            raise

    async def series(
        self, selectors: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int, limit: int = 0
    ) -> Sequence[Labels]:
        def at_hand(lookups: Lookups, matchers: Sequence[Matcher]) -> Sequence[Labels] | None:
            return lookups.series_at_hand(matchers, start_ms, end_ms)

        def find(matchers: Sequence[Matcher]) -> Sequence[Labels]:
            return self._queryable.series(matchers, start_ms, end_ms)

        return await self._look_up(selectors, limit, at_hand, find)

    async def label_names(
        self, selectors: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int, limit: int = 0
    ) -> Sequence[str]:
        def at_hand(lookups: Lookups, matchers: Sequence[Matcher]) -> Sequence[str] | None:
            return lookups.labels_at_hand("", matchers, start_ms, end_ms)

        def find(matchers: Sequence[Matcher]) -> Sequence[str]:
            return self._queryable.label_names(matchers, start_ms, end_ms)

        return await self._look_up(selectors or [()], limit, at_hand, find)

    async def label_values(
        self, name: str, selectors: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int, limit: int = 0
    ) -> Sequence[str]:
        def at_hand(lookups: Lookups, matchers: Sequence[Matcher]) -> Sequence[str] | None:
            return lookups.labels_at_hand(name, matchers, start_ms, end_ms)

        def find(matchers: Sequence[Matcher]) -> Sequence[str]:
            return self._queryable.label_values(name, matchers, start_ms, end_ms)

        return await self._look_up(selectors or [()], limit, at_hand, find)

    async def _look_up(
        self,
        selectors: Sequence[Sequence[Matcher]],
        limit: int,
        at_hand: Callable[[Lookups, Sequence[Matcher]], Sequence[Ordered] | None],
        find: Callable[[Sequence[Matcher]], Sequence[Ordered]],
    ) -> Sequence[Ordered]:
        if self._lookups is not None and len(selectors) <= FEW_SELECTORS:
            known = [found for each in selectors if (found := at_hand(self._lookups, each)) is not None]
            # A list that is known takes no work; to unite several does.
            if len(known) == len(selectors) and (len(known) == 1 or max(map(len, known)) <= FEW_FOUND):
                return _united(known, limit)
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: _united([find(matchers) for matchers in selectors], limit)
        )


def _united(found: Sequence[Sequence[Ordered]], limit: int) -> Sequence[Ordered]:
    """All that were found, each once, in order; limit 0 is no limit. One list is given as it is."""
    united = found[0] if len(found) == 1 else sorted(set(chain.from_iterable(found)))
    return united[:limit] if 0 < limit < len(united) else united
