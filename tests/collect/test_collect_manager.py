"""The manager runs the loops of its configuration, and a reload disturbs none that stays."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from fake_target import fake_target, text
from fake_time import FakeTime, settle
from memory_appender import STALE_MARKER, MemoryAppender
from msgspec.structs import replace

from backbeat.collect.exposition import Metadata
from backbeat.collect.fetch import Fetched, FetchError
from backbeat.collect.manager import ScrapeManager, by_metric
from backbeat.collect.scrape import Fetch
from backbeat.collect.target import Target, TargetStatus, resolve
from backbeat.collect.ticks import first_delay_ms, ticks
from backbeat.config.prometheus import (
    Discovery,
    FileSD,
    PrometheusConfig,
    RelabelConfig,
    ScrapeConfig,
    TargetGroup,
)
from backbeat.model.errors import RegexError
from backbeat.model.labels import Labels


class World:
    """A manager over targets that answer what `bodies` says, on a clock of its own."""

    def __init__(self) -> None:
        self.time = FakeTime(1_000_010)  # nobody's moment
        self.store = MemoryAppender()
        self.bodies: dict[str, str] = {}
        self.started: list[str] = []
        self.manager = ScrapeManager(
            self.store,
            self.time.now,
            external_host="outside",
            sleep=self.time.sleep,
            monotonic=self.time.monotonic,
            fetcher=self.fetcher,
        )

    def fetcher(self, config: ScrapeConfig, target: Target) -> Fetch:
        self.started.append(target.url)

        async def fetch() -> Fetched:
            body = self.bodies.get(target.labels.get("instance"), "a 1\n")
            if not body:
                raise FetchError("nobody there")
            return Fetched(body.encode(), openmetrics=False)

        return fetch

    def health(self) -> dict[str, str]:
        return {status.labels.get("instance"): status.health for status in self.manager.targets()}

    def status(self, instance: str) -> TargetStatus:
        (status,) = [each for each in self.manager.targets() if each.labels.get("instance") == instance]
        return status


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    async with world.manager:
        yield world


def job(name: str, *targets: str, **settings: object) -> ScrapeConfig:
    discovery = Discovery((TargetGroup(targets),))
    return ScrapeConfig(name, discovery, scrape_interval_ms=1000, scrape_timeout_ms=500, **settings)  # type: ignore[arg-type]


def config(*jobs: ScrapeConfig) -> PrometheusConfig:
    return PrometheusConfig("prometheus.yml", "", scrape_configs=jobs)


async def test_every_target_is_scraped_once_an_interval(world: World) -> None:
    world.bodies["b:1"] = ""
    await world.manager.apply(config(job("shop", "a:1", "b:1"), job("other", "a:1")))
    assert world.health() == {"a:1": "unknown", "b:1": "unknown"}
    await world.time.advance(5000)
    assert world.health() == {"a:1": "up", "b:1": "down"}
    assert world.status("b:1").last_error == "nobody there"
    times = [at for at, _ in world.store.of("up", job="shop", instance="a:1")]
    assert len(times) == 5
    assert {later - earlier for earlier, later in itertools.pairwise(times)} == {1000}
    assert len({times[0] for times in (world.store.of("up", job=each) for each in ("other",))}) == 1


async def test_a_reload_leaves_unchanged_targets_alone(world: World) -> None:
    await world.manager.apply(config(job("shop", "a:1", "b:1"), job("gone", "g:1")))
    await world.time.advance(2000)
    kept = world.status("a:1").last_scrape_ms
    await world.manager.apply(config(job("shop", "a:1", "c:1")))
    assert world.started.count("http://a:1/metrics") == 1
    assert world.status("a:1").last_scrape_ms == kept
    assert world.store.of("a", instance="b:1")[-1][1] is STALE_MARKER
    assert world.store.of("up", instance="g:1")[-1][1] is STALE_MARKER
    await world.time.advance(2000)
    assert world.health() == {"a:1": "up", "c:1": "up"}
    assert STALE_MARKER not in [value for _, value in world.store.of("a", instance="a:1")]


async def test_new_settings_restart_a_target_without_a_gap(world: World) -> None:
    world.bodies["a:1"] = "a 1\nb 2\n"
    await world.manager.apply(config(job("shop", "a:1")))
    await world.time.advance(2000)
    dropping = RelabelConfig("drop", ("__name__",), regex="b")
    await world.manager.apply(config(job("shop", "a:1", metric_relabel_configs=(dropping,))))
    assert world.health() == {"a:1": "up"}
    assert len(world.store.of("a")) == 2
    await world.time.advance(1000)
    assert [value for _, value in world.store.of("a")] == [1, 1, 1]
    assert [value for _, value in world.store.of("b")] == [2, 2, STALE_MARKER]


async def test_a_bad_regex_changes_nothing(world: World) -> None:
    await world.manager.apply(config(job("shop", "a:1")))
    bad = (RelabelConfig("keep", ("a",), regex="("),)
    for wrong in (job("shop", "b:1", relabel_configs=bad), job("shop", "b:1", metric_relabel_configs=bad)):
        with pytest.raises(RegexError):
            await world.manager.apply(config(job("new", "n:1"), wrong))
    await world.time.advance(1000)
    assert world.health() == {"a:1": "up"}


async def test_stop_marks_everything_stale(world: World) -> None:
    await world.manager.apply(config(job("shop", "a:1")))
    await world.time.advance(1000)
    await world.manager.stop()
    assert world.store.of("a")[-1][1] is STALE_MARKER
    assert world.store.of("up")[-1][1] is STALE_MARKER
    assert world.manager.targets() == []
    await world.time.advance(5000)
    assert len(world.store.of("a")) == 2


async def test_dropped_targets_and_labels(world: World) -> None:
    keep = RelabelConfig("drop", ("__address__",), regex="b:1")
    named = RelabelConfig(source_labels=("__address__",), regex="(.*):.*", target_label="host")
    params = (("module", ("http", "x")),)
    await world.manager.apply(
        config(
            job("shop", "127.0.0.1:1", "b:1", relabel_configs=(keep, named), params=params, scheme="https")
        )
    )
    (dropped,) = world.manager.dropped_targets()
    assert (dropped.scrape_pool, dropped.discovered_labels.get("__address__")) == ("shop", "b:1")
    (status,) = world.manager.targets()
    assert status.labels == Labels.of(job="shop", instance="127.0.0.1:1", host="127.0.0.1")
    assert status.scrape_url == "https://127.0.0.1:1/metrics?module=http&module=x"
    assert status.global_url == "https://outside:1/metrics?module=http&module=x"
    assert status.discovered_labels.as_dict() == {
        "__address__": "127.0.0.1:1",
        "__metrics_path__": "/metrics",
        "__param_module": "http",
        "__scheme__": "https",
        "__scrape_interval__": "1s",
        "__scrape_timeout__": "500ms",
        "job": "shop",
    }


def test_a_label_leads_through_a_unix_socket() -> None:
    to_socket = RelabelConfig(
        source_labels=("__address__",), target_label="__unix_socket__", replacement="/run/$1.sock"
    )
    named = RelabelConfig(target_label="instance", replacement="all")
    at_a = RelabelConfig(target_label="__address__", replacement="host")
    shop = job("shop", "a", "b", relabel_configs=(to_socket, named, at_a))
    targets = resolve(shop, shop.discovery.static_configs).targets
    assert [target.unix_socket for target in targets] == ["/run/a.sock", "/run/b.sock"]
    assert {target.url for target in targets} == {"http://host/metrics"}
    assert {target.labels for target in targets} == {Labels.of(job="shop", instance="all")}


async def test_labels_can_set_a_target_apart(world: World) -> None:
    labels = Labels.of(
        __metrics_path__="x",
        __scheme__="https",
        __scrape_interval__="5s",
        __param_a="b",
        job="mine",
        env="prod",
    )
    discovery = Discovery((TargetGroup(("a:1",), labels),))
    await world.manager.apply(config(replace(job("shop"), discovery=discovery)))
    (status,) = world.manager.targets()
    assert (status.scrape_url, status.interval_ms) == ("https://a:1/x?a=b", 5000)
    assert status.labels == Labels.of(job="mine", instance="a:1", env="prod")


@pytest.mark.parametrize(
    ("relabel", "reason"),
    [
        (RelabelConfig(target_label="__address__", replacement=""), "no address"),
        (RelabelConfig(target_label="__address__", replacement="a:1/x"), "holds a path"),
        (RelabelConfig(target_label="__scrape_timeout__", replacement="2s"), "longer than the interval"),
        (RelabelConfig(target_label="__scrape_interval__", replacement="soon"), "expected a duration"),
    ],
)
async def test_a_target_that_is_none_is_left_out(world: World, relabel: RelabelConfig, reason: str) -> None:
    await world.manager.apply(config(job("shop", "a:1", relabel_configs=(relabel,))))
    assert world.manager.targets() == []
    assert reason in world.manager.target_errors()[0]


async def test_the_target_limit_fails_the_pool(world: World) -> None:
    await world.manager.apply(config(job("shop", "a:1", "b:1", target_limit=1)))
    assert world.manager.targets() == []
    assert "the limit is 1" in world.manager.target_errors()[0]


async def test_the_same_target_twice_is_scraped_once(world: World) -> None:
    await world.manager.apply(config(job("shop", "a:1", "a:1")))
    assert len(world.manager.targets()) == 1


async def test_target_files_are_followed(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = tmp_path / "one.json", tmp_path / "two.yml"
    first.write_text(json.dumps([{"targets": ["a:1"], "labels": {"env": "x"}}]))
    found = Discovery(file_sd_configs=(FileSD((str(tmp_path / "*.json"), str(tmp_path / "*.yml")), 300_000),))
    await world.manager.apply(config(replace(job("shop"), discovery=found)))
    assert world.status("a:1").labels == Labels.of(job="shop", instance="a:1", env="x")
    assert world.status("a:1").discovered_labels.get("__meta_filepath") == str(first)

    second.write_text("- targets: ['b:1', 'c:1']\n- targets: [d:1]\n")
    await poll(world)
    assert set(world.health()) == {"a:1", "b:1", "c:1", "d:1"}

    second.write_text("- targets: [b:1\n")
    await poll(world)
    assert set(world.health()) == {"a:1", "b:1", "c:1", "d:1"}
    assert "two.yml" in caplog.text
    assert "old targets stay" in caplog.text

    second.unlink()
    await poll(world)
    assert set(world.health()) == {"a:1"}
    assert world.store.of("up", instance="b:1")[-1][1] is STALE_MARKER


async def poll(world: World) -> None:
    """One look at the files; the look itself happens on a thread."""
    await world.time.advance(5000)
    async with world.manager._applying:
        pass
    await settle()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a: b\n", "expected a list"),
        ("- targets: a:1\n", "expected a list of host:port"),
        ("- targets: [1]\n", "expected a list of host:port"),
        ("- targets: [a:1]\n  label: {}\n", "unknown field 'label'"),
        ("- targets: [a:1]\n  labels: [x]\n", "expected a mapping"),
        ("- targets: [a:1]\n  labels: {x: [y]}\n", "expected a text"),
        ("- !!python/object:os.system x\n", "could not determine a constructor"),
        ("[" * 5000, ""),
    ],
)
async def test_a_bad_target_file(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str, reason: str
) -> None:
    path = tmp_path / "targets.yml"
    path.write_text(content)
    found = Discovery((TargetGroup(("s:1",)),), (FileSD((str(path),), 60_000),))
    await world.manager.apply(config(replace(job("shop"), discovery=found)))
    assert set(world.health()) == {"s:1"}
    assert reason in caplog.text
    assert "it gives no targets" in caplog.text


async def test_metadata_by_metric(world: World) -> None:
    world.bodies = {
        "a:1": "# HELP x One.\n# TYPE x gauge\nx 1\n",
        "b:1": "# HELP x Two.\n# TYPE x gauge\nx 1\n",
        "c:1": "# HELP x Two.\n# TYPE x gauge\nx 1\n",
    }
    await world.manager.apply(config(job("shop", "a:1", "b:1", "c:1")))
    await world.time.advance(1000)
    found = world.manager.metadata()
    assert {(each.target.labels.get("instance"), each.metric) for each in found} == {
        ("a:1", "x"),
        ("b:1", "x"),
        ("c:1", "x"),
    }
    assert by_metric(found) == {"x": [Metadata("gauge", "One."), Metadata("gauge", "Two.")]}


async def test_one_bad_target_leaves_the_others_alone() -> None:
    """Over real HTTP: garbage, a flood, a loop and a refusal beside a target that is well."""
    async with fake_target() as good, fake_target() as garbage, fake_target() as loop:
        garbage.answer = text(os.urandom(5000))

        async def redirect(request: web.Request) -> web.StreamResponse:
            raise web.HTTPFound(request.path)

        loop.answer = redirect
        time, store = FakeTime(), MemoryAppender()
        async with ScrapeManager(store, time.now, sleep=time.sleep, monotonic=time.monotonic) as manager:
            await manager.apply(config(job("shop", good.address, garbage.address, loop.address)))
            await time.advance(1000)
            await all_scraped(manager)
            health = {
                each.labels.get("instance"): (each.health, each.last_error) for each in manager.targets()
            }
        assert health[good.address] == ("up", "")
        assert health[garbage.address][1].startswith("bad line ")
        assert health[loop.address][1].startswith("redirect loop")


async def all_scraped(manager: ScrapeManager) -> None:
    """Wait until every target has answered or failed once."""
    # Real sockets answer when they do.
    while any(each.health == "unknown" for each in manager.targets()):  # noqa: ASYNC110
        await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("now_ms", "offset", "delay_ms"),
    [(0, 0.0, 0), (1, 0.0, 999), (0, 0.3, 300), (300, 0.3, 0), (301, 0.3, 999)],
)
def test_first_delay(now_ms: int, offset: float, delay_ms: int) -> None:
    assert first_delay_ms(now_ms, 1000, offset) == delay_ms


def test_targets_share_the_moments_of_a_tenth_of_a_second() -> None:
    offsets = [number / 997 for number in range(997)]
    moments = {first_delay_ms(0, 15_000, offset) for offset in offsets}
    assert moments == set(range(0, 15_000, 100))


@pytest.mark.parametrize(("interval_ms", "apart_ms"), [(1000, 100), (500, 50), (7, 1)])
def test_targets_of_a_short_interval_are_spread_over_it(interval_ms: int, apart_ms: int) -> None:
    moments = {first_delay_ms(0, interval_ms, number / 997) for number in range(997)}
    assert moments == set(range(0, interval_ms, apart_ms))


async def moments(time: FakeTime, count: int, *, late_ms: int = 0) -> list[int]:
    found: list[int] = []

    async def sleep(seconds: float) -> None:
        time._pass(time.passed_ms + round(seconds * 1000) + late_ms)

    async for at in ticks(1000, 0.5, time.now, sleep=sleep, monotonic=time.monotonic):
        found.append(at)
        if len(found) == count:
            return found
        if len(found) == 2 and late_ms == 0:
            time.now_ms += 3_600_000
        if len(found) == 4 and late_ms == 0:
            time.now_ms -= 7_200_000
    return found


async def test_small_delays_do_not_show() -> None:
    assert await moments(FakeTime(10_000), 3, late_ms=4) == [10_500, 11_500, 12_500]


async def test_delays_that_matter_show() -> None:
    assert await moments(FakeTime(10_000), 3, late_ms=100) == [10_600, 11_600, 12_600]


async def test_the_wall_clock_may_jump() -> None:
    assert await moments(FakeTime(10_000), 6) == [
        10_500,
        11_500,
        3_612_500,
        3_613_500,
        -3_585_500,
        -3_584_500,
    ]


async def test_moments_that_have_passed_are_left_out() -> None:
    time, found = FakeTime(10_000), []

    async def sleep(seconds: float) -> None:
        time._pass(time.passed_ms + round(seconds * 1000))

    async for at in ticks(1000, 0.0, time.now, sleep=sleep, monotonic=time.monotonic):
        found.append(at)
        time._pass(time.passed_ms + 2300)
        if len(found) == 3:
            break
    assert found == [10_000, 13_000, 16_000]
