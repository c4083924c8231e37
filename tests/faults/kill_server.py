"""kill -9 of the whole server under scrape and remote write.

    python tests/faults/kill_server.py --kills 100 --seed 1

The parent is the scraped target and the sender, and keeps the ledger: what was answered with 204, and which
scraped samples a query showed. The server is killed at a seeded random moment and started again on the same
data; then every sample of the ledger must be there once, with its value, and nothing that was never sent.
"""

from __future__ import annotations

import argparse
import http.client
import http.server
import json
import random
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cramjam

SERIES = 10
LATEST_KILL_S = 1.2
READY_WITHIN_S = 30
CONFIG = """\
global: {{scrape_interval: 100ms, scrape_timeout: 100ms}}
scrape_configs:
  - job_name: ticks
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


@dataclass
class Report:
    """What a run of kills found."""

    seed: int
    kills: int = 0
    acknowledged: int = 0
    scraped: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.kills} kills, {self.acknowledged} samples acknowledged by remote write,"
            f" {self.scraped} scraped ones seen, {len(self.faults)} lost, doubled or strange"
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
        (self.config / "backbeat.yml").write_text("host_collector: false\n")
        self.data = root / "data"
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]

    def start(self) -> None:
        command = [sys.executable, "-m", "backbeat", "serve", str(self.config), "--data", str(self.data)]
        self.process = subprocess.Popen(
            [*command, "--listen", f"127.0.0.1:{self.port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        end = time.monotonic() + READY_WITHIN_S
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                said = self.process.communicate()[1].decode()[-2000:]
                raise AssertionError(f"the store did not open again: {said}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            return self.request("GET", "/-/ready")[0] == 200
        except OSError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def request(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"} if body else {}
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


class Sender(threading.Thread):
    """Sends until the server is gone; `acknowledged` holds what was answered with 204."""

    def __init__(self, server: Server, first: int) -> None:
        super().__init__()
        self.server = server
        self.next = first
        self.acknowledged: dict[int, int] = {}
        self.sent: dict[int, int] = {}
        self.done = threading.Event()

    def run(self) -> None:
        at_ms = int(time.time() * 1000)
        while not self.done.is_set():
            at_ms = max(at_ms + 1, int(time.time() * 1000))
            self.sent[at_ms] = self.next
            try:
                status, _ = self.server.request("POST", "/api/v1/write", write_request(at_ms, self.next))
            except (OSError, http.client.HTTPException):
                return
            if status == 204:
                self.acknowledged[at_ms] = self.next
            self.next += 1


def _pushed_faults(server: Server, ledger: dict[int, int], sent: dict[int, int]) -> list[str]:
    faults = []
    stored = {one["metric"]["n"]: one["values"] for one in server.samples("pushed")}
    for number in range(SERIES if ledger else 0):
        times = [round(float(at) * 1000) for at, _ in stored.get(str(number), [])]
        values = {round(float(at) * 1000): float(text) for at, text in stored.get(str(number), [])}
        faults += [f"series {number}: lost the sample at {at}" for at in ledger if at not in values]
        faults += [f"series {number}: {at} has {values[at]}" for at in values if sent.get(at) != values[at]]
        if len(times) != len(set(times)):
            faults.append(f"series {number}: a sample is doubled")
    return faults


def run(kills: int, seed: int) -> Report:
    """Kill that many times and compare after each start."""
    rng = random.Random(seed)
    report = Report(seed)
    target = Targets(("127.0.0.1", 0), Target)
    threading.Thread(target=target.serve_forever, daemon=True).start()
    ledger: dict[int, int] = {}
    sent: dict[int, int] = {}
    seen: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as root:
        server = Server(Path(root), target.server_port)
        server.start()
        try:
            for _ in range(kills):
                sender = Sender(server, len(sent))
                sender.start()
                time.sleep(rng.uniform(0.02, LATEST_KILL_S))
                for one in server.samples("tick_total"):
                    seen.update((str(at), text) for at, text in one["values"])
                server.kill()
                sender.done.set()
                sender.join()
                ledger.update(sender.acknowledged)
                sent.update(sender.sent)
                server.start()
                report.kills += 1
                report.faults += _pushed_faults(server, ledger, sent)
                ticks = [
                    (str(at), text) for one in server.samples("tick_total") for at, text in one["values"]
                ]
                report.faults += [f"lost the tick at {at}" for at in seen if seen[at] != dict(ticks).get(at)]
                if len(ticks) != len(dict(ticks)):
                    report.faults.append("a tick is doubled")
        finally:
            server.kill()
            target.shutdown()
            target.server_close()
    report.acknowledged, report.scraped = len(ledger) * SERIES, len(seen)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    report = run(arguments.kills, arguments.seed)
    print(report)
    for fault in report.faults[:20]:
        print(fault)
    sys.exit(1 if report.faults else 0)


if __name__ == "__main__":
    main()
