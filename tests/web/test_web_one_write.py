"""How an answer leaves: head and beginning of the body together, all else as it comes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvicorn
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from backbeat.web.one_write import OneWriteProtocol

ASKED = b"%s / HTTP/1.1\r\nHost: x\r\n%s\r\n"


class Socket(asyncio.Transport):
    """Keeps what is written, each system call of its own; None: closed."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[bytes | None] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.calls.append(bytes(data))

    def writelines(self, parts: Any) -> None:
        self.write(b"".join(parts))

    def close(self) -> None:
        self.calls.append(None)

    def is_closing(self) -> bool:
        return None in self.calls

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


async def calls(app: Any, *requests: bytes) -> list[bytes | None]:
    """What leaves for these requests, which come at once."""
    config = uvicorn.Config(app, http=OneWriteProtocol, log_config=None, lifespan="off", date_header=False)
    config.load()
    protocol = OneWriteProtocol(config=config, server_state=ServerState(), app_state={})
    socket = Socket()
    protocol.connection_made(socket)
    protocol.data_received(b"".join(requests))
    while protocol.tasks:
        await asyncio.wait(set(protocol.tasks))
        await asyncio.sleep(0)
    protocol.connection_lost(None)
    return socket.calls


def answer_of(head: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%s\r\n%s" % (len(body), head, body)


TEXT = b"content-type: text/plain; charset=utf-8\r\n"


async def test_head_and_body_leave_together_and_the_next_answer_by_itself() -> None:
    get = ASKED % (b"GET", b"")
    written = await calls(PlainTextResponse("hello"), get, get)
    assert written == [answer_of(TEXT, b"hello")] * 2 + [None]


async def test_a_connection_is_closed_after_what_was_written() -> None:
    written = await calls(PlainTextResponse("hello"), ASKED % (b"GET", b"Connection: close\r\n"))
    assert written[:2] == [answer_of(TEXT + b"connection: close\r\n", b"hello"), None]


@pytest.mark.parametrize(
    ("method", "response", "head"),
    [
        (b"HEAD", PlainTextResponse("hello"), b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n" + TEXT),
        (b"GET", Response(status_code=304), b"HTTP/1.1 304 Not Modified\r\n"),
    ],
)
async def test_an_answer_may_be_a_head_alone(method: bytes, response: Response, head: bytes) -> None:
    assert (await calls(response, ASKED % (method, b"")))[:1] == [head + b"\r\n"]


async def test_the_pieces_of_a_stream_leave_as_they_come() -> None:
    async def pieces() -> Any:
        for piece in (b"one", b"two"):
            yield piece

    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    written = await calls(StreamingResponse(pieces()), ASKED % (b"GET", b""))
    assert written[:3] == [head + b"3\r\none\r\n", b"3\r\ntwo\r\n", b"0\r\n\r\n"]


async def test_a_client_that_waits_for_leave_to_send_gets_it_before_the_answer() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await PlainTextResponse("hello")(scope, receive, send)

    expecting = b"Expect: 100-continue\r\nContent-Length: 0\r\n"
    written = await calls(app, ASKED % (b"POST", expecting))
    assert written[:2] == [b"HTTP/1.1 100 Continue\r\n\r\n", answer_of(TEXT, b"hello")]


async def test_an_application_that_fails_before_its_body_is_an_error_of_the_server() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    written = await calls(app, ASKED % (b"GET", b""))
    assert b"".join(part or b"" for part in written).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert None in written
