"""Where programs push samples: the remote-write receiver."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from backbeat.collect.remote_write import RemoteWriteReceiver
from backbeat.web.dispatch import Route

MAX_BODY_BYTES = 32 << 20


class IngestAPI:
    """Takes request bodies of at most 32 MiB and answers with the receiver's verdict."""

    def __init__(self, receiver: RemoteWriteReceiver) -> None:
        self._receiver = receiver

    def routes(self) -> list[Route]:
        return [Route("/api/v1/write", self.write, methods=["POST"])]

    async def write(self, request: Request) -> Response:
        body = await read_body(request, MAX_BODY_BYTES)
        if body is None:
            return PlainTextResponse(f"the request is larger than {MAX_BODY_BYTES} bytes\n", 413)
        status, message = await self._receiver.receive(
            body, request.headers.get("content-encoding", ""), request.headers.get("content-type", "")
        )
        return PlainTextResponse(message + "\n", status) if message else Response(status_code=status)


async def read_body(request: Request, most: int) -> bytes | None:
    """The whole body, or None where it is larger than `most` bytes; never more is held."""
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            return None
        pieces.append(piece)
    return b"".join(pieces)
