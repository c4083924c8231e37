"""ASGI middleware: counts and times every HTTP request and WebSocket connection of an application.

In:  the messages between server and application.
Out: http_* and ws_* metrics. The messages themselves pass unchanged.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from backbeat_instrument.metrics import Metrics
from backbeat_instrument.routes import Scope, route_template

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CLIENT_CLOSED_REQUEST = 499
_FAILED_CLOSE_CODES = frozenset({1002, 1003, 1007, 1009, 1011, 1012, 1013})


class MetricsMiddleware:
    """Measures `app`. Duration is the time to the first byte of the body: a long stream is not slow.

    The request is counted when it ends, with the status the client got; an exception makes it 500, also one
    that breaks off a body already begun, and a client who left before an answer makes it 499.

    skip_paths: exact paths that are not measured, such as the one of the metrics themselves
    route_of:   names the route where the application has no Starlette routes; must return few different names
    """

    def __init__(
        self,
        app: App,
        metrics: Metrics,
        *,
        skip_paths: Collection[str] = ("/metrics",),
        route_of: Callable[[Scope], str] | None = None,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._skip_paths = frozenset(skip_paths)
        self._route_of = route_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] in self._skip_paths:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._measure_request(scope, receive, send)
        else:
            await self._measure_websocket(scope, receive, send)

    async def _measure_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        before = dict(scope)
        answer = _Answer(send)
        try:
            await self._app(scope, answer.receive_with(receive), answer.send)
        except Exception:
            answer.fail()
            raise
        finally:
            route = self._route_of(scope) if self._route_of else route_template(scope.get("app"), before)
            self._metrics.http_request(before["method"], route, answer.status, answer.first_byte_s())

    async def _measure_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = _Connection(self._metrics, send)
        self._metrics.ws_requested()
        try:
            await self._app(scope, connection.receive_with(receive), connection.send)
        except Exception:
            connection.fail()
            raise
        finally:
            connection.end()


class _Answer:
    """What became of one HTTP request."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start = time.perf_counter()
        self._first_byte: float | None = None
        self._client_left = False
        self._failed = False
        self._sent_status: int | None = None

    def receive_with(self, receive: Receive) -> Receive:
        async def watched() -> Message:
            message = await receive()
            self._client_left |= message["type"] == "http.disconnect"
            return message

        return watched

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._sent_status = message["status"]
        elif self._first_byte is None:
            self._first_byte = time.perf_counter()
        try:
            await self._send(message)
        except OSError:  # how a server says that the client is gone
            self._client_left = True
            raise

    def fail(self) -> None:
        self._failed = True

    @property
    def status(self) -> int:
        if self._client_left and (self._failed or self._sent_status is None):
            return self._sent_status or CLIENT_CLOSED_REQUEST
        if self._failed or self._sent_status is None:
            return 500
        return self._sent_status

    def first_byte_s(self) -> float:
        return (self._first_byte or time.perf_counter()) - self._start


class _Connection:
    """What became of one WebSocket: refused, open, closed in order, or failed (counted once)."""

    def __init__(self, metrics: Metrics, send: Send) -> None:
        self._metrics = metrics
        self._send = send
        self._is_open = False
        self._was_accepted = False
        self._client_left = False
        self._failed = False

    def receive_with(self, receive: Receive) -> Receive:
        async def watched() -> Message:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                self._client_left = True
                self._close()
            return message

        return watched

    async def send(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError:  # how a server says that the client is gone
            self._client_left = True
            raise
        kind = message["type"]
        if kind == "websocket.accept":
            self._is_open = self._was_accepted = True
            self._metrics.ws_opened()
        elif kind == "websocket.close":
            if message.get("code", 1000) in _FAILED_CLOSE_CODES or not self._was_accepted:
                self.fail()
            self._close()
        elif kind == "websocket.http.response.start":
            self.fail()

    def fail(self) -> None:
        """The connection failed by our doing; sending to a client who already left is no failure."""
        if not self._failed and not self._client_left:
            self._failed = True
            self._metrics.ws_failed()

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._metrics.ws_closed()

    def end(self) -> None:
        self._close()
