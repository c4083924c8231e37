"""A receiver of every kind on loopback: answers as the real services do, and keeps what it was asked.

Services with a fixed https address are reached through its proxy, which leads every host to itself.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web
from msgspec import Struct, field

ISSUE = {"key": "OPS-7", "fields": {"status": {"name": "Open", "statusCategory": {"key": "new"}}}}
TRANSITIONS = {"transitions": [{"id": "1", "name": "Wait"}, {"id": "2", "name": "Close"}]}
ANSWERS: dict[str, Any] = {
    "slack": "ok",
    "telegram": {"ok": True, "result": {"message_id": 1, "date": 1, "chat": {"id": 5, "type": "private"}}},
    "rocketchat": {"success": True},
    "sns": "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>",
    "pushover": {"status": 1},
}
HOSTS = {"api.pushover.net": "pushover", "events.pagerduty.com": "pagerduty-v1"}
TOLD = ("Content-Type", "X-Auth-Token", "X-User-Id", "Accept-Language")


class Asked(Struct, frozen=True):
    """One request, as far as programs should agree about it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class Sink(Struct):
    url: str = ""
    proxy: str = ""
    got: dict[str, list[Asked]] = field(default_factory=dict)
    has_issue: bool = False
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        first, _, rest = request.path.lstrip("/").partition("/")
        kind = HOSTS.get(request.host.partition(":")[0], first)
        asked = await _asked(request, rest if kind == first else request.path)
        self.got.setdefault(kind.partition("-")[0] if kind.startswith("jira") else kind, []).append(asked)
        self.heard.set()
        return _response(self._answer(kind.partition("-")[0], rest, request))

    def _answer(self, kind: str, path: str, request: web.Request) -> Any:
        if path.endswith("gettoken"):
            return {"errcode": 0, "access_token": "tok", "expires_in": 7200}
        if path.endswith(("/search", "/search/jql")):
            return {"issues": [ISSUE] if self.has_issue else []}
        if path.endswith("/transitions") and request.method == "GET":
            return TRANSITIONS
        return ANSWERS.get(kind, {"errcode": 0})

    def all(self) -> dict[str, list[Asked]]:
        """What came since it was last asked for."""
        found, self.got = self.got, {}
        return found

    async def as_many_as(self, expected: dict[str, list[Asked]]) -> dict[str, list[Asked]]:
        """All, once as many requests came of each kind, or there is no hope of that any more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(20):
                while any(len(self.got.get(kind, ())) < len(each) for kind, each in expected.items()):
                    self.heard.clear()
                    await self.heard.wait()
        return {kind: [] for kind in expected} | self.all()


async def _asked(request: web.Request, path: str) -> Asked:
    body = await request.read()
    kind = request.content_type
    read: Any = dict(parse_qsl(body.decode())) if "form" in kind else json.loads(body) if body else None
    headers = {name: request.headers[name] for name in TOLD if name in request.headers}
    authorization = request.headers.get("Authorization", "")
    if authorization and not authorization.startswith("AWS4"):
        headers["Authorization"] = authorization
    return Asked(request.method, path, dict(request.query), headers, said(read))


def said(value: Any) -> Any:
    """A value without what says nothing: whether an empty field is sent is no difference."""
    if isinstance(value, dict):
        kept = {name: said(each) for name, each in value.items()}
        return {name: each for name, each in kept.items() if each or (each == 0 and each is not False)}
    return [said(each) for each in value] if isinstance(value, list) else value


def _response(answer: Any) -> web.Response:
    return web.Response(text=answer) if isinstance(answer, str) else web.json_response(answer)


@asynccontextmanager
async def sink(certificate: tuple[str, str]) -> AsyncIterator[Sink]:
    """certificate: files of the certificate and key that every https host shows."""
    state = Sink()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", state.take)
    runner = web.AppRunner(app)
    await runner.setup()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    plain, secure = (address[1] for address in runner.addresses)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            there, back = await asyncio.open_connection("127.0.0.1", secure)
            await asyncio.gather(_pump(reader, back), _pump(there, writer))

    proxy = await asyncio.start_server(connect, "127.0.0.1", 0)
    state.url = f"http://127.0.0.1:{plain}"
    state.proxy = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    assert urlsplit(state.url).port == plain
    yield state
    proxy.close()
    await runner.cleanup()


async def _pump(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while part := await source.read(65536):
            to.write(part)
            await to.drain()
    with suppress(OSError):
        to.close()
