"""Connections against servers that answer well, badly, late or not at all; every byte is the test's own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict
from yarl import URL

from backbeat.config.http_client import TLS
from backbeat.httpclient import (
    CertificateError,
    ConnectError,
    ExchangeError,
    ResolveError,
    Session,
    tls_context,
)

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\n"
LIMIT = 300_000


class Server:
    """Counts connections and keeps the heads of requests."""

    def __init__(self, serve: Serve) -> None:
        self.serve = serve
        self.connections = 0
        self.heads: list[bytes] = []
        self.port = 0

    @property
    def url(self) -> URL:
        return URL(f"http://127.0.0.1:{self.port}/metrics")

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def head(self, reader: asyncio.StreamReader) -> bytes:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        return self.heads[-1]


@asynccontextmanager
async def serving(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(serve)
    async with await asyncio.start_server(server.take, "127.0.0.1", 0, ssl=context) as listener:
        server.port = listener.sockets[0].getsockname()[1]
        yield server


def answering(*parts: bytes, stay: bool = True) -> Serve:
    """Each request is answered with these bytes, a write each; then the connection stays or is closed."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            for part in parts:
                writer.write(part)
                await writer.drain()
            if not stay:
                return

    return serve


async def get(
    session: Session, url: URL, *, limit: int = LIMIT, cut: bool = False, **more: object
) -> tuple[int, bytes]:
    # What more says is for each test to know.
    async with session.request("GET", url, CIMultiDict(), **more) as answer:  # type: ignore[arg-type]
        return answer.status, bytes(await answer.read(limit, cut=cut))


async def fails(serve: Serve, **more: int) -> str:
    async with serving(serve) as server, Session() as session:
        with pytest.raises(ExchangeError) as raised:
            await get(session, server.url, **more)
        return str(raised.value).replace(f"127.0.0.1:{server.port}", "PEER")


BODY = bytes(range(256)) * 1000


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(OK + b"Content-Length: 256000\r\n\r\n" + BODY, id="a length"),
        pytest.param(OK + b"\r\n" + BODY, id="until the end of the connection"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\n" + BODY, id="HTTP/1.0"),
        pytest.param(
            OK + b"Transfer-Encoding: chunked\r\n\r\n"
            b"fa00;x=y\r\n" + BODY[:64000] + b"\r\n2EE00\r\n" + BODY[64000:] + b"\r\n0\r\nA: trailer\r\n\r\n",
            id="chunks",
        ),
        pytest.param(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
            + OK
            + b"Content-Length: 256000\r\n\r\n"
            + BODY,
            id="interim answers",
        ),
    ],
)
@pytest.mark.parametrize("size", [1 << 20, 16_384, 997])
@pytest.mark.parametrize("ahead", [0, 255_999, 256_000])
async def test_a_body_comes_whole_however_it_is_cut(answer: bytes, size: int, ahead: int) -> None:
    parts = [answer[at : at + size] for at in range(0, len(answer), size)]
    is_open = b"Content-Length" in answer or b"chunked" in answer
    async with serving(answering(*parts, stay=is_open)) as server, Session() as session:
        for _ in range(3):
            assert await get(session, server.url, ahead=ahead) == (200, BODY)
        assert server.connections == (1 if is_open else 3)


@pytest.mark.parametrize("ahead", [0, 20_000, LIMIT])
async def test_answers_of_all_sizes_from_one_connection(ahead: int) -> None:
    sizes = [0, 1, 16_000, 16_384, 20_000, 0, 250_000, 3]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for size in sizes:
            await server.head(reader)
            writer.write(OK + b"Content-Length: %d\r\n\r\n" % size + b"x" * size)

    async with serving(serve) as server, Session() as session:
        for size in sizes:
            assert await get(session, server.url, ahead=ahead) == (200, b"x" * size)
        assert server.connections == 1
        assert server.heads[0] == b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % server.port


@pytest.mark.parametrize(
    ("serve", "told"),
    [
        pytest.param(answering(b"220 mail ready\r\n"), "PEER does not answer in HTTP", id="another protocol"),
        pytest.param(answering(b"\0\xff" * 40), "PEER does not answer in HTTP", id="garbage"),
        pytest.param(answering(OK + b"A\0: b\r\n\r\n"), "PEER does not answer in HTTP", id="a bad header"),
        pytest.param(
            answering(OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
            "PEER does not answer in HTTP",
            id="two lengths",
        ),
        pytest.param(
            answering(OK + b"Content-Length: -1\r\n\r\n"), "PEER does not answer in HTTP", id="no length"
        ),
        pytest.param(
            answering(OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n"),
            "PEER does not answer in HTTP",
            id="a bad chunk",
        ),
        pytest.param(
            answering(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
            "PEER wants to speak another protocol",
            id="another protocol on purpose",
        ),
        pytest.param(
            answering(OK + b"A: b\r\n" * 20_000), "PEER sends more than 65536 bytes", id="endless headers"
        ),
        pytest.param(
            answering(OK + b"A: " + b"b" * 100_000),
            "PEER sends more than 65536 bytes",
            id="an endless header",
        ),
        pytest.param(
            answering(b"HTTP/1.1 100 Continue\r\n\r\n" * 5000),
            "PEER sends more than 65536 bytes",
            id="endless patience",
        ),
        pytest.param(
            answering(OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", b"A: b\r\n" * 20_000),
            "PEER sends more than 65536 bytes",
            id="endless trailers",
        ),
        pytest.param(
            answering(b"", stay=False), "PEER closed the connection without an answer", id="no answer"
        ),
        pytest.param(
            answering(OK + b"Content-Le", stay=False), "the answer broke off before its end", id="half a head"
        ),
        pytest.param(
            answering(OK + b"Content-Length: 10\r\n\r\nabc", stay=False),
            "the answer broke off before its end",
            id="half a short body",
        ),
        pytest.param(
            answering(OK + b"Content-Length: 200000\r\n\r\n", b"a" * 100_000, stay=False),
            "the answer broke off before its end",
            id="half a long body",
        ),
        pytest.param(
            answering(OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nab", stay=False),
            "the answer broke off before its end",
            id="half a chunk",
        ),
        pytest.param(
            answering(OK + b"Content-Length: 300001\r\n\r\n"), "larger than 300000 bytes", id="a large length"
        ),
        pytest.param(
            answering(
                OK + b"Transfer-Encoding: chunked\r\n\r\n", *[b"10000\r\n" + b"a" * 65536 + b"\r\n"] * 5
            ),
            "larger than 300000 bytes",
            id="large chunks",
        ),
        pytest.param(
            answering(OK + b"\r\n", b"a" * 300_001, stay=False), "larger than 300000 bytes", id="a flood"
        ),
    ],
)
@pytest.mark.parametrize("ahead", [0, LIMIT])
async def test_what_is_said_of_a_bad_answer(serve: Serve, told: str, ahead: int) -> None:
    assert told in await fails(serve, ahead=ahead)


async def test_the_beginning_of_a_body_is_had_where_that_is_enough() -> None:
    for serve in (
        answering(OK + b"Content-Length: 200000\r\n\r\n" + b"a" * 200_000),
        answering(OK + b"Content-Length: 200000\r\n\r\n", b"a" * 50_000),
        answering(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"a" * 65536 + b"\r\n"),
        answering(OK + b"\r\n" + b"a" * 100_000),
    ):
        async with serving(serve) as server, Session() as session:
            for _ in range(2):
                assert await get(session, server.url, limit=30_000, cut=True) == (200, b"a" * 30_000)
                assert await get(session, server.url, limit=10, cut=True) == (200, b"a" * 10)
            assert server.connections == 4


async def test_a_kept_connection_that_was_closed_is_opened_anew() -> None:
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"Content-Length: 1\r\n\r\na")
        await writer.drain()
        if server.connections == 1:
            await closed.wait()

    async with serving(serve) as server, Session() as session:
        for _ in range(4):
            assert await get(session, server.url) == (200, b"a")
            closed.set()
            # However far the news of its end has come by now: not at all, or to the pool.
        assert server.connections == 4


async def test_a_question_is_asked_again_and_a_message_is_not() -> None:
    """Where a kept connection is closed just when it is written to."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        writer.write(OK + b"Content-Length: 1\r\n\r\na")
        await server.head(reader)

    async with serving(serve) as server, Session() as session:
        assert await get(session, server.url) == (200, b"a")
        assert await get(session, server.url) == (200, b"a")
        assert (server.connections, len(server.heads)) == (2, 3)
        with pytest.raises(ExchangeError, match="closed the connection without an answer"):
            async with session.request("POST", server.url, CIMultiDict(), data=b"x"):
                pass
        assert server.connections == 2


async def test_what_nobody_asked_for_ends_a_connection() -> None:
    extra = OK + b"Content-Length: 1\r\n\r\na" + OK + b"Content-Length: 1\r\n\r\nb"
    for answer in (extra, OK + b"Content-Length: 1\r\n\r\nab", OK + b"Content-Length: 1\r\n\r\na\r\n\r\n\0"):
        async with serving(answering(answer)) as server, Session() as session:
            assert await get(session, server.url) == (200, b"a")
            assert await get(session, server.url) == (200, b"a")
            assert server.connections == 2


async def test_a_body_that_nobody_reads_ends_the_connection_and_a_short_one_does_not() -> None:
    for size, connections in ((100_000, 2), (10, 1)):
        refuse = answering(b"HTTP/1.1 500 Oh No\r\nContent-Length: %d\r\n\r\n" % size + b"a" * size)
        async with serving(refuse) as server, Session() as session:
            for _ in range(2):
                async with session.request("GET", server.url, CIMultiDict()) as answer:
                    assert (answer.status, answer.reason) == (500, "Oh No")
            assert server.connections == connections


async def test_connection_close_is_heeded() -> None:
    answer = OK + b"Connection: close\r\nContent-Length: 1\r\n\r\na"
    async with serving(answering(answer)) as server, Session() as session:
        for _ in range(2):
            assert await get(session, server.url) == (200, b"a")
        assert server.connections == 2


async def test_whoever_stops_waiting_leaves_no_connection_behind() -> None:
    heard, gone = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.head(reader)
        writer.write(OK + b"Content-Length: 200000\r\n\r\n" + b"a" * 100_000)
        heard.set()
        try:
            assert await reader.read(1) == b""
        finally:
            gone.set()  # closed, or reset, for there was more to read

    async with serving(serve) as server, Session() as session:
        waiting = asyncio.create_task(get(session, server.url))
        await heard.wait()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert waiting.cancelled()
        await gone.wait()


async def test_no_more_requests_at_once_than_were_allowed() -> None:
    under_way, most = 0, 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal under_way, most
        while await server.head(reader):
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1
            writer.write(OK + b"Content-Length: 0\r\n\r\n")

    async with serving(serve) as server, Session(most=3) as session:
        await asyncio.gather(*(get(session, server.url) for _ in range(20)))
        assert (most <= 3, server.connections <= 3, len(server.heads)) == (True, True, 20)


async def test_ipv6() -> None:
    server = Server(answering(OK + b"Content-Length: 1\r\n\r\na"))
    try:
        listener = await asyncio.start_server(server.take, "::1", 0)
    except OSError:
        pytest.skip("no IPv6 on this machine")
    async with listener, Session() as session:
        port = listener.sockets[0].getsockname()[1]
        assert await get(session, URL(f"http://[::1]:{port}/")) == (200, b"a")


async def test_who_cannot_be_reached(unused_tcp_port: int) -> None:
    def refuse(_: object) -> None:
        raise PermissionError("not there")

    # It returns no socket, for it never returns.
    async with Session() as session, Session(socket_factory=refuse) as strict:  # type: ignore[arg-type]
        with pytest.raises(ConnectError, match=rf"^connection refused: 127\.0\.0\.1:{unused_tcp_port}$"):
            await get(session, URL(f"http://127.0.0.1:{unused_tcp_port}/"))
        with pytest.raises(ResolveError, match=r"^cannot resolve no-such-host\.invalid"):
            await get(session, URL("http://no-such-host.invalid/"))
        with pytest.raises(ConnectError) as raised:
            await get(strict, URL("http://127.0.0.1:1/"))
        assert isinstance(raised.value.__cause__, PermissionError)
        with pytest.raises(ValueError, match="expected http"):
            await get(session, URL("/metrics"))
        with pytest.raises(ExchangeError, match="proxy with scheme 'socks5'"):
            await get(session, URL("http://far.example/"), proxy="socks5://127.0.0.1:1")


async def test_no_header_breaks_out_of_its_line() -> None:
    async with Session() as session:
        for name, value in (("A", "b\r\nC: d"), ("A\n", "b"), ("A", "\0")):
            with pytest.raises(ValueError, match="holds a line break"):
                async with session.request("GET", URL("http://127.0.0.1:1/"), CIMultiDict({name: value})):
                    pass


async def test_tls_through_a_tunnel_and_without(pem: tuple[str, str]) -> None:
    cert, key = pem
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    trust = tls_context(TLS(ca_file=cert))
    answer = OK + b"Content-Length: 256000\r\n\r\n" + BODY

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = (await proxy.head(reader)).split()[1].split(b":")
        there, back = await asyncio.open_connection(host.decode(), int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while part := await source.read(65536):
                sink.write(part)
            sink.close()

        await asyncio.gather(pump(reader, back), pump(there, writer))

    async with serving(answering(answer), context) as server, serving(tunnel) as proxy, Session() as session:
        url = server.url.with_scheme("https").with_port(server.port)
        login = f"http://ann:pw@127.0.0.1:{proxy.port}"
        for _ in range(3):
            assert await get(session, url, tls=trust) == (200, BODY)
            assert await get(session, url, tls=trust, proxy=login, proxy_headers={"X-P": "1"}) == (200, BODY)
        assert (server.connections, proxy.connections) == (2, 1)
        assert b"Proxy-Authorization: Basic YW5uOnB3\r\n" in proxy.heads[0]
        assert b"X-P: 1\r\n" in proxy.heads[0]
        for through in (None, login):
            with pytest.raises(CertificateError, match=r"TLS certificate refused: .*self.signed"):
                await get(session, url, tls=tls_context(TLS()), proxy=through)


async def test_who_does_not_speak_tls() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail ready\r\n")
        await writer.drain()

    trust = tls_context(TLS())
    async with serving(greet) as plain, Session() as session:
        with pytest.raises(ExchangeError, match="TLS"):
            await get(session, plain.url.with_scheme("https").with_port(plain.port), tls=trust)


heads = st.sampled_from(
    [
        OK + b"Content-Length: 5\r\n\r\nabcde",
        OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        OK + b"Content-Length: 40000\r\n\r\n" + b"x" * 40_000,
        OK + b"\r\nabc",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    ]
)


@st.composite
def broken(draw: st.DrawFn) -> list[bytes]:
    """Answers with bytes changed, taken away, put in, cut off and doubled; in writes of any size."""
    answer = bytearray(draw(heads))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, min(len(answer), 60)))
        answer[at : at + draw(st.integers(0, 3))] = draw(
            st.binary(max_size=4)
            | st.sampled_from([b"\r\n", b"\n", b": ", b"chunked", b"99999999999999999999"])
        )
    if draw(st.booleans()):
        answer += draw(heads)
    told = bytes(answer[: draw(st.integers(0, len(answer)))] if draw(st.booleans()) else answer)
    size = draw(st.integers(1, 64) if len(told) < 200 else st.integers(5000, 60_000))
    return [told[at : at + size] for at in range(0, len(told), size)]


@settings(max_examples=60, deadline=None)
@given(st.lists(broken(), min_size=1, max_size=8))
@example([[b"HTTP/1.1 200 OK\r\n\r\n"], [b""]])
def test_whatever_a_peer_says_one_kind_of_error_comes_of_it(answers: list[list[bytes]]) -> None:
    async def story() -> None:
        left = list(answers)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            for part in left.pop() if left else []:
                writer.write(part)
                await writer.drain()

        async with serving(serve) as server, Session() as session:
            for _ in answers:
                try:
                    _, body = await get(session, server.url, limit=20_000)
                except ExchangeError as error:
                    assert str(error)  # noqa: PT017 - both ends are right
                else:
                    assert len(body) <= 20_000

    asyncio.run(story())
