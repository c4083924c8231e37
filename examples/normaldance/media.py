"""Audio out, audio in, and the live feed: streaming, uploads and the WebSocket."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from .api import service_of
from .audio import wav_chunks
from .service import Service

MAX_UPLOAD_BYTES = 20 * 1024 * 1024
_PREVIEW_S = 3.0
_KEPT_FILES = 20
_SLOW_STORE_S = 40.0
_chance = random.Random()  # noqa: S311 (chooses which stream or socket a fault hits)


class StreamBrokenError(RuntimeError):
    """The audio could not be read to its end."""


def routes() -> list[BaseRoute]:
    return [
        Route("/stream/{track_id:int}", stream),
        Route("/uploads", upload, methods=["POST"]),
        WebSocketRoute("/ws", live_feed),
    ]


async def stream(request: Request) -> Response:
    service, track_id = service_of(request), int(request.path_params["track_id"])
    service.metrics.user_seen(request.headers.get("x-user", "anonymous"))
    return StreamingResponse(_audio(service, track_id), media_type="audio/wav")


async def _audio(service: Service, track_id: int) -> AsyncIterator[bytes]:
    with service.metrics.audio_stream():
        # A healthy service has a broken stream now and then, too.
        breaks = _chance.random() < (1 / 3 if service.faults.is_on("stream_errors") else 1 / 400)
        for number, chunk in enumerate(wav_chunks(track_id, _PREVIEW_S)):
            if breaks and number == 5:
                raise StreamBrokenError(f"track {track_id}: the storage gave no more bytes")
            yield chunk
            await asyncio.sleep(0.03)


async def upload(request: Request) -> Response:
    """Store the raw body of the request as a new track."""
    service = service_of(request)
    user = request.headers.get("x-user", "0")
    service.metrics.feature_used("upload")
    path = service.upload_dir / f"{uuid4().hex}.wav"
    with service.metrics.upload():
        await _store(service, request, path)
        title, user_id = f"upload {path.stem[:8]}", int(user) if user.isdecimal() else 0
        track_id = await run_in_threadpool(service.database.add_track, title, "You", 180, user_id)
    await run_in_threadpool(_forget_old_files, service.upload_dir)
    return JSONResponse({"track_id": track_id}, 201)


async def _store(service: Service, request: Request, path: Path) -> None:
    start, size_bytes = time.monotonic(), 0
    try:
        with path.open("wb") as file:
            async for chunk in request.stream():
                size_bytes += len(chunk)
                if size_bytes > MAX_UPLOAD_BYTES:
                    raise HTTPException(413, f"an upload may have {MAX_UPLOAD_BYTES} bytes")
                await run_in_threadpool(file.write, chunk)
            await _wait_for_disk(service, start)
    except BaseException:
        path.unlink(missing_ok=True)  # noqa: ASYNC240 (a cancelled request may not wait for a thread)
        raise


async def _wait_for_disk(service: Service, start: float) -> None:
    """What `slow_uploads` does; it ends at once when the fault does."""
    while service.faults.is_on("slow_uploads") and time.monotonic() - start < _SLOW_STORE_S:  # noqa: ASYNC110
        await asyncio.sleep(0.25)


def _forget_old_files(directory: Path) -> None:
    newest_first = sorted(directory.glob("*.wav"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in newest_first[_KEPT_FILES:]:
        path.unlink(missing_ok=True)


async def live_feed(socket: WebSocket) -> None:
    """Tell the listener every few seconds what others play."""
    service: Service = socket.app.state.service
    if service.faults.is_on("socket_refusals") and _chance.random() < 0.6:
        await socket.close(1013)
        return
    await socket.accept()
    service.metrics.feature_used("live_feed")
    try:
        while True:
            await socket.send_json({"now_playing": _chance.randrange(1, 400)})
            try:
                # Waiting for the listener is how a farewell is noticed between two messages.
                await asyncio.wait_for(socket.receive_text(), timeout=2.0)
            except TimeoutError:
                continue
    except WebSocketDisconnect:
        return
