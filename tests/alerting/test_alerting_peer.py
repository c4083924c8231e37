"""One timeline played to a real Alertmanager and to Backbeat: both tell the same things in the same order."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from alert_story import Inbox, config, equal

from backbeat.alerting import Alerting
from backbeat.config.alertmanager import InhibitRule, Route
from backbeat.model.alerts import Alert, Notification
from backbeat.model.clock import now_ms
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.state import open_state
from backbeat.state.records import Silence

Told = dict[tuple[str, str], list[tuple[str, list[str], list[str], list[tuple[str, str]]]]]
"""By receiver and group key: status, firing and resolved alerts, group labels, in order of arrival."""

WAIT_MS, INTERVAL_MS = 400, 1000
SETTINGS = f"""
route:
  receiver: all
  group_by: [alertname]
  group_wait: {WAIT_MS}ms
  group_interval: {INTERVAL_MS}ms
  repeat_interval: 1h
  routes:
  - receiver: critical
    matchers: [severity="critical"]
    continue: true
  - receiver: by-job
    matchers: [job=~"a.*"]
    group_by: [job]
receivers:
- {{name: all, webhook_configs: [{{url: "URL/all"}}]}}
- {{name: critical, webhook_configs: [{{url: "URL/critical"}}]}}
- {{name: by-job, webhook_configs: [{{url: "URL/by-job", send_resolved: false}}]}}
inhibit_rules:
- source_matchers: [severity="critical"]
  target_matchers: [severity="warning"]
  equal: [signal]
"""


def _routes() -> Route:
    timing = {"group_wait_ms": WAIT_MS, "group_interval_ms": INTERVAL_MS, "repeat_interval_ms": 3_600_000}
    return Route(
        "all",
        group_by=("alertname",),
        **timing,
        routes=(
            Route("critical", equal(severity="critical"), continue_=True, group_by=("alertname",), **timing),
            Route("by-job", (Matcher("job", MatchOp.REGEX, "a.*"),), group_by=("job",), **timing),
        ),
    )


TIMELINE: tuple[tuple[float, str, dict[str, str]], ...] = (
    (0.0, "fire", {"alertname": "Slow", "job": "api", "instance": "1"}),
    (0.0, "fire", {"alertname": "Down", "severity": "critical", "signal": "up"}),
    (0.0, "fire", {"alertname": "Shaky", "severity": "warning", "signal": "up"}),
    (0.0, "fire", {"alertname": "Quiet"}),
    (0.0, "fire", {"alertname": "Brief"}),
    (0.2, "fire", {"alertname": "Slow", "job": "api", "instance": "2"}),
    (0.2, "resolve", {"alertname": "Brief"}),
    (0.9, "resolve", {"alertname": "Slow", "job": "api", "instance": "1"}),
    (1.9, "fire", {"alertname": "Slow", "job": "api", "instance": "3"}),
    (1.9, "resolve", {"alertname": "Down", "severity": "critical", "signal": "up"}),
    (2.9, "resolve", {"alertname": "Slow", "job": "api", "instance": "2"}),
    (2.9, "resolve", {"alertname": "Slow", "job": "api", "instance": "3"}),
    (3.9, "fire", {"alertname": "Slow", "job": "api", "instance": "1"}),
    (4.9, "resolve", {"alertname": "Shaky", "severity": "warning", "signal": "up"}),
)
END = 6.2


PLAYS = 5
"""Both go by the clock: on a busy machine one may be late. Who tells other things does so in every play."""


@pytest.mark.peer
async def test_backbeat_tells_what_alertmanager_tells(tmp_path: Path) -> None:
    binary = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if binary is None:
        pytest.skip("prometheus-alertmanager is not installed")
    for play in range(PLAYS):
        directory = tmp_path / str(play)
        directory.mkdir()
        ours, theirs = await _played(binary, directory)
        if ours == theirs:
            break
    assert ours == theirs
    assert len(ours) == 3


async def _played(binary: str, directory: Path) -> tuple[Told, Told]:
    """What Backbeat and Alertmanager tell."""
    theirs: Told = defaultdict(list)
    inboxes = {name: [Inbox(send_resolved=name != "by-job")] for name in ("all", "critical", "by-job")}
    rule = InhibitRule(equal(severity="critical"), equal(severity="warning"), ("signal",))
    state = open_state(directory / "state.db")
    alerting = Alerting(config(_routes(), inhibit=[rule]), inboxes, state, now_ms, "http://backbeat.example")
    async with (
        _sink(theirs) as url,
        _alertmanager(binary, directory, url) as peer,
        aiohttp.ClientSession() as session,
    ):
        await alerting.start()
        await _silence(session, peer, alerting)
        await _play(session, peer, alerting)
        await alerting.stop()
        await state.close()
    ours: Told = defaultdict(list)
    for (own,) in inboxes.values():
        for each in own.taken:
            ours[each.receiver, each.group_key].append(_line(each))
    return ours, theirs


async def _play(session: aiohttp.ClientSession, peer: str, alerting: Alerting) -> None:
    began, starts = now_ms(), dict[tuple[tuple[str, str], ...], int]()
    for at_s, what, labels in TIMELINE:
        await asyncio.sleep(max(0.0, at_s - (now_ms() - began) / 1000))
        moment, key = now_ms(), tuple(labels.items())
        if what == "fire":
            starts[key] = moment
        starts_ms = starts[key]
        ends_ms = moment + 60_000 if what == "fire" else moment
        alert = Alert(Labels.of(labels), starts_at_ms=starts_ms, ends_at_ms=ends_ms)
        body = [{"labels": labels, "startsAt": _rfc3339(starts_ms), "endsAt": _rfc3339(ends_ms)}]
        async with session.post(f"{peer}/api/v2/alerts", json=body) as answer:
            assert answer.status == 200, await answer.text()
        await alerting.receive([alert])
    await asyncio.sleep(max(0.0, END - (now_ms() - began) / 1000))


async def _silence(session: aiohttp.ClientSession, peer: str, alerting: Alerting) -> None:
    until = now_ms() + 3_600_000
    body = {
        "matchers": [{"name": "alertname", "value": "Quiet", "isRegex": False}],
        "startsAt": _rfc3339(now_ms()),
        "endsAt": _rfc3339(until),
        "createdBy": "test",
        "comment": "quiet",
    }
    async with session.post(f"{peer}/api/v2/silences", json=body) as answer:
        assert answer.status == 200, await answer.text()
    await alerting.set_silence(Silence("", equal(alertname="Quiet"), 0, until))


@asynccontextmanager
async def _sink(told: Told) -> AsyncIterator[str]:
    async def handle(request: web.Request) -> web.Response:
        body = await request.json()
        names = {
            status: sorted(_short(each["labels"]) for each in body["alerts"] if each["status"] == status)
            for status in ("firing", "resolved")
        }
        line = (body["status"], names["firing"], names["resolved"], sorted(body["groupLabels"].items()))
        told[request.match_info["receiver"], body["groupKey"]].append(line)
        return web.Response()

    app = web.Application()
    app.router.add_post("/{receiver}", handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@asynccontextmanager
async def _alertmanager(binary: str, directory: Path, url: str) -> AsyncIterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = directory / "alertmanager.yml"
    path.write_text(SETTINGS.replace("URL", url))
    process = await asyncio.create_subprocess_exec(
        binary,
        f"--config.file={path}",
        f"--storage.path={directory / 'am'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with aiohttp.ClientSession() as session:
            for _ in range(300):
                if await _is_ready(session, f"http://127.0.0.1:{port}/-/ready"):
                    break
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    with suppress(aiohttp.ClientError):
        async with session.get(url) as answer:
            return answer.status == 200
    return False


def _line(told: Notification) -> tuple[str, list[str], list[str], list[tuple[str, str]]]:
    firing = sorted(_short(dict(alert.labels)) for alert in told.firing)
    resolved = sorted(_short(dict(alert.labels)) for alert in told.resolved)
    return (told.status, firing, resolved, list(told.group_labels))


def _short(labels: dict[str, str]) -> str:
    return labels["alertname"] + labels.get("instance", "")


def _rfc3339(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
