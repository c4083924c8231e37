"""The host collector, beside the node exporter it takes its names from."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator

import numpy as np
import pytest
from fake_time import FakeTime
from memory_appender import MemoryAppender

from backbeat.collect import host
from backbeat.collect.fetch import FetchError
from backbeat.collect.host_target import HostCollector
from backbeat.collect.identity import SeriesIdentity
from backbeat.collect.manager import ScrapeManager
from backbeat.collect.reader import ScrapeReader
from backbeat.config.prometheus import PrometheusConfig, ScrapeConfig
from backbeat.model.labels import NO_LABELS, Labels

HOST = ScrapeConfig("node", host_collector=True, scrape_interval_ms=1000, scrape_timeout_ms=1000)


def read(body: bytes) -> dict[Labels, float]:
    """An exposition's samples, as the scrape loop would read them."""
    series: dict[Labels, int] = {}

    def columns(wanted: object) -> object:
        return np.array([series.setdefault(labels, len(series)) for labels in wanted], np.int32)  # type: ignore[attr-defined]

    reading = ScrapeReader(SeriesIdentity(NO_LABELS), columns).read(body, 0)  # type: ignore[arg-type]
    assert reading.duplicates == 0
    names = list(series)
    return {names[column]: value for column, value in zip(reading.columns, reading.row.tolist(), strict=True)}


def test_the_basics_are_there() -> None:
    samples = read(host.exposition())
    names = {labels.metric for labels in samples}
    assert {
        "node_load1",
        "node_load5",
        "node_load15",
        "node_cpu_seconds_total",
        "node_memory_MemTotal_bytes",
        "node_memory_MemAvailable_bytes",
        "node_filesystem_size_bytes",
        "node_filesystem_avail_bytes",
        "node_network_receive_bytes_total",
        "node_boot_time_seconds",
        "node_time_seconds",
        "node_uname_info",
    } <= names
    assert any(labels.get("mountpoint") == "/" for labels in samples)


async def test_the_host_is_a_target_like_any_other() -> None:
    clock, store = FakeTime(), MemoryAppender()
    async with ScrapeManager(store, clock.now, sleep=clock.sleep, monotonic=clock.monotonic) as manager:
        await manager.apply(PrometheusConfig("", "", scrape_configs=(HOST,)))
        (loop,) = manager._pools["node"].loops.values()
        await loop.loop.scrape(1000)
        (status,) = manager.targets()
        assert (status.health, status.last_error) == ("up", "")
        assert status.labels == Labels.of(job="node", instance=socket.gethostname())
        assert status.global_url.startswith("host://")
    assert store.of("node_load1", job="node")[0][0] == 1000
    assert store.of("up", job="node")[0] == (1000, 1)


async def test_a_hanging_mount_fails_the_scrape_and_not_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def hang() -> bytes:
        go_on.wait(5)
        return b""

    monkeypatch.setattr(host, "exposition", hang)
    collector = HostCollector(20)
    with pytest.raises(FetchError, match="no answer within 20ms"):
        await collector()
    with pytest.raises(FetchError, match="hanging mount"):
        await collector()
    go_on.set()
    assert collector._running is not None
    collector._running.join()


@pytest.fixture
def node_exporter() -> Iterator[str]:
    binary = shutil.which("prometheus-node-exporter")
    if binary is None:
        pytest.skip("prometheus-node-exporter is not installed")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [binary, f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"], stderr=subprocess.DEVNULL
    )
    try:
        yield f"http://127.0.0.1:{port}/metrics"
    finally:
        process.terminate()
        process.wait(10)


LOOKS = 5
"""A busy machine may change between our look at it and theirs; what we read wrongly differs in every one."""


@pytest.mark.peer
def test_like_the_node_exporter(node_exporter: str) -> None:
    for _ in range(LOOKS):
        theirs, ours = read(get(node_exporter)), read(host.exposition())
        found = differences(ours, theirs)
        if not any(found):
            break
    unknown, strangers, far = found
    assert unknown == set(), "names that the node exporter does not have"
    assert strangers == [], "series that the node exporter does not have"
    assert far == {}
    assert len(set(ours) & set(theirs)) > 100


def differences(
    ours: dict[Labels, float], theirs: dict[Labels, float]
) -> tuple[set[str], list[Labels], dict[str, tuple[float, float]]]:
    """Names and series that only we have, and values that are far from each other."""
    unknown = {labels.metric for labels in ours} - {labels.metric for labels in theirs}
    # The exporter sees the mounts of process 1, we see our own; in a container they may differ.
    # Some exporters ask netlink, which tells them nothing of lo.
    mounts = {labels.get("mountpoint") for labels in theirs}
    strangers = [
        labels
        for labels in ours
        if labels not in theirs and labels.get("mountpoint") in mounts and labels.get("device") != "lo"
    ]
    far = {
        str(labels): (ours[labels], theirs[labels])
        for labels in set(ours) & set(theirs)
        if not close(labels, ours, theirs)
    }
    return unknown - {"node_filesystem_device_error"}, strangers, far


def close(labels: Labels, ours: dict[Labels, float], theirs: dict[Labels, float]) -> bool:
    """Equal up to what a busy machine changes between two looks at it."""
    mine, other = ours[labels], theirs[labels]
    if labels.metric in ("node_procs_running", "node_procs_blocked") or labels.metric.startswith("node_load"):
        return abs(mine - other) < 50
    slack = 64 * 1024 * 1024 if labels.metric.endswith(("bytes", "bytes_total")) else 5000
    return abs(mine - other) <= max(0.05 * abs(other), slack)


def get(url: str) -> bytes:
    deadline = time.monotonic() + 10
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                body: bytes = answer.read()
                return body
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
