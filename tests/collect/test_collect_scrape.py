"""What a scrape leaves in storage, when it succeeds, when it fails, and when the target goes."""

from __future__ import annotations

import asyncio

import pytest
from fake_time import FakeTime
from memory_appender import STALE_MARKER, MemoryAppender
from prometheus_client import CollectorRegistry

from backbeat.collect.exposition import Metadata
from backbeat.collect.fetch import BodyTooLarge, Fetched, FetchError
from backbeat.collect.metrics import CollectMetrics
from backbeat.collect.scrape import ScrapeLoop, Surroundings
from backbeat.collect.target import resolve
from backbeat.config.prometheus import ScrapeConfig, TargetGroup


class Stand:
    """One loop whose target answers `self.answer`."""

    def __init__(self, **settings: object) -> None:
        self.store = MemoryAppender()
        self.time = FakeTime()
        self.registry = CollectorRegistry()
        self.answer: str | Exception = ""
        self.openmetrics = False
        self.config = ScrapeConfig("shop", **settings)  # type: ignore[arg-type]
        (self.target,) = resolve(self.config, [TargetGroup(("a:1",))]).targets
        self.around = Surroundings(
            self.store, self.time.now, CollectMetrics(self.registry), self.time.sleep, self.time.monotonic
        )
        self.loop = self.new_loop()

    def new_loop(self) -> ScrapeLoop:
        return ScrapeLoop(self.target, self.config, self.fetch, self.around)

    async def fetch(self) -> Fetched:
        if isinstance(self.answer, Exception):
            raise self.answer
        return Fetched(self.answer.encode(), self.openmetrics)

    async def scrape(self, at_ms: int, answer: str | Exception) -> None:
        self.answer = answer
        await self.loop.scrape(at_ms)

    def counted(self, name: str) -> float:
        return self.registry.get_sample_value(name) or 0.0


async def test_samples_and_report() -> None:
    stand = Stand()
    await stand.scrape(1000, "a 1\nb 2\n")
    await stand.scrape(2000, "a 3\nb 2\n")
    await stand.scrape(3000, "a 3\nb 2\nc 1\n")
    store = stand.store
    assert store.of("a", job="shop", instance="a:1") == [(1000, 1), (2000, 3), (3000, 3)]
    assert store.of("up", job="shop", instance="a:1") == [(1000, 1), (2000, 1), (3000, 1)]
    assert store.of("scrape_samples_scraped") == [(1000, 2), (2000, 2), (3000, 3)]
    assert store.of("scrape_samples_post_metric_relabeling") == [(1000, 2), (2000, 2), (3000, 3)]
    assert store.of("scrape_series_added") == [(1000, 2), (2000, 0), (3000, 1)]
    assert store.of("scrape_duration_seconds") == [(1000, 0), (2000, 0), (3000, 0)]


async def test_an_unchanged_layout_is_one_object() -> None:
    stand = Stand()
    for n in range(4):
        await stand.scrape(n, f"a {n}\nb 2\n")
    (cohort,) = stand.store.cohorts.values()
    assert all(layout is cohort.layouts[0] for layout in cohort.layouts)


async def test_a_series_that_vanishes_becomes_stale_once() -> None:
    stand = Stand()
    for at, body in enumerate(["a 1\nb 2\n", "a 1\n", "a 1\n", "a 1\nb 3\n"]):
        await stand.scrape(at, body)
    assert stand.store.of("b") == [(0, 2), (1, STALE_MARKER), (3, 3)]
    assert len(stand.store.of("a")) == 4


@pytest.mark.parametrize(
    ("failure", "reason", "counter"),
    [
        (FetchError("connection refused: a:1"), "connection refused: a:1", ""),
        (
            BodyTooLarge("body is larger"),
            "body is larger",
            "prometheus_target_scrapes_exceeded_body_size_limit_total",
        ),
        ("a 1\n{half", "bad line 2: expected name{labels} value: '{half'", ""),
        (
            "a 1\nb 2\nc 3\n",
            "more than 2 samples (sample_limit)",
            "prometheus_target_scrapes_exceeded_sample_limit_total",
        ),
        (
            'a{long="123456"} 1',
            "value of label long",
            "backbeat_target_scrapes_exceeded_label_limit_total",
        ),
    ],
)
async def test_a_failed_scrape(failure: str | Exception, reason: str, counter: str) -> None:
    stand = Stand(sample_limit=2, label_value_length_limit=5)
    await stand.scrape(0, "a 1\nb 2\n")
    await stand.scrape(1, failure)
    await stand.scrape(2, failure)
    status = stand.loop.status("")
    assert (status.health, status.last_scrape_ms) == ("down", 2)
    assert reason in status.last_error
    assert stand.store.of("up") == [(0, 1), (1, 0), (2, 0)]
    assert stand.store.of("a") == [(0, 1), (1, STALE_MARKER)]
    assert "c" not in stand.store.names()
    if counter:
        assert stand.counted(counter) == 2
    await stand.scrape(3, "a 5\nb 2\n")
    assert stand.loop.status("").health == "up"
    assert stand.loop.status("").last_error == ""
    assert stand.store.of("a") == [(0, 1), (1, STALE_MARKER), (3, 5)]
    assert stand.store.of("scrape_series_added") == [(0, 2), (1, 0), (2, 0), (3, 0)]


async def test_the_end_of_a_target_is_the_end_of_its_series() -> None:
    stand = Stand()
    await stand.scrape(1000, "a 1\n")
    stand.loop.end(900)
    assert stand.store.of("a") == [(1000, 1), (1001, STALE_MARKER)]
    assert stand.store.of("up") == [(1000, 1), (1001, STALE_MARKER)]
    assert all(cohort.closed for cohort in stand.store.cohorts.values())


async def test_a_target_that_was_never_scraped_leaves_nothing() -> None:
    stand = Stand()
    stand.loop.end(1000)
    assert stand.store.samples == {}


async def test_a_loop_takes_over_from_another() -> None:
    stand = Stand()
    await stand.scrape(1000, "a 1\nb 1\n")
    old = stand.loop
    stand.loop = stand.new_loop()
    stand.loop.inherit(old)
    assert stand.loop.status("").health == "up"
    await stand.scrape(2000, "a 2\n")
    assert stand.store.of("a") == [(1000, 1), (2000, 2)]
    assert stand.store.of("b") == [(1000, 1), (2000, STALE_MARKER)]


async def test_samples_with_timestamps_and_exemplars() -> None:
    stand = Stand()
    stand.openmetrics = True
    await stand.scrape(9000, 'a_total 1 # {trace_id="x"} 1\nb 2 5.5\n# EOF\n')
    await stand.scrape(9500, 'a_total 1 # {trace_id="y"} 1\n# EOF\n')
    assert stand.store.of("b") == [(5500, 2)]
    assert [(each.timestamp_ms, str(each.labels)) for each in stand.store.exemplars] == [
        (9000, '{trace_id="x"}'),
        (9500, '{trace_id="y"}'),
    ]
    assert stand.store.of("scrape_samples_scraped") == [(9000, 2), (9500, 1)]


async def test_refused_and_duplicate_samples_are_counted() -> None:
    stand = Stand()
    stand.store.window_ms = 0
    await stand.scrape(1000, "a 1 50\nb 1\nb 2\n")
    await stand.scrape(2000, "a 2 50\nb 1\nb 2\n")
    await stand.scrape(3000, "a 2 40\nb 1\nb 2\n")
    assert stand.counted("prometheus_target_scrapes_sample_duplicate_timestamp_total") == 4
    assert stand.counted("prometheus_target_scrapes_sample_out_of_order_total") == 1


async def test_storage_that_is_full_fails_scrapes_until_it_has_room() -> None:
    stand = Stand()
    await stand.scrape(0, "a 1\n")
    stand.store.full = True
    await stand.scrape(1, "a 2\n")
    assert stand.loop.status("").last_error == "storage takes no samples: disk full"
    stand.loop.end(2)
    stand.store.full = False
    await stand.scrape(3, "a 3\n")
    assert stand.store.of("a") == [(0, 1), (3, 3)]
    assert stand.counted("backbeat_scrape_storage_refusals_total") == 1


async def test_a_large_body_is_read_on_a_thread() -> None:
    stand = Stand()
    body = "".join(f'a{{i="{i}",pad="{"x" * 100}"}} {i}\n' for i in range(2000))
    for at in range(3):
        await stand.scrape(at, body)
    assert stand.store.of("scrape_samples_scraped") == [(0, 2000), (1, 2000), (2, 2000)]


async def test_a_bug_in_one_scrape_does_not_end_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    stand = Stand(scrape_interval_ms=1000, scrape_timeout_ms=500)
    stand.answer = RuntimeError("bug")
    task = asyncio.create_task(stand.loop.run())
    await stand.time.advance(2500)
    assert "RuntimeError: bug" in caplog.text
    assert stand.loop.status("").health == "down"
    stand.answer = "a 1\n"
    await stand.time.advance(2000)
    assert stand.loop.status("").health == "up"
    assert stand.counted("backbeat_scrape_loop_crashes_total") >= 2
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_metadata() -> None:
    stand = Stand()
    await stand.scrape(0, "# HELP a Things.\n# TYPE a counter\na 1\n")
    assert stand.loop.metadata == {"a": Metadata("counter", "Things.")}
