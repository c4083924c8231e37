"""Requests by the operator's settings, over a session of the caller's.

In:  `HTTPClient` settings, a URL, headers and a body.
Out: the response, after redirects. Credentials never follow a redirect to another host.
Secret files are read at every request, and the TLS context is built anew when one of its files has changed.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from multidict import CIMultiDict
from yarl import URL

from backbeat.config.http_client import HTTPClient, SecretSource
from backbeat.httpclient.connection import Answer
from backbeat.httpclient.errors import RedirectError
from backbeat.httpclient.oauth2 import TokenSource, token_source
from backbeat.httpclient.proxy import proxy_for
from backbeat.httpclient.session import Session
from backbeat.httpclient.tls import Stamp, tls_context, tls_stamp

MAX_REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEEPS_BODY = frozenset({307, 308})
_SAFE = frozenset({"GET", "HEAD"})
_UNAUTHORIZED = 401
_NOTHING: Mapping[str, str] = {}
Guard = Callable[[str, URL], Awaitable[None]]
"""Told the method and URL of each request before it is made; raises to refuse."""


class Client:
    """Reaches peers by one set of settings."""

    def __init__(self, session: Session, http: HTTPClient, unix_socket: str = "") -> None:
        """unix_socket: the path of a socket that stands for every host; no proxy is asked then."""
        self._session = session
        self._unix_socket = unix_socket
        self._http = http
        self._tokens: TokenSource | None = token_source(session, http.oauth2) if http.oauth2 else None
        self._stamp: Stamp | None = None
        self._context: ssl.SSLContext | None = None

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        *,
        data: bytes | None = None,
        credentials: Mapping[str, str] = _NOTHING,
        guard: Guard | None = None,
        ahead: int = 0,
    ) -> AsyncIterator[Answer]:
        """Ask, and follow redirects where the settings allow it.

        credentials: headers that are for this host alone; they win over those of the settings
        guard: sees every request, those after a redirect too
        ahead: as in `Session.request`
        Raises RedirectError, TokenError, ExchangeError, other OSErrors (a file is missing), ValueError.
        """
        told = CIMultiDict(headers)
        told.extend(await self._credentials())
        for name, value in credentials.items():
            told[name] = value
        for _ in range(MAX_REDIRECTS + 1):
            if guard is not None:
                await guard(method, url)
            proxy, proxy_headers = self._through(url)
            async with self._session.request(
                method,
                url,
                told,
                data=data,
                tls=await self._tls() if url.scheme == "https" else None,
                server_name=self._http.tls.server_name,
                proxy=proxy,
                proxy_headers=proxy_headers,
                unix_socket=self._unix_socket,
                ahead=ahead,
            ) as response:
                if response.status == _UNAUTHORIZED and self._tokens is not None:
                    self._tokens.forget(told.get("Authorization", ""))
                if response.status not in _REDIRECTS or not self._http.follow_redirects:
                    yield response
                    return
                target = _target(response, url, method)
            if target.origin() != url.origin():
                told = CIMultiDict(headers)
            if response.status not in _KEEPS_BODY and method not in _SAFE:
                method, data = "GET", None
            url = target
        raise RedirectError(f"redirect loop: stopped after {MAX_REDIRECTS} redirects")

    async def _credentials(self) -> CIMultiDict[str]:
        """Headers that say who we are."""
        http = self._http
        headers = CIMultiDict(http.headers)
        for name, source in http.secret_headers:
            headers.add(name, source.read())
        if http.username or http.username_file or http.password:
            name = SecretSource(file=http.username_file).read() if http.username_file else http.username
            both = base64.b64encode(f"{name}:{http.password.read()}".encode()).decode()
            headers["Authorization"] = f"Basic {both}"
        elif http.authorization:
            headers["Authorization"] = f"{http.authorization_type} {http.authorization.read()}"
        elif self._tokens is not None:
            headers["Authorization"] = await self._tokens.header(self._session)
        return headers

    def _through(self, url: URL) -> tuple[str | None, dict[str, str] | None]:
        """The proxy, and what it is told besides; None where the host is reached directly."""
        proxy = None if self._unix_socket else proxy_for(url, self._http)
        if not proxy or not self._http.proxy_headers:
            return proxy, None
        return proxy, {name: secret.read() for name, secret in self._http.proxy_headers}

    async def _tls(self) -> ssl.SSLContext:
        stamp = tls_stamp(self._http.tls)
        if self._context is None or stamp != self._stamp:
            self._context = await asyncio.to_thread(tls_context, self._http.tls)
            self._stamp = stamp
        return self._context


def _target(response: Answer, url: URL, method: str) -> URL:
    """Where a redirect leads. Raises RedirectError, ValueError."""
    location = response.headers.get("Location", "")
    if not location:
        raise RedirectError(f"server returned HTTP status {response.status} without a Location")
    if response.status == 301 and method not in _SAFE:
        # Followed as browsers do, with a GET, what we have to say would be lost without a word.
        raise RedirectError("HTTP status 301: the address has moved for good; write the new one")
    target = url.join(URL(location))
    if target.scheme not in ("http", "https"):
        raise RedirectError(f"redirect to {target.scheme or 'an unknown scheme'!r}, expected http or https")
    return target
