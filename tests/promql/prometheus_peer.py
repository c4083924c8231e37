"""A real prometheus on loopback, filled over remote write and asked over HTTP.

It is the one on PATH, or the one that BACKBEAT_PROMETHEUS names.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import cramjam

from backbeat.model.labels import Labels

Points = dict[Labels, dict[int, float]]
BINARY = os.environ.get("BACKBEAT_PROMETHEUS") or shutil.which("prometheus")
NEWEST_FEATURES = (
    "promql-experimental-functions,promql-duration-expr,promql-extended-range-selectors,"
    "promql-binop-fill-modifiers,promql-unquoted-utf8-names"
)
DELAYED_NAMES = ",promql-delayed-name-removal"


def major_version() -> int:
    """Of BINARY; what it says of itself, before it is started."""
    assert BINARY is not None
    said = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True)
    match = re.search(r"version (\d+)", said.stdout + said.stderr)
    assert match is not None, said
    return int(match.group(1))


class Peer:
    def __init__(self, address: str) -> None:
        self.address = address
        self._connection = http.client.HTTPConnection(address, timeout=60)

    def close(self) -> None:
        self._connection.close()

    def ask(self, path: str, **parameters: object) -> dict[str, Any]:
        """The JSON of an answer, be it an error or not; one connection for all."""
        body = urllib.parse.urlencode(parameters, errors="surrogateescape")
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", path, body, form)
        answer: dict[str, Any] = json.loads(self._connection.getresponse().read())
        return answer

    def write(self, series: Mapping[Labels, Sequence[tuple[int, float]]]) -> None:
        body = b"".join(_field(1, _series(labels, samples)) for labels, samples in series.items())
        request = urllib.request.Request(
            f"http://{self.address}/api/v1/write",
            data=bytes(cramjam.snappy.compress_raw(body)),
            headers={
                "Content-Encoding": "snappy",
                "Content-Type": "application/x-protobuf",
                "X-Prometheus-Remote-Write-Version": "0.1.0",
            },
        )
        urllib.request.urlopen(request, timeout=10).close()

    def range(self, query: str, start_ms: int, end_ms: int, step_ms: int) -> Points | str:
        """Series to {ms: value}, or the error."""
        asked = {"query": query, "start": start_ms / 1000, "end": end_ms / 1000, "step": step_ms / 1000}
        url = f"http://{self.address}/api/v1/query_range?{urllib.parse.urlencode(asked)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                found = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            return str(json.load(error)["error"])
        return {
            Labels.of(one["metric"]): {round(at * 1000): float(value) for at, value in one["values"]}
            for one in found
        }


def _varint(number: int) -> bytes:
    out = bytearray()
    number &= (1 << 64) - 1
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def _field(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _series(labels: Labels, samples: Sequence[tuple[int, float]]) -> bytes:
    pairs = b"".join(
        _field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in labels
    )
    points = b"".join(
        _field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(at)) for at, value in samples
    )
    return pairs + points


@contextmanager
def prometheus(folder: Path, features: str = "") -> Iterator[Peer]:
    """Started, ready, and ended at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config = folder / "prometheus.yml"
    config.write_text("global: {scrape_interval: 1h}\n")
    assert BINARY is not None
    process = subprocess.Popen(
        [
            BINARY,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
            "--web.enable-remote-write-receiver",
            "--log.level=error",
            *([f"--enable-feature={features}"] if features else []),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_ready(address, process)
        with closing(Peer(address)) as peer:
            yield peer
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_until_ready(address: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        assert process.poll() is None, "prometheus ended at its start"
        try:
            urllib.request.urlopen(f"http://{address}/-/ready", timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("prometheus was not ready within 30 s")
