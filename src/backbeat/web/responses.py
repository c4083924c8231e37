"""Response bodies in Prometheus's envelope, errors with its errorType and status codes."""

from __future__ import annotations

from typing import Any

import cramjam
import orjson
from starlette.requests import Request
from starlette.responses import Response

from backbeat.alerting import InvalidSilence, UnknownAlert, UnknownSilence
from backbeat.config.schedule import InvalidSchedule
from backbeat.model.errors import BackbeatError
from backbeat.model.results import QueryError
from backbeat.web.params import BadParameter

STATUS_OF_KIND = {
    "bad_data": 400,
    "execution": 422,
    "canceled": 499,
    "timeout": 503,
    "unavailable": 500,
    "not_found": 404,
    "internal": 500,
    "not_acceptable": 406,
}
_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (BadParameter, "bad_data"),
    (InvalidSilence, "bad_data"),
    (InvalidSchedule, "bad_data"),
    (UnknownAlert, "not_found"),
    (UnknownSilence, "not_found"),
    (BackbeatError, "execution"),
)
_COMPRESS_FROM_BYTES = 2048


def accepts_gzip(request: Request) -> bool:
    return any(name == b"accept-encoding" and b"gzip" in value for name, value in request.scope["headers"])


def json_body(request: Request, body: bytes, status: int = 200) -> Response:
    """A JSON response, gzipped where the client asks for it and it is worth it."""
    headers = {"content-type": "application/json"}
    if len(body) >= _COMPRESS_FROM_BYTES and accepts_gzip(request):
        body = bytes(cramjam.gzip.compress(body, level=1))
        headers["content-encoding"] = "gzip"
        headers["vary"] = "accept-encoding"
    return Response(body, status, headers=headers)


def success(request: Request, data: Any, **more: Any) -> Response:
    """`{"status": "success", "data": ...}`."""
    return json_body(request, orjson.dumps({"status": "success", "data": data, **more}))


def failure(request: Request, kind: str, message: str) -> Response:
    """`{"status": "error", ...}` with the status code of its errorType."""
    body = orjson.dumps({"status": "error", "errorType": kind, "error": message})
    return json_body(request, body, STATUS_OF_KIND.get(kind, 500))


def on_error(request: Request, error: Exception) -> Response:
    """What the API answers for an error of ours."""
    if isinstance(error, QueryError):
        return failure(request, error.kind, str(error))
    for known, kind in _KINDS:
        if isinstance(error, known):
            return failure(request, kind, str(error))
    return failure(request, "internal", f"internal error: {type(error).__name__}; see Backbeat's log")
