"""The query API: parameters, errors in Prometheus's form, and an end to what nobody waits for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import httpx
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

from backbeat.model.labels import Labels
from backbeat.model.results import Answer, Matrix, RawSamples
from backbeat.model.samples import SampleBlock
from backbeat.promql.engine import Engine
from backbeat.promql.local import LocalQuerier
from backbeat.web import params, query_api, responses
from backbeat.web.dispatch import Dispatcher
from backbeat.web.params import MAX_TIME_MS, BadParameter, Parameters, parse_time
from backbeat.web.query_api import QueryAPI, unescape_label_name
from backbeat.web.responses import json_body, on_error
from backbeat.web.until_gone import answered


class Nothing:
    """A store without series; may keep a query waiting."""

    def __init__(self) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def read(self, *_: object) -> list[Any]:
        self.began.set()
        self.go_on.wait(10)
        return []

    def series(self, *_: object) -> list[Any]:
        return []

    label_names = label_values = series


def app(store: Nothing) -> tuple[Dispatcher, LocalQuerier]:
    querier = LocalQuerier(Engine(store))
    routes = QueryAPI(querier, lambda: 1_000).routes()
    return Dispatcher(routes, on_error), querier


def client(served: Dispatcher) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://backbeat")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            "query?query=sum(",
            'invalid parameter "query": 1:5: parse error: unclosed left parenthesis\nsum(\n    ^',
        ),
        ("query", 'invalid parameter "query": unknown position: parse error: no expression found in input'),
        ("query?query=1&limit=-1", 'invalid parameter "limit": limit must be non-negative'),
        ("query?query=1&limit=x", 'invalid parameter "limit": parsing "x": invalid syntax'),
        (
            "query?query=1&time=x",
            (
                "invalid parameter \"time\": invalid time value for 'time': "
                'cannot parse "x" to a valid timestamp'
            ),
        ),
        ("query_range?query=1&start=x", 'invalid parameter "start": cannot parse "x" to a valid timestamp'),
        (
            "query_range?query=1&start=0&end=1&step=-1",
            (
                'invalid parameter "step": zero or negative query resolution step widths are not accepted.'
                " Try a positive integer"
            ),
        ),
        (
            "query?query=1&lookback_delta=x",
            'error parsing lookback delta duration: cannot parse "x" to a valid duration',
        ),
        (
            "query?query=up&timeout=9223372036.854775807",
            (
                'invalid parameter "timeout": cannot parse "9223372036.854775807" to a valid duration. '
                "It overflows int64"
            ),
        ),
        (
            "query?query=up&lookback_delta=1e20",
            (
                'error parsing lookback delta duration: cannot parse "1e20" to a valid duration. '
                "It overflows int64"
            ),
        ),
        ("series", "no match[] parameter provided"),
        ("labels?match[]={a=~'.*'}", "match[] must contain at least one non-empty matcher"),
    ],
)
async def test_a_bad_parameter_is_400_with_prometheus_words(path: str, said: str) -> None:
    served, querier = app(Nothing())
    answer = await client(served).get(f"/api/v1/{path}")
    querier.close()
    assert answer.status_code == 400
    assert answer.json() == {"status": "error", "errorType": "bad_data", "error": said}


async def test_a_timeout_is_503_and_what_go_clients_send_for_ever_is_taken() -> None:
    served, querier = app(Nothing())
    asking = client(served)
    late = await asking.post("/api/v1/query", data={"query": "up", "timeout": "-1"})
    ever = await asking.get("/api/v1/series?match[]=up&start=-9223309901257974&end=9223309901257974.999")
    querier.close()
    assert (late.status_code, late.json()["errorType"]) == (503, "timeout")
    assert ever.json() == {"status": "success", "data": []}


class TwoSeries(Nothing):
    """Each with a sample at the epoch."""

    def read(self, *_: object) -> list[Any]:
        labels = [Labels.of(__name__="x", i="1"), Labels.of(__name__="x", i="2")]
        return [SampleBlock(labels, np.array([0]), np.array([[1.0], [2.0]]), None)]


async def test_statistics_count_what_every_selector_reads() -> None:
    served, querier = app(TwoSeries())
    for query, selectors in (("x", 1), ("x + x", 2), ("sum_over_time(x[1m:30s])", 1)):
        answer = await client(served).get(
            "/api/v1/query", params={"query": query, "time": "0", "stats": "all"}
        )
        found = answer.json()["data"]["stats"]["samples"]
        assert (found["seriesTouched"], found["samplesRead"]) == (2 * selectors, 2 * selectors)
        assert "warnings" not in answer.json()
    other = (await client(served).get("/api/v1/query", params={"query": "x", "stats": "1"})).json()
    querier.close()
    assert "stats" in other["data"]
    (warning,) = other["warnings"]
    assert warning.startswith('value "1" for parameter "stats" is deprecated')


async def test_a_query_whose_client_has_gone_stops() -> None:
    store = Nothing()
    store.go_on.clear()
    served, querier = app(store)
    gone = asyncio.Event()
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/v1/query",
        "headers": [],
        "query_string": b"query=up",
    }
    asking = asyncio.create_task(served(scope, receive, send))
    await asyncio.to_thread(store.began.wait, 10)
    gone.set()
    await asking
    store.go_on.set()
    querier.close()
    assert sent[0]["status"] == 499


def test_times_and_numbers() -> None:
    assert parse_time("1435781430.781") == 1_435_781_430_781
    assert parse_time("2015-07-01T20:10:51.781Z") == 1_435_781_451_781
    assert parse_time("+292277025-08-18T07:12:54.999999999Z") == MAX_TIME_MS
    for wrong in ("nan", "2015-07-01", "20150701T201051Z", "٣", ""):
        with pytest.raises(BadParameter):
            parse_time(wrong)
    params = Parameters({"step": ["1h30m"], "limit": ["9" * 19], "half": ["0.5"], "n": ["-1"]})
    assert params.duration_ms("step") == 5_400_000
    assert params.duration_ms("half") == 500
    assert params.limit() == np.iinfo(np.int64).max
    assert params.count("n") is None


@pytest.mark.parametrize(
    ("escaped", "name"),
    [
        ("http_code", "http_code"),
        ("U__http_2e_code", "http.code"),
        ("U__a__b", "a_b"),
        ("U___1f3b5_", "\U0001f3b5"),
        pytest.param("U__zz_zz", "U__zz_zz", id="no hexadecimal number"),
        pytest.param("U__a_", "U__a_", id="no end"),
        pytest.param("U___d800_", "U___d800_", id="half a character"),
    ],
)
def test_label_names_are_unescaped_as_prometheus_does(escaped: str, name: str) -> None:
    assert unescape_label_name(escaped) == name


@given(st.text(alphabet="ab=&+%;123fFeE \u00e9", max_size=30))
@example("a=1&a=2&=3&b")
@example("a=%F0%9F%8E%B5+%2B")
@example("%61=%ff")
def test_parameters_are_read_as_a_form_is(text: str) -> None:
    scope = {"type": "http", "method": "GET", "headers": [], "query_string": text.encode("latin-1")}
    reading = Parameters.of(Request(scope))
    try:
        expected = parse_qs(text.encode("ascii").decode(), keep_blank_values=True, errors="strict")
    except ValueError:
        with pytest.raises(BadParameter, match="not URL-encoded UTF-8"):
            asyncio.run(reading)
        return
    found = asyncio.run(reading)
    assert {name: found.all(name) for name in expected} == expected
    assert found.all("absent") == []


async def test_more_fields_than_anybody_needs_are_refused() -> None:
    served, querier = app(Nothing())
    answer = await client(served).get("/api/v1/labels?" + "&" * 10_000)
    querier.close()
    assert answer.status_code == 400
    assert "more than 10000 fields" in answer.json()["error"]


class Found:
    """A querier that has found many or few of what was asked for."""

    def __init__(self, count: int) -> None:
        self._labels = [Labels.of(n=str(number)) for number in range(count)]

    async def series(self, *_: object) -> list[Labels]:
        return self._labels

    async def label_names(self, *_: object) -> list[str]:
        return [labels.get("n") for labels in self._labels]

    async def instant(self, *_: object, **__: object) -> Answer:
        cells = np.ones((len(self._labels), 1))
        return Answer(Matrix(self._labels, np.array([1000]), cells, cells > 0))


class Samples(Found):
    async def instant(self, *_: object, **__: object) -> Answer:
        times = np.arange(100 * len(self._labels))
        return Answer(RawSamples([SampleBlock([Labels.of(n="1")], times, np.ones((1, len(times))))]))


@pytest.mark.parametrize("asked", ["series?match[]=m", "labels", "query?query=m"])
@pytest.mark.parametrize(
    ("found", "in_thread"),
    [(Found(3), False), (Found(2000), True), (Samples(3), False), (Samples(2000), True)],
)
async def test_what_is_long_is_written_in_a_thread(
    asked: str, found: Any, in_thread: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bool] = []

    def body(request: Request, content: bytes, status: int = 200) -> Response:
        written.append(threading.current_thread() is not threading.main_thread())
        return json_body(request, content, status)

    for module in (query_api, responses):
        monkeypatch.setattr(module, "json_body", body)
    served = Dispatcher(QueryAPI(found, lambda: 1_000).routes(), on_error)
    answer = await client(served).get(f"/api/v1/{asked}")
    assert answer.json()["status"] == "success"
    assert written == [in_thread]


@pytest.mark.parametrize(
    ("asked", "in_thread"),
    [
        ("parse_query?query=x", True),
        ("format_query?query=x", True),
        ("series?match[]=x", False),
        ("labels?match[]=x{a=~'b.*'}", False),
        ("series?" + "&".join(f"match[]=x{number}" for number in range(500)), True),
        (r"label/a/values?match[]=x{a=~'\\pL{200}'}", True),
    ],
)
async def test_what_may_take_long_is_parsed_in_a_thread(
    asked: str, in_thread: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[bool] = []

    def watched(original: Callable[[str], object]) -> Callable[[str], object]:
        def parse(text: str) -> object:
            parsed.append(threading.current_thread() is not threading.main_thread())
            return original(text)

        return parse

    for module, name in ((query_api, "parse"), (params, "parse_selector")):
        monkeypatch.setattr(module, name, watched(getattr(module, name)))
    params._parsed.cache_clear()
    served, querier = app(Nothing())
    answer = await client(served).get(f"/api/v1/{asked}")
    querier.close()
    assert answer.json()["status"] == "success"
    assert set(parsed) == {in_thread}


async def test_an_error_of_the_disk_is_not_taken_for_a_client_that_left() -> None:
    async def slow() -> None:
        raise TimeoutError("the disk does not answer")

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    with pytest.raises(TimeoutError, match="the disk"):
        await answered(Request(scope), slow())
