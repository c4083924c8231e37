"""Every channel beside a real Alertmanager's: the same file and alerts, the same requests.

Debian's Alertmanager knows ten kinds of receivers; BACKBEAT_ALERTMANAGER names a newer one, which knows all.
"""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from channel_settings import TEMPLATES, integrations, newer_integrations
from channel_sink import Asked, Sink, sink
from msgspec.structs import asdict, replace

from backbeat.cli.check import parsers
from backbeat.config.load import Reader
from backbeat.model.alerts import Alert, Notification
from backbeat.model.labels import Labels
from backbeat.notify import build_channels, new_session

ALERTMANAGER = (
    os.environ.get("BACKBEAT_ALERTMANAGER")
    or shutil.which("prometheus-alertmanager")
    or shutil.which("alertmanager")
)
pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(ALERTMANAGER is None, reason="alertmanager is not installed"),
]
EXTERNAL_URL = "http://us.example"


def version() -> tuple[int, int]:
    assert ALERTMANAGER is not None
    said = subprocess.run([ALERTMANAGER, "--version"], capture_output=True, text=True, check=True, timeout=60)
    found = re.search(r"version (\d+)\.(\d+)", said.stdout + said.stderr)
    # One that is built from source without a version is a new one.
    return (int(found[1]), int(found[2])) if found else (99, 0)


@pytest.fixture
async def sinks(certificate: tuple[str, str]) -> AsyncIterator[tuple[Sink, Sink]]:
    """One for each program."""
    async with sink(certificate) as one, sink(certificate) as other:
        yield one, other


async def test_every_channel_asks_what_alertmanager_asks(sinks: tuple[Sink, Sink], tmp_path: Path) -> None:
    is_new = version() >= (0, 35)
    make = newer_integrations if is_new else integrations
    own, peer = (make(each.url, each.proxy) for each in sinks)
    reader = Reader(parsers(), {})
    loaded = reader.alertmanager(_write(tmp_path, "own.yml", own))
    assert loaded is not None, list(reader.findings)
    async with new_session() as session, _alertmanager(_write(tmp_path, "peer.yml", peer), tmp_path) as url:
        channels = build_channels(loaded, session)["team"]
        assert len(channels) == sum(map(len, own.values()))
        began_s = time.time()
        for is_over in (False, True):
            alerts = [_alert("a", "critical", began_s), _alert("b", "warning", began_s)]
            if is_over:
                alerts = [each | {"endsAt": _iso(time.time())} for each in alerts]
            sinks[0].has_issue = sinks[1].has_issue = is_over
            await _post(f"{url}/api/v2/alerts", alerts)
            told = _notification(alerts)
            for channel in channels:
                delivery = await channel.send(told)
                assert delivery.ok, delivery
            ours = sinks[0].all()
            theirs = await sinks[1].as_many_as(ours)
            for kind in sorted(ours):
                mine, other = (sorted(_shown(each, is_new) for each in of[kind]) for of in (ours, theirs))
                assert mine == other, kind


def _shown(asked: Asked, is_new: bool) -> str:
    return json.dumps(asdict(_comparable(asked, is_new)), sort_keys=True, indent=1, ensure_ascii=False)


def _comparable(asked: Asked, is_new: bool) -> Asked:
    """Without what differs on purpose, or between releases."""
    body = asked.body
    if asked.path == "/1/messages.json":  # Alertmanager shows Pushover's keys to every proxy on the way
        body = {**(body or {}), **asked.query}
        return Asked(asked.method, asked.path, {}, {}, {name: each for name, each in body.items() if each})
    if isinstance(body, dict):
        body = {name: each for name, each in body.items() if name != "notification_reason"}
        if not is_new:
            body = _as_texts(body) if "dedup_key" in body or "incident_key" in body else body
        if "disable_web_page_preview" in body:  # which its library sends as texts
            body = {name: str(each).lower() if each is True else str(each) for name, each in body.items()}
    headers = {name: each.partition(";")[0] for name, each in asked.headers.items()}
    return replace(asked, headers=headers, body=body)


def _as_texts(value: Any) -> Any:
    """Old releases send every detail as text."""
    if isinstance(value, dict):
        return {name: _as_texts(each) for name, each in value.items()}
    return [_as_texts(each) for each in value] if isinstance(value, list) else str(value)


def _alert(instance: str, severity: str, began_s: float) -> dict[str, Any]:
    return {
        "labels": {
            "alertname": "Slow",
            "job": "api",
            "instance": instance,
            "severity": severity,
            "note": "<ü> & 'x'",
        },
        "annotations": {"summary": 'all is <slow> & "late"', "own": instance},
        "startsAt": _iso(began_s),
        "generatorURL": "http://us.example/explore?expr=x%20%3E%201",
    }


def _notification(alerts: list[dict[str, Any]]) -> Notification:
    """The message that Alertmanager makes of them."""
    known = (
        Alert(
            Labels.of(each["labels"]),
            Labels.of(each["annotations"]),
            _ms(each["startsAt"]),
            _ms(each["endsAt"]) if "endsAt" in each else 0,
            0,
            each["generatorURL"],
        )
        for each in alerts
    )
    group = Labels.of(alertname="Slow")
    key, now_ms = '{}:{alertname="Slow"}', int(time.time() * 1000)
    return Notification("team", key, group, tuple(known), now_ms, EXTERNAL_URL)


def _write(folder: Path, name: str, own: dict[str, list[dict[str, Any]]]) -> Path:
    route = {"receiver": "team", "group_by": ["alertname"], "group_wait": "1s", "group_interval": "1s"}
    receivers = [{"name": "team", **own}]
    (folder / "own.tmpl").write_text(TEMPLATES)
    path = folder / name
    path.write_text(yaml.safe_dump({"route": route, "receivers": receivers, "templates": ["own.tmpl"]}))
    return path


@asynccontextmanager
async def _alertmanager(config: Path, folder: Path) -> AsyncIterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert ALERTMANAGER is not None
    with (folder / "log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            ALERTMANAGER,
            f"--config.file={config}",
            f"--storage.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            f"--web.external-url={EXTERNAL_URL}",
            "--cluster.listen-address=",
            stdout=log,
            stderr=log,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            await _until_up(f"{url}/-/ready")
            yield url
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def _until_up(url: str) -> None:
    async with asyncio.timeout(30), aiohttp.ClientSession() as session:
        while True:
            with suppress(aiohttp.ClientConnectionError):
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)


async def _post(url: str, body: Any) -> None:
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as answer:
        assert answer.status == 200, await answer.text()


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
