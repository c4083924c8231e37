"""The guard in front of every route."""

import base64
from typing import Any

import bcrypt
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from backbeat.config.web import RateLimit, WebConfig
from backbeat.model.hosts import is_loopback
from backbeat.web.dispatch import Dispatcher, Route
from backbeat.web.responses import on_error
from backbeat.web.security import Guard

USERS = (("ann", bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()),)


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


def client(web: WebConfig | None = None) -> httpx.AsyncClient:
    app = Dispatcher([Route("/x", hello, methods=["GET", "POST", "DELETE"])], on_error)
    guard = Guard(app, hosts=["backbeat.example"], web=web, check_host=True)
    transport = httpx.ASGITransport(app=guard)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:9090")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9090", 200),
        ("localhost:9090", 200),
        ("[::1]:9090", 200),
        ("backbeat.example", 200),
        ("evil.example", 421),
        ("", 421),
        ("127.0.0.1.evil.example", 421),
    ],
)
async def test_only_known_host_names_are_answered(host: str, status: int) -> None:
    async with client() as http:
        assert (await http.get("/x", headers={"host": host})).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1:9090"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
async def test_other_sites_may_not_change_anything(headers: dict[str, str], status: int) -> None:
    async with client() as http:
        assert (await http.post("/x", headers=headers)).status_code == status
        assert (await http.get("/x", headers=headers)).status_code == 200


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (basic("ann", "secret"), 200),
        (basic("ann", "wrong"), 401),
        (basic("bob", "secret"), 401),
        (basic("anns", "ecret"), 401),
        (basic("ann", "x" * 10_000), 401),
        (basic("ann", "secret\0"), 401),
        ({"authorization": "Basic !!!"}, 401),
        ({"authorization": "Bearer abc"}, 401),
        ({}, 401),
    ],
)
async def test_passwords(headers: dict[str, str], status: int) -> None:
    async with client(WebConfig(users=USERS)) as http:
        for _ in range(2):  # the second time a right password is remembered
            assert (await http.get("/x", headers=headers)).status_code == status


async def test_every_response_carries_the_security_headers() -> None:
    async with client(WebConfig(users=USERS)) as http:
        for path, headers in (("/x", basic("ann", "secret")), ("/none", {}), ("/x", {})):
            response = await http.get(path, headers=headers)
            assert "default-src 'self'" in response.headers["content-security-policy"]
            assert response.headers["x-content-type-options"] == "nosniff"


async def test_a_header_of_web_yml_or_of_the_response_itself_counts_instead() -> None:
    async def framed(request: Request) -> PlainTextResponse:
        return PlainTextResponse("x", headers={"X-Frame-Options": "SAMEORIGIN"})

    app = Dispatcher(
        [Route("/x", hello, methods=["GET"]), Route("/framed", framed, methods=["GET"])], on_error
    )
    web = WebConfig(headers=(("X-Content-Type-Options", "sniff"), ("Strict-Transport-Security", "max-age=1")))
    guard = Guard(app, hosts=[], web=web, check_host=True)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=guard), base_url="http://127.0.0.1:9090"
    ) as http:
        plain = (await http.get("/x")).headers
        assert plain["x-content-type-options"] == "sniff"
        assert plain["strict-transport-security"] == "max-age=1"
        assert plain.get_list("x-frame-options") == ["DENY"]
        assert (await http.get("/framed")).headers.get_list("x-frame-options") == ["SAMEORIGIN"]


async def test_a_websocket_is_refused() -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    guard = Guard(Dispatcher([], on_error), hosts=[], web=None, check_host=True)
    await guard({"type": "websocket", "path": "/x", "headers": []}, receive, send)
    assert sent == [{"type": "websocket.close"}]


async def test_of_two_hosts_the_first_counts() -> None:
    async with client() as http:
        for hosts, status in ((("127.0.0.1", "evil.example"), 200), (("evil.example", "127.0.0.1"), 421)):
            headers = [("host", host) for host in hosts]
            assert (await http.get("/x", headers=headers)).status_code == status


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.org", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


async def test_more_requests_than_the_rate_limit_are_refused() -> None:
    now_s = 0.0
    app = Dispatcher([Route("/x", hello, methods=["GET"])], on_error)
    web = WebConfig(rate_limit=RateLimit(interval_s=2.0, burst=3))
    guard = Guard(app, hosts=[], web=web, check_host=True, monotonic=lambda: now_s)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=guard), base_url="http://127.0.0.1:9090"
    ) as http:

        async def statuses(count: int) -> list[int]:
            return [(await http.get("/x")).status_code for _ in range(count)]

        assert await statuses(4) == [200, 200, 200, 429]
        now_s = 2.0
        assert await statuses(2) == [200, 429]
        now_s = 60.0
        assert await statuses(4) == [200, 200, 200, 429]


async def test_new_users_count_after_a_reload() -> None:
    app = Dispatcher([Route("/x", hello, methods=["GET"])], on_error)
    guard = Guard(app, hosts=[], web=WebConfig(users=USERS), check_host=True)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=guard), base_url="http://127.0.0.1:9090"
    ) as http:
        assert (await http.get("/x", auth=("ann", "secret"))).status_code == 200
        other = ("bob", bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode())
        guard.apply(WebConfig(users=(other,)), [])
        assert (await http.get("/x", auth=("ann", "secret"))).status_code == 401
        assert (await http.get("/x", auth=("bob", "other"))).status_code == 200


async def test_new_host_names_count_after_a_reload() -> None:
    app = Dispatcher([Route("/x", hello, methods=["GET"])], on_error)
    guard = Guard(app, hosts=["old.example"], web=None, check_host=True)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=guard), base_url="http://old.example"
    ) as http:
        assert (await http.get("/x")).status_code == 200
        assert (await http.get("/x", headers={"host": "new.example"})).status_code == 421
        guard.apply(None, ["new.example"])
        assert (await http.get("/x")).status_code == 421
        assert (await http.get("/x", headers={"host": "new.example"})).status_code == 200
