"""Bearer tokens by OAuth 2.0's client credentials grant (RFC 6749, 4.4), each kept until it ends.

In:  the settings of an `oauth2` section. Out: the value of an Authorization header, or a TokenError.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from urllib.parse import quote_plus, urlencode
from weakref import WeakKeyDictionary

import orjson
from multidict import CIMultiDict
from yarl import URL

from backbeat.config.http_client import OAuth2
from backbeat.httpclient.proxy import proxy_for
from backbeat.httpclient.session import Session
from backbeat.httpclient.tls import tls_context

_EARLY_S = 10.0
"""A token that ends so soon may end on its way."""
_TIMEOUT_S = 30.0
_LONGEST_ANSWER = 1 << 20
_TYPES = {"bearer": "Bearer", "mac": "MAC", "basic": "Basic"}
_known: WeakKeyDictionary[Session, dict[OAuth2, TokenSource]] = WeakKeyDictionary()


class TokenError(OSError):
    """No token could be had; the text says why and shows no secret."""


def token_source(session: Session, settings: OAuth2) -> TokenSource:
    """One source for all connections of a session that have the same settings."""
    own = _known.setdefault(session, {})
    if settings not in own:
        own[settings] = TokenSource(settings)
    return own[settings]


class TokenSource:
    def __init__(self, settings: OAuth2, now: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._now = now
        self._lock = asyncio.Lock()
        self._header = ""
        self._secret = ""
        self._ends_at_s: float | None = None

    async def header(self, session: Session) -> str:
        """An Authorization header's value. Raises OSError (TokenError, ExchangeError), ValueError."""
        async with self._lock:
            secret = self._settings.client_secret.read()
            if not self._header or self._is_over() or secret != self._secret:
                self._header = await self._fetch(session, secret)
                self._secret = secret
            return self._header

    def forget(self, header: str) -> None:
        """The peer did not take this token: the next request fetches another."""
        if self._header == header:
            self._header = ""

    def _is_over(self) -> bool:
        return self._ends_at_s is not None and self._now() >= self._ends_at_s - _EARLY_S

    async def _fetch(self, session: Session, secret: str) -> str:
        """The client names itself in the header, and where the server refuses that, in the body."""
        settings = self._settings
        form = [("grant_type", "client_credentials"), *settings.endpoint_params]
        if settings.scopes:
            form.append(("scope", " ".join(settings.scopes)))
        both = f"{quote_plus(settings.client_id)}:{quote_plus(secret)}"
        login = f"Basic {base64.b64encode(both.encode()).decode()}"
        status, said = await self._ask(session, form, login)
        if not 200 <= status < 300:
            form += [("client_id", settings.client_id), ("client_secret", secret)]
            status, said = await self._ask(session, form, "")
        if not 200 <= status < 300:
            raise TokenError(f"oauth2: the token_url answered HTTP status {status}")
        return self._understood(said)

    def _understood(self, said: bytearray) -> str:
        try:
            answer = orjson.loads(said)
            token, kind = answer["access_token"], str(answer.get("token_type") or "Bearer")
            lasts_s = float(answer.get("expires_in") or 0)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TokenError("oauth2: the token_url's answer holds no access_token") from error
        if not isinstance(token, str) or not token:
            raise TokenError("oauth2: the token_url's answer holds no access_token")
        self._ends_at_s = self._now() + lasts_s if lasts_s > 0 else None
        return f"{_TYPES.get(kind.lower(), kind)} {token}"

    async def _ask(self, session: Session, form: list[tuple[str, str]], login: str) -> tuple[int, bytearray]:
        settings, url = self._settings, URL(self._settings.token_url)
        proxy = proxy_for(url, settings)
        headers = CIMultiDict(
            {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        )
        if login:
            headers["Authorization"] = login
        context = await asyncio.to_thread(tls_context, settings.tls) if url.scheme == "https" else None
        async with (
            asyncio.timeout(_TIMEOUT_S),
            session.request(
                "POST",
                url,
                headers,
                data=urlencode(form).encode(),
                tls=context,
                server_name=settings.tls.server_name,
                proxy=proxy,
                proxy_headers={name: secret.read() for name, secret in settings.proxy_headers}
                if proxy
                else None,
            ) as answer,
        ):
            return answer.status, await answer.read(_LONGEST_ANSWER, cut=True)
