"""`backbeat query` against a data directory and against a server."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
import pytest

from backbeat.cli.moments import WrongMoment, length_ms, moment_ms
from backbeat.cli.query import Refused, run_query
from backbeat.model.clock import now_ms
from backbeat.model.errors import BackbeatError, WorldFailure
from backbeat.model.labels import Labels
from backbeat.storage import StorageOptions, open_storage

END_MS = 1_700_000_000_000


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("query") / "data"
    storage = open_storage(directory / "samples", StorageOptions(), lambda: END_MS)
    series = [Labels.of(__name__="requests_total", route=f"/[{n}]") for n in range(9)]
    cohort = storage.cohort("scrape")
    columns = cohort.columns(series)
    for at in range(240):
        cohort.append(END_MS - 3_600_000 + at * 15_000, columns, np.arange(9.0) * at)
    storage.close()
    return directory


def ask(expr: str, data: Path | None = None, url: str = "", range_ms: int = 0, form: str = "table") -> int:
    return run_query(expr, url=url, data=data, at_ms=END_MS - 15_000, range_ms=range_ms, step_ms=0, form=form)


def test_a_vector_is_a_table(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("topk(2, requests_total)", data) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ['requests_total{route="/[8]"}', "1912"]
    assert lines[1].split() == ['requests_total{route="/[7]"}', "1673"]


def test_a_range_is_a_plot_and_figures(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("rate(requests_total[5m])", data, range_ms=1_800_000) == 0
    shown = capsys.readouterr().out
    assert any("⠀" < letter <= "⣿" for letter in shown)
    assert "(7 of 9 series are drawn)" in shown
    figures = next(line for line in shown.splitlines() if "/[3]" in line)
    assert figures.split() == ['{route="/[3]"}', "0.2", "0.2", "0.2", "0.2"]


@pytest.mark.parametrize(
    ("expr", "expected"),
    [("1 + 1", "2"), ('"text"', "text"), ("vector(1/0)", "{}  +Inf"), ("nothing", "no series")],
)
def test_other_results(data: Path, capsys: pytest.CaptureFixture[str], expr: str, expected: str) -> None:
    assert ask(expr, data) == 0
    assert expected in capsys.readouterr().out


def test_a_range_without_a_number_is_not_drawn(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("sum(requests_total) * NaN", data, range_ms=60_000) == 0
    assert capsys.readouterr().out.split()[-5:] == ["{}", "nan", "nan", "nan", "nan"]


def test_json_and_csv_are_for_programs(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask("requests_total", data, range_ms=60_000, form="csv")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 9 * 61
    assert rows[0] == {
        "time": "2023-11-14T22:12:05Z",
        "value": "0",
        "__name__": "requests_total",
        "route": "/[0]",
    }
    ask("1", data, form="json")
    assert json.loads(capsys.readouterr().out)["data"]["resultType"] == "scalar"


def test_a_mistake_shows_its_place(data: Path) -> None:
    with pytest.raises(BackbeatError, match=r"1:16: parse error") as caught:
        ask("sum(rate(a[5m])", data)
    assert str(caught.value).endswith("\n               ^")
    with pytest.raises(WorldFailure, match="does not exist"):
        ask("up", data / "elsewhere")


@pytest.fixture
def server() -> Iterator[tuple[str, list[dict[str, list[str]]]]]:
    asked: list[dict[str, list[str]]] = []

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            asked.append({**form, "path": [self.path]})
            refused = form["query"] == ["wrong"]
            body = (
                {"status": "error", "errorType": "bad_data", "error": "1:1: parse error: no"}
                if refused
                else {
                    "status": "success",
                    "data": {"resultType": "vector", "result": []},
                    "warnings": ["careful"],
                }
            )
            self.send_response(400 if refused else 200)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Answering) as one:
        thread = threading.Thread(target=one.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{one.server_port}/", asked
        one.shutdown()
        thread.join()


def test_a_server_is_asked_as_prometheus_is(
    server: tuple[str, list[dict[str, list[str]]]], capsys: pytest.CaptureFixture[str]
) -> None:
    url, asked = server
    assert ask("up", url=url) == 0
    assert asked[-1] == {"query": ["up"], "time": ["1699999985.0"], "path": ["/api/v1/query"]}
    assert "note: careful" in capsys.readouterr().err
    ask("up", url=url, range_ms=3_600_000)
    assert asked[-1]["path"] == ["/api/v1/query_range"]
    assert asked[-1]["step"] == ["15.0"]
    with pytest.raises(Refused, match="1:1: parse error: no"):
        ask("wrong", url=url)


def test_no_server_says_what_to_do() -> None:
    with pytest.raises(WorldFailure, match="is Backbeat running there"):
        ask("up", url="http://127.0.0.1:1")
    with pytest.raises(WorldFailure, match="expected an address"):
        ask("up", url="localhost:9090")


def test_moments_and_lengths() -> None:
    assert moment_ms("2023-11-14T22:13:20Z", "--at") == END_MS
    assert moment_ms("1700000000", "--at") == END_MS
    assert abs(moment_ms("-1h", "--at") - (now_ms() - 3_600_000)) < 10_000
    assert abs(moment_ms("now", "--at") - now_ms()) < 10_000
    assert (length_ms("90", "--range"), length_ms("1h30m", "--range")) == (90_000, 5_400_000)
    for wrong in ("yesterday", "-soon"):
        with pytest.raises(WrongMoment, match="--at: found"):
            moment_ms(wrong, "--at")
    for wrong in ("0", "-5", "long"):
        with pytest.raises(WrongMoment, match="--range: found"):
            length_ms(wrong, "--range")
