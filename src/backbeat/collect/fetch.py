"""Fetching a scrape over HTTP: one bounded, authenticated GET.

In:  a target's URL and the HTTP settings of its job.
Out: the decoded body and its format, or a FetchError whose text the targets page shows.
Every body is bounded before and after decompression.
"""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import Sequence

import cramjam
from msgspec import Struct
from yarl import URL

from backbeat import __version__
from backbeat.config.prometheus import ScrapeConfig
from backbeat.httpclient import (
    Answer,
    AnswerTooLarge,
    Client,
    ExchangeError,
    RedirectError,
    Session,
    TokenError,
)
from backbeat.model.durations import format_duration
from backbeat.model.errors import WorldFailure

DEFAULT_BODY_BYTES = 16 * 1024 * 1024
USER_AGENT = f"Backbeat/{__version__}"
_DEFLATE_RATIO = 1100
"""more than deflate can make of a byte"""
_PROTOCOLS = {
    "OpenMetricsText1.0.0": "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
    "OpenMetricsText0.0.1": "application/openmetrics-text;version=0.0.1",
    "PrometheusText1.0.0": "text/plain;version=1.0.0;escaping=allow-utf-8",
    "PrometheusText0.0.4": "text/plain;version=0.0.4",
}


class FetchError(WorldFailure):
    """The target gave no usable answer; the text says what happened."""


class BodyTooLarge(FetchError):
    """The body is larger than body_size_limit."""


class Fetched(Struct, frozen=True):
    body: bytes | bytearray
    openmetrics: bool


def accept_header(protocols: Sequence[str]) -> str:
    """What we can read, the first protocol preferred. PrometheusProto is left out: we cannot read it."""
    offered = [_PROTOCOLS[name] for name in protocols or _PROTOCOLS if name in _PROTOCOLS]
    weighed = [f"{offer};q=0.{9 - place}" for place, offer in enumerate(offered)]
    return ",".join([*weighed, "*/*;q=0.1"])


def is_openmetrics(content_type: str, fallback: str) -> bool:
    """Which format a body is in. Raises FetchError for one that Backbeat does not read."""
    media = content_type.partition(";")[0].strip().lower()
    if media == "application/openmetrics-text":
        return True
    if media in ("text/plain", ""):
        return False
    if fallback in _PROTOCOLS:
        return fallback.startswith("OpenMetrics")
    raise FetchError(
        f"unsupported Content-Type {content_type[:100]!r}: expected text/plain or "
        "application/openmetrics-text (fallback_scrape_protocol: PrometheusText0.0.4 reads it as text)"
    )


class HTTPFetch:
    """Fetches one target, again and again."""

    def __init__(
        self, session: Session, config: ScrapeConfig, url: str, timeout_ms: int, unix_socket: str = ""
    ) -> None:
        self._client = Client(session, config.http, unix_socket)
        self._url = URL(url)
        self._limit = config.body_size_limit or DEFAULT_BODY_BYTES
        self._fallback = config.fallback_scrape_protocol
        self._timeout_ms = timeout_ms
        self._headers = {
            "Accept": accept_header(config.scrape_protocols),
            "Accept-Encoding": "gzip" if config.enable_compression else "identity",
            "User-Agent": USER_AGENT,
            "X-Prometheus-Scrape-Timeout-Seconds": f"{timeout_ms / 1000:g}",
        }

    async def __call__(self) -> Fetched:
        """Raises FetchError."""
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                async with self._client.request(
                    "GET", self._url, self._headers, ahead=self._limit
                ) as response:
                    return await self._accept(response)
        except FetchError:
            raise
        except TimeoutError as error:
            waited = format_duration(self._timeout_ms)
            raise FetchError(f"timeout: no complete answer within {waited} (scrape_timeout)") from error
        except (ExchangeError, RedirectError, TokenError) as error:
            raise FetchError(str(error)) from error
        except (OSError, ValueError) as error:
            raise FetchError(f"{self._url.host}: {error}") from error

    async def _accept(self, response: Answer) -> Fetched:
        if response.status != 200:
            raise FetchError(f"server returned HTTP status {response.status} {response.reason}".rstrip())
        openmetrics = is_openmetrics(response.headers.get("Content-Type", ""), self._fallback)
        try:
            body: bytes | bytearray = await response.read(self._limit)
        except AnswerTooLarge as error:
            raise _too_large(self._limit) from error
        encoding = response.headers.get("Content-Encoding", "").lower()
        if encoding == "gzip":
            body = gunzip(body, self._limit)
        elif encoding not in ("", "identity"):
            raise FetchError(f"unsupported Content-Encoding {encoding[:40]!r}, expected gzip")
        return Fetched(body, openmetrics)


def gunzip(body: bytes | bytearray, limit: int) -> bytes | bytearray:
    """Decompress at most `limit` bytes. Raises BodyTooLarge, or FetchError where it is not gzip."""
    declared = int.from_bytes(body[-4:], "little")
    if 0 < declared <= min(limit, len(body) * _DEFLATE_RATIO):
        # Three times as fast as zlib, and bounded by its buffer. What it cannot do (several members, a
        # body that lies or breaks off), zlib does or names.
        decoded = bytearray(declared)
        with contextlib.suppress(cramjam.DecompressionError):
            if cramjam.gzip.decompress_into(body, decoded) == declared:
                return decoded
    parts: list[bytes] = []
    left = limit
    while body:
        member = zlib.decompressobj(wbits=31)
        try:
            part = member.decompress(body, left + 1)
        except zlib.error as error:
            raise FetchError(f"not a gzip body: {error}") from error
        left -= len(part)
        if left < 0:
            raise _too_large(limit)
        if not member.eof:
            raise FetchError("the gzip body breaks off before its end")
        parts.append(part)
        body = member.unused_data
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"body is larger than {limit} bytes (body_size_limit)")
