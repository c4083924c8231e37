"""A stage for timelines: a real Alertmanager and Backbeat, each a process, and the sinks they tell.

Both read the same alertmanager.yml (but for the address of their sink), get the same requests at the same
moments, and what each sink received and each API answered is kept for comparison. Every timeline owns one
value of the label `scenario` and the receivers below its name, so that all of them run at once.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web
from aiosmtpd.controller import Controller
from msgspec import Struct, field

Json = Any
THEIRS, OURS = "theirs", "ours"
NEWEST = (0, 28)
"""the first release with today's matchers, names and answers"""


def alertmanager_binary() -> str | None:
    """The peer: the one named by the environment, else the one installed."""
    named = os.environ.get("BACKBEAT_ALERTMANAGER")
    return named or shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")


def alertmanager_version(binary: str) -> tuple[int, int]:
    """(0, 25); a build without a version counts as newer than any release."""
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"version (\d+)\.(\d+)", said.stdout + said.stderr)
    return (int(found[1]), int(found[2])) if found else (99, 0)


# -- what a timeline says --------------------------------------------------------------------------------


class Step(Struct, frozen=True):
    """One action at a moment, in seconds since the beginning."""

    at_s: float
    what: str
    of: Mapping[str, Any] = field(default_factory=dict)


class Timeline(Struct, frozen=True):
    """name is the value of `scenario`. Names of receivers and intervals are prefixed with it.

    answers: by receiver, what its sink answers to each request in turn (the last goes on): a status,
             or a status with the seconds of Retry-After, or 0 for a connection that breaks.
    times:   whether arrival times must agree; where the peer waits longer than it says, they cannot.
    since:   the first Alertmanager that behaves so.
    """

    name: str
    steps: Sequence[Step]
    route: Mapping[str, Json] = field(default_factory=dict)
    receivers: Mapping[str, Mapping[str, Json]] = field(default_factory=lambda: {"": {"hook": [{}]}})
    inhibit: Sequence[Mapping[str, Json]] = ()
    intervals: Mapping[str, Sequence[Mapping[str, Json]]] = field(default_factory=dict)
    answers: Mapping[str, Sequence[int | tuple[int, int]]] = field(default_factory=dict)
    times: bool = True
    since: tuple[int, int] = (0, 25)


def settings(timelines: Sequence[Timeline], hooks: str, smtp_port: int) -> str:
    """The alertmanager.yml in which each timeline has a route, receivers, rules and intervals of its own."""
    routes, receivers, inhibit, intervals = [], [{"name": "nobody"}], [], []
    for line in timelines:
        own = {"receiver": line.name, "matchers": [f'scenario="{line.name}"'], **line.route}
        routes.append(_named(own, line.name))
        for suffix, kinds in line.receivers.items():
            name = f"{line.name}{suffix}"
            hooked = [{"url": f"{hooks}/{name}/{i}", **each} for i, each in enumerate(kinds.get("hook", ()))]
            mails = [_mail(each, name, smtp_port) for each in kinds.get("mail", ())]
            receiver: dict[str, Json] = {"name": name}
            receiver |= {"webhook_configs": hooked} if hooked else {}
            receiver |= {"email_configs": mails} if mails else {}
            receivers.append(receiver)
        inhibit.extend(line.inhibit)
        intervals.extend(
            {"name": f"{line.name}{name}", "time_intervals": list(spans)}
            for name, spans in line.intervals.items()
        )
    root = {
        "receiver": "nobody",
        "group_by": ["alertname"],
        "group_wait": "1s",
        "group_interval": "2s",
        "repeat_interval": "1h",
        "routes": routes,
    }
    whole: dict[str, Json] = {"global": {"resolve_timeout": "3s"}, "route": root, "receivers": receivers}
    whole["inhibit_rules"] = inhibit
    whole["time_intervals"] = intervals
    return yaml.safe_dump(whole, sort_keys=False, allow_unicode=True)


def _named(route: Mapping[str, Json], name: str) -> dict[str, Json]:
    """Prefix the receivers and intervals that start with a slash with the timeline's name."""
    found = dict(route)
    if str(found.get("receiver", "")).startswith("/"):
        found["receiver"] = name + found["receiver"]
    for key in ("mute_time_intervals", "active_time_intervals"):
        if key in found:
            found[key] = [name + each for each in found[key]]
    if "routes" in found:
        found["routes"] = [_named(each, name) for each in found["routes"]]
    return found


def _mail(said: Mapping[str, Json], name: str, port: int) -> dict[str, Json]:
    text = "{{ range .Alerts }}{{ .Labels.alertname }} {{ .Status }}; {{ end }}{{ .CommonAnnotations.note }}"
    return {
        "to": f"{name}@example.org",
        "from": "alerts@example.org",
        "smarthost": f"127.0.0.1:{port}",
        "require_tls": False,
        "html": "",
        "text": text,
        "headers": {"Subject": "{{ .Status }} {{ .GroupLabels.alertname }} {{ len .Alerts.Firing }}"},
        **said,
    }


# -- the sinks -------------------------------------------------------------------------------------------


class Arrival(Struct, frozen=True):
    at_s: float
    receiver: str
    body: Json
    status: int


class Sink:
    """Receives what one side sends, by webhook and by mail."""

    def __init__(self, timelines: Sequence[Timeline]) -> None:
        self.hooks: list[Arrival] = []
        self.mails: list[Arrival] = []
        self.heard = asyncio.Event()
        self.began_s = time.monotonic()
        self._answers = {
            f"{line.name}{suffix}": list(said) for line in timelines for suffix, said in line.answers.items()
        }

    async def open(self, stack: AsyncExitStack) -> tuple[str, int]:
        """The base URL of its hooks and the port of its SMTP server."""
        app = web.Application(client_max_size=1 << 26)
        app.router.add_post("/{path:.+}", self._hook)
        runner = web.AppRunner(app, shutdown_timeout=0.2)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        mail = Controller(self, "127.0.0.1", port=free_port())
        mail.start()
        stack.callback(mail.stop)
        return f"http://127.0.0.1:{runner.addresses[0][1]}", mail.port

    async def _hook(self, request: web.Request) -> web.Response:
        path, _, index = request.match_info["path"].rpartition("/")
        body = await request.json()
        said = self._answers.get(path, [200])
        answer = said.pop(0) if len(said) > 1 else said[0]
        status, retry_after_s = answer if isinstance(answer, tuple) else (answer, 0)
        self.hooks.append(Arrival(time.monotonic() - self.began_s, f"{path} {index}", body, status))
        self.heard.set()
        if status == 0:
            assert request.transport is not None
            request.transport.close()
        headers = {"Retry-After": str(retry_after_s)} if retry_after_s else {}
        return web.Response(status=status or 200, headers=headers)

    async def handle_DATA(self, server: Json, session: Json, envelope: Json) -> str:  # noqa: N802
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        plain = message.get_body(("plain",))
        body = {
            "subject": message["Subject"],
            "from": message["From"],
            "to": message["To"],
            "recipients": sorted(envelope.rcpt_tos),
            "text": plain.get_content().strip() if plain else "",
        }
        receiver = min(envelope.rcpt_tos).partition("@")[0]
        self.mails.append(Arrival(time.monotonic() - self.began_s, receiver, body, 250))
        return "250 OK"


# -- the sides -------------------------------------------------------------------------------------------


class Side(Struct):
    """One of the two programs, running."""

    name: str
    directory: Path
    sink: Sink
    binary: str
    url: str = ""
    hooks: str = ""
    smtp_port: int = 0
    process: asyncio.subprocess.Process | None = None
    is_up: asyncio.Event = field(default_factory=asyncio.Event)
    silence_ids: dict[str, str] = field(default_factory=dict)
    silence_names: dict[str, str] = field(default_factory=dict)
    looks: dict[tuple[str, str], Json] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def write(self, timelines: Sequence[Timeline]) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        text = settings(timelines, self.hooks, self.smtp_port)
        (self.directory / "alertmanager.yml").write_text(text)
        if self.name == OURS:
            (self.directory / "prometheus.yml").write_text("global: {scrape_interval: 1m}\n")
            (self.directory / "backbeat.yml").write_text("host_collector: false\n")

    async def start(self) -> None:
        """Returns when it is ready; who sends meanwhile waits for that."""
        port = int(self.url.rpartition(":")[2]) if self.url else free_port()
        self.url = f"http://127.0.0.1:{port}"
        own = self.directory
        if self.name == THEIRS:
            command = [
                self.binary,
                f"--config.file={own / 'alertmanager.yml'}",
                f"--storage.path={own / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
                "--web.get-concurrency=1000",
            ]
        else:
            serve = ["serve", str(own), "--data", str(own / "data"), "--listen", f"127.0.0.1:{port}"]
            command = [str(Path(sys.executable).with_name("backbeat")), *serve]
        with (own / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        await self._ready()
        self.is_up.set()

    async def _ready(self) -> None:
        async with aiohttp.ClientSession() as session:
            for _ in range(1200):
                with suppress(aiohttp.ClientError):
                    async with session.get(f"{self.url}/-/ready") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)
        raise RuntimeError(f"{self.name} did not start: {(self.directory / 'log').read_text()[-2000:]}")

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.is_up.clear()
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)
            await self.process.wait()

    def reload(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


# -- the play --------------------------------------------------------------------------------------------


class Play:
    """All timelines, played to both sides at once."""

    def __init__(self, directory: Path, binary: str, timelines: Sequence[Timeline]) -> None:
        self.timelines = [line for line in timelines if line.since <= alertmanager_version(binary)]
        self.sides = [
            Side(THEIRS, directory / THEIRS, Sink(self.timelines), binary),
            Side(OURS, directory / OURS, Sink(self.timelines), binary),
        ]
        self._starts: dict[str, datetime] = {}
        self._began_s = 0.0

    async def run(
        self, until_s: float, between: Sequence[tuple[float, Json]] = (), *, spread_s: float = 0.0
    ) -> None:
        """Play until a moment.

        between:  functions of a side to call at a moment, e.g. a reload
        spread_s: timelines begin within so many seconds, so that they do not all ask for the machine at once
        """
        async with AsyncExitStack() as stack:
            self._session = await stack.enter_async_context(aiohttp.ClientSession())
            for side in self.sides:
                side.hooks, side.smtp_port = await side.sink.open(stack)
                side.write(self.timelines)
                stack.push_async_callback(side.stop, signal.SIGKILL)
            await asyncio.gather(*(side.start() for side in self.sides))
            self._began_s = time.monotonic()
            for side in self.sides:
                side.sink.began_s = self._began_s
            await asyncio.gather(
                *(
                    self._act(line, spread_s * i / len(self.timelines))
                    for i, line in enumerate(self.timelines)
                ),
                *(self._call(at_s, call) for at_s, call in between),
                self._until(until_s),
            )

    async def _until(self, at_s: float) -> None:
        await asyncio.sleep(max(0.0, self._began_s + at_s - time.monotonic()))

    async def _call(self, at_s: float, call: Json) -> None:
        await self._until(at_s)
        await asyncio.gather(*(call(side) for side in self.sides))

    async def _act(self, line: Timeline, later_s: float) -> None:
        for step in line.steps:
            await self._until(step.at_s + later_s)
            request = getattr(self, f"_{step.what}")(line, **step.of)
            await asyncio.gather(*(request(side) for side in self.sides))

    def _alert(self, line: Timeline, **said: Json) -> Json:
        return self._post_alert(line, **said)

    def _post_alert(
        self,
        line: Timeline,
        labels: Mapping[str, str],
        resolved: bool = False,
        ends_s: float | None = 600,
        starts_s: float | None = None,
        annotations: Mapping[str, str] | None = None,
        url: str = "http://rules.example/x",
    ) -> Json:
        now = datetime.now(UTC)
        whole = {"scenario": line.name, **labels}
        key = repr(sorted(whole.items()))
        if starts_s is not None:
            self._starts[key] = now + timedelta(seconds=starts_s)
        elif not resolved:
            self._starts.setdefault(key, now)
        body: dict[str, Json] = {"labels": whole, "annotations": annotations or {}, "generatorURL": url}
        body["startsAt"] = _text(self._starts.get(key, now))
        if resolved:
            self._starts.pop(key, None)
            body["endsAt"] = _text(now)
        elif ends_s is not None:
            body["endsAt"] = _text(now + timedelta(seconds=ends_s))

        async def post(side: Side) -> None:
            await self._send(side, "POST", "/api/v2/alerts", [body])

        return post

    def _silence(
        self, line: Timeline, key: str, matchers: Sequence[Json], starts_s: float, ends_s: float
    ) -> Json:
        """Make the silence, or change it where the key is known."""
        now = datetime.now(UTC)
        body = {
            "matchers": [_matcher("scenario", line.name), *matchers],
            "startsAt": _text(now + timedelta(seconds=starts_s)),
            "endsAt": _text(now + timedelta(seconds=ends_s)),
            "createdBy": "timeline",
            "comment": f"{line.name} {key}",
        }
        name = f"{line.name} {key}"

        async def post(side: Side) -> None:
            known = {"id": side.silence_ids[name]} if name in side.silence_ids else {}
            answer = await self._send(side, "POST", "/api/v2/silences", {**body, **known})
            side.silence_ids[name] = answer["silenceID"]
            side.silence_names[answer["silenceID"]] = name

        return post

    def _expire(self, line: Timeline, key: str) -> Json:
        async def delete(side: Side) -> None:
            await self._send(side, "DELETE", f"/api/v2/silence/{side.silence_ids[f'{line.name} {key}']}")

        return delete

    def _look(self, line: Timeline, key: str) -> Json:
        only = f'?filter=scenario="{line.name}"'

        async def ask(side: Side) -> None:
            asked = ("/api/v2/alerts", "/api/v2/alerts/groups", "/api/v2/silences")
            answers = await asyncio.gather(*(self._send(side, "GET", path + only) for path in asked))
            side.looks[line.name, key] = dict(zip(asked, answers, strict=True))

        return ask

    async def _send(self, side: Side, method: str, path: str, body: Json = None) -> Json:
        await side.is_up.wait()
        async with self._session.request(method, side.url + path, json=body) as answer:
            text = await answer.text()
            if answer.status != 200:
                raise RuntimeError(f"{side.name}: {method} {path}: HTTP {answer.status} {text[:500]}")
            return await answer.json() if text else None


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _matcher(name: str, value: str, op: str = "=") -> dict[str, Json]:
    return {"name": name, "value": value, "isRegex": op in ("=~", "!~"), "isEqual": op in ("=", "=~")}


# -- the words of timelines ------------------------------------------------------------------------------


def fire(at_s: float, alertname: str, labels: Mapping[str, str] | None = None, **said: Json) -> Step:
    return Step(at_s, "alert", {"labels": {"alertname": alertname, **(labels or {})}, **said})


def resolve(at_s: float, alertname: str, labels: Mapping[str, str] | None = None, **said: Json) -> Step:
    return fire(at_s, alertname, labels, resolved=True, **said)


def silence(
    at_s: float, key: str, *matchers: tuple[str, str, str], starts_s: float = 0, ends_s: float = 600
) -> Step:
    """A matcher is (name, operator, value)."""
    built = [_matcher(name, value, op) for name, op, value in matchers]
    return Step(at_s, "silence", {"key": key, "matchers": built, "starts_s": starts_s, "ends_s": ends_s})


def expire(at_s: float, key: str) -> Step:
    return Step(at_s, "expire", {"key": key})


def look(at_s: float) -> Step:
    return Step(at_s, "look", {"key": f"{at_s}"})
