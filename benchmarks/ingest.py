"""CPU per scraped sample: Backbeat and Prometheus at the same targets, one after the other, in one run.

    python benchmarks/ingest.py                    50 targets x 2,000 series at 1 s, 30 s each
    python benchmarks/ingest.py --gzip             targets compress, as most exporters do when asked
    python benchmarks/ingest.py --churn 0.1        a tenth of the series is replaced every minute
    python benchmarks/ingest.py --remote-write     both receive the same remote-write requests instead
    python benchmarks/ingest.py --targets 500 --interval 15 --warm-up 60 --seconds 120     a million series

The targets live in a process of their own. Counted is the CPU time (user and system) of each server's
process, per sample that it stored, after a warm-up in which it has met every series.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import http.client
import json
import os
import platform
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from msgspec import Struct

_ROUTES = [f"/api/v1/{name}" for name in ("tracks", "albums", "artists", "search", "upload", "stream")]
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LIFE_S = 60.0


class Measured(Struct, frozen=True):
    name: str
    samples: float
    cpu_s: float
    memory_mib: float

    @property
    def us_per_sample(self) -> float:
        return self.cpu_s / self.samples * 1e6


class Exposition:
    """The body that every target gives in a second: histograms and counters of an HTTP service."""

    def __init__(self, series: int, churn: float) -> None:
        self._churn = churn
        self._random = random.Random(7)
        self._values = [0.0] * series
        self._second = -1
        self._answers: tuple[bytes, bytes] = (b"", b"")

    def answers(self) -> tuple[bytes, bytes]:
        """Plain and gzip."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            body = self._body(second)
            self._answers = (
                _response(body, ""),
                _response(gzip.compress(body, 1), "Content-Encoding: gzip\r\n"),
            )
        return self._answers

    def _body(self, second: int) -> bytes:
        lines: list[str] = []
        for place in range(len(self._values)):
            family, within = divmod(place, len(_BOUNDS) + 2)
            metric = f"http_request_duration_seconds_{family // 24}"
            if within == 0 and family % 24 == 0:
                lines.append(f"# HELP {metric} How long requests took.\n# TYPE {metric} histogram\n")
            labels = f'method="GET",route="{_ROUTES[family % 6]}",status="{200 + family // 6 % 4}"'
            if self._churn:
                life_s = _LIFE_S / self._churn
                labels += f',pod="p{int((second + place * life_s / len(self._values)) / life_s)}"'
            if self._random.random() < 0.5:
                self._values[place] += self._random.randrange(1, 40) if within else self._random.random() * 3
            if within < 1:
                name, value = f"{metric}_sum", repr(self._values[place])
            elif within == 1:
                name, value = f"{metric}_count", repr(self._values[place])
            else:
                labels += f',le="{_BOUNDS[within - 2]}"'
                name, value = f"{metric}_bucket", repr(self._values[place])
            lines.append(f"{name}{{{labels}}} {value}\n")
        return "".join(lines).encode()


def _response(body: bytes, more: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{more}\r\n".encode() + body


class TargetProtocol(asyncio.Protocol):
    """The least HTTP that a scraper needs."""

    def __init__(self, exposition: Exposition, compress: bool) -> None:
        self._exposition, self._compress, self._request = exposition, compress, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, received: bytes) -> None:
        self._request += received
        if self._request.endswith(b"\r\n\r\n"):
            asked = self._compress and b"gzip" in self._request
            self._transport.write(self._exposition.answers()[asked])
            self._request = b""


async def run_targets(arguments: argparse.Namespace) -> None:
    """Listen on a port a target and print the ports."""
    exposition = Exposition(arguments.series, arguments.churn)
    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(lambda: TargetProtocol(exposition, arguments.gzip), "127.0.0.1", 0)
        for _ in range(arguments.targets)
    ]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await asyncio.Event().wait()


async def run_receiver(arguments: argparse.Namespace) -> None:
    """Storage behind the remote-write receiver, served as the server serves it; prints the port."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from backbeat.collect.remote_write import RemoteWriteReceiver
    from backbeat.model.clock import now_ms
    from backbeat.storage import StorageOptions, open_storage

    storage = open_storage(Path(arguments.data), StorageOptions(), now_ms)
    receiver = RemoteWriteReceiver(storage)

    async def write(request: Request) -> Response:
        headers = request.headers
        status, message = await receiver.receive(
            await request.body(), headers.get("content-encoding", ""), headers.get("content-type", "")
        )
        return Response(message, status)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        app = Starlette(routes=[Route("/api/v1/write", write, methods=["POST"])])
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
        await server.serve(sockets=[listener])


def write_requests(series: int, per_request: int, rounds: int) -> Iterator[bytes]:
    """Requests as Prometheus sends them: every series once a round, in the same order, a second apart."""
    import cramjam

    def delimited(field: int, content: bytes) -> bytes:
        size = len(content)
        return (
            bytes([field << 3 | 2])
            + (bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7]))
            + content
        )

    encoded = []
    for place in range(series):
        labels = {
            "__name__": "http_request_duration_seconds_bucket",
            "instance": f"10.0.0.{place % 50}:9100",
            "job": "shop",
            "le": str(_BOUNDS[place // 50 % 11]),
            "method": "GET",
            "route": f"/api/v1/things/{place // 550}",
            "status": "200",
        }
        pairs = [delimited(1, name.encode()) + delimited(2, value.encode()) for name, value in labels.items()]
        encoded.append(b"".join(delimited(1, pair) for pair in pairs))
    started_ms = int(time.time() * 1000) - rounds * 1000
    for at in range(rounds):
        stamp, rest = b"", started_ms + at * 1000
        while rest >= 128:
            stamp, rest = stamp + bytes([rest & 127 | 128]), rest >> 7
        stamp = b"\x10" + stamp + bytes([rest])
        samples = [b"\x09" + struct.pack("<d", at + place) + stamp for place in range(series)]
        parts = [
            delimited(1, own + delimited(2, sample)) for own, sample in zip(encoded, samples, strict=True)
        ]
        for first in range(0, series, per_request):
            yield bytes(cramjam.snappy.compress_raw(b"".join(parts[first : first + per_request])))


def measure_receiver(name: str, arguments: argparse.Namespace) -> Measured:
    """CPU per sample of a server that is sent 2,000-sample requests, one after the other."""
    with tempfile.TemporaryDirectory() as data:
        port = free_port()
        command = [sys.executable, __file__, "receiver", "--data", data]
        if name == "prometheus":
            Path(data, "prometheus.yml").write_text("global: {}\n")
            command = prometheus_command(data, port, "--web.enable-remote-write-receiver")
        with running(command) as process:
            if name == "backbeat":
                assert process.stdout is not None
                port = int(process.stdout.readline())
            watched = psutil.Process(process.pid)
            cpu, sent = 0.0, 0
            connection = http.client.HTTPConnection("127.0.0.1", port)
            wait_for(port)
            for number, body in enumerate(write_requests(20_000, 2000, 60)):
                if number == 20:
                    # Every series is known after ten requests.
                    cpu = sum(watched.cpu_times()[:2])
                headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
                connection.request("POST", "/api/v1/write", body, headers)
                answer = connection.getresponse()
                assert answer.status == 204, answer.read()
                answer.read()
                sent += 2000 if number >= 20 else 0
            cpu = sum(watched.cpu_times()[:2]) - cpu
            return Measured(name, sent, cpu, watched.memory_info().rss / 2**20)


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            time.sleep(1)
            return


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def prometheus_command(data: str, port: int, *more: str) -> list[str]:
    return [
        "prometheus",
        f"--config.file={data}/prometheus.yml",
        f"--storage.tsdb.path={data}/tsdb",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
        *more,
    ]


@contextmanager
def running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def measure(
    name: str, process: subprocess.Popen[str], samples: Any, arguments: argparse.Namespace
) -> Measured:
    """CPU and samples between the end of the warm-up and the end of the run."""
    watched = psutil.Process(process.pid)
    time.sleep(arguments.warm_up)
    stored, cpu = samples(), sum(watched.cpu_times()[:2])
    time.sleep(arguments.seconds)
    stored, cpu = samples() - stored, sum(watched.cpu_times()[:2]) - cpu
    return Measured(name, stored, cpu, watched.memory_info().rss / 2**20)


def measure_scraping(name: str, ports: list[int], arguments: argparse.Namespace) -> Measured:
    """One server, whole, with its defaults and no rules, scraping the targets."""
    with tempfile.TemporaryDirectory() as data:
        every = f"{arguments.interval:g}s"
        job = {"job_name": "bench", "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}
        Path(data, "prometheus.yml").write_text(
            json.dumps(
                {"global": {"scrape_interval": every, "scrape_timeout": every}, "scrape_configs": [job]}
            )
        )
        port = free_port()
        command, metric = prometheus_command(data, port), "prometheus_tsdb_head_samples_appended_total"
        if name == "backbeat":
            Path(data, "backbeat.yml").write_text("host_collector: false\n")
            command = [sys.executable, "-m", "backbeat", "serve", data, "--data", f"{data}/data"]
            command += ["--listen", f"127.0.0.1:{port}"]
            metric = "backbeat_scrape_samples_appended_total"

        def samples() -> float:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                for line in answer.read().decode().splitlines():
                    if line.startswith(metric):
                        return float(line.split()[-1])
            raise RuntimeError(f"{name} does not say how many samples it has")

        with running(command, stderr=subprocess.DEVNULL) as process:
            measured = measure(name, process, samples, arguments)
            if arguments.ask:
                ask(name, port, arguments.ask)
            process.kill()
            process.wait()
        return measured


def ask(name: str, port: int, query: str) -> None:
    """How long an hour of a query takes at the end of the run: the first time, and again."""
    end = int(time.time())
    asked = urllib.parse.urlencode({"query": query, "start": end - 3600, "end": end, "step": 15})
    for what in ("first", "again"):
        begin = time.perf_counter()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query_range?{asked}") as answer:
            size = len(answer.read())
        print(f"{name}: {query}, {what}: {time.perf_counter() - begin:.2f} s, {size} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("role", nargs="?", default="run", choices=["run", "targets", "receiver"])
    parser.add_argument("--targets", type=int, default=50)
    parser.add_argument("--series", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--warm-up", type=float, default=15)
    parser.add_argument("--churn", type=float, default=0, help="share of the series replaced a minute")
    parser.add_argument("--interval", type=float, default=1, help="seconds between scrapes")
    parser.add_argument("--ask", help="a query to time at the end of the run")
    parser.add_argument("--gzip", action="store_true")
    parser.add_argument("--remote-write", action="store_true")
    parser.add_argument("--only", choices=["backbeat", "prometheus"])
    parser.add_argument("--data", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role == "targets":
        asyncio.run(run_targets(arguments))
    elif arguments.role == "receiver":
        import uvloop

        uvloop.run(run_receiver(arguments))
    elif arguments.remote_write:
        names = [arguments.only] if arguments.only else ["backbeat", "prometheus"]
        report(
            "remote write, 2,000 samples a request, 20,000 series",
            [measure_receiver(each, arguments) for each in names],
        )
    else:
        run(arguments)


def run(arguments: argparse.Namespace) -> None:
    command = [
        sys.executable,
        __file__,
        "targets",
        f"--targets={arguments.targets}",
        f"--series={arguments.series}",
    ]
    command += [f"--churn={arguments.churn}", *(["--gzip"] if arguments.gzip else [])]
    with running(command) as targets:
        assert targets.stdout is not None
        ports = json.loads(targets.stdout.readline())
        results = []
        if arguments.only != "prometheus":
            results.append(measure_scraping("backbeat", ports, arguments))
        if arguments.only != "backbeat" and shutil.which("prometheus"):
            results.append(measure_scraping("prometheus", ports, arguments))
    each = f"{arguments.targets} targets x {arguments.series} series at {arguments.interval:g} s"
    kind = f"{each}, {arguments.seconds:g} s"
    report(f"{kind}, gzip {'on' if arguments.gzip else 'off'}, churn {arguments.churn:.0%} a minute", results)


def report(what: str, results: list[Measured]) -> None:
    print(f"{what}; {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print(f"{'':12} {'samples':>10} {'CPU s':>8} {'us/sample':>10} {'RSS MiB':>8}")
    for each in results:
        print(
            f"{each.name:12} {each.samples:10.0f} {each.cpu_s:8.2f} "
            f"{each.us_per_sample:10.3f} {each.memory_mib:8.0f}"
        )
    if len(results) == 2:
        print(f"\nratio of CPU per sample: {results[0].us_per_sample / results[1].us_per_sample:.2f}")


if __name__ == "__main__":
    main()
