"""The real server among bad neighbours: targets, rules and templates that fail, one beside what is well."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

WITHIN_S = 60
HUNDRED_MB = 100 * 1024 * 1024

PROMETHEUS = """
global: {{scrape_interval: 1s, scrape_timeout: 800ms, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: neighbours
    static_configs:
      - targets: ["127.0.0.1:{port}"]
    relabel_configs:
      - {{target_label: __metrics_path__, replacement: /good}}
      - {{target_label: instance, replacement: good}}
{bad}
"""
BAD = """
  - job_name: {name}
    metrics_path: /{name}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
RULES = """
groups:
  - name: mixed
    rules:
      - record: fails
        expr: label_replace(up, "job", "same", "", "")
      - record: goes_on
        expr: good_metric * 2
      - alert: GoodIsHere
        expr: good_metric > 0
        annotations: {summary: '{{ index .Labels.missing 3 }}'}
"""
ALERTMANAGER = """
route: {{receiver: team, group_wait: 0s, group_interval: 1s}}
receivers:
  - name: team
    slack_configs:
      - api_url: http://127.0.0.1:{port}/slack
        channel: '#team'
        text: '{{{{ index .Alerts 99 }}}}'
"""
BAD_TARGETS = {
    "garbage": "bad line 1",
    "half": "broke off",
    "flood": "larger than 16777216 bytes",
    "loop": "redirect loop",
    "nothing": "timeout",
}


class Neighbours(ThreadingHTTPServer):
    daemon_threads = True
    messages: list[dict[str, Any]]


class Answers(BaseHTTPRequestHandler):
    server: Neighbours

    def do_GET(self) -> None:
        getattr(self, f"_{self.path.strip('/').partition('?')[0]}")()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.messages.append(json.loads(body))
        self._whole(b"ok")

    def _whole(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _good(self) -> None:
        self._whole(b"good_metric 21\n")

    def _garbage(self) -> None:
        self._whole(b"\x00\xff\xfe not metrics {{{\n" * 20)

    def _half(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"good_metric 1\nhalf_a_li")
        self.close_connection = True

    def _flood(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(HUNDRED_MB))
        self.end_headers()
        chunk = b"flood_metric 1\n" * 4096
        for _ in range(HUNDRED_MB // len(chunk)):
            self.wfile.write(chunk)

    def _loop(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/loop")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _nothing(self) -> None:
        time.sleep(3)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def neighbours() -> Iterator[Neighbours]:
    with Neighbours(("127.0.0.1", 0), Answers) as server:
        server.messages = []
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def port(tmp_path: Path, neighbours: Neighbours) -> Iterator[int]:
    """Of a server that scrapes the neighbours and tells one of them its alerts."""
    config, other = tmp_path / "conf", neighbours.server_port
    config.mkdir()
    bad = "".join(BAD.format(name=name, port=other) for name in BAD_TARGETS)
    (config / "prometheus.yml").write_text(PROMETHEUS.format(port=other, bad=bad))
    (config / "rules.yml").write_text(RULES)
    (config / "alertmanager.yml").write_text(ALERTMANAGER.format(port=other))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free: int = probe.getsockname()[1]
    command = ["serve", str(config), "--data", str(tmp_path / "data"), "--listen", f"127.0.0.1:{free}"]
    process = subprocess.Popen([sys.executable, "-m", "backbeat", *command], stderr=subprocess.DEVNULL)
    until(lambda: is_ready(free, process))
    yield free
    process.kill()
    process.wait()


def ask(port: int, path: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())["data"]
    finally:
        connection.close()


def until(happened: Callable[[], bool]) -> None:
    """Real sockets and processes take their own time."""
    end = time.monotonic() + WITHIN_S
    while not happened():
        assert time.monotonic() < end, f"not within {WITHIN_S} s"
        time.sleep(0.1)


def is_ready(port: int, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the server ended by itself"
    with contextlib.suppress(OSError):
        return bool(ask(port, "/api/v1/targets"))
    return False


def test_what_is_bad_says_why_and_what_is_well_goes_on(port: int, neighbours: Neighbours) -> None:
    def targets() -> dict[str, dict[str, Any]]:
        found = ask(port, "/api/v1/targets")["activeTargets"]
        return {each["labels"]["job"]: each for each in found}

    until(lambda: "unknown" not in {each["health"] for each in targets().values()})
    seen = targets()
    assert seen["neighbours"]["health"] == "up"
    for name, reason in BAD_TARGETS.items():
        assert seen[name]["health"] == "down"
        assert reason in seen[name]["lastError"], (name, seen[name]["lastError"])
    up = {
        each["metric"]["job"]: each["value"][1]
        for each in ask(port, "/api/v1/query?query=up%7Bjob!%3D%22node%22%7D")["result"]
    }
    assert up == {"neighbours": "1", **dict.fromkeys(BAD_TARGETS, "0")}

    def rules() -> dict[str, dict[str, Any]]:
        (group,) = ask(port, "/api/v1/rules")["groups"]
        return {each["name"]: each for each in group["rules"]}

    until(lambda: bool(ask(port, "/api/v1/query?query=goes_on")["result"]))
    assert ask(port, "/api/v1/query?query=goes_on")["result"][0]["value"][1] == "42"
    until(lambda: rules()["fails"]["health"] == "err")
    assert rules()["goes_on"]["health"] == "ok"
    assert "same labelset" in rules()["fails"]["lastError"]

    until(lambda: bool(neighbours.messages))
    told = json.dumps(neighbours.messages[0])
    assert "GoodIsHere" in told
    assert "template error" in told
