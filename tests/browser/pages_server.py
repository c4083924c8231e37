"""A real server with something on every page: alerts that fire, a target that is down, a rule that fails."""

from __future__ import annotations

import http.server
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

FIRING_WITHIN_S = 300
ANSWER_WITHIN_S = 120

PROMETHEUS = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s, scrape_timeout: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: backbeat
    basic_auth: {{username: scraper, password: not-for-eyes}}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
  - job_name: gone
    static_configs: [{{targets: ["127.0.0.1:{closed}"]}}]
"""

RULES = """\
groups:
  - name: alerts
    rules:
      - alert: DiskFull
        expr: vector(97) > 95
        labels: {severity: critical, job: disk}
        annotations: {summary: The disk is nearly full, description: 97 % are used.}
      - alert: DiskFilling
        expr: vector(97) > 90
        labels: {severity: warning, job: disk}
        annotations: {summary: The disk fills}
      - alert: SoonSlow
        expr: vector(3) > 1
        for: 1d
        labels: {severity: warning, job: web}
  - name: numbers
    rules:
      - record: targets:up:sum
        expr: sum(up)
      - record: broken:ratio
        expr: up / on (nothing) up
"""

ALERTMANAGER = """\
route:
  receiver: team
  group_by: [alertname]
  group_wait: 1s
  routes:
    - matchers: [severity="critical"]
      receiver: pager
receivers:
  - name: team
    webhook_configs: [{{url: "http://127.0.0.1:{inbox}/team"}}]
  - name: pager
    webhook_configs: [{{url: "http://127.0.0.1:{inbox}/pager"}}]
inhibit_rules:
  - name: full beats filling
    source_matchers: [alertname="DiskFull"]
    target_matchers: [alertname="DiskFilling"]
    equal: [job]
"""


class Inbox(http.server.ThreadingHTTPServer):
    """Takes every webhook, and remembers where it was sent to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Take)
        self.taken: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Take(http.server.BaseHTTPRequestHandler):
    server: Inbox

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.taken.append(self.path)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is said."""


class PagesServer:
    """`backbeat serve`, once both of its alerts fire."""

    def __init__(self, directory: Path) -> None:
        self.inbox = Inbox()
        # Both stay bound, and nobody listens there: the server may, and nothing else takes them meanwhile.
        self.kept = [kept_port(), kept_port()]
        self.port, closed = (one.getsockname()[1] for one in self.kept)
        self.url = f"http://127.0.0.1:{self.port}"
        (directory / "prometheus.yml").write_text(PROMETHEUS.format(port=self.port, closed=closed))
        (directory / "rules.yml").write_text(RULES)
        (directory / "alertmanager.yml").write_text(ALERTMANAGER.format(inbox=self.inbox.server_port))
        (directory / "backbeat.yml").write_text("host_collector: false\n")
        command = [sys.executable, "-m", "backbeat", "serve", str(directory)]
        listen = ["--data", str(directory / "data"), "--listen", f"127.0.0.1:{self.port}"]
        self.log = (directory / "log").open("w")
        self.process = subprocess.Popen([*command, *listen], stdout=self.log, stderr=self.log)
        self._wait(FIRING_WITHIN_S, self._fires)

    def ask(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=ANSWER_WITHIN_S) as answer:
            return json.load(answer)

    def _fires(self) -> bool:
        try:
            return len(self.ask("/api/v2/alerts")) == 2
        except OSError:
            return False

    def _wait(self, seconds: float, happened: Any) -> None:
        end = time.monotonic() + seconds
        while not happened():
            assert self.process.poll() is None, "the server ended"
            assert time.monotonic() < end, "no alerts fired"
            time.sleep(0.1)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(ANSWER_WITHIN_S)
        self.log.close()
        self.inbox.shutdown()
        self.inbox.server_close()
        for one in self.kept:
            one.close()


def kept_port() -> socket.socket:
    """A port of loopback that nobody listens at; a server that reuses addresses can, while it stays open."""
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind(("127.0.0.1", 0))
    return probe
