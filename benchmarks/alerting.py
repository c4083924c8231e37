"""10,000 firing alerts in 1,000 groups, 200 routes, 50 inhibit rules, 500 silences, beside Alertmanager.

    python -m benchmarks.alerting [--rounds 3]

Both get the same alertmanager.yml, silences and alerts, in 20 POSTs of 500, over HTTP. Measured: from the
first POST until /api/v2/alerts/groups shows every alert, the longest wait of a small request meanwhile (what
a blocked event loop would cost), CPU and memory. They take turns, and of several rounds the median is told.
BACKBEAT_ALERTMANAGER names another peer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import aiohttp
import psutil
import yaml
from msgspec import Struct
from msgspec.structs import fields

ALERTS, GROUPS, ROUTES, RULES, SILENCES, AT_ONCE = 10_000, 1_000, 200, 50, 500, 500


class Figures(Struct, frozen=True):
    name: str
    accepted_s: float
    accepting_cpu_s: float
    grouped_s: float
    cpu_s: float
    rss_mib: float
    longest_wait_ms: float

    def __str__(self) -> str:
        return (
            f"{self.name:14} accepted {self.accepted_s:5.2f} s (CPU {self.accepting_cpu_s:4.2f} s)   "
            f"routed and grouped {self.grouped_s:5.2f} s   "
            f"CPU in all {self.cpu_s:5.2f} s   RSS {self.rss_mib:4.0f} MiB   "
            f"longest wait of another request {self.longest_wait_ms:4.0f} ms"
        )


def settings() -> str:
    routes = [
        {"matchers": [f'team="t{i}"'], "receiver": "team", "group_by": ["service"]} for i in range(ROUTES)
    ]
    rules = [
        {
            "source_matchers": ['severity="critical"', f'zone="z{i}"'],
            "target_matchers": ['severity="warning"'],
            "equal": ["zone"],
        }
        for i in range(RULES)
    ]
    root = {"receiver": "team", "group_wait": "10m", "group_interval": "10m", "routes": routes}
    return yaml.safe_dump({"route": root, "receivers": [{"name": "team"}], "inhibit_rules": rules})


def alerts() -> list[dict[str, object]]:
    now = datetime.now(UTC)
    times = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(hours=1)).isoformat()}
    return [
        {
            "labels": {
                "alertname": f"Slow{i % 7}",
                "instance": f"host-{i}:9100",
                "job": "api",
                "service": f"s{i % GROUPS}",
                "severity": ("warning", "critical", "info")[i % 3],
                "team": f"t{i % GROUPS % ROUTES}",
                "zone": f"z{i % (2 * RULES)}",
            },
            "annotations": {"summary": f"host-{i} is slow", "description": "It answers late." * 4},
            "generatorURL": f"http://prometheus.example/graph?g0.expr=up{i}",
            **times,
        }
        for i in range(ALERTS)
    ]


def silence(i: int) -> dict[str, object]:
    now = datetime.now(UTC)
    return {
        "matchers": [
            {"name": "service", "value": f"s{i * 2}", "isRegex": False},
            {"name": "instance", "value": "host-[0-9]*5:.*", "isRegex": True},
        ],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=2)).isoformat(),
        "createdBy": "benchmark",
        "comment": f"number {i}",
    }


async def measure(name: str, command: list[str], url: str) -> Figures:
    quiet = asyncio.subprocess.DEVNULL
    child = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
    try:
        async with aiohttp.ClientSession(url) as session:
            await _ready(session)
            for i in range(SILENCES):
                async with session.post("/api/v2/silences", json=silence(i)) as answer:
                    assert answer.status == 200, await answer.text()
            return await _measure(name, session, psutil.Process(child.pid))
    finally:
        child.kill()
        await child.wait()


async def _measure(name: str, session: aiohttp.ClientSession, process: psutil.Process) -> Figures:
    sent = alerts()
    bodies = [json.dumps(sent[i : i + AT_ONCE]).encode() for i in range(0, ALERTS, AT_ONCE)]
    headers = {"content-type": "application/json"}
    before = _cpu_s(process)
    waits: list[float] = []
    watching = asyncio.create_task(_watch(session, waits))
    began = time.perf_counter()
    for body in bodies:
        async with session.post("/api/v2/alerts", data=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
    accepted_s = time.perf_counter() - began
    accepting_cpu_s = _cpu_s(process) - before
    while True:
        async with session.get("/api/v2/alerts/groups") as answer:
            groups = await answer.json()
        if sum(len(group["alerts"]) for group in groups) == ALERTS:
            break
    grouped_s = time.perf_counter() - began
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    assert len(groups) == GROUPS, len(groups)
    cpu_s = _cpu_s(process) - before
    rss_mib = process.memory_info().rss / 2**20
    longest_ms = 1000 * max(waits, default=0.0)
    return Figures(name, accepted_s, accepting_cpu_s, grouped_s, cpu_s, rss_mib, longest_ms)


def _cpu_s(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return float(spent.user + spent.system)


async def _watch(session: aiohttp.ClientSession, waits: list[float]) -> None:
    while True:
        began = time.perf_counter()
        async with session.get("/-/healthy") as answer:
            await answer.read()
        waits.append(time.perf_counter() - began)
        await asyncio.sleep(0.005)


async def _ready(session: aiohttp.ClientSession) -> None:
    for _ in range(2400):
        with suppress(aiohttp.ClientError):
            async with session.get("/-/ready") as answer:
                if answer.status == 200:
                    return
        await asyncio.sleep(0.05)
    raise RuntimeError("it did not start")


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def one_round() -> list[Figures]:
    found: list[Figures] = []
    with tempfile.TemporaryDirectory() as directory:
        own = Path(directory)
        (own / "alertmanager.yml").write_text(settings())
        (own / "prometheus.yml").write_text("global: {scrape_interval: 1m}\n")
        (own / "backbeat.yml").write_text("host_collector: false\n")
        peer = os.environ.get("BACKBEAT_ALERTMANAGER") or shutil.which("prometheus-alertmanager")
        if peer is None:
            print("prometheus-alertmanager is not installed, so Backbeat is measured alone")
        else:
            port = _port()
            files = [f"--config.file={own / 'alertmanager.yml'}", f"--storage.path={own / 'peer'}"]
            address = [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
            found.append(await measure("Alertmanager", [peer, *files, *address], f"http://127.0.0.1:{port}"))
        port = _port()
        backbeat = str(Path(sys.executable).with_name("backbeat"))
        serve = [backbeat, "serve", str(own), "--data", str(own / "data"), "--listen", f"127.0.0.1:{port}"]
        found.append(await measure("Backbeat", serve, f"http://127.0.0.1:{port}"))
    return found


def medians(rounds: list[Figures]) -> Figures:
    numbers = [field.name for field in fields(Figures) if field.name != "name"]
    return Figures(rounds[0].name, **{name: median(getattr(one, name) for one in rounds) for name in numbers})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print(f"{ALERTS} alerts, {GROUPS} groups, {ROUTES} routes, {RULES} inhibit rules, {SILENCES} silences")
    played = [asyncio.run(one_round()) for _ in range(rounds)]
    for each in zip(*played, strict=True):
        print(medians(list(each)))


if __name__ == "__main__":
    main()
