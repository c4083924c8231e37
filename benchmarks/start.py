"""How long a start takes: `check`, first scrape, readiness, a restart on a full log; and what idling costs.

    python -m benchmarks.start [--runs 7] [--idle-s 60]

`check` and the starts are of the profile that `backbeat init` writes. The first scrape is the first request
that reaches one of fifty targets scraped every second. The log of the restart holds an hour of 100,000 series
at 15 s, 24 million samples. Where Prometheus is installed, it receives the very same, and both are started in
turn. Each is killed (SIGKILL) once it is ready, so that all read what a crash leaves, from the page cache.
Idle is the process of Backbeat alone while `backbeat demo` runs and nobody looks.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

import psutil
from benchmarks.full_log import prometheus_with, write_log
from benchmarks.ingest import free_port
from msgspec import Struct

BACKBEAT = [sys.executable, "-m", "backbeat"]
TARGETS = 50


class Taken(Struct):
    """One start, in s of wall clock and of CPU."""

    ready_s: float
    cpu_s: float
    scraped_s: float
    memory_mib: float


class Target(BaseHTTPRequestHandler):
    """Answers scrapes and notes when the first one came."""

    first: float = 0.0

    def do_GET(self) -> None:
        Target.first = Target.first or time.perf_counter()
        with contextlib.suppress(ConnectionError):  # of a server that was killed meanwhile
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"up_and_well 1\n")

    def log_request(self, code: object = "-", size: object = "-") -> None:
        pass


def profile(directory: Path, target: int) -> None:
    """The profile with its secrets, and a job of fifty targets."""
    subprocess.run([*BACKBEAT, "init", directory], check=True, stdout=subprocess.DEVNULL)
    for name in ("smtp_password", "slack_webhook_url"):
        (directory / "secrets" / name).write_text("https://hooks.example.org/x")
    each = "{{targets: ['127.0.0.1:{}'], labels: {{__metrics_path__: /{}}}}}"
    targets = ", ".join(each.format(target, number) for number in range(TARGETS))
    main = directory / "prometheus.yml"
    job = f"  - job_name: many\n    scrape_interval: 1s\n    static_configs: [{targets}]\n"
    main.write_text(main.read_text().replace("scrape_configs:\n", f"scrape_configs:\n{job}"))


def started(config: Path, data: Path) -> Taken:
    """Start Backbeat, wait until it is ready and has scraped, and kill -9."""
    port = free_port()
    Target.first = 0.0
    return timed(
        [*BACKBEAT, "serve", str(config), "--data", str(data), "--listen", f"127.0.0.1:{port}"], port
    )


def timed(command: list[str], port: int, *, scrapes: bool = True) -> Taken:
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not is_ready(port):
            if process.poll() is not None:
                raise RuntimeError(f"ended with {process.returncode}: {' '.join(command)}")
            time.sleep(0.002)
        ready = time.perf_counter()
        seen = psutil.Process(process.pid)
        used, memory = seen.cpu_times(), seen.memory_info().rss / 2**20
        while scrapes and not Target.first:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    return Taken(ready - began, used.user + used.system, Target.first - began if scrapes else 0.0, memory)


def is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def check(config: Path) -> tuple[float, float]:
    """Seconds of wall clock and of CPU."""
    before, began = os.times(), time.perf_counter()
    subprocess.run([*BACKBEAT, "check", config], check=True, stdout=subprocess.DEVNULL)
    after, took = os.times(), time.perf_counter() - began
    return took, (after.children_user + after.children_system) - (
        before.children_user + before.children_system
    )


def idle(seconds: float) -> float:
    """Of one core, per cent: Backbeat's own process in the demo, after a minute."""
    with tempfile.TemporaryDirectory() as folder:
        demo = subprocess.Popen([*BACKBEAT, "demo", "--data", folder], stdout=subprocess.DEVNULL)
        try:
            time.sleep(60)
            of_demo = psutil.Process(demo.pid).children(recursive=True)
            server = next(
                each for each in of_demo if "backbeat" in each.cmdline() and "serve" in each.cmdline()
            )
            before = server.cpu_times()
            time.sleep(seconds)
            after = server.cpu_times()
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait(30)
    return 100 * (after.user + after.system - before.user - before.system) / seconds


def show(name: str, taken: list[Taken]) -> None:
    columns = [
        ("ready", [each.ready_s for each in taken]),
        ("CPU until ready", [each.cpu_s for each in taken]),
    ]
    if taken[0].scraped_s:
        columns.insert(1, ("first scrape", [each.scraped_s for each in taken]))
    told = ", ".join(f"{what} {median(s):.2f} s (least {min(s):.2f})" for what, s in columns)
    print(f"{name}: {told}, {median(each.memory_mib for each in taken):.0f} MiB", flush=True)


def restarts(config: Path, folder: Path, runs: int) -> None:
    """Starts on the full log, and those of Prometheus on its own in turn."""
    ours = folder / "full"
    began_ms = write_log(ours / "samples")
    peer = prometheus_with(began_ms, folder) if shutil.which("prometheus") else None
    started(config, ours)  # the state's tables are made once
    taken, theirs = [], []
    for _ in range(runs):
        taken.append(started(config, ours))
        if peer is not None:
            theirs.append(timed(peer.command, peer.port, scrapes=False))
    show("24 million samples in the log", taken)
    if theirs:
        show("the same, Prometheus", theirs)
        ratio = median(each.ready_s for each in taken) / median(each.ready_s for each in theirs)
        print(f"ready again, ratio of the medians: {ratio:.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--idle-s", type=float, default=60.0, help="0: leave it out")
    chosen = parser.parse_args()
    target = ThreadingHTTPServer(("127.0.0.1", 0), Target)
    threading.Thread(target=target.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config")
        profile(config, target.server_port)
        checks = [check(config) for _ in range(chosen.runs)]
        walls, cpus = [each for each, _ in checks], [each for _, each in checks]
        print(f"check: {median(walls):.2f} s (least {min(walls):.2f}), CPU {median(cpus):.2f} s", flush=True)
        show("empty", [started(config, Path(folder, f"empty-{run}")) for run in range(chosen.runs)])
        restarts(config, Path(folder), chosen.runs)
    if chosen.idle_s:
        print(f"idle in the demo: {idle(chosen.idle_s):.2f} % of a core")


if __name__ == "__main__":
    main()
