"""A tick of the NormalDance profile's rules: Backbeat beside Prometheus, at the same targets and times.

    python -m benchmarks.rules                  20 targets x 500 series, scraped and evaluated every 5 s
    python -m benchmarks.rules --seconds 120    watched for longer

Both servers load the profile's own rule files. Compared is what each says of itself: the seconds that the
last evaluation of every rule group took (`prometheus_rule_group_last_duration_seconds`), summed over groups,
the median of all ticks watched. Before that the newest values of every recording rule are compared.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import yaml
from benchmarks.ingest import free_port, prometheus_command, running, wait_for

ROUTES = [f"/api/{kind}/{place}" for kind in ("tracks", "albums", "artists", "search") for place in range(6)]
BOUNDS = ("0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "0.75", "1", "2", "5", "10", "+Inf")
EVERY_S = 5


class Target:
    """One instance of the service: 500 series whose counters go on."""

    def __init__(self, number: int) -> None:
        self._random = random.Random(number)
        self._counts: dict[str, float] = {}

    def body(self) -> bytes:
        return "".join(f"{series} {value!r}\n" for series, value in self._lines()).encode()

    def _lines(self) -> Iterator[tuple[str, float]]:
        for route in ROUTES:
            own = f'method="GET",route="{route}"'
            taken = sorted(self._random.randrange(20) for _ in BOUNDS)
            for bound, more in zip(BOUNDS, taken, strict=True):
                yield self._more(f'http_request_duration_seconds_bucket{{{own},le="{bound}"}}', more)
            yield self._more(f"http_request_duration_seconds_count{{{own}}}", taken[-1])
            yield self._more(f"http_request_duration_seconds_sum{{{own}}}", taken[-1] * 0.1)
            for status, share in (("200", 0.9), ("404", 0.07), ("500", 0.03)):
                yield self._more(f'http_requests_total{{{own},status="{status}"}}', taken[-1] * share)
        for operation in ("select", "insert", "update", "delete"):
            for table in ("tracks", "users", "plays"):
                own = f'operation="{operation}",table="{table}"'
                yield self._more(f"db_query_duration_seconds_count{{{own}}}", 50)
                yield self._more(f"db_query_duration_seconds_sum{{{own}}}", 50 * self._random.uniform(0, 0.1))
        for name in ("cache_hits", "cache_misses", "cache_evictions", "audio_streams", "audio_stream_errors"):
            yield self._more(f"{name}_total", self._random.randrange(40))
        for name in ("ws_connections", "ws_connection_errors", "api_rate_limited"):
            yield self._more(f"{name}_total", self._random.randrange(4))
        for what in ("count", "sum"):
            yield self._more(f"upload_duration_seconds_{what}", 3)
        for feature in range(50):
            yield self._more(f'feature_used_total{{feature="{feature}"}}', self._random.randrange(9))
        for gauge in ("db_connections", "db_connections_max", "ws_connections_active", "active_users"):
            yield gauge, float(self._random.randrange(10, 100))

    def _more(self, series: str, value: float) -> tuple[str, float]:
        self._counts[series] = self._counts.get(series, 0.0) + value
        return series, self._counts[series]


def serve_targets(count: int) -> list[int]:
    """Start the targets in a thread; returns their ports."""
    ports: list[int] = []
    ready = threading.Event()

    async def run() -> None:
        for number in range(count):
            target = Target(number)

            async def answer(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Target = target
            ) -> None:
                try:
                    while await reader.readuntil(b"\r\n\r\n"):
                        body = target.body()
                        kind = "Content-Type: text/plain; version=0.0.4"
                        head = f"HTTP/1.1 200 OK\r\n{kind}\r\nContent-Length: {len(body)}\r\n\r\n"
                        writer.write(head.encode() + body)
                except asyncio.IncompleteReadError:
                    writer.close()

            server = await asyncio.start_server(answer, "127.0.0.1", 0)
            ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        await asyncio.Event().wait()

    threading.Thread(target=lambda: asyncio.run(run()), daemon=True).start()
    ready.wait()
    return ports


def write_config(directory: Path, targets: list[int]) -> None:
    """The profile, at other targets and at another pace."""
    subprocess.run(
        [sys.executable, "-m", "backbeat", "init", str(directory)], check=True, stdout=subprocess.DEVNULL
    )
    path = directory / "prometheus.yml"
    config = yaml.safe_load(path.read_text())
    config["global"] = {"scrape_interval": f"{EVERY_S}s", "evaluation_interval": f"{EVERY_S}s"}
    config["scrape_configs"] = [
        {
            "job_name": "normaldance",
            "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in targets]}],
        }
    ]
    path.write_text(json.dumps(config))
    (directory / "backbeat.yml").write_text("host_collector: false\n")
    (directory / "alertmanager.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")


def last_duration_s(port: int) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    name = "prometheus_rule_group_last_duration_seconds{"
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def rules(port: int) -> list[dict[str, str]]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/rules?type=record") as answer:
        groups = json.load(answer)["data"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def agree(ports: list[int]) -> int:
    """How many recording rules give the same series on all servers. Raises RuntimeError where one does not.

    The servers scrape at different moments, so the values are near each other and not equal.
    """
    names = {rule["name"] for rule in rules(ports[0])}
    for name in sorted(names):
        found = [newest(port, name) for port in ports]
        if any(each.keys() != found[0].keys() for each in found[1:]):
            raise RuntimeError(f"{name}: {[sorted(each) for each in found]}")
        for labels, value in found[0].items():
            other = found[1][labels]
            if not math.isclose(value, other, rel_tol=0.2, abs_tol=0.5) and not math.isnan(value):
                print(f"note: {name}{labels}: {value} and {other}", file=sys.stderr)
    return len(names)


def newest(port: int, name: str) -> dict[str, float]:
    query = urllib.parse.urlencode({"query": name})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{query}") as answer:
        result = json.load(answer)["data"]["result"]
    return {json.dumps(each["metric"], sort_keys=True): float(each["value"][1]) for each in result}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--targets", type=int, default=20)
    parser.add_argument("--warm-up", type=float, default=90, help="seconds before the first tick that counts")
    parser.add_argument("--seconds", type=float, default=60)
    chosen = parser.parse_args()
    with ExitStack() as stack:
        targets = serve_targets(chosen.targets)
        ports: dict[str, int] = {}
        for name in ("backbeat", "prometheus"):
            if name == "prometheus" and not shutil.which(name):
                continue
            data = stack.enter_context(tempfile.TemporaryDirectory())
            write_config(Path(data), targets)
            ports[name] = free_port()
            command = prometheus_command(data, ports[name])
            if name == "backbeat":
                command = [sys.executable, "-m", "backbeat", "serve", data, "--data", f"{data}/data"]
                command += ["--listen", f"127.0.0.1:{ports[name]}"]
            stack.enter_context(running(command, stderr=subprocess.DEVNULL))
            wait_for(ports[name])
        time.sleep(chosen.warm_up)
        if len(ports) == 2:
            print(f"{agree(list(ports.values()))} recording rules give the same series on both")
        took: dict[str, list[float]] = {name: [] for name in ports}
        for _ in range(int(chosen.seconds / EVERY_S)):
            time.sleep(EVERY_S)
            for name, port in ports.items():
                took[name].append(last_duration_s(port) * 1000)
        medians = {name: statistics.median(each) for name, each in took.items()}
        for name, each in medians.items():
            print(f"{name:12} {each:8.1f} ms a tick, median of {len(took[name])}")
        if len(medians) == 2:
            print(f"ratio: {medians['backbeat'] / medians['prometheus']:.2f}")


if __name__ == "__main__":
    main()
