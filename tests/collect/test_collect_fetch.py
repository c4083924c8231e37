"""Fetching over real HTTP: what is asked for, what is taken, and the reason where nothing is."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from fake_target import FakeTarget, fake_target, text
from msgspec.structs import replace

from backbeat.collect.fetch import (
    BodyTooLarge,
    Fetched,
    FetchError,
    HTTPFetch,
    accept_header,
    gunzip,
)
from backbeat.config.http_client import TLS, HTTPClient, SecretSource
from backbeat.config.prometheus import ScrapeConfig
from backbeat.config.secret import Secret
from backbeat.httpclient import Session

CONFIG = ScrapeConfig("test", body_size_limit=100_000)


@pytest.fixture
async def target() -> AsyncIterator[FakeTarget]:
    async with fake_target() as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    async with Session() as opened:
        yield opened


async def fetch(
    session: Session, address: str, config: ScrapeConfig = CONFIG, timeout_ms: int = 5000
) -> Fetched:
    return await HTTPFetch(session, config, f"http://{address}/metrics", timeout_ms)()


async def refused(
    session: Session, address: str, config: ScrapeConfig = CONFIG, timeout_ms: int = 5000
) -> str:
    with pytest.raises(FetchError) as raised:
        await fetch(session, address, config, timeout_ms)
    return str(raised.value)


async def test_what_a_target_is_asked(target: FakeTarget, session: Session) -> None:
    assert await fetch(session, target.address) == Fetched(b"a 1\n", openmetrics=False)
    headers = target.requests[0].headers
    assert headers["X-Prometheus-Scrape-Timeout-Seconds"] == "5"
    assert headers["User-Agent"].startswith("Backbeat/")
    assert headers["Accept-Encoding"] == "gzip"
    assert headers["Accept"].startswith("application/openmetrics-text;version=1.0.0")
    await fetch(session, target.address, replace(CONFIG, enable_compression=False))
    assert target.requests[1].headers["Accept-Encoding"] == "identity"


async def test_a_target_behind_a_unix_socket(session: Session, tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=f'a{{host="{request.host}",path="{request.path}"}} 1\n')

    application = web.Application()
    application.router.add_get("/m", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    path = str(tmp_path / "s")
    await web.UnixSite(runner, path).start()
    config = replace(CONFIG, http=HTTPClient(proxy_url="http://127.0.0.1:1"))
    here = HTTPFetch(session, config, "http://app.example:1/m", 5000, path)
    for _ in range(2):
        assert (await here()).body == b'a{host="app.example:1",path="/m"} 1\n'
    await runner.cleanup()
    gone = HTTPFetch(session, config, "http://app.example:1/m", 5000, str(tmp_path / "none"))
    with pytest.raises(FetchError, match=r"cannot connect to the socket .*none: No such file"):
        await gone()


def test_the_order_of_protocols_is_the_operators() -> None:
    assert accept_header(["PrometheusText0.0.4", "PrometheusProto", "OpenMetricsText0.0.1"]) == (
        "text/plain;version=0.0.4;q=0.9,application/openmetrics-text;version=0.0.1;q=0.8,*/*;q=0.1"
    )


@pytest.mark.parametrize(
    ("content_type", "fallback", "openmetrics"),
    [
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", "", True),
        ("text/plain; version=0.0.4", "", False),
        ("application/octet-stream", "PrometheusText0.0.4", False),
        ("application/octet-stream", "OpenMetricsText1.0.0", True),
    ],
)
async def test_the_content_type_names_the_format(
    target: FakeTarget, session: Session, content_type: str, fallback: str, openmetrics: bool
) -> None:
    target.answer = text("a 1\n# EOF\n", content_type)
    fetched = await fetch(session, target.address, replace(CONFIG, fallback_scrape_protocol=fallback))
    assert fetched.openmetrics is openmetrics


async def test_gzip(target: FakeTarget, session: Session) -> None:
    members = gzip.compress(b"a 1\n") + gzip.compress(b"b 2\n")
    target.answer = text(members, **{"Content-Encoding": "gzip"})
    assert (await fetch(session, target.address)).body == b"a 1\nb 2\n"


async def drip(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    for _ in range(100):
        await response.write(b"a 1\n")
        await asyncio.sleep(0.02)
    return response


async def hang(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(2)
    return web.Response()


async def flood(request: web.Request) -> web.StreamResponse:
    """100 MB, as far as the peer takes it."""
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    for _ in range(100):
        await response.write(b"x" * 1_000_000)
    return response


async def break_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain", "Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"a 1\nhttp_requests_tot")
    assert request.transport is not None
    request.transport.close()
    return response


async def server_error(_: web.Request) -> web.StreamResponse:
    raise web.HTTPInternalServerError


async def redirect_to_itself(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound(request.path)


async def redirect_to_a_file(_: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "file:///etc/passwd"})


BOMB = gzip.compress(bytes(50_000_000))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(server_error, "server returned HTTP status 500 Internal Server Error", id="500"),
        pytest.param(redirect_to_itself, "redirect loop: stopped after 10 redirects", id="redirect loop"),
        pytest.param(
            redirect_to_a_file, "redirect to 'file', expected http or https", id="redirect to a file"
        ),
        pytest.param(hang, "timeout: no complete answer within 150ms (scrape_timeout)", id="hang"),
        pytest.param(drip, "timeout: no complete answer within 150ms (scrape_timeout)", id="drip"),
        pytest.param(break_off, "the answer broke off before its end", id="half a body"),
        pytest.param(text("<html>", "text/html"), "unsupported Content-Type 'text/html'", id="a page"),
        pytest.param(
            text(b"x", **{"Content-Encoding": "br"}), "unsupported Content-Encoding 'br'", id="brotli"
        ),
        pytest.param(
            text(b"a 1\nb 2\nc 3\n", **{"Content-Encoding": "gzip"}), "not a gzip body", id="no gzip"
        ),
        pytest.param(text(BOMB[:-9], **{"Content-Encoding": "gzip"}), "larger than 100000 bytes", id="bomb"),
        pytest.param(
            text("x" * 100_001), "body is larger than 100000 bytes (body_size_limit)", id="too large"
        ),
        pytest.param(flood, "body is larger than 100000 bytes (body_size_limit)", id="flood"),
    ],
)
async def test_the_reason_of_a_failure(
    target: FakeTarget, session: Session, answer: object, reason: str
) -> None:
    target.answer = answer  # type: ignore[assignment]
    patient = answer not in (hang, drip)
    assert reason in await refused(session, target.address, timeout_ms=10_000 if patient else 150)


async def test_nobody_listens(session: Session, unused_tcp_port: int) -> None:
    address = f"127.0.0.1:{unused_tcp_port}"
    assert await refused(session, address) == f"connection refused: {address}"


async def test_no_http(session: Session) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail ready\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert "does not answer in HTTP" in await refused(session, f"127.0.0.1:{port}")


async def test_credentials_are_read_anew_and_stay_with_their_host(
    target: FakeTarget, session: Session, tmp_path: Path
) -> None:
    secret = tmp_path / "token"
    secret.write_text("first\n")
    http = HTTPClient(authorization=SecretSource(file=str(secret)), headers=(("X-Key", "k"),))
    fetch_again = HTTPFetch(session, replace(CONFIG, http=http), f"http://{target.address}/metrics", 5000)
    await fetch_again()
    secret.write_text("second\n")
    async with fake_target() as other:

        async def away(request: web.Request) -> web.StreamResponse:
            raise web.HTTPFound("/here" if request.path == "/metrics" else f"http://{other.address}/there")

        target.answer = away
        await fetch_again()
        assert [request.headers.get("Authorization") for request in target.requests] == [
            "Bearer first",
            "Bearer second",
            "Bearer second",
        ]
        assert "Authorization" not in other.requests[0].headers
        assert "X-Key" not in other.requests[0].headers


async def test_basic_auth(target: FakeTarget, session: Session) -> None:
    http = HTTPClient(username="ann", password=SecretSource(Secret("pass")))
    await fetch(session, target.address, replace(CONFIG, http=http))
    assert target.requests[0].headers["Authorization"] == "Basic YW5uOnBhc3M="


async def test_redirects_can_be_off(target: FakeTarget, session: Session) -> None:
    target.answer = redirect_to_itself
    config = replace(CONFIG, http=HTTPClient(follow_redirects=False))
    assert "HTTP status 302" in await refused(session, target.address, config)
    assert len(target.requests) == 1


async def test_a_missing_secret_file_fails_the_scrape(target: FakeTarget, session: Session) -> None:
    http = HTTPClient(authorization=SecretSource(file="/no/such/file"))
    assert "/no/such/file" in await refused(session, target.address, replace(CONFIG, http=http))


async def test_a_proxy_is_asked_instead(target: FakeTarget, session: Session) -> None:
    config = replace(CONFIG, http=HTTPClient(proxy_url=f"http://{target.address}"))
    assert (await fetch(session, "elsewhere.invalid:80", config)).body == b"a 1\n"
    assert target.requests[0].headers["Host"] == "elsewhere.invalid"


async def test_tls_files_that_are_missing_are_named(session: Session) -> None:
    config = replace(CONFIG, http=HTTPClient(tls=TLS(ca_file="/no/such/ca.pem")))
    with pytest.raises(FetchError, match=r"/no/such/ca\.pem"):
        await HTTPFetch(session, config, "https://127.0.0.1:1/metrics", 1000)()


def test_gunzip_stops_at_the_limit() -> None:
    with pytest.raises(BodyTooLarge):
        gunzip(BOMB, 1000)
    assert gunzip(gzip.compress(b"x" * 1000), 1000) == b"x" * 1000
    with pytest.raises(FetchError, match="breaks off"):
        gunzip(gzip.compress(b"x" * 1000)[:-4], 1000)
    with pytest.raises(FetchError, match="not a gzip"):
        gunzip(zlib.compress(b"x"), 1000)
    liar = gzip.compress(b"x" * 1000)[:-4] + (10).to_bytes(4, "little")
    with pytest.raises(FetchError):
        gunzip(liar, 1000)
    assert gunzip(gzip.compress(b"x" * 700) + gzip.compress(b"y" * 300), 1000) == b"x" * 700 + b"y" * 300
    assert gunzip(gzip.compress(b""), 1000) == b""
