"""A receiver on loopback that answers as it is told, and messages for it."""

from collections.abc import Sequence
from typing import Any

import orjson
from aiohttp import web
from msgspec import Struct, field

from backbeat.config.alertmanager import (
    AlertmanagerConfig,
    Integration,
    Receiver,
    Route,
)
from backbeat.config.http_client import SecretSource
from backbeat.config.secret import Secret
from backbeat.httpclient import Session
from backbeat.model.alerts import Alert, Channel, Notification
from backbeat.model.labels import Labels
from backbeat.notify import build_channels

CANARY = "s3cret-canary"
NOW_MS = 1_700_000_000_000


class Server(Struct):
    """Answers in turn; the last answer goes on."""

    url: str = ""
    answers: Sequence[tuple[int, Any]] = ((200, {}),)
    headers: dict[str, str] = field(default_factory=dict)
    got: list[tuple[str, str, Any]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        read = orjson.loads(body) if body[:1] in b"{[" and body else body.decode()
        status, said = self.answers[min(len(self.got), len(self.answers) - 1)]
        self.got.append((request.method, request.path_qs, read))
        text = said if isinstance(said, str) else orjson.dumps(said).decode()
        return web.Response(status=status, text=text, headers=self.headers)


def secret(text: str = CANARY) -> SecretSource:
    return SecretSource(Secret(text))


def build(session: Session, *integrations: Integration) -> Sequence[Channel]:
    config = AlertmanagerConfig("", "", Route("team"), (Receiver("team", integrations),))
    return build_channels(config, session)["team"]


def message(*, is_over: bool = False, alerts: int = 1, **labels: str) -> Notification:
    made = [
        Alert(
            Labels.of({"alertname": "Slow", "n": str(number), **labels}),
            Labels.of(summary="too slow"),
            NOW_MS - 60_000,
            NOW_MS - 1000 if is_over else 0,
        )
        for number in range(alerts)
    ]
    return Notification("team", "{}:{}", Labels.of(alertname="Slow"), made, NOW_MS, "http://bb.example")
