"""What stops a query: its timeout, its cancellation, its samples; and the threads of the local querier."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
import pytest
from memory_queryable import MemoryQueryable

from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.model.results import Matrix, Querier, QueryCanceled, QueryTimeout, QueryTooLarge
from backbeat.model.samples import SampleBlock
from backbeat.promql.engine import Engine
from backbeat.promql.limits import Deadline, Limits
from backbeat.promql.local import LocalQuerier


def storage(series: int = 3, samples: int = 50) -> MemoryQueryable:
    found = MemoryQueryable()
    found.add(
        {
            Labels.of(__name__="x", row=str(row)): [(i * 1000, float(i)) for i in range(samples)]
            for row in range(series)
        }
    )
    return found


class Waiting(MemoryQueryable):
    """A queryable that waits for a word before it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go_on = threading.Event(), threading.Event()

    def read(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[SampleBlock]:
        self.asked.set()
        assert self.go_on.wait(10)
        return super().read(matchers, start_ms, end_ms)


_TOO_MANY = "query processing would load too many samples into memory in query execution"


@pytest.mark.parametrize("query", ["x[40s]", "x[40s:1s]", "vector(1)[40s:1s]", "sum_over_time(x[40s])"])
def test_too_many_samples_at_once(query: str) -> None:
    with pytest.raises(QueryTooLarge, match=_TOO_MANY):
        Engine(storage(), Limits(max_samples=30)).instant(query, 45_000)


@pytest.mark.parametrize("query", ["x", "vector(1)", "x @ 10", "sum_over_time(x[30s])"])
def test_too_many_samples_over_a_range(query: str) -> None:
    with pytest.raises(QueryTooLarge, match=_TOO_MANY):
        Engine(storage(), Limits(max_samples=30)).range(query, 0, 49_000, 1000)


def test_samples_are_counted() -> None:
    answer = Engine(storage()).range("sum(x)", 0, 9_000, 1000)
    assert answer.samples_read == 30
    assert 30 <= answer.peak_samples <= 100


def test_a_query_stops_at_its_deadline() -> None:
    now = 0.0
    deadline = Deadline(1000, clock=lambda: now)
    one = Engine(storage())
    one.instant("x", 1000, deadline=deadline)
    now = 1.0
    with pytest.raises(QueryTimeout, match="query timed out in expression evaluation"):
        one.instant("x", 1000, deadline=deadline)


def test_a_query_s_own_timeout_is_at_most_the_engine_s() -> None:
    one = Engine(storage(), Limits(timeout_ms=0))
    with pytest.raises(QueryTimeout):
        one.instant("x", 0, deadline=one.deadline(60_000))


def test_a_cancelled_query_stops_between_operators() -> None:
    waiting = Waiting()
    waiting.add({Labels.of(__name__="x"): [(0, 1.0)]})
    one = Engine(waiting)
    deadline = one.deadline()
    raised: list[BaseException] = []

    def run() -> None:
        try:
            one.instant("sum(x)", 0, deadline=deadline)
        except QueryCanceled as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert waiting.asked.wait(10)
    deadline.cancel()
    waiting.go_on.set()
    thread.join(10)
    assert [str(error) for error in raised] == ["query was canceled in expression evaluation"]


async def test_local_querier_answers_like_the_engine() -> None:
    querier: Querier = LocalQuerier(Engine(storage()))
    answer = await querier.range("sum(x)", 0, 5_000, 1000)
    assert isinstance(answer.value, Matrix)
    assert answer.value.values.tolist() == [[0, 3, 6, 9, 12, 15]]
    at_once = (await querier.instant("sum(x)", 5_000)).value
    assert isinstance(at_once, Matrix)
    assert at_once.values.tolist() == [[15]]
    matcher = Matcher("row", MatchOp.EQUAL, "1")
    assert await querier.series([[matcher]], 0, 5_000) == [Labels.of(__name__="x", row="1")]
    assert await querier.label_names([], 0, 5_000) == ["__name__", "row"]
    assert await querier.label_values("row", [], 0, 5_000, limit=2) == ["0", "1"]


async def test_cancelling_the_task_cancels_the_query() -> None:
    waiting = Waiting()
    waiting.add({Labels.of(__name__="x"): [(0, 1.0)]})
    one = Engine(waiting)
    deadlines: list[Deadline] = []
    make = one.deadline
    one.deadline = lambda timeout_ms=None: deadlines.append(make(timeout_ms)) or deadlines[-1]  # type: ignore[assignment]
    querier = LocalQuerier(one)
    task = asyncio.create_task(querier.instant("sum(x)", 0))
    await asyncio.to_thread(waiting.asked.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(QueryCanceled):
        deadlines[0].check()
    waiting.go_on.set()
    querier.close()


async def test_rules_have_threads_of_their_own() -> None:
    waiting = Waiting()
    waiting.add({Labels.of(__name__="x"): [(0, 1.0)]})
    querier = LocalQuerier(Engine(waiting, Limits(max_concurrency=1)))
    dashboard = asyncio.create_task(querier.instant("x", 0))
    await asyncio.to_thread(waiting.asked.wait, 10)
    rules = querier.reserved(1)
    answer = await rules.instant("vector(1)", 0)  # while the only other thread is taken
    assert isinstance(answer.value, Matrix)
    waiting.go_on.set()
    await dashboard
    rules.close()
    querier.close()


def test_engine_is_quiet_about_arithmetic() -> None:
    answer = Engine(storage()).range("ln(-x) / 0 + x ^ 1000 % 0", 0, 9_000, 1000).value
    assert isinstance(answer, Matrix)
    assert np.isnan(answer.values).all()
