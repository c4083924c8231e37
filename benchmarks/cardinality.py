"""Many series: a thousand small targets, a hundred thousand series, look-ups, restart; beside the peers.

    python -m benchmarks.cardinality                everything
    python -m benchmarks.cardinality --runs 7       more runs for each median

Each set is sent by remote write to every server. The answers are compared before they are timed (1e-9
relative); timed is a client's wait over one kept-alive connection; no result of an earlier query is used
(`nocache=1`). A restart is kill -9, start, and the wait until `/-/ready` says yes, with all in the log;
then a query must find every series.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import cramjam
import numpy as np
import psutil
from benchmarks.ingest import free_port, prometheus_command
from benchmarks.queries import _delimited, _pair, _samples, _stamps, points_of
from msgspec import Struct

Series = list[dict[str, str]]
SLICE_S = 1200
"""a request holds at most so much time, for Prometheus takes nothing much older than its newest sample"""


class Server(Struct):
    """A server process that can be killed and started again on its data."""

    name: str
    command: list[str]
    port: int
    compared: bool
    process: subprocess.Popen[bytes] | None = None
    """None: not started yet"""

    def start(self) -> float:
        """Seconds from the start to readiness."""
        began = time.perf_counter()
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        path = "/health" if self.name == "victoria-metrics" else "/-/ready"
        while True:
            try:
                self.send("GET", path, None, {})
            except (OSError, RuntimeError, http.client.HTTPException):
                if time.perf_counter() - began > 300:
                    raise
                time.sleep(0.01)
            else:
                return time.perf_counter() - began

    def stop(self, how: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(60)

    def send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            received = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{self.name} answered {answer.status} to {path[:80]}: {received[:300]!r}")
        return received

    def memory_mib(self) -> float:
        assert self.process is not None
        return float(psutil.Process(self.process.pid).memory_info().rss / 2**20)


def servers(stack: ExitStack) -> list[Server]:
    found = []
    for name in ("backbeat", "prometheus", "victoria-metrics"):
        if name != "backbeat" and not shutil.which(name):
            continue
        data = stack.enter_context(tempfile.TemporaryDirectory())
        Path(data, "prometheus.yml").write_text("global: {}\n")
        Path(data, "backbeat.yml").write_text("host_collector: false\n")
        port = free_port()
        if name == "backbeat":
            command = [sys.executable, "-m", "backbeat", "serve", data, "--data", f"{data}/data"]
            command += ["--listen", f"127.0.0.1:{port}"]
        elif name == "prometheus":
            command = prometheus_command(data, port, "--web.enable-remote-write-receiver")
        else:
            command = [name, f"-storageDataPath={data}/data", f"-httpListenAddr=127.0.0.1:{port}"]
            command += ["-search.disableCache", "-loggerLevel=ERROR", "-search.maxUniqueTimeseries=1000000"]
            command += ["-search.maxSeries=1000000", "-search.maxTagValues=1000000"]
        server = Server(name, command, port, compared=name == "prometheus")
        server.start()
        stack.callback(server.stop, signal.SIGTERM)
        found.append(server)
    return found


def small_targets(targets: int, routes: int) -> Iterator[Series]:
    """Each target's series."""
    for target in range(targets):
        yield [
            {
                "__name__": "http_requests_total",
                "instance": f"10.0.{target // 250}.{target % 250}:9100",
                "job": f"job{target % 10}",
                "route": f"/api/{route}",
            }
            for route in range(routes)
        ]


def one_wide_metric(series: int, at_once: int) -> Iterator[Series]:
    for first in range(0, series, at_once):
        yield [
            {
                "__name__": "http_requests_total",
                "instance": f"10.1.{first // at_once}.1:9100",
                "job": "wide",
                "pod": f"pod-{place % 10_000:05d}",
                "route": f"/api/v{place % 3}/things/{place % 200}",
                "status": str(200 + place // 10_000),
            }
            for place in range(first, first + at_once)
        ]


def write_requests(sets: Sequence[Series], start_ms: int, end_ms: int, step_ms: int) -> Iterator[bytes]:
    """Counters of every set, each set at moments of its own, in slices of time."""
    rng = np.random.default_rng(9)
    slices = range(start_ms, end_ms, SLICE_S * 1000)
    offsets = rng.integers(1, step_ms - 1, len(sets))
    rates = [rng.exponential(10, len(each)) for each in sets]
    heads = [
        [b"".join(_delimited(1, _pair(name, own[name])) for name in sorted(own)) for own in each]
        for each in sets
    ]
    counts = [np.zeros(len(each)) for each in sets]
    for begin in slices:
        end = min(begin + SLICE_S * 1000, end_ms)
        for number, own in enumerate(heads):
            times = np.arange(begin, end, step_ms) + offsets[number]
            grown = rng.poisson(rates[number][:, None], (len(own), len(times)))
            values = counts[number][:, None] + np.cumsum(grown, axis=1)
            counts[number] = values[:, -1]
            stamps = _stamps(times)
            body = b"".join(
                _delimited(1, head + _samples(row.astype(np.float64), stamps))
                for head, row in zip(own, values, strict=True)
            )
            yield bytes(cramjam.snappy.compress_raw(body))


def fill(all_servers: Sequence[Server], requests: Iterator[bytes]) -> None:
    headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
    for body in requests:
        for server in all_servers:
            server.send("POST", "/api/v1/write", body, headers)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if all(psutil.Process(server.process.pid).cpu_percent(2.0) < 5 for server in all_servers):
            return


def path_of(kind: str, **parameters: object) -> str:
    pairs = [
        (name.rstrip("_") + ("[]" if name == "match" else ""), value) for name, value in parameters.items()
    ]
    return f"/api/v1/{kind}?" + urllib.parse.urlencode(pairs)


def compare(all_servers: Sequence[Server], path: str) -> None:
    """Raises RuntimeError where Prometheus answers otherwise."""
    ours, theirs = all_servers[0], next((each for each in all_servers if each.compared), None)
    if theirs is None:
        return
    found, expected = ours.send("GET", path, None, {}), theirs.send("GET", path, None, {})
    if "/query_range?" not in path:
        one, two = json.loads(found)["data"], json.loads(expected)["data"]
        if sorted(map(str, one)) != sorted(map(str, two)):
            raise RuntimeError(f"other answers for {path}: {len(one)} and {len(two)}")
        return
    one, two = points_of(found), points_of(expected)
    if one.keys() != two.keys():
        raise RuntimeError(f"other points for {path}: {len(one)} and {len(two)}")
    np.testing.assert_allclose([one[at] for at in two], list(two.values()), rtol=1e-9)


def measure(what: str, all_servers: Sequence[Server], path: str, runs: int) -> None:
    compare(all_servers, path)
    took = []
    for server in all_servers:
        each = []
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        for _ in range(runs + 1):
            began = time.perf_counter()
            connection.request("GET", path, headers={"Accept-Encoding": "identity"})
            answer = connection.getresponse()
            answer.read()
            each.append((time.perf_counter() - began) * 1000)
            assert answer.status == 200, answer.status
        connection.close()
        took.append(statistics.median(each[1:]))
    show(what, took)


def show(what: str, took: Sequence[float]) -> None:
    cells = "".join(f"{each:17.2f}" for each in took)
    print(f"{what:34}{cells}" + "".join(f"{took[0] / each:8.2f}" for each in took[1:]), flush=True)


def heading(what: str, all_servers: Sequence[Server]) -> None:
    names = "".join(f"{server.name:>17}" for server in all_servers)
    print(f"\n{what}\n\n{'ms':34}{names}" + "".join(f"{'ratio':>8}" for _ in all_servers[1:]), flush=True)


def many_small_targets(runs: int) -> None:
    with ExitStack() as stack:
        all_servers = servers(stack)
        end_s = int(time.time()) // 60 * 60 - 60
        sets = list(small_targets(1000, 50))
        fill(all_servers, write_requests(sets, (end_s - 3900) * 1000, end_s * 1000, 15_000))
        heading("1,000 targets x 50 series, 1 h at 15 s", all_servers)
        window = {"start": end_s - 3600, "end": end_s, "step": 15, "nocache": 1}
        for query in (
            "sum by (job) (rate(http_requests_total[5m]))",
            'sum by (job) (rate(http_requests_total{route="/api/7"}[5m]))',
        ):
            measure(query[:33], all_servers, path_of("query_range", query=query, **window), runs)
        show("resident memory, MiB", [server.memory_mib() for server in all_servers])


def high_cardinality(runs: int) -> None:
    with ExitStack() as stack:
        all_servers = servers(stack)
        end_s = int(time.time()) // 60 * 60 - 60
        sets = list(one_wide_metric(100_000, 2000))
        fill(all_servers, write_requests(sets, (end_s - 3900) * 1000, end_s * 1000, 60_000))
        heading("100,000 series, 1 h at 60 s", all_servers)
        window = {"start": end_s - 3600, "end": end_s}
        steps = {**window, "step": 60, "nocache": 1}
        query = "topk(10, sum by (route) (rate(http_requests_total[5m])))"
        measure("topk of sum by route", all_servers, path_of("query_range", query=query, **steps), runs)
        for name, selector in {
            "series, one label": 'http_requests_total{pod="pod-00042"}',
            "series, regex prefix": 'http_requests_total{pod=~"pod-0004.*"}',
            "series, regex alternatives": 'http_requests_total{route=~"/api/v1/things/(17|42|99)"}',
            "series, regex not": 'http_requests_total{pod!~"pod-0[0-9]{3}[1-9]",status="200"}',
            "series, regex infix": '{route=~".*/things/1.",status=~"20[1-3]"}',
        }.items():
            measure(name, all_servers, path_of("series", match=selector, **window), runs)
        measure("label names", all_servers, path_of("labels", **window), runs)
        measure("label values, 10,000", all_servers, path_of("label/pod/values", **window), runs)
        narrow = path_of("label/route/values", match='http_requests_total{pod="pod-00042"}', **window)
        measure("label values of a selector", all_servers, narrow, runs)
        show("resident memory, MiB", [server.memory_mib() for server in all_servers])
        restart(all_servers, end_s)


def restart(all_servers: Sequence[Server], end_s: int) -> None:
    path = path_of("query", query="count(http_requests_total)", time=end_s)
    took = []
    for server in all_servers:
        server.stop(signal.SIGKILL)
        took.append(server.start() * 1000)
        found = json.loads(server.send("GET", path, None, {}))["data"]["result"]
        if not found or (server.name != "victoria-metrics" and found[0]["value"][1] != "100000"):
            raise RuntimeError(f"{server.name} lost series over a restart: {found}")
    show("kill -9 to ready", took)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    chosen = parser.parse_args()
    many_small_targets(chosen.runs)
    high_cardinality(chosen.runs)


if __name__ == "__main__":
    main()
