"""/api/v2 beside a real Alertmanager: the same requests get the same answers; amtool and Prometheus work."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from signal import SIGKILL
from urllib.parse import quote

import aiohttp
import pytest
from peer_differences import unlike
from peer_stage import (
    OURS,
    THEIRS,
    Side,
    Sink,
    Timeline,
    alertmanager_binary,
    alertmanager_version,
    free_port,
)

from backbeat.model.clock import now_ms

pytestmark = pytest.mark.peer
SILENCE = {
    "matchers": [{"name": "a", "value": "x", "isRegex": False}],
    "startsAt": "2030-01-01T00:00:00Z",
    "endsAt": "2031-01-01T00:00:00Z",
    "createdBy": "a",
    "comment": "b",
}
NOBODY = "00000000-0000-4000-8000-000000000000"


def _silence(**other: object) -> str:
    return json.dumps({**SILENCE, **other})


def _without(name: str) -> str:
    return json.dumps({key: value for key, value in SILENCE.items() if key != name})


ALERTS = "/api/v2/alerts"
REFUSED: tuple[tuple[str, str, str], ...] = (
    ("POST", ALERTS, "not json"),
    ("POST", ALERTS, "{}"),
    ("POST", ALERTS, ""),
    ("POST", ALERTS, "[{}]"),
    ("POST", ALERTS, '[{"labels":{}}]'),
    ("POST", ALERTS, '[{"labels":{"a":""}}]'),
    ("POST", ALERTS, '[{"labels":{"a":1}}]'),
    ("POST", ALERTS, '[{"labels":{"a":"b"},"startsAt":"yesterday"}]'),
    ("POST", ALERTS, '[{"labels":{"":"c"}}]'),
    (
        "POST",
        ALERTS,
        '[{"labels":{"a":"1"},"startsAt":"2030-01-01T00:00:00Z","endsAt":"2029-01-01T00:00:00Z"}]',
    ),
    ("GET", f"{ALERTS}?filter=bad", ""),
    ("GET", f"{ALERTS}?receiver=(", ""),
    ("GET", f"{ALERTS}/groups?filter=x", ""),
    ("GET", f"{ALERTS}/groups?receiver=(", ""),
    ("GET", "/api/v2/silences?filter=x", ""),
    ("GET", "/api/v2/silence/nonsense", ""),
    ("GET", f"/api/v2/silence/{NOBODY}", ""),
    ("DELETE", "/api/v2/silence/nonsense", ""),
    ("POST", "/api/v2/silences", "{}"),
    ("POST", "/api/v2/silences", "[]"),
    ("POST", "/api/v2/silences", _silence(matchers=[])),
    ("POST", "/api/v2/silences", _silence(matchers=[{"name": "a", "value": "", "isRegex": False}])),
    ("POST", "/api/v2/silences", _silence(matchers=[{"name": "a", "value": "("}])),
    ("POST", "/api/v2/silences", _silence(matchers=[{"name": "a", "value": "(", "isRegex": True}])),
    ("POST", "/api/v2/silences", _silence(matchers=[{"name": "", "value": "x", "isRegex": False}])),
    ("POST", "/api/v2/silences", _silence(endsAt="2029-01-01T00:00:00Z")),
    ("POST", "/api/v2/silences", _silence(startsAt="2020-01-01T00:00:00Z", endsAt="2021-01-01T00:00:00Z")),
    *(("POST", "/api/v2/silences", _without(name)) for name in SILENCE),
    ("POST", "/api/v2/silences", _silence(id=NOBODY)),
    ("PUT", ALERTS, "[]"),
    ("GET", "/api/v2/nothing", ""),
)
ASKED = (
    "/api/v2/alerts",
    "/api/v2/alerts?filter=q=c",
    '/api/v2/alerts?filter=q=~"c|d"&filter=scenario!=""',
    "/api/v2/alerts?filter=q!=c",
    '/api/v2/alerts?filter=no=""',
    '/api/v2/alerts?filter=q!=""',
    "/api/v2/alerts?filter=q!~c.*&silenced=false",
    "/api/v2/alerts?silenced=false&inhibited=false&active=true&unprocessed=true",
    "/api/v2/alerts?active=false",
    "/api/v2/alerts?active=nonsense",
    "/api/v2/alerts?active=no&silenced=no",
    "/api/v2/alerts?inhibited=false",
    "/api/v2/alerts?receiver=ap",
    "/api/v2/alerts?receiver=api",
    "/api/v2/alerts?receiver=.*i|x",
    "/api/v2/alerts/groups",
    "/api/v2/alerts/groups?receiver=api&filter=q=c",
    "/api/v2/alerts/groups?receiver=api/.*",
    "/api/v2/alerts/groups?active=false",
    "/api/v2/alerts/groups?silenced=false",
    "/api/v2/silences",
    "/api/v2/silences?filter=q=s",
    "/api/v2/silences?filter=q=~s",
    '/api/v2/silences?filter=q="s"&filter=scenario=api',
)
LINE = Timeline(
    "api",
    (),
    {
        "group_by": ["q"],
        "routes": [
            {"receiver": "/all", "continue": True},
            {"receiver": "/critical", "matchers": ["severity=critical"]},
        ],
    },
    {name: {"hook": [{}]} for name in ("", "/all", "/critical")},
    inhibit=[
        {"source_matchers": ["severity=critical"], "target_matchers": ["severity=warning"], "equal": ["e"]}
    ],
)


@pytest.fixture
async def sides(tmp_path: Path) -> AsyncIterator[tuple[Side, Side]]:
    binary = alertmanager_binary()
    if binary is None:
        pytest.skip("prometheus-alertmanager is not installed")
    both = tuple(Side(name, tmp_path / name, Sink([LINE]), binary) for name in (THEIRS, OURS))
    async with AsyncExitStack() as stack:
        for side in both:
            side.hooks, side.smtp_port = await side.sink.open(stack)
            side.write([LINE])
            stack.push_async_callback(side.stop, SIGKILL)
        await asyncio.gather(*(side.start() for side in both))
        yield both[0], both[1]


async def _ask(
    session: aiohttp.ClientSession, side: Side, method: str, path: str, body: str = ""
) -> tuple[int, object]:
    base, _, query = path.partition("?")
    url = side.url + base + ("?" + quote(query, safe="=&") if query else "")
    headers = {"content-type": "application/json"}
    data = body if method != "GET" else None
    async with session.request(method, url, data=data, headers=headers) as answer:
        text = await answer.text()
        return answer.status, json.loads(text) if answer.status == 200 and text else text


async def test_answers_are_those_of_alertmanager(sides: tuple[Side, Side]) -> None:
    theirs, ours = sides
    start = now_ms()
    alerts = [
        {"labels": {"alertname": "A", "scenario": "api", "q": "c"}, "annotations": {"empty": "", "n": "1"}},
        {"labels": {"alertname": "A", "scenario": "api", "q": "d", "severity": "critical", "e": "1"}},
        {"labels": {"alertname": "B", "scenario": "api", "q": "c", "severity": "warning", "e": "1"}},
        {
            "labels": {"alertname": "B", "scenario": "api", "q": "s", "job": "x", "gone": ""},
            "generatorURL": "http://x/y",
        },
        {"labels": {"alertname": "elsewhere"}},
    ]
    until = {"startsAt": "2024-01-01T00:00:00Z", "endsAt": "2050-01-01T00:00:00Z"}
    silence = json.dumps(
        {
            **SILENCE,
            **until,
            "matchers": [
                {"name": "q", "value": "s", "isRegex": False},
                {"name": "scenario", "value": "api", "isRegex": False, "isEqual": True},
            ],
        }
    )
    later = _silence()
    wrong: list[str] = []
    async with aiohttp.ClientSession() as session:
        for side in sides:
            assert (await _ask(session, side, "POST", ALERTS, json.dumps(alerts)))[0] == 200
            for text in (silence, later):
                status, made = await _ask(session, side, "POST", "/api/v2/silences", text)
                assert status == 200
                side.silence_names[made["silenceID"]] = text
        await asyncio.sleep(0.5)
        for path in ASKED:
            (a, told), (b, mine) = [await _ask(session, side, "GET", path) for side in sides]
            if a != b or (found := unlike(_known(theirs, told), _known(ours, mine))):
                wrong.append(f"{path}: {a} {b} {found}")
        for method, path, body in REFUSED:
            (a, told), (b, mine) = [await _ask(session, side, method, path, body) for side in sides]
            if a != b:
                wrong.append(f"{method} {path} {body}: {a} {told} != {b} {mine}")
    assert not wrong, "\n".join(wrong)
    assert now_ms() - start < 60_000


def _known(side: Side, answer: object) -> object:
    """Silences by their content instead of their id, and without what differs by nature."""
    if isinstance(answer, dict):
        return {k: _known(side, v) for k, v in answer.items() if k != "updatedAt"}
    if isinstance(answer, list):
        return [_known(side, each) for each in answer]
    return side.silence_names.get(answer, answer) if isinstance(answer, str) else answer


async def test_amtool_works_unchanged(sides: tuple[Side, Side], tmp_path: Path) -> None:
    _, ours = sides
    binary = alertmanager_binary()
    assert binary is not None
    beside = Path(binary).with_name("amtool")
    amtool = str(beside) if beside.exists() else shutil.which("amtool")
    if amtool is None:
        pytest.skip("amtool is not installed")

    async def run(*words: str) -> str:
        process = await asyncio.create_subprocess_exec(
            amtool,
            f"--alertmanager.url={ours.url}",
            *words,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        said = out.decode() or err.decode()
        assert process.returncode == 0, f"amtool {' '.join(words)}: {said}"
        return said

    await run("alert", "add", "Slow", "scenario=api", "q=c", "--annotation=note=hot")
    await run("alert", "add", "alertname=Down", "scenario=api", "severity=critical")
    shown = json.loads(await run("-o", "json", "alert", "query", "alertname=~Slow|Down"))
    assert sorted(each["labels"]["alertname"] for each in shown) == ["Down", "Slow"]
    assert "Slow" in await run("alert", "query", "q=c")
    made = (
        await run("silence", "add", "alertname=Slow", "--comment=night", "--author=me", "--duration=2h")
    ).strip()
    await asyncio.sleep(0.1)
    assert "Slow" not in await run("alert", "query", "q=c")
    assert "Slow" in await run("alert", "query", "-s", "q=c")
    assert made in await run("silence", "query", "-q", "alertname=Slow")
    await run("silence", "update", made, "--duration=4h", "--comment=longer")
    (kept,) = json.loads(await run("-o", "json", "silence", "query", "alertname=Slow"))
    assert kept["comment"] == "longer"
    updated = kept["id"]
    exported = tmp_path / "silences.json"
    exported.write_text(await run("-o", "json", "silence", "query"))
    await run("silence", "expire", updated)
    assert updated not in await run("silence", "query", "-q")
    assert updated in await run("silence", "query", "-q", "--expired")
    for each in (body := json.loads(exported.read_text())):
        each["id"] = ""
    exported.write_text(json.dumps(body))
    await run("silence", "import", str(exported))
    assert "longer" in await run("silence", "query")
    assert "SUCCESS" in await run("check-config", str(ours.directory / "alertmanager.yml"))
    # Before 0.28, amtool takes no `<secret>` for a webhook's URL in the settings that the server shows.
    is_old = alertmanager_version(amtool) < (0, 28)
    file = [f"--config.file={ours.directory / 'alertmanager.yml'}"] if is_old else []
    assert "/critical" in await run("config", "routes", "show", *file)
    assert "api/all" in await run("config", "routes", "test", *file, "scenario=api", "severity=critical")
    assert "resolve_timeout: 3s" in await run("config", "show")
    assert "disabled" in await run("cluster", "show")


async def test_a_real_prometheus_sends_its_alerts(sides: tuple[Side, Side], tmp_path: Path) -> None:
    _, ours = sides
    prometheus = shutil.which("prometheus")
    if prometheus is None:
        pytest.skip("prometheus is not installed")
    address = ours.url.removeprefix("http://")
    (tmp_path / "rules.yml").write_text(
        "groups: [{name: g, interval: 1s, rules: ["
        "{alert: Always, expr: vector(1), labels: {scenario: api, q: p},"
        " annotations: {summary: 'is {{ $value }}'}}]}]\n"
    )
    (tmp_path / "p.yml").write_text(
        "global: {evaluation_interval: 1s}\nrule_files: [rules.yml]\n"
        f"alerting: {{alertmanagers: [{{api_version: v2, static_configs: [{{targets: ['{address}']}}]}}]}}\n"
    )
    process = await asyncio.create_subprocess_exec(
        prometheus,
        f"--config.file={tmp_path / 'p.yml'}",
        f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        "--rules.alert.resend-delay=1s",
        f"--web.listen-address=127.0.0.1:{free_port()}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(20):
            await ours.sink.heard.wait()
    finally:
        process.kill()
        await process.wait()
    (alert,) = ours.sink.hooks[0].body["alerts"]
    assert alert["labels"] == {"alertname": "Always", "scenario": "api", "q": "p"}
    assert alert["annotations"] == {"summary": "is 1"}
    assert alert["generatorURL"].startswith("http")
