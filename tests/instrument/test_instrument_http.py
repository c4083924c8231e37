"""HTTP requests as the middleware counts and times them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from backbeat_instrument import Metrics, MetricsEndpoint, MetricsMiddleware


async def hello(_: Request) -> Response:
    return PlainTextResponse("hello")


async def broken(_: Request) -> Response:
    raise RuntimeError("broken")


async def slow_stream(_: Request) -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.sleep(0.3)
        yield b"last"

    return StreamingResponse(body())


async def broken_stream(_: Request) -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        raise RuntimeError("no more")

    return StreamingResponse(body())


def app_with(metrics: Metrics) -> Starlette:
    return Starlette(
        routes=[
            Route("/hello", hello),
            Route("/tracks/{track_id:int}", hello),
            Route("/broken", broken),
            Route("/stream", slow_stream),
            Route("/broken-stream", broken_stream),
            Mount("/v1/{tenant}", routes=[Route("/users/{user}", hello, methods=["POST"])]),
            Mount("/static", app=PlainTextResponse("file")),
            Route("/metrics", MetricsEndpoint(metrics)),
        ],
        middleware=[Middleware(MetricsMiddleware, metrics=metrics)],
    )


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


@pytest.fixture
async def client(metrics: Metrics) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app_with(metrics), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as opened:
        yield opened


def counted(metrics: Metrics) -> dict[tuple[str, str, str], float]:
    return {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
        for family in metrics.http_requests.collect()
        for sample in family.samples
        if sample.name == "http_requests_total"
    }


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        pytest.param("GET", "/hello", "/hello", "200", id="plain route"),
        pytest.param("GET", "/tracks/17", "/tracks/{track_id}", "200", id="template without its converter"),
        pytest.param("POST", "/v1/acme/users/7", "/v1/{tenant}/users/{user}", "200", id="mounted routes"),
        pytest.param("GET", "/v1/acme/users/7", "/v1/{tenant}/users/{user}", "405", id="wrong method"),
        pytest.param("GET", "/v1/acme/nothing", "/v1/{tenant}/unmatched", "404", id="nothing in the mount"),
        pytest.param("GET", "/static/a/b.css", "/static/*", "200", id="mounted application"),
        pytest.param("GET", "/nothing", "unmatched", "404", id="no route"),
        pytest.param("BREW", "/nothing", "unmatched", "404", id="made-up method"),
        pytest.param("GET", "/broken", "/broken", "500", id="exception"),
        pytest.param("GET", "/broken-stream", "/broken-stream", "500", id="body that breaks off"),
    ],
)
async def test_counts_by_route_template(
    client: httpx.AsyncClient, metrics: Metrics, method: str, path: str, route: str, status: str
) -> None:
    await client.request(method, path)
    assert counted(metrics) == {("other" if method == "BREW" else method, route, status): 1}


async def test_duration_of_a_stream_ends_at_its_first_byte(
    client: httpx.AsyncClient, metrics: Metrics
) -> None:
    await client.get("/stream")
    labels = {"method": "GET", "route": "/stream"}
    assert metrics.registry.get_sample_value("http_request_duration_seconds_count", labels) == 1
    total_s = metrics.registry.get_sample_value("http_request_duration_seconds_sum", labels)
    assert total_s is not None
    assert total_s < 0.2


async def test_many_routes_share_one_label_value() -> None:
    metrics = Metrics(CollectorRegistry(), max_routes=3)
    for number in range(10):
        metrics.http_request("GET", f"/{number}", 200, 0.1)
    assert counted(metrics)["GET", "other", "200"] == 7


@pytest.mark.parametrize("how", ["message", "error of the server"])
async def test_client_who_leaves_before_the_answer_is_499(metrics: Metrics, how: str) -> None:
    async def waits_for_the_client(_scope: Any, receive: Any, send: Any) -> None:
        if how == "message":
            await receive()
            raise RuntimeError("gave up since nobody listens")
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(_message: Any) -> None:
        raise OSError("connection lost")

    app = MetricsMiddleware(waits_for_the_client, metrics, route_of=lambda _: "/wait")
    with pytest.raises((RuntimeError, OSError)):
        await app({"type": "http", "path": "/wait", "method": "GET"}, receive, send)
    assert counted(metrics) == {("GET", "/wait", "499" if how == "message" else "200"): 1}


async def test_metrics_in_both_formats(client: httpx.AsyncClient) -> None:
    await client.get("/hello")
    text = await client.get("/metrics")
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'http_requests_total{method="GET",route="/hello",status="200"} 1.0' in text.text
    assert "_created" not in text.text
    asked = {"Accept": "application/openmetrics-text; version=1.0.0"}
    open_metrics = await client.get("/metrics", headers=asked)
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert open_metrics.text.endswith("# EOF\n")
    assert 'route="/metrics"' not in open_metrics.text


@pytest.mark.parametrize(
    ("histogram", "thresholds"),
    [
        ("http_request_duration", (0.5, 1, 2, 4)),
        ("db_query_duration", (0.5, 1)),
        ("upload_duration", (30, 60)),
    ],
)
def test_thresholds_are_bucket_bounds(
    metrics: Metrics, histogram: str, thresholds: tuple[float, ...]
) -> None:
    getattr(metrics, histogram)
    bounds = getattr(metrics, histogram)._kwargs["buckets"]
    assert set(thresholds) <= set(bounds)
