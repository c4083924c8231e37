"""Backbeat's own API is as its OpenAPI document says: every route is in it, and a real server keeps to it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from backbeat.web.acknowledge_api import AcknowledgeAPI
from backbeat.web.deployments_api import DeploymentsAPI
from backbeat.web.dispatch import Route
from backbeat.web.explain_api import ExplainAPI
from backbeat.web.live import LiveStream
from backbeat.web.oncall_api import OnCallAPI
from backbeat.web.openapi import PATH, document
from backbeat.web.routing_api import RoutingAPI
from backbeat.web.silences_api import SilencesAPI
from backbeat.web.storage_api import StorageAPI

NOTHING: Any = None
READY_WITHIN_S = 30
CHECKS = [not_a_server_error, response_schema_conformance, status_code_conformance]


def test_the_document_has_every_route_and_no_other() -> None:
    apis = (
        AcknowledgeAPI(NOTHING),
        DeploymentsAPI(NOTHING, NOTHING, NOTHING),
        ExplainAPI(NOTHING, NOTHING),
        LiveStream(NOTHING, NOTHING),
        OnCallAPI(NOTHING, NOTHING),
        RoutingAPI(NOTHING),
        SilencesAPI(NOTHING, NOTHING),
        StorageAPI(NOTHING),
    )
    routes: list[Route] = [route for api in apis for route in api.routes()]
    served = {
        (route.path, method.lower()) for route in routes for method in route.methods or () if method != "HEAD"
    }
    described = {(path, method) for path, operations in document()["paths"].items() for method in operations}
    assert served == described


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("openapi")
    (directory / "prometheus.yml").write_text("global: {scrape_interval: 5s}\n")
    (directory / "alertmanager.yml").write_text(
        "route: {receiver: nobody, routes: [{matchers: ['team=\"a\"'], receiver: team}]}\n"
        "receivers: [{name: nobody}, {name: team}]\n"
    )
    command = [sys.executable, "-m", "backbeat", "serve", str(directory), "--data", str(directory / "data")]
    process = subprocess.Popen([*command, "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True)
    try:
        yield _address(process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


def _address(process: subprocess.Popen[str]) -> str:
    """Where it listens, once it is ready."""
    assert process.stderr is not None
    for line in process.stderr:
        if "listens on " in line:
            url = line.rpartition("listens on ")[2].strip()
            break
    else:
        raise AssertionError("the server ended while starting")
    end = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            urllib.request.urlopen(f"{url}/-/ready", timeout=5).close()
        except urllib.error.URLError:
            assert time.monotonic() < end, "not ready"
            time.sleep(0.05)
        else:
            return url


@pytest.fixture(scope="module")
def described(server: str) -> Any:
    return schemathesis.openapi.from_url(server + PATH)


OPERATIONS = [
    (path, method)
    for path, operations in document()["paths"].items()
    for method in operations
    if path != "/api/backbeat/v1/live"  # the stream never ends; its parameters have tests of their own
]


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_a_real_server_keeps_to_it(described: Any, path: str, method: str) -> None:
    """Good requests and bad ones: no failure of the server, and every answer as it is described."""

    @settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=described[path][method.upper()].as_strategy())
    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CHECKS, timeout=20)

    ask()
