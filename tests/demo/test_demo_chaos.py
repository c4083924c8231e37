"""`backbeat chaos` against a service, and against what is none."""

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from backbeat.demo.chaos import UnknownFaultError, chaos
from backbeat.model.errors import WorldFailure


class FakeService(http.server.BaseHTTPRequestHandler):
    faults: dict[str, bool]

    def do_GET(self) -> None:
        if self.path != "/chaos":
            self.answer(404, b"not here", "text/plain")
            return
        descriptions = {name: f"about {name}" for name in self.faults}
        body = json.dumps({"faults": self.faults, "descriptions": descriptions}).encode()
        self.answer(200, body, "application/json")

    def do_POST(self) -> None:
        self.faults.update(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.do_GET()

    def answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def url() -> Iterator[str]:
    FakeService.faults = {"slow_database": False, "cache_off": False}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeService) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_switches_and_lists(url: str) -> None:
    assert chaos("cache_off", "on", url) == [
        "off  slow_database  about slow_database",
        "on   cache_off      about cache_off",
    ]
    assert [line[:3] for line in chaos("all", "on", url)] == ["on ", "on "]
    assert [line[:3] for line in chaos("all", "off", url + "/")] == ["off", "off"]
    assert chaos("list", url=url) == chaos("", "list", url)


def test_an_unknown_fault_names_the_known(url: str) -> None:
    with pytest.raises(UnknownFaultError, match="has no fault 'coffee'; it has: slow_database, cache_off"):
        chaos("coffee", "on", url)


def test_what_is_no_service(url: str) -> None:
    with pytest.raises(WorldFailure, match="is not the example service: it answered 404"):
        chaos("list", url=f"{url}/elsewhere")
    with pytest.raises(WorldFailure, match="is the demo running"):
        chaos("list", url="http://127.0.0.1:1")
