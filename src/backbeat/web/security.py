"""Who may ask what: Host allow-list, same-origin mutations, authentication, response headers.

One ASGI middleware in front of every route, so that no path can be forgotten.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

import anyio.to_thread
import bcrypt
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backbeat.config.web import RateLimit, WebConfig
from backbeat.model.hosts import is_loopback

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_PATHS = ("/ack/",)
"""Whoever holds a signed link may use it without signing in; the page checks the signature."""
MAX_CREDENTIALS_BYTES = 1024
_REMEMBERED = 256
# Compared against when the user is unknown, so that both cases cost the same. Of random bytes that nobody
# has kept; made once and not at every start, which it would delay by a tenth of a second.
_NOBODY = b"$2b$10$oEI04RBdE4iYh0by0CWXCurEun9jKV71CIi9najyjixcEXM8dF/Ny"

RESPONSE_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
        " object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class Passwords:
    """bcrypt users of web.yml. A password that was right once is remembered by a keyed hash."""

    def __init__(self, users: Sequence[tuple[str, str]]) -> None:
        self._users = {name: hashed.encode() for name, hashed in users}
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()

    async def accept(self, authorization: str) -> bool:
        """Whether an Authorization header names a user with the right password. Constant work."""
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic" or len(encoded) > MAX_CREDENTIALS_BYTES:
            return False
        try:
            name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        hashed = self._users.get(name, _NOBODY)
        # Lengths are part of the key, so that ("ab", "c") and ("a", "bc") never meet.
        parts = (name.encode(), password.encode(), hashed)
        proof = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        seen = hmac.new(self._key, proof, hashlib.sha256).digest()
        if seen in self._right:
            return True
        if "\0" in password or len(password.encode()) > 72:
            password = ""
        right = await anyio.to_thread.run_sync(bcrypt.checkpw, password.encode(), hashed)
        if right and name in self._users:
            self._right[seen] = None
            if len(self._right) > _REMEMBERED:
                self._right.popitem(last=False)
            return True
        return False


class Bucket:
    """Holds requests that may come at once; gains one every interval."""

    def __init__(self, limit: RateLimit, monotonic: Callable[[], float]) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._held, self._at_s = float(limit.burst), monotonic()

    def take(self) -> bool:
        """Whether one more request may pass now."""
        now_s = self._monotonic()
        gained = (now_s - self._at_s) / self._limit.interval_s
        self._held, self._at_s = min(self._limit.burst, self._held + gained), now_s
        if self._held < 1:
            return False
        self._held -= 1
        return True


class Guard:
    """ASGI middleware: refuses foreign hosts, cross-site mutations and strangers; sets headers."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Sequence[str],
        web: WebConfig | None,
        check_host: bool,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._check_host = check_host
        self._monotonic = monotonic
        self.apply(web, hosts)

    def apply(self, web: WebConfig | None, hosts: Sequence[str]) -> None:
        """Take over who may ask and how often; what TLS says counts from the start of the server."""
        web = web or WebConfig()
        self._hosts = frozenset(host.lower() for host in hosts)
        self._passwords = Passwords(web.users) if web.users else None
        self._bucket = Bucket(web.rate_limit, self._monotonic) if web.rate_limit else None
        headers = RESPONSE_HEADERS | {name.lower(): value for name, value in web.headers}
        self._headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        self._is_known_host = lru_cache(_REMEMBERED)(self._look_at_host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close"})  # there is none here
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = message["headers"]
                names = {name for name, _ in own}
                message["headers"] = [*own, *(each for each in self._headers if each[0] not in names)]
            await send(message)

        refusal = await self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_with_headers)

    async def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        # Of a header that is there twice, the first counts.
        headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))
        host = headers.get(b"host", b"")
        if self._bucket is not None and not self._bucket.take():
            return PlainTextResponse("Too Many Requests (rate_limit of web.yml)\n", 429, {"retry-after": "1"})
        if self._check_host and not self._is_known_host(host):
            return PlainTextResponse(
                f"this Backbeat does not answer to the host name {host[:200].decode('latin-1')!r};"
                " add it to allowed_hosts in backbeat.yml\n",
                status_code=421,
            )
        if not await self._may_enter(scope["path"], headers.get(b"authorization", b"")):
            return PlainTextResponse(
                "Unauthorized\n", 401, headers={"www-authenticate": 'Basic realm="Backbeat"'}
            )
        if scope["method"] not in SAFE_METHODS and self._is_cross_site(headers, host):
            return PlainTextResponse("cross-site requests may not change anything here\n", 403)
        return None

    async def _may_enter(self, path: str, authorization: bytes) -> bool:
        if self._passwords is None or path.startswith(OPEN_PATHS):
            return True
        return await self._passwords.accept(authorization.decode("latin-1"))

    def _look_at_host(self, host: bytes) -> bool:
        try:
            name = urlsplit(f"//{host.decode('latin-1')}").hostname or ""
        except ValueError:
            return False
        return name in self._hosts or is_loopback(name)

    @staticmethod
    def _is_cross_site(headers: Mapping[bytes, bytes], host: bytes) -> bool:
        """Browsers send these headers; programs such as curl send neither and are let through."""
        site = headers.get(b"sec-fetch-site")
        if site is not None:
            return site not in (b"same-origin", b"none")
        origin = headers.get(b"origin")
        return origin is not None and urlsplit(origin.decode("latin-1")).netloc != host.decode("latin-1")
