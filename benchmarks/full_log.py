"""An hour of 100,000 series at 15 s in the write-ahead logs of both: 24 million samples, the very same.

Backbeat's is written through its storage, as fifty scrapes of 2,000 series each would have; Prometheus
receives every scrape as a remote-write request, the oldest first.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import cramjam
import numpy as np
from benchmarks.cardinality import Server
from benchmarks.ingest import free_port, prometheus_command
from benchmarks.queries import _delimited, _pair, _stamps

from backbeat.model.clock import now_ms
from backbeat.model.labels import Labels
from backbeat.storage import StorageOptions, open_storage

TARGETS, SERIES, ROWS, STEP_MS = 50, 2_000, 240, 15_000


def series_of(target: int) -> list[dict[str, str]]:
    return [{"__name__": "m", "instance": f"host-{target}", "n": str(n)} for n in range(SERIES)]


def rows(begin_ms: int) -> Iterator[tuple[int, np.ndarray]]:
    """The moment and the values of each scrape, for all targets the same."""
    values = np.random.default_rng(1).integers(0, 1000, SERIES).astype(np.float64)
    for row in range(ROWS):
        yield begin_ms + row * STEP_MS, values + row


def write_log(directory: Path) -> int:
    """Backbeat's; returns when it begins."""
    store = open_storage(directory, StorageOptions(), now_ms)
    cohorts = []
    for target in range(TARGETS):
        cohort = store.cohort(f"scrape/many/{target}")
        cohorts.append((cohort, cohort.columns([Labels.of(each) for each in series_of(target)])))
    begin_ms = now_ms() - ROWS * STEP_MS
    for at, values in rows(begin_ms):
        for cohort, columns in cohorts:
            cohort.append(at, columns, values)
    store.close()
    return begin_ms


def requests(begin_ms: int) -> Iterator[bytes]:
    """Remote-write requests of the same samples."""
    templates = [_template(target) for target in range(TARGETS)]
    for at, values in rows(begin_ms):
        cells = np.hstack((values[:, None].view(np.uint8), _stamps(np.full(SERIES, at))))
        for body, places in templates:
            body[places] = cells
            yield bytes(cramjam.snappy.compress_raw(body.tobytes()))


def _template(target: int) -> tuple[np.ndarray, np.ndarray]:
    """A request's bytes, and (series, 14) where each value and time are in it."""
    content, places = b"", []
    before_stamp = np.array([*range(8), *range(9, 15)])
    for each in series_of(target):
        labels = b"".join(_delimited(1, _pair(name, value)) for name, value in each.items())
        content += _delimited(1, labels + b"\x12\x10\x09" + bytes(8) + b"\x10" + bytes(6))
        places.append(len(content) - 15 + before_stamp)
    return np.frombuffer(content, np.uint8).copy(), np.array(places)


def prometheus_with(begin_ms: int, directory: Path) -> Server:
    """Prometheus on a data directory with all of it in the log; killed."""
    (directory / "prometheus.yml").write_text("global: {}\n")
    port = free_port()
    command = prometheus_command(str(directory), port, "--web.enable-remote-write-receiver")
    server = Server("prometheus", command, port, compared=True)
    server.start()
    headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
    for body in requests(begin_ms):
        server.send("POST", "/api/v1/write", body, headers)
    server.stop(signal.SIGKILL)
    return server
