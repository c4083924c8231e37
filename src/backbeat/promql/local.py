"""The local engine behind the seam that everyone asks through.

Small queries are answered at once. All others run in threads, as many at once as the limits say; those of
rules have threads of their own, so that no dashboard can keep an alert from being evaluated. Cancelling the
awaiting task stops the computation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher
from backbeat.model.results import Answer
from backbeat.promql.engine import Engine
from backbeat.promql.explain import Explained, explain
from backbeat.promql.limits import Deadline

Result = TypeVar("Result")


class LocalQuerier:
    """Implements `model.results.Querier`. Close it to wait for its threads."""

    def __init__(self, engine: Engine, threads: ThreadPoolExecutor | None = None) -> None:
        self._engine = engine
        self._queryable = engine.queryable
        self._threads = threads or ThreadPoolExecutor(engine.limits.max_concurrency, "query")

    def close(self) -> None:
        """No more queries; returns when those under way are done."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def reserved(self, threads: int) -> LocalQuerier:
        """The same engine with threads of its own, for rules; to be closed by itself."""
        return LocalQuerier(self._engine, ThreadPoolExecutor(threads, "rule-query"))

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
    ) -> list[Labels]:
        def find() -> list[Labels]:
            found = [self._queryable.series(matchers, start_ms, end_ms) for matchers in selectors]
            return _united(found, limit)

        return await self._read(find)

    async def label_names(
        self, selectors: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int, limit: int = 0
    ) -> list[str]:
        def find() -> list[str]:
            asked = selectors or [()]
            return _united([self._queryable.label_names(one, start_ms, end_ms) for one in asked], limit)

        return await self._read(find)

    async def label_values(
        self, name: str, selectors: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int, limit: int = 0
    ) -> list[str]:
        def find() -> list[str]:
            asked = selectors or [()]
            return _united(
                [self._queryable.label_values(name, one, start_ms, end_ms) for one in asked], limit
            )

        return await self._read(find)

    async def _read(self, find: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, find)


Ordered = TypeVar("Ordered", str, Labels)


def _united(found: Sequence[Sequence[Ordered]], limit: int) -> list[Ordered]:
    """All that were found, each once, in order; limit 0 is no limit."""
    united = list(found[0]) if len(found) == 1 else sorted(set(chain.from_iterable(found)))
    return united[:limit] if limit else united
