"""The real server as a process: what it says when it cannot start, reload, and its end."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

READY_WITHIN_S = 30
CONFIG = "global: {scrape_interval: 1s}\n"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def command(config: Path, data: Path, listen: str) -> list[str]:
    options = ["--data", str(data), "--listen", listen]
    return [sys.executable, "-m", "backbeat", "serve", str(config), *options]


def request(port: int, method: str, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


class Running:
    """A server that is ready."""

    def __init__(self, directory: Path) -> None:
        self.config, self.data, self.port = directory / "conf", directory / "data", free_port()
        self.config.mkdir()
        (self.config / "prometheus.yml").write_text(CONFIG)
        self.process = subprocess.Popen(
            command(self.config, self.data, f"127.0.0.1:{self.port}"), stderr=subprocess.PIPE, text=True
        )
        end = time.monotonic() + READY_WITHIN_S
        while not self._ready():
            assert time.monotonic() < end, "not ready"
            time.sleep(0.05)

    def _ready(self) -> bool:
        try:
            return request(self.port, "GET", "/-/ready")[0] == 200
        except OSError:
            return False


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    server = Running(tmp_path)
    yield server
    server.process.kill()
    server.process.communicate()


def refusal(config: Path, data: Path, listen: str) -> str:
    """Start where it cannot work; returns the one line that it says."""
    ended = subprocess.run(
        command(config, data, listen), capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 1
    lines = ended.stderr.splitlines()
    assert len(lines) == 1, ended.stderr
    return lines[0]


def test_a_taken_port_and_a_taken_directory_are_one_clear_line(running: Running, tmp_path: Path) -> None:
    said = refusal(running.config, tmp_path / "other", f"127.0.0.1:{running.port}")
    assert "already in use" in said
    assert "--listen" in said
    said = refusal(running.config, running.data, f"127.0.0.1:{free_port()}")
    assert f"in use by process {running.process.pid}" in said


def test_what_cannot_start_says_what_to_do(tmp_path: Path) -> None:
    config = tmp_path / "conf"
    config.mkdir()
    (config / "prometheus.yml").write_text(CONFIG)
    (tmp_path / "file").touch()
    listen = f"127.0.0.1:{free_port()}"
    assert "cannot write there" in refusal(config, tmp_path / "file", listen)
    assert "does not exist" in refusal(tmp_path / "none", tmp_path / "data", listen)
    assert "expected HOST:PORT" in refusal(config, tmp_path / "data", "nonsense")
    assert "without authentication" in refusal(config, tmp_path / "data", "0.0.0.0:0")
    (config / "prometheus.yml").write_text("global:\n  scrape_intervall: 1s\n")
    assert "prometheus.yml:2:" in refusal(config, tmp_path / "data", listen)


def test_a_bad_reload_changes_nothing_and_a_good_one_applies(running: Running) -> None:
    (running.config / "prometheus.yml").write_text("global: {scrape_interval: tomorrow}\n")
    status, said = request(running.port, "POST", "/-/reload")
    assert status == 500
    assert "prometheus.yml:1:" in said
    assert "1s" in request(running.port, "GET", "/api/v1/status/config")[1]
    (running.config / "prometheus.yml").write_text("global: {scrape_interval: 7s}\n")
    assert request(running.port, "POST", "/-/reload")[0] == 200
    assert "7s" in request(running.port, "GET", "/api/v1/status/config")[1]


def test_sigterm_ends_it_within_five_seconds_while_a_page_is_open(running: Running) -> None:
    page = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
    page.request("GET", "/api/backbeat/v1/live")
    stream = page.getresponse()
    assert stream.readline().startswith(b"retry")
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(5) == 0
    page.close()


def test_a_reload_changes_the_level_of_the_log(running: Running) -> None:
    quiet = CONFIG + "runtime: {log_level: error}\n"
    for config in (quiet, quiet, CONFIG):
        (running.config / "prometheus.yml").write_text(config)
        assert request(running.port, "POST", "/-/reload")[0] == 200
    running.process.send_signal(signal.SIGTERM)
    said = running.process.communicate(timeout=30)[1]
    assert said.count("the configuration was reloaded") == 1


def test_runtimeinfo_tells_of_the_last_reload(running: Running) -> None:
    def info() -> dict[str, object]:
        found: dict[str, object] = json.loads(request(running.port, "GET", "/api/v1/status/runtimeinfo")[1])
        return found["data"]  # type: ignore[return-value]

    first = info()
    assert (first["reloadConfigSuccess"], first["lastConfigTime"]) == (True, first["startTime"])
    (running.config / "prometheus.yml").write_text("global: {scrape_interval: soon}\n")
    assert request(running.port, "POST", "/-/reload")[0] == 500
    refused = info()
    assert (refused["reloadConfigSuccess"], refused["lastConfigTime"]) == (False, first["lastConfigTime"])
    (running.config / "prometheus.yml").write_text(CONFIG)
    assert request(running.port, "POST", "/-/reload")[0] == 200
    again = info()
    assert again["reloadConfigSuccess"] is True
    assert again["lastConfigTime"] != first["lastConfigTime"]


def test_the_date_of_answers_goes_on(running: Running) -> None:
    def date() -> str | None:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
        connection.request("GET", "/-/healthy")
        said = connection.getresponse().headers["date"]
        connection.close()
        return said

    first, end = date(), time.monotonic() + READY_WITHIN_S
    assert first is not None
    while date() == first:
        assert time.monotonic() < end, f"still {first}"
        time.sleep(0.05)
