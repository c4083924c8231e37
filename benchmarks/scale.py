"""A million active series with an hour of samples at 15 s: what queries of a dashboard take, and the memory.

    python -m benchmarks.scale [--targets 500] [--runs 5]

The hour, 240 million samples, is written by Backbeat's own store, as scrapes of 500 targets with 2,000 series
each would have; then a server is started on it, and asked over HTTP. No result of an earlier query is used.
What a million series cost while they are scraped, beside Prometheus, tells
`python -m benchmarks.ingest --targets 500 --interval 15`.
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
from benchmarks.ingest import free_port, running
from benchmarks.start import is_ready

from backbeat.model.clock import now_ms
from backbeat.model.labels import Labels
from backbeat.storage import StorageOptions, open_storage

SERIES, ROWS, STEP_MS = 2_000, 240, 15_000
ROUTES, BOUNDS = 24, (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_HTTP = "http_request_duration_seconds"
QUERIES = {
    "95th percentile": f"histogram_quantile(0.95, sum by (le) (rate({_HTTP}_bucket[5m])))",
    "mean by route": f"sum by (route) (rate({_HTTP}_sum[5m])) / sum by (route) (rate({_HTTP}_count[5m]))",
    "requests of one target": f'sum by (route) (rate({_HTTP}_count{{instance="host-7"}}[5m]))',
    "busiest routes": f"topk(5, sum by (route) (rate({_HTTP}_count[5m])))",
}


def labels_of(target: int) -> Iterator[Labels]:
    """A histogram over 24 routes, and gauges up to 2,000 series."""
    own = {"instance": f"host-{target}", "job": "many"}
    for route in range(ROUTES):
        at = own | {"route": f"/api/v1/{route}"}
        for bound in BOUNDS:
            yield Labels.of({"__name__": f"{_HTTP}_bucket", "le": str(bound), **at})
        yield Labels.of({"__name__": f"{_HTTP}_count", **at})
        yield Labels.of({"__name__": f"{_HTTP}_sum", **at})
    for number in range(SERIES - ROUTES * (len(BOUNDS) + 2)):
        yield Labels.of({"__name__": f"queue_length_{number % 40}", "queue": str(number), **own})


def write_hour(directory: Path, targets: int) -> None:
    store = open_storage(directory, StorageOptions(), now_ms)
    cohorts = []
    for target in range(targets):
        cohort = store.cohort(f"scrape/many/{target}")
        cohorts.append((cohort, cohort.columns(list(labels_of(target)))))
    random = np.random.default_rng(1)
    values = random.integers(0, 1000, SERIES).astype(np.float64)
    begin = now_ms() - ROWS * STEP_MS
    for row in range(ROWS):
        values = values + random.integers(0, 20, SERIES) * (random.random(SERIES) < 0.5)
        for number, (cohort, columns) in enumerate(cohorts):
            cohort.append(begin + row * STEP_MS + number * 29, columns, values)
    store.close()


def asked(port: int, query: str, end_s: int) -> float:
    """Seconds until the answer is there."""
    given = {"query": query, "start": end_s - 3600, "end": end_s, "step": 15, "nocache": 1}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    begin = time.perf_counter()
    connection.request("GET", f"/api/v1/query_range?{urllib.parse.urlencode(given)}")
    answer = connection.getresponse()
    body = answer.read()
    took = time.perf_counter() - begin
    connection.close()
    if answer.status != 200 or b'"values"' not in body:
        raise RuntimeError(f"{query}: {answer.status}, {body[:200]!r}")
    return took


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--targets", type=int, default=500)
    parser.add_argument("--runs", type=int, default=5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "prometheus.yml").write_text("global: {}\n")
        Path(folder, "backbeat.yml").write_text("host_collector: false\n")
        write_hour(Path(folder, "data", "samples"), chosen.targets)
        end_s, port = int(time.time()), free_port()
        command = [sys.executable, "-m", "backbeat", "serve", folder, "--data", f"{folder}/data"]
        with running([*command, "--listen", f"127.0.0.1:{port}"], stderr=subprocess.DEVNULL) as process:
            seen, began = psutil.Process(process.pid), time.perf_counter()
            while not is_ready(port):
                time.sleep(0.01)
            ready_s = time.perf_counter() - began
            print(f"{chosen.targets * SERIES:,} series, {chosen.targets * SERIES * ROWS:,} samples")
            print(f"ready after {ready_s:.2f} s, {seen.memory_info().rss / 2**20:.0f} MiB")
            # What was read from the log is compressed; what is timed is a server at rest.
            while seen.cpu_percent(2.0) > 5:
                pass
            print(f"at rest {seen.memory_info().rss / 2**20:.0f} MiB", flush=True)
            for name, query in QUERIES.items():
                took = [asked(port, query, end_s) for _ in range(chosen.runs + 1)]
                again = statistics.median(took[1:])
                print(f"{name}: {again:.3f} s (the first time {took[0]:.3f} s)", flush=True)
            print(f"at the end {seen.memory_info().rss / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
