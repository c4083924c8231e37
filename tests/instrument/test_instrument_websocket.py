"""WebSocket connections: asked for, open, failed."""

import contextlib
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from backbeat_instrument import Metrics, MetricsMiddleware

ACCEPT = {"type": "websocket.accept"}
LEFT = {"type": "websocket.disconnect", "code": 1001}


def closing(code: int) -> dict[str, Any]:
    return {"type": "websocket.close", "code": code}


async def connect(metrics: Metrics, script: Iterable[Any]) -> None:
    """Run an application that sends the dictionaries, receives at `LEFT`, and calls or raises the rest."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        for step in script:
            if step is LEFT:
                await receive()
            elif isinstance(step, BaseException):
                raise step
            elif callable(step):
                step()
            else:
                await send(step)

    async def receive() -> dict[str, Any]:
        return LEFT

    async def send(_message: Any) -> None:
        return None

    await MetricsMiddleware(app, metrics)({"type": "websocket", "path": "/ws"}, receive, send)


def value(metrics: Metrics, name: str) -> float | None:
    return metrics.registry.get_sample_value(name)


@pytest.mark.parametrize(
    ("script", "errors"),
    [
        pytest.param([ACCEPT, LEFT], 0, id="the client leaves"),
        pytest.param([ACCEPT, LEFT, RuntimeError("late")], 0, id="an error after the client left"),
        pytest.param([ACCEPT, closing(1000)], 0, id="closed in order"),
        pytest.param([closing(1008)], 1, id="refused"),
        pytest.param(
            [{"type": "websocket.http.response.start", "status": 403}], 1, id="refused with a response"
        ),
        pytest.param([ACCEPT, closing(1011)], 1, id="closed for an internal error"),
        pytest.param([RuntimeError("early")], 1, id="an error before accepting"),
        pytest.param([ACCEPT, closing(1011), RuntimeError("late")], 1, id="counted once"),
    ],
)
async def test_connections_and_their_errors(script: list[Any], errors: int) -> None:
    metrics = Metrics(CollectorRegistry())
    with contextlib.suppress(RuntimeError):
        await connect(metrics, script)
    assert value(metrics, "ws_connections_total") == 1
    assert value(metrics, "ws_connection_errors_total") == errors
    assert value(metrics, "ws_connections_active") == 0


async def test_active_while_open() -> None:
    metrics = Metrics(CollectorRegistry())
    seen: list[float | None] = []
    look: Callable[[], None] = lambda: seen.append(value(metrics, "ws_connections_active"))  # noqa: E731
    await connect(metrics, [look, ACCEPT, look, LEFT, look])
    assert seen == [0, 1, 0]
