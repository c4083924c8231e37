"""Which endpoint answers a request, and what answers where none can."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from backbeat.model.errors import BackbeatError
from backbeat.web.dispatch import Dispatcher, Endpoint, Route


def saying(name: str) -> Endpoint:
    async def answer(request: Request) -> Response:
        shown = " ".join(f"{key}={value}" for key, value in request.path_params.items())
        return PlainTextResponse(f"{name} {shown}" if shown else name)

    return answer


async def fail(request: Request) -> Response:
    raise BackbeatError("no")


async def read(request: Request) -> Response:
    return Response(await request.body())


def on_error(request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"{request.scope['path']}: {error}", 418)


APP_ROUTES = [
    Route("/a.b", saying("plain"), methods=["GET"]),
    Route("/things", saying("list"), methods=["GET"]),
    Route("/things", saying("add"), methods=["POST"]),
    Route("/things/all", saying("all"), methods=["POST"]),
    Route("/things/{id}", saying("one"), methods=["DELETE", "GET"]),
    Route("/label/{name:path}/values", saying("values"), methods=["GET"]),
    Route("/in/{where:path}", saying("first"), methods=["PUT"]),
    Route("/in/{there}", saying("second"), methods=["PUT"]),
    Route("/fail", fail, methods=["GET"]),
    Route("/read", read, methods=["POST"]),
]
APP = Dispatcher(APP_ROUTES, on_error)


async def ask(method: str, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(APP), base_url="http://x") as client:
        return await client.request(method, path)


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("GET", "/a.b", "plain"),
        ("GET", "/things", "list"),
        ("GET", "/things?id=1", "list"),
        ("POST", "/things", "add"),
        ("POST", "/things/all", "all"),
        pytest.param("DELETE", "/things/all", "one id=all", id="another route knows the method"),
        pytest.param("GET", "/things/%C3%A9%0A", "one id=é\n", id="any character but a slash"),
        pytest.param("GET", "/label/a/b%0Ac/values", "values name=a/b\nc", id="slashes too"),
        pytest.param("PUT", "/in/x", "first where=x", id="the first that fits"),
    ],
)
async def test_the_route_with_path_and_method_answers(method: str, path: str, said: str) -> None:
    answer = await ask(method, path)
    assert (answer.status_code, answer.text) == (200, said)


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("PUT", "/things", 405, "GET, HEAD, POST"),
        ("OPTIONS", "/things", 405, "GET, HEAD, POST"),
        ("POST", "/things/7", 405, "DELETE, GET, HEAD"),
        ("GET", "/aXb", 404, None),
        ("GET", "/things/7/8", 404, None),
        ("GET", "/things/", 404, None),
        ("GET", "/label//values/x", 404, None),
        ("GET", "/", 404, None),
    ],
)
async def test_an_unknown_path_or_method_is_refused(
    method: str, path: str, status: int, allowed: str | None
) -> None:
    answer = await ask(method, path)
    assert (answer.status_code, answer.headers.get("allow")) == (status, allowed)


async def test_who_may_get_may_ask_for_the_head() -> None:
    assert (await ask("HEAD", "/things")).status_code == 200
    assert (await ask("HEAD", "/read")).status_code == 405


async def test_an_error_is_answered() -> None:
    answer = await ask("GET", "/fail")
    assert (answer.status_code, answer.text) == (418, "/fail: no")


async def test_a_client_that_leaves_while_it_sends_is_told_nothing() -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/read", "headers": [], "query_string": b""}
    await APP(scope, receive, send)
    assert sent == []


async def test_what_takes_all_paths_takes_none_that_another_knows() -> None:
    app = Dispatcher([*APP_ROUTES, Route("/{path:path}", saying("page"), methods=["GET"])], on_error)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        page, refused = await client.get("/any/where"), await client.get("/read")
    assert page.text == "page path=any/where"
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
