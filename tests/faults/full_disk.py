"""A disk that fills up under the real server, and has room again.

    python tests/faults/full_disk.py --fills 20 --seed 1

Series, alert state and outbox lie on one small tmpfs. While it is full, remote write must answer 503, the
targets page must say why, notifications must arrive, and no file may vanish; with room again, samples must be
taken within ten seconds, without a restart. At the end the server is killed and started again, and the ledger
of what was acknowledged is compared with what it has.
"""

from __future__ import annotations

import argparse
import contextlib
import http.server
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import kill_server
from kill_server import SERIES, Ledger, Server, Target, Targets, write_request

DISK_BYTES = 12 << 20
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


@dataclass
class Report:
    """What a run of fills found."""

    seed: int
    fills: int = 0
    acknowledged: int = 0
    refused: int = 0
    told: int = 0
    """alerts that reached the receiver while the disk was full"""
    slowest_s: float = 0.0
    """until samples were taken again"""
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.fills} fills, {self.refused} writes refused, {self.told} notifications"
            f" while full, taken again after at most {self.slowest_s:.1f} s, {self.acknowledged} samples"
            f" acknowledged, {len(self.faults)} faults"
        )


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


@contextlib.contextmanager
def small_disk(root: Path) -> Iterator[Path]:
    """A mounted tmpfs. Raises PermissionError where this user cannot mount."""
    disk = root / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "backbeat-test", str(disk)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        raise PermissionError(mounted.stderr.strip())
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


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
        assert wait_for(self._is_ready, START_PATIENCE_S), Path(self.log.name).read_text()[-2000:]

    def end(self) -> None:
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()

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
        self._server = server
        self._at_ms = int(time.time() * 1000)
        self.ledger = Ledger()
        self.statuses: list[int] = []

    def __call__(self) -> int:
        self._at_ms = max(self._at_ms + 1, int(time.time() * 1000))
        value = len(self.ledger.values)
        self.ledger.sent(self._at_ms, value)
        status, _ = self._server.request("POST", "/api/v1/write", write_request(self._at_ms, value))
        self.statuses.append(status)
        if status == 204:
            self.ledger.answered(self._at_ms)
        return status


def _fill(disk: Path) -> Path:
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass
    return filler


def _files(data: Path) -> set[Path]:
    kept = (path for path in data.rglob("*") if path.is_file() and not path.name.startswith("state.db-"))
    return {path for path in kept if path.stat().st_size}


def _one_fill(server: ServerOnDisk, disk: Path, write: Writer, number: int, full_s: float) -> list[str]:
    faults = []
    for _ in range(20):
        write()
    before = _files(server.data)
    filler = _fill(disk)
    if not wait_for(lambda: write() == 503):
        faults.append("a full disk did not refuse writes")
    if not wait_for(lambda: "No space left" in server.target()[1]):
        faults.append(f"the targets page does not say why: {server.target()}")
    Receiver.told.clear()
    alert = json.dumps([{"labels": {"alertname": f"Pushed{number}"}}]).encode()
    status = server.request("POST", "/api/v2/alerts", alert, {"Content-Type": "application/json"})[0]
    if not wait_for(lambda: f"Pushed{number}" in Receiver.told):
        faults.append(f"an alert that was sent while the disk was full did not arrive (HTTP {status})")
    time.sleep(full_s)
    if not wait_for(lambda: "Clock" in Receiver.told):
        faults.append("no notification of a rule while the disk was full")
    if set(write.statuses[-1:]) != {503}:
        faults.append(f"answers while full: {write.statuses[-5:]}")
    if gone := before - _files(server.data):
        faults.append(f"vanished: {sorted(map(str, gone))[:3]}")
    filler.unlink()
    return faults


def run(fills: int, seed: int, longest_full_s: float = 4.0) -> Report:
    """Raises PermissionError where this user cannot mount."""
    dice, report = random.Random(seed), Report(seed)
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        disk = stack.enter_context(small_disk(root))
        ports = []
        for handler in (Target, Receiver):
            peer = Targets(("127.0.0.1", 0), handler)
            threading.Thread(target=peer.serve_forever, daemon=True).start()
            stack.callback(peer.server_close)
            stack.callback(peer.shutdown)
            ports.append(peer.server_port)
        server = ServerOnDisk(root, disk, *ports)
        server.begin()
        stack.callback(server.end)
        write = Writer(server)
        for number in range(fills):
            faults = _one_fill(server, disk, write, number, dice.uniform(0, longest_full_s))
            report.told += len(Receiver.told)
            began = time.monotonic()
            if not wait_for(lambda: write() == 204):
                faults.append("writes are still refused, with room on the disk")
            if not wait_for(lambda: server.target() == ("up", "")):
                faults.append(f"scraping did not resume: {server.target()}")
            report.slowest_s = max(report.slowest_s, time.monotonic() - began)
            faults += write.ledger.judge(kill_server.stored(server, "pushed"))
            report.faults += [f"fill {number}: {fault}" for fault in faults]
            report.fills += 1
        server.end()
        server.begin()
        report.faults += write.ledger.judge(kill_server.stored(server, "pushed"))
        report.acknowledged = len([each for each in write.statuses if each == 204]) * SERIES
        report.refused = write.statuses.count(503)
        if report.slowest_s > RESUMES_WITHIN_S:
            report.faults.append(f"resumed after {report.slowest_s:.1f} s")
        said = Path(server.log.name).read_text()
        if (resumed := said.count("the disk takes writes again")) > 2 * fills:
            report.faults.append(f"the log says {resumed} times that the disk takes writes again")
        if "Traceback" in said:
            report.faults.append(f"a full disk is no bug: {said[said.index('Traceback') :][:1500]}")
        server.log.close()
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    try:
        report = run(arguments.fills, arguments.seed)
    except PermissionError as refusal:
        print(f"skipped: this user cannot mount a small disk: {refusal}")
        return 0
    print("\n".join(report.faults[:20]))
    print(report)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
