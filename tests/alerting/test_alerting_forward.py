"""Alerts reach external Alertmanagers, whatever one of them does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from aiohttp import web

from backbeat.alerting import forward
from backbeat.alerting.forward import ExternalAlertmanagers, FanOut
from backbeat.config.http_client import HTTPClient, SecretSource
from backbeat.config.prometheus import AlertmanagerTargets, Discovery, TargetGroup
from backbeat.config.secret import Secret
from backbeat.model.alerts import Alert
from backbeat.model.labels import Labels

SLOW = Alert(
    Labels.of(alertname="Slow", replica="a"), starts_at_ms=1_700_000_000_000, generator_url="http://x/y"
)


class Peer:
    def __init__(self) -> None:
        self.bodies: list[list[dict]] = []
        self.authorizations: list[str | None] = []
        self.statuses: list[int] = []
        self.news = asyncio.Event()
        self.refused = asyncio.Event()
        self.address = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.authorizations.append(request.headers.get("Authorization"))
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.bodies.append(await request.json())
            self.news.set()
        elif status == 400:
            self.refused.set()
        return web.Response(status=status, text="no")

    async def wait(self) -> None:
        await asyncio.wait_for(self.news.wait(), 10)


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    served = Peer()
    app = web.Application()
    app.router.add_post("/am/api/v2/alerts", served.handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.address = f"127.0.0.1:{runner.addresses[0][1]}"
    yield served
    await runner.cleanup()


def targets(*addresses: str, **settings: object) -> AlertmanagerTargets:
    discovery = Discovery(static_configs=(TargetGroup(addresses),))
    return AlertmanagerTargets(discovery, path_prefix="/am/", timeout_ms=2000, **settings)


async def test_alerts_are_posted_relabelled_and_with_credentials(peer: Peer) -> None:
    http = HTTPClient(username="ann", password=SecretSource(Secret("pass")))
    sink = ExternalAlertmanagers(
        [targets(peer.address, http=http)], lambda labels: labels.set({"cluster": "eu", "replica": ""})
    )
    await sink.start()
    await sink.receive([SLOW])
    await peer.wait()
    await sink.stop()
    assert peer.bodies == [
        [
            {
                "labels": {"alertname": "Slow", "cluster": "eu"},
                "annotations": {},
                "startsAt": "2023-11-14T22:13:20.000Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://x/y",
            }
        ]
    ]
    assert peer.authorizations == ["Basic YW5uOnBhc3M="]


async def test_a_dropped_alert_is_not_sent_and_a_dead_target_delays_no_other(peer: Peer) -> None:
    sink = ExternalAlertmanagers(
        [targets("127.0.0.1:1", peer.address)], lambda labels: labels if labels.get("alertname") else None
    )
    await sink.start()
    await sink.receive([Alert(Labels.of(other="x")), SLOW])
    await peer.wait()
    await sink.stop()
    assert [len(body) for body in peer.bodies] == [1]
    dead, alive = sink.targets()
    assert (dead.sent, alive.sent) == (0, 1)
    assert dead.failed == 1


async def test_a_server_error_is_tried_again_and_a_refusal_is_not(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward, "_FIRST_RETRY_S", 0.01)
    peer.statuses = [503, 429, 200, 400]
    sink = ExternalAlertmanagers([targets(peer.address)], lambda labels: labels)
    await sink.start()
    await sink.receive([SLOW])
    await peer.wait()
    peer.news.clear()
    await sink.receive([SLOW])
    await asyncio.wait_for(peer.refused.wait(), 10)
    await sink.receive([SLOW])
    await peer.wait()
    await sink.stop()
    assert len(peer.bodies) == 2
    assert sink.targets()[0].failed == 3


async def test_fan_out_asks_every_sink_though_one_fails() -> None:
    class Broken:
        async def receive(self, alerts: Sequence[Alert]) -> None:
            raise RuntimeError("broken")

    class Kept:
        got: Sequence[Alert] = ()

        async def receive(self, alerts: Sequence[Alert]) -> None:
            self.got = alerts

    kept = Kept()
    with pytest.raises(RuntimeError, match="broken"):
        await FanOut(Broken(), kept).receive([SLOW])
    assert kept.got == [SLOW]
