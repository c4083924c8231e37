"""Requests to a receiver: bounded in time, and nothing secret in what is told of them.

In:  a request with the receiver's URL (a secret), and the HTTP settings.
Out: an `Answer`, whose `Delivery` says what the status means: 2xx is delivered, 429 and 5xx can be tried
     again as can what never arrived; anything else the receiver refused for good.
"""

from __future__ import annotations

import asyncio
import base64
import math
import time
from collections.abc import Collection, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

import orjson
from msgspec import Struct, field
from yarl import URL

from backbeat import __version__
from backbeat.config.http_client import HTTPClient
from backbeat.httpclient import Answer as Said
from backbeat.httpclient import (
    CertificateError,
    Client,
    ExchangeError,
    RedirectError,
    ResolveError,
    Session,
    TokenError,
)
from backbeat.model.alerts import Delivery
from backbeat.notify.addresses import ForbiddenAddress, check_host

DEFAULT_TIMEOUT_MS = 30_000
LONGEST_TIMEOUT_MS = 55_000
_SHOWN = 200
_LONGEST_ANSWER = 1 << 20
_SHORTEST_SECRET = 4
_ORDINARY = frozenset({"user-agent", "content-type", "content-length", "accept", "accept-encoding", "host"})
_NOTHING: Mapping[str, str] = {}


class Request(Struct, frozen=True):
    """What a channel asks of a receiver.

    headers: for this host alone; they win over those of the settings, credentials included
    secrets: what must not be shown where the receiver repeats it, beside the URL and the headers
    """

    url: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    secrets: Collection[str] = ()
    method: str = "POST"


class Answer(Struct, frozen=True):
    """What a receiver said. status: 0 where there was no answer; body: at most 1 MiB of it."""

    delivery: Delivery
    status: int = 0
    body: bytes = b""

    @property
    def json(self) -> dict[str, object]:
        """The body as a JSON object; empty where it is none."""
        try:
            said = orjson.loads(self.body)
        except ValueError:
            return {}
        return said if isinstance(said, dict) else {}


def without_empty(fields: Mapping[str, object]) -> dict[str, object]:
    """What is said of a message: fields that say nothing are left out."""
    return {name: value for name, value in fields.items() if value or (value == 0 and value is not False)}


def json_request(
    url: str,
    payload: object,
    headers: Mapping[str, str] = _NOTHING,
    *,
    secrets: Collection[str] = (),
    method: str = "POST",
) -> Request:
    """payload: None for a request without a body"""
    told = {"Content-Type": "application/json", **headers}
    body = b"" if payload is None else orjson.dumps(payload)
    return Request(url, body, told, secrets, method)


class Outlet:
    """The way from one channel to its receiver.

    retried: statuses that can be tried again, beside 429 and 5xx
    """

    def __init__(
        self,
        session: Session,
        http: HTTPClient,
        *,
        timeout_ms: int = 0,
        retried: Collection[int] = (),
    ) -> None:
        self._client = Client(session, http)
        self._wait_s = min(timeout_ms or DEFAULT_TIMEOUT_MS, LONGEST_TIMEOUT_MS) / 1000
        self._retried = frozenset((429, *retried))

    async def ask(self, request: Request) -> Answer:
        """Never raises for the world's failures."""
        try:
            target = URL(request.url)
        except ValueError:
            target = URL()
        if target.scheme not in ("http", "https") or not target.host:
            told = "the receiver's URL is not valid, expected http:// or https://"
            return Answer(Delivery(False, detail=told))
        try:
            async with asyncio.timeout(self._wait_s):
                return await self._asked(request, target)
        except TimeoutError:
            failure = Delivery(False, retry=True, detail=f"no answer within {self._wait_s:g} s")
        except (ForbiddenAddress, RedirectError) as error:
            failure = Delivery(False, detail=str(error))
        except (OSError, ValueError) as error:
            failure = Delivery(False, retry=True, detail=_reason(error))
        return Answer(failure)

    async def _asked(self, request: Request, target: URL) -> Answer:
        async def guard(method: str, url: URL) -> None:
            if method != request.method:
                raise RedirectError("the receiver redirects elsewhere, which would lose the message")
            await check_host(url)

        async with self._client.request(
            request.method,
            target,
            {"User-Agent": f"Backbeat/{__version__}", "Accept": "*/*"},
            data=request.body or None,
            credentials=request.headers,
            guard=guard,
        ) as response:
            body = bytes(await response.read(_LONGEST_ANSWER, cut=True))
            said = body[:4096].decode("utf-8", "replace")
            secrets = [*request.secrets, *_secrets(target, response)]
            return Answer(self._judge(response, without_secrets(secrets, said)), response.status, body)

    def _judge(self, response: Said, said: str) -> Delivery:
        status = response.status
        detail = f"HTTP status {status}" + (f": {said}" if said else "")
        if 200 <= status < 300:
            return Delivery(True, detail=detail)
        if 300 <= status < 400:
            return Delivery(False, detail=f"HTTP status {status}: redirects are not followed")
        retry = status >= 500 or status in self._retried
        after_ms = retry_after_ms(response.headers.get("Retry-After", ""), time.time()) if retry else 0
        return Delivery(False, retry=retry, retry_after_ms=after_ms, detail=detail)


def _secrets(target: URL, response: Said) -> list[str]:
    """A peer may repeat what it was sent."""
    found: list[str] = []
    for url in (target, response.url):
        found += [str(url), url.raw_path_qs, url.path, url.query_string, url.password or ""]
        found += [part for part in (*url.parts, *url.query.values()) if len(part) > 7]
    for name, value in response.sent.items():
        if name.lower() not in _ORDINARY:
            found += [value, *value.split(" ")[1:], _password(value)]
    return found


def _password(header: str) -> str:
    """That of basic authentication, or nothing."""
    try:
        login = (
            base64.b64decode(header.removeprefix("Basic ")).decode() if header.startswith("Basic ") else ""
        )
    except ValueError:
        return ""
    return login.partition(":")[2]


def without_secrets(secrets: Collection[str], said: str) -> str:
    """What a peer said, on one line, short, and without what nobody may see."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            said = said.replace(secret, "<secret>")
    return " ".join(said.split())[:_SHOWN]


def retry_after_ms(header: str, now_s: float) -> int:
    """Seconds or an HTTP date; 0 where there is neither."""
    try:
        seconds = float(header)
    except ValueError:
        try:
            when: datetime = parsedate_to_datetime(header)
        except ValueError:
            return 0
        seconds = when.timestamp() - now_s
    return max(0, int(seconds * 1000)) if math.isfinite(seconds) else 0


def _reason(error: Exception) -> str:
    """The failure in words of our own, since those of libraries may hold the URL."""
    if isinstance(error, TokenError):
        return str(error)
    if isinstance(error, CertificateError):
        return "TLS certificate of the receiver refused"
    if isinstance(error, ResolveError):
        return "cannot resolve the receiver's host name"
    cause = (error.__cause__ or error) if isinstance(error, ExchangeError) else error
    if isinstance(cause, ForbiddenAddress):
        return str(cause)
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    if isinstance(cause, OSError):
        return f"cannot reach the receiver: {cause.strerror or type(cause).__name__}"
    return f"the connection failed: {type(error).__name__}"
