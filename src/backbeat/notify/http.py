"""One POST to a receiver: bounded in time, without redirects, never to link-local or metadata addresses.

In:  a URL (a secret), a body, the HTTP settings. Out: a Delivery whose detail shows nothing secret.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import math
import socket
import ssl
import time
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

import aiohttp
from yarl import URL

from backbeat import __version__
from backbeat.config.http_client import TLS, HTTPClient
from backbeat.model.alerts import Delivery

DEFAULT_TIMEOUT_MS = 30_000
LONGEST_TIMEOUT_MS = 55_000
_SHOWN = 200
_READ = 4096
_METADATA = frozenset(
    ipaddress.ip_address(address) for address in ("100.100.100.200", "192.0.0.192", "fd00:ec2::254")
)
_TLS_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}


class ForbiddenAddress(OSError):
    """The receiver's name leads to an address that no message may go to."""


def check_address(address: str) -> None:
    """Raises ForbiddenAddress for link-local and metadata addresses; private ones are allowed."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    if parsed.is_link_local or parsed.is_multicast or parsed in _METADATA:
        raise ForbiddenAddress("link-local and metadata addresses are not allowed for receivers")


def _socket(info: aiohttp.AddrInfoType) -> socket.socket:
    """Called with the address that is about to be connected to, so a name cannot change in between."""
    family, kind, protocol, _, address = info
    check_address(str(address[0]))
    return socket.socket(family, kind, protocol)


def new_session() -> aiohttp.ClientSession:
    """The session of all channels; it checks every address at the moment of connecting."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=64, socket_factory=_socket),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


async def post(
    session: aiohttp.ClientSession,
    url: str,
    body: bytes,
    http: HTTPClient,
    *,
    timeout_ms: int = 0,
    headers: Mapping[str, str] | None = None,
) -> Delivery:
    """2xx is delivered; 429 and 5xx can be tried again; anything else the receiver refused for good."""
    try:
        target = URL(url)
    except ValueError:
        target = URL()
    if target.scheme not in ("http", "https") or not target.host:
        return Delivery(False, detail="the receiver's URL is not valid, expected http:// or https://")
    wait_s = min(timeout_ms or DEFAULT_TIMEOUT_MS, LONGEST_TIMEOUT_MS) / 1000
    try:
        async with asyncio.timeout(wait_s):
            await _check_host(target.host, target.port or 443)
            told = {
                "User-Agent": f"Backbeat/{__version__}",
                "Content-Type": "application/json",
                **_credentials(http),
                **(headers or {}),
            }
            async with session.post(
                target,
                data=body,
                headers=told,
                allow_redirects=False,
                ssl=tls_context(http.tls) if target.scheme == "https" else True,
                server_hostname=http.tls.server_name or None,
                proxy=http.proxy_url or None,
            ) as response:
                said = (await response.content.read(_READ)).decode("utf-8", "replace")
                return _judge(response, _without_secrets(said, target, told))
    except TimeoutError:
        return Delivery(False, retry=True, detail=f"no answer within {wait_s:g} s")
    except ForbiddenAddress as error:
        return Delivery(False, detail=str(error))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Delivery(False, retry=True, detail=_reason(error))


async def _check_host(host: str, port: int) -> None:
    """Raises ForbiddenAddress. A name that does not resolve is left to the connection to report."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return
    for *_, address in found:
        check_address(str(address[0]))


def tls_context(tls: TLS) -> ssl.SSLContext:
    """A client context by the operator's settings. Raises OSError where a file is missing or wrong."""
    context = ssl.create_default_context(cafile=tls.ca_file or None, cadata=tls.ca or None)
    context.minimum_version = _TLS_VERSIONS.get(tls.min_version, ssl.TLSVersion.TLSv1_2)
    if tls.max_version:
        context.maximum_version = _TLS_VERSIONS[tls.max_version]
    if tls.cert_file:
        context.load_cert_chain(tls.cert_file, tls.key_file or None)
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _credentials(http: HTTPClient) -> dict[str, str]:
    headers = dict(http.headers) | {name: source.read() for name, source in http.secret_headers}
    if http.username or http.username_file:
        name = http.username
        if http.username_file:
            with open(http.username_file, encoding="utf-8") as opened:
                name = opened.read().strip()
        both = base64.b64encode(f"{name}:{http.password.read()}".encode()).decode()
        headers["Authorization"] = f"Basic {both}"
    elif http.authorization:
        headers["Authorization"] = f"{http.authorization_type} {http.authorization.read()}"
    return headers


def _without_secrets(said: str, url: URL, headers: Mapping[str, str]) -> str:
    """A peer may repeat what it was sent."""
    secrets = [str(url), url.raw_path_qs, url.path, url.query_string, url.password or ""]
    secrets += [value for name, value in headers.items() if name not in ("User-Agent", "Content-Type")]
    secrets += headers.get("Authorization", "").split(" ")[1:]
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) > 3:
            said = said.replace(secret, "<secret>")
    return " ".join(said.split())[:_SHOWN]


def _judge(response: aiohttp.ClientResponse, said: str) -> Delivery:
    status = response.status
    detail = f"HTTP status {status}" + (f": {said}" if said else "")
    if 200 <= status < 300:
        return Delivery(True, detail=detail)
    if 300 <= status < 400:
        return Delivery(False, detail=f"HTTP status {status}: redirects are not followed")
    retry = status == 429 or status >= 500
    after_ms = retry_after_ms(response.headers.get("Retry-After", ""), time.time()) if retry else 0
    return Delivery(False, retry=retry, retry_after_ms=after_ms, detail=detail)


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
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "TLS certificate of the receiver refused"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "cannot resolve the receiver's host name"
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, ForbiddenAddress):
        return str(cause)
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    if isinstance(cause, OSError):
        return f"cannot reach the receiver: {cause.strerror or type(cause).__name__}"
    return f"the connection failed: {type(error).__name__}"
