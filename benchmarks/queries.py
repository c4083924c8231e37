"""The eight queries of the performance dashboard over HTTP: Backbeat and its peers, in one run.

    python -m benchmarks.queries                all windows
    python -m benchmarks.queries --runs 15      more runs for each median

2,040 series of 12 h at 15 s, the same samples sent by remote write to every server. Before anything is timed,
the answers of Backbeat and Prometheus are compared point by point (1e-9 relative). Samples are never at the
edge of a window: the Prometheus of Debian 12 counts a sample at the left edge in, newer ones do not.
Timed is a client's wait: request sent to JSON body read, one kept-alive connection, no compression. A panel
with several queries asks them one after the other. All servers run with their defaults, but no result of an
earlier query is used (`nocache=1`, which VictoriaMetrics has too); the rows "as refreshed" ask for the window
again one step later each time, as an open dashboard does, the rows "asked again" for the very same one, as a
second person does, and there everyone may remember what they like.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cramjam
import numpy as np
import psutil
from benchmarks.ingest import free_port, prometheus_command, running, wait_for
from msgspec import Struct

ROUTES = [
    f"/api/v1/{kind}/{place}" for kind in ("tracks", "albums", "artists", "search") for place in range(6)
]
INSTANCES = [f"10.0.0.{place}:8000" for place in range(1, 6)]
BOUNDS = ("0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "0.75", "1", "2", "5", "10", "+Inf")
GAUGES = (
    "db_connections",
    "ws_connections_active",
    "active_users",
    "node_load1",
    "node_load5",
    "queue",
    "up",
)
STEP_MS = 15_000
ROUNDS = 2880
PER_REQUEST = 60
"""rounds of samples in one remote-write request"""

_HTTP = "http_request_duration_seconds"


def rate(metric: str) -> str:
    return f"sum(rate({metric}[5m]))"


def share(part: str, whole: str) -> str:
    return f"{rate(part)} / {rate(whole)}"


_FAILED = 'http_requests_total{status=~"5.."}'
_HITS, _MISSES = rate("cache_hits_total"), rate("cache_misses_total")
PANELS: dict[str, tuple[str, ...]] = {
    "performance score": (f"(1 - {share(f'{_HTTP}_sum', f'{_HTTP}_count')}) * 100",),
    "response time, 4 percentiles": tuple(
        f"histogram_quantile({q}, sum by (le) (rate({_HTTP}_bucket[5m]))) * 1000"
        for q in (0.5, 0.9, 0.95, 0.99)
    ),
    "error ratio": (f"{share(_FAILED, 'http_requests_total')} * 100",),
    "database, mean": (
        f"{share('db_query_duration_seconds_sum', 'db_query_duration_seconds_count')} * 1000",
    ),
    "cache hit ratio": (f"{_HITS} / ({_HITS} + {_MISSES}) * 100",),
    "stream success": (f"100 - {share('audio_stream_errors_total', 'audio_streams_total')} * 100",),
    "upload, mean": (share("upload_duration_seconds_sum", "upload_duration_seconds_count"),),
    "WebSockets, rate limit": (
        f"100 - {share('ws_connection_errors_total', 'ws_connections_total')} * 100",
        rate("api_rate_limited_total"),
    ),
}


class Window(Struct, frozen=True):
    """The steps that a query asks for.

    refreshed: one step later at each run, as an open dashboard asks
    again:     the very same each time, as a second person who opens it
    In both, servers may use what they remember of earlier queries.
    """

    name: str
    span_s: int
    step_s: int
    refreshed: bool = False
    again: bool = False


WINDOWS = (
    Window("1 h at 15 s", 3600, 15),
    Window("11 h at 60 s", 11 * 3600, 60),
    Window("1 h at 15 s as refreshed", 3600, 15, refreshed=True),
    Window("11 h at 60 s as refreshed", 11 * 3600, 60, refreshed=True),
    Window("1 h at 15 s asked again", 3600, 15, again=True),
    Window("11 h at 60 s asked again", 11 * 3600, 60, again=True),
)


class Server(Struct, frozen=True):
    name: str
    port: int
    process: psutil.Process
    compared: bool

    def send(self, method: str, path: str, body: bytes | str | None, headers: dict[str, str]) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        received = answer.read()
        connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{self.name} answered {answer.status} to {path[:80]}: {received[:300]!r}")
        return received


def labels_and_values(rng: np.random.Generator) -> Iterator[tuple[list[dict[str, str]], np.ndarray]]:
    """For each instance its series and their samples, (series, rounds)."""
    for instance in INSTANCES:
        labels: list[dict[str, str]] = []
        rows: list[np.ndarray] = []

        def add(name: str, values: np.ndarray, instance: str = instance, **more: str) -> None:
            labels.append({"__name__": name, "instance": instance, "job": "normaldance", **more})  # noqa: B023
            rows.append(values)  # noqa: B023

        for route in ROUTES:
            observed = rng.poisson(rng.exponential(20) / 12 + 0.5, (len(BOUNDS), ROUNDS))
            buckets = np.cumsum(np.cumsum(observed, axis=0), axis=1).astype(np.float64)
            for bound, values in zip(BOUNDS, buckets, strict=True):
                add(f"{_HTTP}_bucket", values, le=bound, method="GET", route=route)
            add(f"{_HTTP}_count", buckets[-1], method="GET", route=route)
            took = (observed * rng.uniform(0.001, 0.5, observed.shape)).sum(axis=0)
            add(f"{_HTTP}_sum", np.cumsum(took), method="GET", route=route)
            failed = np.cumsum(rng.binomial(observed.sum(axis=0), 0.02)).astype(np.float64)
            add("http_requests_total", buckets[-1] - failed, method="GET", route=route, status="200")
            add("http_requests_total", failed, method="GET", route=route, status="500")
        for operation in ("select", "insert", "update"):
            add("db_query_duration_seconds_count", _counter(rng, 200), operation=operation)
            add("db_query_duration_seconds_sum", _seconds(rng, 200), operation=operation)
        for cache in ("tracks", "sessions"):
            add("cache_hits_total", _counter(rng, 300), cache=cache)
            add("cache_misses_total", _counter(rng, 30), cache=cache)
        for what, often in (("audio_streams", 40), ("audio_stream_errors", 1)):
            add(f"{what}_total", _counter(rng, often))
        add("upload_duration_seconds_count", _counter(rng, 3))
        add("upload_duration_seconds_sum", _seconds(rng, 3))
        for what, often in (("ws_connections", 20), ("ws_connection_errors", 1), ("api_rate_limited", 2)):
            add(f"{what}_total", _counter(rng, often))
        for gauge in GAUGES:
            add(gauge, np.abs(np.round(20 + np.cumsum(rng.normal(0, 0.3, ROUNDS)), 2)))
        yield labels, np.array(rows)


def _counter(rng: np.random.Generator, mean: float) -> np.ndarray:
    return np.cumsum(rng.poisson(mean, ROUNDS)).astype(np.float64)


def _seconds(rng: np.random.Generator, mean: float) -> np.ndarray:
    return np.cumsum(rng.poisson(mean, ROUNDS) * rng.uniform(0.01, 0.2, ROUNDS))


def write_requests(end_ms: int) -> Iterator[bytes]:
    """Remote-write bodies in time order, the newest sample shortly before `end_ms`.

    A scrape is 5 to 10 s past a multiple of 15 s and a few ms early or late, as real ones are.
    """
    rng = np.random.default_rng(5)
    instances = []
    for place, (labels, values) in enumerate(labels_and_values(rng)):
        times = end_ms - STEP_MS * np.arange(ROUNDS, 0, -1) + 5000 + 1000 * place
        heads = [b"".join(_delimited(1, _pair(name, own[name])) for name in sorted(own)) for own in labels]
        instances.append((heads, values, times + rng.integers(-40, 40, ROUNDS)))
    for first in range(0, ROUNDS, PER_REQUEST):
        parts = []
        for heads, values, times in instances:
            stamps = _stamps(times[first : first + PER_REQUEST])
            for head, own in zip(heads, values[:, first : first + PER_REQUEST], strict=True):
                parts.append(_delimited(1, head + _samples(own, stamps)))
        yield bytes(cramjam.snappy.compress_raw(b"".join(parts)))


def _pair(name: str, value: str) -> bytes:
    return _delimited(1, name.encode()) + _delimited(2, value.encode())


def _delimited(field: int, content: bytes) -> bytes:
    size, rest = b"", len(content)
    while rest >= 128:
        size, rest = size + bytes([rest & 127 | 128]), rest >> 7
    return bytes([field << 3 | 2]) + size + bytes([rest]) + content


def _stamps(times: np.ndarray) -> np.ndarray:
    """(times, 6) varints: ms since 1970 take six bytes until 2109."""
    sevens = (times[:, None] >> (7 * np.arange(6))) & 127
    sevens[:, :5] |= 128
    return sevens.astype(np.uint8)


def _samples(values: np.ndarray, stamps: np.ndarray) -> bytes:
    """One series' samples: field 2, 16 bytes, a double and a varint each."""
    encoded = np.empty((len(values), 18), np.uint8)
    encoded[:, :3] = (0x12, 16, 0x09)
    encoded[:, 3:11] = values.astype("<f8")[:, None].view(np.uint8)
    encoded[:, 11] = 0x10
    encoded[:, 12:] = stamps
    return encoded.tobytes()


ALL_SERVERS = ("backbeat", "prometheus", "victoria-metrics")


def start_servers(stack: ExitStack, names: Sequence[str] = ALL_SERVERS) -> list[Server]:
    """Those of them that are installed, each on an empty data directory."""
    servers = []
    for name in names:
        if name != "backbeat" and not shutil.which(name):
            continue
        data = stack.enter_context(tempfile.TemporaryDirectory())
        Path(data, "prometheus.yml").write_text("global: {}\n")
        port = free_port()
        if name == "backbeat":
            Path(data, "backbeat.yml").write_text("host_collector: false\n")
            command = [sys.executable, "-m", "backbeat", "serve", data, "--data", f"{data}/data"]
            command += ["--listen", f"127.0.0.1:{port}"]
        elif name == "prometheus":
            command = prometheus_command(data, port, "--web.enable-remote-write-receiver")
        else:
            command = [name, f"-storageDataPath={data}/data", f"-httpListenAddr=127.0.0.1:{port}"]
            command += ["-search.disableCache", "-loggerLevel=ERROR"]
        process = stack.enter_context(running(command, stderr=subprocess.DEVNULL))
        wait_for(port)
        servers.append(Server(name, port, psutil.Process(process.pid), compared=name == "prometheus"))
    return servers


def fill(servers: Sequence[Server], end_ms: int) -> None:
    headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
    for body in write_requests(end_ms):
        for server in servers:
            server.send("POST", "/api/v1/write", body, headers)
    deadline = time.monotonic() + 120
    # Blocks are being cut; what is timed is a server at rest.
    while any(server.process.cpu_percent(2.0) > 5 for server in servers) and time.monotonic() < deadline:
        pass


def paths(panel: Sequence[str], window: Window, end_s: int) -> list[str]:
    asked = []
    for query in panel:
        values = {"query": query, "start": end_s - window.span_s, "end": end_s, "step": window.step_s}
        more = {} if window.refreshed or window.again else {"nocache": 1}
        asked.append("/api/v1/query_range?" + urllib.parse.urlencode(values | more))
    return asked


def compare(ours: Server, theirs: Server, asked: Sequence[str]) -> int:
    """Points that were compared. Raises RuntimeError where the answers differ."""
    points = 0
    for path in asked:
        found, expected = (points_of(server.send("GET", path, None, {})) for server in (ours, theirs))
        if found.keys() != expected.keys():
            raise RuntimeError(f"other points than {theirs.name} for {path}: {len(found)}, {len(expected)}")
        for where, value in found.items():
            if not (math.isclose(value, expected[where], rel_tol=1e-9) or value != value != expected[where]):
                raise RuntimeError(f"{value!r}, {theirs.name} has {expected[where]!r} at {where} for {path}")
        points += len(found)
    return points


def points_of(body: bytes) -> dict[tuple[str, float], float]:
    result = json.loads(body)["data"]["result"]
    return {
        (json.dumps(series["metric"], sort_keys=True), at): float(value)
        for series in result
        for at, value in series["values"]
    }


def median_ms(server: Server, panel: Sequence[str], window: Window, end_s: int, runs: int) -> float:
    def asked_at(run: int) -> list[str]:
        back_s = (runs - run) * window.step_s if window.refreshed else 0
        return paths(panel, window, end_s - back_s)

    return median_wait_ms(server, asked_at, runs)


def median_wait_ms(server: Server, asked_at: Callable[[int], Sequence[str]], runs: int) -> float:
    """asked_at: the paths of a run, which are asked for one after the other."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)

    def ask(run: int) -> float:
        asked = asked_at(run)
        begin = time.perf_counter()
        for path in asked:
            connection.request("GET", path, headers={"Accept-Encoding": "identity"})
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, body[:300]
        return (time.perf_counter() - begin) * 1e3

    for run in range(-2, 0):
        ask(run)
    median = statistics.median([ask(run) for run in range(runs)])
    connection.close()
    return median


def measure_nothing(servers: Sequence[Server]) -> None:
    """What a client waits for an answer that needs no work: no query can take less."""
    took = [median_wait_ms(server, lambda _: ["/-/healthy"], 201) for server in servers]
    print(f"\n{'an empty request, ms':30}" + "".join(f"{each:17.2f}" for each in took))


def measure(servers: Sequence[Server], window: Window, end_s: int, runs: int) -> None:
    """Print one window's table."""
    ours = servers[0]
    names = "".join(f"{server.name:>17}" for server in servers)
    print(f"\n{window.name}, ms\n\n{'':30}{names}" + "".join(f"{'ratio':>8}" for _ in servers[1:]))
    ratios: list[list[float]] = []
    totals = [0.0 for _ in servers]
    points = 0
    for name, panel in PANELS.items():
        asked = paths(panel, window, end_s)
        points += sum(compare(ours, server, asked) for server in servers if server.compared)
        took = [median_ms(server, panel, window, end_s, runs) for server in servers]
        for place, each in enumerate(took):
            totals[place] += each
        ratios.append([took[0] / each for each in took[1:]])
        cells = "".join(f"{each:17.2f}" for each in took) + "".join(f"{ratio:8.2f}" for ratio in ratios[-1])
        print(f"{name:30}{cells}", flush=True)
    cells = "".join(f"{each:17.2f}" for each in totals)
    print(f"{'the whole dashboard':30}{cells}" + "".join(f"{totals[0] / each:8.2f}" for each in totals[1:]))
    for server, own in zip(servers[1:], zip(*ratios, strict=True), strict=True):
        print(f"median ratio to {server.name}: {statistics.median(own):.3f}")
    print(f"{points} points compared, all equal")


def main(arguments: Sequence[str] | None = None) -> None:
    parser: Any = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=7)
    chosen = parser.parse_args(arguments)
    end_s = int(time.time()) // 60 * 60 - 60
    print(
        f"dashboard queries, 2,040 series x 12 h at 15 s, medians of {chosen.runs}; {platform.machine()}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}"
    )
    with ExitStack() as stack:
        servers = start_servers(stack)
        fill(servers, end_s * 1000)
        measure_nothing(servers)
        for window in WINDOWS:
            measure(servers, window, end_s, chosen.runs)
        for server in servers:
            print(f"{server.name}: {server.process.memory_info().rss / 2**20:.0f} MiB resident")


if __name__ == "__main__":
    main()
