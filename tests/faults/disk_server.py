"""The real server on a disk of its own, with a target, a rule, a receiver, and a ledger of what it took."""

from __future__ import annotations

import argparse
import contextlib
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

from kill_server import Ledger, Server, Target, Targets, write_request
from msgspec import Struct, field

RESUMES_WITHIN_S = 10
PATIENCE_S = 30
START_PATIENCE_S = 100
PROMETHEUS = """\
global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 500ms}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: ticks
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
# Fires and resolves by the clock, so that there is always something to tell.
RULES = """\
groups:
  - name: clock
    rules: [{alert: Clock, expr: "vector(time()) % 4 < 2"}]
"""
ALERTMANAGER = """\
route: {{receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 500ms}}
receivers:
  - name: hook
    webhook_configs: [{{url: "http://127.0.0.1:{port}/"}}]
"""


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes notifications."""

    told: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Receiver.told += [alert["labels"]["alertname"] for alert in body["alerts"]]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


class ServerOnDisk(Server):
    """The server as people start it."""

    def __init__(self, root: Path, disk: Path, target_port: int, receiver_port: int) -> None:
        self.log = (root / "log").open("ab")
        super().__init__(root, target_port)
        self.data = disk / "data"
        self.environment: dict[str, str] = {}
        (self.config / "prometheus.yml").write_text(PROMETHEUS.format(port=target_port))
        (self.config / "rules.yml").write_text(RULES)
        (self.config / "alertmanager.yml").write_text(ALERTMANAGER.format(port=receiver_port))

    def begin(self) -> None:
        command = [sys.executable, "-m", "backbeat", "serve", str(self.config), "--data", str(self.data)]
        self.server = subprocess.Popen(
            [*command, "--listen", f"127.0.0.1:{self.port}"],
            stdout=self.log,
            stderr=self.log,
            env={**os.environ, **self.environment},
        )
        assert wait_for(self._is_ready, START_PATIENCE_S), self.said()[-2000:]

    def end(self) -> None:
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()

    def push_alert(self, name: str) -> int:
        """The status of the answer."""
        alert = json.dumps([{"labels": {"alertname": name}}]).encode()
        return self.request("POST", "/api/v2/alerts", alert, {"Content-Type": "application/json"})[0]

    def said(self) -> str:
        return Path(self.log.name).read_text()

    def target(self) -> tuple[str, str]:
        """Health and the reason that the targets page shows."""
        active = json.loads(self.request("GET", "/api/v1/targets")[1])["data"]["activeTargets"]
        return active[0]["health"], active[0]["lastError"]


def wait_for(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> bool:
    end = time.monotonic() + patience_s
    while not (is_so := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return is_so


class Writer:
    """Sends samples and keeps the ledger."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._at_ms = int(time.time() * 1000)
        self.ledger = Ledger()
        self.statuses: list[int] = []

    def __call__(self) -> int:
        self._at_ms = max(self._at_ms + 1, int(time.time() * 1000))
        value = len(self.ledger.values)
        self.ledger.sent(self._at_ms, value)
        status, _ = self.server.request("POST", "/api/v1/write", write_request(self._at_ms, value))
        self.statuses.append(status)
        if status == 204:
            self.ledger.answered(self._at_ms)
        return status


@contextlib.contextmanager
def served(
    root: Path, disk: Path, environment: dict[str, str] | None = None, fsync_interval: str = "100ms"
) -> Iterator[ServerOnDisk]:
    """A server whose data directory is on the disk, scraping a target and telling `Receiver`."""
    with contextlib.ExitStack() as stack:
        ports = []
        for handler in (Target, Receiver):
            peer = Targets(("127.0.0.1", 0), handler)
            threading.Thread(target=peer.serve_forever, daemon=True).start()
            stack.callback(peer.server_close)
            stack.callback(peer.shutdown)
            ports.append(peer.server_port)
        server = ServerOnDisk(root, disk, *ports)
        server.environment = environment or {}
        settings = f"host_collector: false\nfsync_interval: {fsync_interval}\n"
        (server.config / "backbeat.yml").write_text(settings)
        server.begin()
        stack.callback(server.log.close)
        stack.callback(server.end)
        yield server


class Report(Struct):
    """What a run found."""

    seed: int
    times: int = 0
    acknowledged: int = 0
    """samples"""
    refused: int = 0
    """writes"""
    told: int = 0
    """alerts that reached the receiver meanwhile"""
    slowest_s: float = 0.0
    """until all was well again"""
    faults: list[str] = field(default_factory=list)


def main(run: Callable[[int, int], Report], word: str, times: int, about: str | None) -> int:
    """`--WORD` times with a `--seed`; says so and is content where this machine lacks what the run needs."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument(f"--{word}", dest="times", type=int, default=times)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    try:
        report = run(arguments.times, arguments.seed)
    except (PermissionError, FileNotFoundError) as refusal:
        print(f"skipped: {refusal}")
        return 0
    print("\n".join(report.faults[:20]))
    print(report)
    return 1 if report.faults else 0
