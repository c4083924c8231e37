"""The whole demo with a stand-in for Backbeat: it starts, carries data, and leaves nothing behind."""

import asyncio
import os
import re
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from msgspec import Struct

from backbeat.demo.children import ChildDiedError
from backbeat.demo.ports import Ports, choose_ports
from backbeat.demo.run import run_demo
from backbeat.demo.welcome import welcome
from backbeat.model.errors import WorldFailure

CONTRACT = [
    "http_requests_total",
    "http_request_duration_seconds_bucket",
    "db_query_duration_seconds_bucket",
    "db_connections",
    "db_connections_max",
    "cache_hits_total",
    "cache_misses_total",
    "cache_evictions_total",
    "audio_streams_total",
    "audio_stream_errors_total",
    "upload_duration_seconds_bucket",
    "ws_connections_total",
    "ws_connection_errors_total",
    "ws_connections_active",
    "api_rate_limited_total",
    "active_users",
    "feature_used_total",
    "user_registrations_total",
]
MOVING = [
    "http_requests_total",
    "http_request_duration_seconds_count",
    "db_query_duration_seconds_count",
    "cache_hits_total",
    "cache_misses_total",
    "audio_streams_total",
    "upload_duration_seconds_count",
    "ws_connections_total",
    "ws_connections_active",
    "active_users",
    "feature_used_total",
]

STAND_IN = textwrap.dedent(
    """
    import http.server, sys

    class Ready(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    host, _, port = sys.argv[1].rpartition(":")
    http.server.ThreadingHTTPServer((host, int(port)), Ready).serve_forever()
    """
)


def stand_in(_config: Path, _data: Path, listen: str) -> Sequence[str]:
    return [sys.executable, "-c", STAND_IN, listen]


class Running(Struct):
    ports: Ports
    ended: asyncio.Task[None]
    said: list[str]

    def children(self) -> list[psutil.Process]:
        return psutil.Process(os.getpid()).children()


@asynccontextmanager
async def running_demo(data_dir: Path, ports: Ports) -> AsyncIterator[Running]:
    """The demo from its welcome until the block ends; its errors come out of the block."""
    stop, started = asyncio.Event(), asyncio.Event()
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        started.set()

    task = asyncio.create_task(run_demo(data_dir, wanted=ports, say=say, serve=stand_in, stop=stop))
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait([task, waiting], timeout=30, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    try:
        if started.is_set():
            yield Running(ports, task, said)
        else:
            await task
    finally:
        stop.set()
        await asyncio.wait([task])


def values(exposition: str) -> dict[str, float]:
    """The sum of every metric over its labels."""
    sums: dict[str, float] = {}
    for name, value in re.findall(r"(?m)^(\w+)(?:\{.*\})? (\S+)$", exposition):
        sums[name] = sums.get(name, 0.0) + float(value)
    return sums


async def test_every_metric_of_the_contract_carries_data_within_seconds(
    tmp_path: Path, free_ports: Ports
) -> None:
    async with running_demo(tmp_path, free_ports) as running, httpx.AsyncClient() as client:
        deadline = time.monotonic() + 40
        while True:
            found = values((await client.get(f"http://127.0.0.1:{running.ports.service}/metrics")).text)
            still = [name for name in MOVING if not found.get(name)]
            if not still or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.5)
        assert still == []
        assert [name for name in CONTRACT if name not in found] == []
        assert (await client.get(f"http://127.0.0.1:{running.ports.inbox}/api/messages")).status_code == 200
        assert f"http://127.0.0.1:{running.ports.dashboard}/" in running.said[0]
        assert len(running.children()) == 3
        ended = time.monotonic()
    assert time.monotonic() - ended < 5
    assert running.children() == []


async def test_a_part_that_dies_ends_the_demo_and_is_named(tmp_path: Path, free_ports: Ports) -> None:
    async with running_demo(tmp_path, free_ports) as running:
        (traffic,) = [child for child in running.children() if "traffic" in child.cmdline()]
        traffic.kill()
        with pytest.raises(ChildDiedError, match=r"its traffic ended by itself \(signal SIGKILL\)"):
            await running.ended
        assert running.children() == []


async def test_backbeat_that_cannot_start_says_why(tmp_path: Path, free_ports: Ports) -> None:
    def broken(_config: Path, _data: Path, _listen: str) -> Sequence[str]:
        return [sys.executable, "-c", "print('prometheus.yml:3: no such thing'); raise SystemExit(1)"]

    with pytest.raises(ChildDiedError, match=r"(?s)Backbeat ended by itself \(exit code 1\).*no such thing"):
        await run_demo(tmp_path, wanted=free_ports, serve=broken, stop=asyncio.Event())
    assert psutil.Process(os.getpid()).children() == []


async def test_two_demos_in_one_directory(tmp_path: Path, free_ports: Ports) -> None:
    async with running_demo(tmp_path, free_ports):
        with pytest.raises(WorldFailure, match="another demo is running there"):
            await run_demo(tmp_path, wanted=free_ports, serve=stand_in, stop=asyncio.Event())


def test_a_port_in_use_is_skipped_and_the_text_says_so(free_ports: Ports) -> None:
    import socket

    with socket.create_server(("127.0.0.1", free_ports.service)):
        chosen = choose_ports("127.0.0.1", free_ports)
    assert chosen.service > free_ports.service
    text = welcome(lambda port: f"http://127.0.0.1:{port}", chosen, free_ports, Path("demo"))
    assert f"(port {free_ports.service} is in use, so the service has {chosen.service})" in text
    assert f"--url http://127.0.0.1:{chosen.service}" in text
