"""Clients that people use, at a real server: promtool, prometheus-api-client, Grafana's data source."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psutil
import pytest
from test_server_process import command, free_port, request

from backbeat.model.clock import now_ms
from backbeat.model.labels import Labels
from backbeat.storage import StorageOptions, open_storage

RULES = """
groups:
  - name: g
    interval: 1s
    rules:
      - {record: "job:requests:rate", expr: "sum by (job) (rate(requests_total[5m]))"}
      - {alert: Always, expr: "vector(1)", labels: {severity: info}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """A server with an hour of two series: its port, and the time of the newest sample in s."""
    directory = tmp_path_factory.mktemp("clients")
    config, data, port = directory / "conf", directory / "data", free_port()
    config.mkdir()
    (config / "prometheus.yml").write_text("global: {scrape_interval: 1s}\nrule_files: [rules.yml]\n")
    (config / "rules.yml").write_text(RULES)
    end_ms = now_ms() // 60_000 * 60_000
    storage = open_storage(data / "samples", StorageOptions(), now_ms)
    cohort = storage.cohort("scrape")
    columns = cohort.columns(
        [Labels.of(__name__="requests_total", job="web", route=f"/{n}") for n in range(2)]
    )
    for at in range(240):
        cohort.append(end_ms - 15_000 * (239 - at), columns, np.array([at * 15.0, at * 30.0]))
    # Enough for a query that takes seconds.
    heavy = storage.cohort("heavy")
    columns = heavy.columns([Labels.of(__name__="heavy", n=str(n)) for n in range(3000)])
    for at in range(240):
        heavy.append(end_ms - 15_000 * (239 - at), columns, np.random.default_rng(at).random(3000))
    storage.close()
    with subprocess.Popen(command(config, data, f"127.0.0.1:{port}"), stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while True:
            try:
                if (
                    request(port, "GET", "/-/ready")[0] == 200
                    and "Always" in request(port, "GET", "/api/v1/alerts")[1]
                ):
                    break
            except OSError:
                pass
            assert time.monotonic() < deadline, "not ready"
            time.sleep(0.05)
        yield port, end_ms // 1000
        process.kill()


def promtool(*arguments: str) -> str:
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed")
    told = subprocess.run(["promtool", "query", *arguments], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


@pytest.mark.peer
def test_promtool_asks(server: tuple[int, int]) -> None:
    port, end = server
    url = f"http://127.0.0.1:{port}"
    shown = promtool("instant", "--time", str(end), url, "rate(requests_total[5m])")
    found = re.search(r'\{job="web", route="/0"\} => (\S+) @', shown)
    assert found is not None, shown
    assert float(found[1]) == pytest.approx(1)
    shown = promtool(
        "range", "--start", str(end - 60), "--end", str(end), "--step", "15s", url, "requests_total"
    )
    assert shown.count(" @[") == 10
    assert 'job="web", route="/1"}' in promtool("series", "--match", "requests_total", url)
    assert promtool("labels", url, "route").split() == ["/0", "/1"]


def test_prometheus_api_client_asks(server: tuple[int, int]) -> None:
    clients = pytest.importorskip("prometheus_api_client")
    port, end = server
    client = clients.PrometheusConnect(url=f"http://127.0.0.1:{port}", disable_ssl=True)
    assert client.check_prometheus_connection()
    assert "requests_total" in client.all_metrics()
    assert set(client.get_label_names()) >= {"__name__", "job", "route"}
    assert client.get_label_values("route") == ["/0", "/1"]
    values = client.custom_query("sum(requests_total)", params={"time": end})
    assert float(values[0]["value"][1]) == 239 * 45
    found = client.custom_query_range(
        "requests_total",
        start_time=datetime.fromtimestamp(end - 60, UTC),
        end_time=datetime.fromtimestamp(end, UTC),
        step="15",
    )
    assert [len(series["values"]) for series in found] == [5, 5]
    data = client.get_metric_range_data(
        "requests_total",
        label_config={"route": "/0"},
        start_time=datetime.fromtimestamp(end - 600, UTC),
        end_time=datetime.fromtimestamp(end, UTC),
    )
    assert len(data) == 1


def grafana(port: int, method: str, path: str, **form: Any) -> Any:
    """A call as Grafana's Prometheus data source makes it."""
    body = urllib.parse.urlencode(form, doseq=True)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        if method == "POST":
            connection.request("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"})
        else:
            connection.request("GET", f"{path}?{body}" if body else path)
        answer = connection.getresponse()
        content = json.loads(answer.read())
    finally:
        connection.close()
    assert answer.status == 200, content
    assert content["status"] == "success"
    return content["data"]


def test_grafanas_data_source_asks(server: tuple[int, int]) -> None:
    port, end = server
    # Saving the data source: what kind of server, and does it answer?
    assert "version" in grafana(port, "GET", "/api/v1/status/buildinfo")
    assert grafana(port, "POST", "/api/v1/query", query="1+1", time=end)["result"][1] == "2"
    # A panel, and a table.
    span = {"start": end - 3600, "end": end}
    matrix = grafana(port, "POST", "/api/v1/query_range", query="rate(requests_total[5m])", step=15, **span)
    assert [len(series["values"]) > 200 for series in matrix["result"]] == [True, True]
    assert len(grafana(port, "POST", "/api/v1/query", query="requests_total", time=end)["result"]) == 2
    for query in ("requests_total", "requests_total[5m]"):
        cut = grafana(port, "POST", "/api/v1/query", query=query, time=end, limit=1)
        assert len(cut["result"]) == 1
    # Exemplars beside a panel.
    assert grafana(port, "POST", "/api/v1/query_exemplars", query="requests_total", **span) == []
    # Completion in the editor, and variables of a dashboard.
    assert "requests_total" in grafana(port, "GET", "/api/v1/label/__name__/values", **span)
    assert grafana(
        port, "GET", "/api/v1/label/route/values", **{"match[]": 'requests_total{job="web"}'}, **span
    ) == [
        "/0",
        "/1",
    ]
    assert "route" in grafana(port, "POST", "/api/v1/labels", **{"match[]": "requests_total"}, **span)
    series = grafana(port, "POST", "/api/v1/series", **{"match[]": "requests_total"}, **span)
    assert {labels["route"] for labels in series} == {"/0", "/1"}
    assert isinstance(grafana(port, "GET", "/api/v1/metadata", limit=10), dict)
    # The alerting pages.
    rules = grafana(port, "GET", "/api/v1/rules")["groups"]
    assert [rule["name"] for rule in rules[0]["rules"]] == ["job:requests:rate", "Always"]
    assert grafana(port, "GET", "/api/v1/alerts")["alerts"][0]["labels"]["alertname"] == "Always"


def test_a_query_whose_client_has_gone_stops(server: tuple[int, int]) -> None:
    port, end = server
    # Every second of an hour by three thousand series, sorted and sorted again.
    heavy = "sum(quantile_over_time(0.5, heavy[30m]))"
    path = "/api/v1/query_range?" + urllib.parse.urlencode(
        {"query": heavy, "start": end - 3600, "end": end, "step": 1, "nocache": 1}
    )
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    own = next(
        process
        for process in psutil.process_iter(["cmdline"])
        if f"127.0.0.1:{port}" in (process.info["cmdline"] or ())
        and sys.executable in process.info["cmdline"]
    )
    time.sleep(0.3)
    connection.close()
    deadline = time.monotonic() + 20
    while own.cpu_percent(0.5) > 30:
        assert time.monotonic() < deadline, "it goes on computing"
