"""Connections to peers, kept between requests.

In:  a request, and the way to its host: directly, through a proxy, by TLS.
Out: an `Answer` from a connection that was kept, or from a new one.
Knows nothing of credentials, redirects or an operator's settings: those are `client.Client`'s.
"""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import NamedTuple

from aiohappyeyeballs import AddrInfoType, SocketFactoryType, start_connection
from multidict import CIMultiDict
from yarl import URL

from backbeat.config.http_client import TLS
from backbeat.httpclient.connection import SCRATCH_BYTES, Answer, Connection
from backbeat.httpclient.errors import (
    CertificateError,
    ClosedUnasked,
    ConnectError,
    ExchangeError,
    ResolveError,
)
from backbeat.httpclient.tls import tls_context

_KEPT_S = 300.0
"""longer than the usual scrape intervals"""
_SWEEP_S = 60.0
_FAREWELL_S = 1.0
_NEXT_ADDRESS_S = 0.25
"""RFC 8305: how long one address of a host may take before the next is tried beside it"""
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_UNSAFE = re.compile(r"[\r\n\0]")


class Way(NamedTuple):
    """What a connection has to have in common with a request to serve it.

    tls:           None where the URL is http
    proxy_headers: what a proxy is told when it is asked for a tunnel
    """

    scheme: str
    host: str
    port: int
    tls: ssl.SSLContext | None = None
    server_name: str = ""
    proxy: str = ""
    proxy_headers: tuple[tuple[str, str], ...] = ()
    unix_socket: str = ""

    @property
    def is_tunnel(self) -> bool:
        return bool(self.proxy) and self.tls is not None


class Session:
    """Owns every connection; `close` it after the last request has ended."""

    def __init__(self, *, most: int = 0, socket_factory: SocketFactoryType | None = None) -> None:
        """most: requests under way at once; 0: as many as there are.

        socket_factory: makes the socket for an address, or raises OSError to refuse it.
        """
        self._turns = asyncio.Semaphore(most) if most else nullcontext()
        self._socket_factory = socket_factory
        self._idle: dict[Way, list[Connection]] = {}
        self._open: set[Connection] = set()
        self._scratch = memoryview(bytearray(SCRATCH_BYTES))
        self._sweep: asyncio.TimerHandle | None = None
        self._is_closed = False

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close what is kept; a request that is under way ends by itself."""
        self._is_closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for kept in self._idle.values():
            for connection in kept:
                connection.close()
        self._idle.clear()
        ending = [each.lost for each in self._open if each.transport.is_closing()]
        if ending:
            await asyncio.wait(ending, timeout=_FAREWELL_S)

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: URL,
        headers: CIMultiDict[str],
        *,
        data: bytes | None = None,
        tls: ssl.SSLContext | None = None,
        server_name: str = "",
        proxy: str | None = None,
        proxy_headers: Mapping[str, str] | None = None,
        unix_socket: str = "",
        ahead: int = 0,
    ) -> AsyncIterator[Answer]:
        """One request, without redirects. HEAD is not known.

        unix_socket: the path of a socket to ask instead of the URL's host
        ahead: a body of no more bytes will be read if the answer is 200 OK

        Raises ExchangeError, and ValueError where the request cannot be written down.
        """
        port = url.port
        if not url.host or port is None:
            raise ValueError(f"{url}: expected http:// or https:// and a host")
        through = proxy or "", tuple((proxy_headers or {}).items())
        way = Way(url.scheme, url.host, port, tls, server_name, *through, unix_socket)
        told = _written(method, url, headers, data, way)
        async with self._turns:
            connection = self._kept(way)
            is_new = connection is None
            if connection is None:
                connection = await self._connect(way)
            try:
                try:
                    await connection.ask(told, ahead=ahead)
                except ClosedUnasked:
                    # The peer may close a kept connection at any time, and just when we write to it.
                    if is_new or method not in _REPEATABLE:
                        raise
                    connection.close()
                    connection = await self._connect(way)
                    await connection.ask(told, ahead=ahead)
                yield Answer(connection, url, headers)
            finally:
                self._give_back(way, connection)

    def _kept(self, way: Way) -> Connection | None:
        """A connection that was kept for this way."""
        kept = self._idle.get(way)
        if kept is None:
            return None
        oldest_s = asyncio.get_running_loop().time() - _KEPT_S
        found: Connection | None = None
        while kept and found is None:
            last = kept.pop()
            if not last.is_whole:
                continue
            if last.idle_since_s < oldest_s:
                last.close()
            else:
                found = last
        if not kept:
            del self._idle[way]
        return found

    def _give_back(self, way: Way, connection: Connection) -> None:
        if self._is_closed or not connection.is_whole:
            connection.close()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since_s = loop.time()
        connection.let_go()
        self._idle.setdefault(way, []).append(connection)
        if self._sweep is None:
            self._sweep = loop.call_later(_SWEEP_S, self._close_idle)

    def _close_idle(self) -> None:
        """Close what nobody asked for in a long time: its target is gone."""
        self._sweep = None
        loop = asyncio.get_running_loop()
        oldest_s = loop.time() - _KEPT_S
        for way, kept in list(self._idle.items()):
            for each in kept:
                if each.idle_since_s < oldest_s:
                    each.close()
            self._idle[way] = [each for each in kept if each.is_whole]
            if not self._idle[way]:
                del self._idle[way]
        if self._idle:
            self._sweep = loop.call_later(_SWEEP_S, self._close_idle)

    async def _connect(self, way: Way) -> Connection:
        """Raises ExchangeError."""
        if not way.proxy:
            return await self._open_to(way.host, way.port, way.tls, way.server_name, way.unix_socket)
        proxy = URL(way.proxy)
        if proxy.scheme not in ("http", "https") or not proxy.host or proxy.port is None:
            raise ExchangeError(
                f"proxy with scheme {proxy.scheme!r}, expected http:// or https:// and a host"
            )
        outer = tls_context(TLS()) if proxy.scheme == "https" else None
        connection = await self._open_to(proxy.host, proxy.port, outer, "")
        if way.is_tunnel:
            try:
                await self._dig(connection, way)
            except BaseException:
                connection.close()
                raise
        return connection

    async def _open_to(
        self, host: str, port: int, tls: ssl.SSLContext | None, server_name: str, unix_socket: str = ""
    ) -> Connection:
        loop = asyncio.get_running_loop()
        place = unix_socket or _place(host, port)
        if unix_socket:
            opened = await _unix_socket_to(unix_socket)
        else:
            opened = await self._socket_to(host, port, place)
        connection = Connection(place, self._scratch)
        try:
            await loop.create_connection(
                lambda: connection,
                sock=opened,
                ssl=tls,
                server_hostname=(server_name or host.rstrip(".")) if tls else None,
            )
        except OSError as error:
            raise _handshake_error(place, error) from error
        self._open.add(connection)
        connection.lost.add_done_callback(lambda _: self._open.discard(connection))
        return connection

    async def _socket_to(self, host: str, port: int, place: str) -> socket.socket:
        loop = asyncio.get_running_loop()
        try:
            found: Sequence[AddrInfoType] = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise ResolveError(f"cannot resolve {host}: {error.strerror or error}") from error
        except UnicodeError as error:
            raise ResolveError(f"cannot resolve {host}: it is no host name") from error
        try:
            return await start_connection(
                found,
                happy_eyeballs_delay=_NEXT_ADDRESS_S,
                interleave=1,
                socket_factory=self._socket_factory,
            )
        except ConnectionRefusedError as error:
            raise ConnectError(f"connection refused: {place}") from error
        except OSError as error:
            raise ConnectError(f"cannot connect to {place}: {error.strerror or error}") from error

    async def _dig(self, connection: Connection, way: Way) -> None:
        """Ask a proxy for a tunnel, and speak TLS through it. Raises ExchangeError."""
        host = _place(way.host, way.port)
        lines = [f"CONNECT {host} HTTP/1.1", f"Host: {host}", *_lines(way.proxy_headers), *_login(way)]
        await connection.ask(_joined(lines))
        if not 200 <= connection.status < 300:
            told = f"HTTP status {connection.status} {connection.reason.decode('utf-8', 'replace')}".rstrip()
            raise ExchangeError(f"the proxy {connection.place} refused the tunnel: {told}")
        assert way.tls is not None
        loop = asyncio.get_running_loop()
        try:
            inner = await loop.start_tls(
                connection.transport,
                connection,
                way.tls,
                server_hostname=way.server_name or way.host.rstrip("."),
            )
        except OSError as error:
            raise _handshake_error(host, error) from error
        if inner is None:
            raise ExchangeError(f"{host} closed the connection during the TLS handshake")
        connection.transport = inner
        connection.place = host


async def _unix_socket_to(path: str) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        await asyncio.get_running_loop().sock_connect(opened, path)
    except (OSError, ValueError) as error:
        opened.close()
        reason = getattr(error, "strerror", None) or error
        raise ConnectError(f"cannot connect to the socket {path}: {reason}") from error
    except BaseException:
        opened.close()
        raise
    return opened


def _handshake_error(place: str, error: OSError) -> ExchangeError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return CertificateError(f"{place}: TLS certificate refused: {error}")
    if isinstance(error, ssl.SSLError):
        return ExchangeError(f"{place}: TLS failed: {error}")
    return ConnectError(f"{place} closed the connection during the TLS handshake")


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _written(method: str, url: URL, headers: CIMultiDict[str], data: bytes | None, way: Way) -> bytes:
    """A request as it goes over the wire. Raises ValueError where a header holds a line break."""
    is_proxied = bool(way.proxy) and not way.is_tunnel
    target = (
        f"{url.scheme}://{url.host_port_subcomponent}{url.raw_path_qs}" if is_proxied else url.raw_path_qs
    )
    lines = [f"{method} {target} HTTP/1.1"]
    if "Host" not in headers:
        lines.append(f"Host: {url.host_port_subcomponent}")
    lines += _lines(headers.items())
    if url.user is not None and "Authorization" not in headers:
        lines.append(f"Authorization: {_basic(url)}")
    if is_proxied:
        lines += _login(way)
    if data is not None or method in _WITH_BODY:
        lines.append(f"Content-Length: {len(data or b'')}")
    return _joined(lines, data or b"")


def _joined(lines: list[str], data: bytes = b"") -> bytes:
    if _UNSAFE.search("".join(lines)):
        unsafe = next(line for line in lines if _UNSAFE.search(line))
        raise ValueError(f"header {unsafe.partition(':')[0][:80]!r} holds a line break or a null character")
    return "\r\n".join([*lines, "", ""]).encode() + data


def _lines(headers: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{name}: {value}" for name, value in headers]


def _login(way: Way) -> list[str]:
    """The line that says to a proxy who we are, where its URL does."""
    proxy = URL(way.proxy)
    return [] if proxy.user is None else [f"Proxy-Authorization: {_basic(proxy)}"]


def _basic(url: URL) -> str:
    login = f"{url.user or ''}:{url.password or ''}"
    return f"Basic {base64.b64encode(login.encode()).decode()}"
