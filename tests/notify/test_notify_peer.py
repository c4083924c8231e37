"""The webhook beside a real Alertmanager's: the same alerts, the same JSON."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from backbeat.model.alerts import Alert, Notification
from backbeat.model.labels import Labels
from backbeat.notify.webhook import payload

ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(ALERTMANAGER is None, reason="alertmanager is not installed"),
]
CONFIG = """
route: {receiver: team, group_by: [alertname, job], group_wait: 4s, group_interval: 1s}
receivers:
  - name: team
    webhook_configs: [{url: "%s", max_alerts: 2}]
"""


@pytest.fixture
async def hook() -> AsyncIterator[tuple[str, asyncio.Queue[Any]]]:
    got: asyncio.Queue[Any] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        await got.put(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/", got
    await runner.cleanup()


@pytest.fixture
async def alertmanager(hook: tuple[str, Any], tmp_path: Path) -> AsyncIterator[str]:
    (tmp_path / "am.yml").write_text(CONFIG % hook[0])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert ALERTMANAGER is not None
    process = await asyncio.create_subprocess_exec(
        ALERTMANAGER,
        f"--config.file={tmp_path}/am.yml",
        f"--storage.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.external-url=http://backbeat.example",
        "--cluster.listen-address=",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    await process.wait()


async def test_webhook_json_is_that_of_alertmanager(
    hook: tuple[str, asyncio.Queue[Any]], alertmanager: str
) -> None:
    async with aiohttp.ClientSession() as session:
        await _up(session, alertmanager)
    now_ms = int(datetime.now(UTC).timestamp()) * 1000
    # They are younger than group_wait: of older ones the first would be told as soon as it is there.
    alerts = [
        Alert(
            Labels.of(alertname="Slow", job="api", instance=instance, note="<ü>"),
            Labels.of(summary=f"{instance} is slow", same="yes"),
            now_ms - 1_500,
            now_ms - 1_000 if instance == "b" else 0,
            now_ms,
            "http://backbeat.example/explore?expr=x%20%3E%201",
        )
        for instance in ("a", "b", "c")
    ]
    sent = [
        {
            "labels": dict(alert.labels),
            "annotations": dict(alert.annotations),
            "startsAt": _iso(alert.starts_at_ms),
            "generatorURL": alert.generator_url,
            **({"endsAt": _iso(alert.ends_at_ms)} if alert.ends_at_ms else {}),
        }
        for alert in alerts
    ]
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{alertmanager}/api/v2/alerts", json=sent) as answer:
            assert answer.status == 200, await answer.text()
        theirs = await asyncio.wait_for(hook[1].get(), 15)
    by_fingerprint = {alert.fingerprint: alert for alert in alerts}
    in_their_order = [by_fingerprint.pop(each["fingerprint"]) for each in theirs["alerts"]]
    told = Notification(
        "team",
        theirs["groupKey"],
        Labels.of(alertname="Slow", job="api"),
        [*in_their_order, *by_fingerprint.values()],
        now_ms,
        "http://backbeat.example",
    )
    ours = payload(told, max_alerts=2)
    assert {key: ours[key] for key in theirs} == theirs
    assert ours.keys() - theirs.keys() <= {"notification_reason", "routeLabels"}  # newer than some


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat().replace("+00:00", "Z")


async def _up(session: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                async with session.get(f"{url}/-/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.05)
