"""kill -9 of the whole server under scrape, remote write, cuts, merges, deletions and retention.

    python tests/faults/kill_server.py --kills 200 --seed 1

The parent is the scraped target and the sender, and keeps the ledger: what was answered with 204, which
deletions were, and which scraped samples a query showed. The server (`small_store`: blocks of half a second)
is killed at a seeded random moment and started again on the same data; then every sample of the ledger that
is neither deleted nor past its retention must be there once, with its value, and nothing that was never sent
or that was deleted.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import http.server
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path
from typing import Any

import cramjam
from msgspec import Struct, field
from small_store import RETENTION_MS

SERIES = 10
LATEST_KILL_S = 1.2
READY_WITHIN_S = 30
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
WRITE_HEADERS = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
CONFIG = """\
global: {{scrape_interval: 100ms, scrape_timeout: 100ms}}
scrape_configs:
  - job_name: ticks
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


class Report(Struct):
    """What a run of kills found."""

    seed: int
    kills: int = 0
    acknowledged: int = 0
    scraped: int = 0
    deletions: int = 0
    retained: int = 0
    blocks: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.kills} kills, {self.acknowledged} samples acknowledged by remote write,"
            f" {self.scraped} scraped ones seen, {self.blocks} blocks at kills, {self.deletions} deletions,"
            f" {self.retained} moments past their retention, {len(self.faults)} lost, doubled or strange"
        )


class Target(http.server.BaseHTTPRequestHandler):
    """Counts its scrapes."""

    protocol_version = "HTTP/1.1"
    count = 0

    def do_GET(self) -> None:
        Target.count += 1
        body = f"# TYPE tick_total counter\ntick_total {Target.count}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def write_request(at_ms: int, value: float) -> bytes:
    """One sample of each series at one time, as remote write 1.0 sends it."""
    sample = b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(at_ms)
    encoded = b""
    for number in range(SERIES):
        labels = {"__name__": "pushed", "n": str(number)}
        pairs = [_field(1, name.encode()) + _field(2, text.encode()) for name, text in labels.items()]
        encoded += _field(1, b"".join(_field(1, pair) for pair in pairs) + _field(2, sample))
    return bytes(cramjam.snappy.compress_raw(encoded))


class Targets(http.server.ThreadingHTTPServer):
    """Answers whoever is left; a scraper that dies in the middle is what this is about."""

    def handle_error(self, *args: object) -> None:
        pass


class Server:
    """The real server in a process of its own, killed and started again on one data directory."""

    def __init__(self, root: Path, target_port: int) -> None:
        self.config = root / "conf"
        self.config.mkdir()
        (self.config / "prometheus.yml").write_text(CONFIG.format(port=target_port))
        (self.config / "backbeat.yml").write_text("host_collector: false\nfsync_interval: 100ms\n")
        self.data = root / "data"
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]

    def prepare(self, root: Path) -> None:
        """Have everything imported, for quick starts."""
        self.said = (root / "said").open("wb")
        script = Path(__file__).with_name("small_store.py")
        self._starter = subprocess.Popen(
            [sys.executable, str(script), str(self.config), str(self.data), str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
            text=True,
        )

    def start(self) -> None:
        assert self._starter.stdin
        assert self._starter.stdout
        self._starter.stdin.write("\n")
        self._starter.stdin.flush()
        self.process = int(self._starter.stdout.readline())
        end = time.monotonic() + READY_WITHIN_S
        while not self._is_ready():
            if time.monotonic() > end:
                self.kill()
                said = Path(self.said.name).read_text()[-2000:]
                raise AssertionError(f"the store did not open again: {said}")
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        try:
            return self.request("GET", "/-/ready")[0] == 200
        except OSError:
            return False

    def kill(self) -> None:
        assert self._starter.stdout
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)
        assert self._starter.stdout.readline() == "ended\n"

    def close(self) -> None:
        self.kill()
        self._starter.communicate()
        self.said.close()

    def request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        if headers is None:
            headers = WRITE_HEADERS if body else {}
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def samples(self, selector: str) -> list[dict[str, Any]]:
        query = urllib.parse.urlencode({"query": f"{selector}[1h]"})
        status, body = self.request("GET", f"/api/v1/query?{query}")
        assert status == 200, body
        found: list[dict[str, Any]] = json.loads(body)["data"]["result"]
        return found


class Deletion(Struct, frozen=True):
    """Of one series, in [start, end]."""

    series: int
    start_ms: int
    end_ms: int


class Ledger:
    """What the server was given and has acknowledged: the judge of what it has."""

    def __init__(self, retention_ms: int = 2**53) -> None:
        self._retention_ms = retention_ms
        self.values: dict[int, int] = {}
        """of every time that was sent"""
        self.must: set[tuple[int, int]] = set()
        """(series, time) that were acknowledged"""
        self.may: set[tuple[int, int]] = set()
        """of requests without an answer, or deleted by such"""
        self.acknowledged = self.retained = 0

    def sent(self, at_ms: int, value: int) -> None:
        self.values[at_ms] = value
        self.may |= {(series, at_ms) for series in range(SERIES)}

    def answered(self, at_ms: int) -> None:
        own = {(series, at_ms) for series in range(SERIES)}
        self.may -= own
        self.must |= own
        self.acknowledged += SERIES

    def deleting(self, deletion: Deletion) -> set[tuple[int, int]]:
        """What it covers may be gone from now on."""
        place = (deletion.series, deletion.start_ms), (deletion.series, deletion.end_ms)
        own = {each for each in self.must | self.may if place[0] <= each <= place[1]}
        self.must -= own
        self.may |= own
        return own

    def deleted(self, own: set[tuple[int, int]]) -> None:
        self.may -= own

    def judge(self, stored: dict[int, list[tuple[int, float]]]) -> list[str]:
        """Lines that say what is lost, doubled or strange; what was open is settled by what is there."""
        found = {(series, at) for series, samples in stored.items() for at, _ in samples}
        faults = []
        for series, samples in stored.items():
            if len(samples) != len(dict(samples)):
                faults.append(f"series {series}: a sample is doubled")
            faults += [
                f"series {series}: {at} has {value}" for at, value in samples if self.values.get(at) != value
            ]
        # Counted back from the newest sample, which a scrape may have brought just now.
        past = int(time.time() * 1000) - self._retention_ms
        gone = {place for place in self.must - found if place[1] < past}
        self.retained += len({at for _, at in gone})
        self.must -= gone
        faults += [f"series {series}: lost the sample at {at}" for series, at in sorted(self.must - found)]
        faults += [f"series {series}: {at} is back" for series, at in sorted(found - self.must - self.may)]
        self.must, self.may = self.must & found | self.may & found, set()
        return faults


class Sender(threading.Thread):
    """Sends, and now and then deletes, until the server is gone."""

    def __init__(self, server: Server, ledger: Ledger, seed: str) -> None:
        super().__init__()
        self.server = server
        self.ledger = ledger
        self.deletions = 0
        self.done = threading.Event()
        self._dice = random.Random(seed)

    def run(self) -> None:
        at_ms = int(time.time() * 1000)
        while not self.done.is_set():
            at_ms += 1
            while (now_ms := int(time.time() * 1000)) < at_ms:
                # What runs ahead of the clock is not found by a query of now, and sent again after the kill.
                time.sleep(0.0002)
            at_ms = now_ms
            try:
                self._send_some(at_ms)
                if self._dice.random() < 0.05:
                    self._delete_some(at_ms)
            except (OSError, http.client.HTTPException):
                return

    def _send_some(self, at_ms: int) -> None:
        value = len(self.ledger.values)
        self.ledger.sent(at_ms, value)
        status, _ = self.server.request("POST", "/api/v1/write", write_request(at_ms, value))
        if status == 204:
            self.ledger.answered(at_ms)

    def _delete_some(self, at_ms: int) -> None:
        start = at_ms - self._dice.randint(0, 6_000)
        deletion = Deletion(self._dice.randrange(SERIES), start, start + self._dice.randint(0, 400))
        own = self.ledger.deleting(deletion)
        query = f"n={deletion.series}&start={deletion.start_ms}&end={deletion.end_ms}"
        if self.server.request("PUT", f"/test/delete?{query}")[0] == 204:
            self.ledger.deleted(own)
            self.deletions += 1


def stored(server: Server, selector: str) -> dict[int, list[tuple[int, float]]]:
    return {
        int(one["metric"].get("n", -1)): [
            (round(float(at) * 1000), float(text)) for at, text in one["values"]
        ]
        for one in server.samples(selector)
    }


def run(kills: int, seed: int) -> Report:
    """Kill that many times and compare after each start."""
    rng = random.Random(seed)
    report = Report(seed)
    target = Targets(("127.0.0.1", 0), Target)
    threading.Thread(target=target.serve_forever, daemon=True).start()
    ledger = Ledger(RETENTION_MS)
    seen: dict[int, float] = {}
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as root:
        server = Server(Path(root), target.server_port)
        server.prepare(Path(root))
        server.start()
        try:
            for number in range(kills):
                sender = Sender(server, ledger, f"{seed}/{number}")
                sender.start()
                time.sleep(rng.uniform(0.02, LATEST_KILL_S))
                ticks = stored(server, "tick_total").get(-1, [])
                seen.update(ticks)
                server.kill()
                sender.done.set()
                sender.join()
                report.deletions += sender.deletions
                report.blocks += sum(1 for _ in (server.data / "samples" / "blocks").iterdir())
                server.start()
                report.kills += 1
                faults = ledger.judge(stored(server, "pushed"))
                ticks = stored(server, "tick_total").get(-1, [])
                faults += _tick_faults(seen, ticks)
                report.scraped += len(seen.keys() - dict(ticks).keys())
                seen = {at: value for at, value in seen.items() if at in dict(ticks)}
                report.faults += [f"kill {number}: {fault}" for fault in faults]
                report.acknowledged, report.retained = ledger.acknowledged, ledger.retained
                if report.kills % 50 == 0:
                    print(report, file=sys.stderr, flush=True)
        finally:
            server.close()
            target.shutdown()
            target.server_close()
    report.scraped += len(seen)
    return report


def _tick_faults(seen: dict[int, float], ticks: list[tuple[int, float]]) -> list[str]:
    past = int(time.time() * 1000) - RETENTION_MS
    found = dict(ticks)
    faults = [
        f"lost the tick at {at}"
        for at, value in seen.items()
        if found.get(at) != value and (at in found or at >= past)
    ]
    return faults + ["a tick is doubled"] * (len(ticks) != len(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    report = run(arguments.kills, arguments.seed)
    print(report)
    for fault in report.faults[:20]:
        print(fault)
    sys.exit(1 if report.faults else 0)


if __name__ == "__main__":
    main()
