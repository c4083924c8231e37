"""Parameters of the HTTP APIs: from text to values, with Prometheus's error messages.

GET queries and form-encoded POST bodies mean the same; both are limited in size before parsing.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from urllib.parse import unquote_plus

from starlette.requests import Request

from backbeat.model.durations import parse_duration
from backbeat.model.errors import BackbeatError, DurationError
from backbeat.model.matchers import Matcher
from backbeat.promql.parser import parse_selector
from backbeat.promql.quick import LONGEST_TEXT, is_soon_parsed

MAX_PARAMETERS_BYTES = 64 * 1024
MAX_FIELDS = 10_000
LONGEST_REMEMBERED = 2000
"""characters of a value that is remembered decoded"""
MAX_POINTS = 11_000
MIN_TIME_MS = -(2**53)
MAX_TIME_MS = 2**53
MAX_INT = 2**63 - 1
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
# What Go's clients send for "from the beginning" and "without an end"; no calendar has these years.
_EDGES = {
    "-292273086-05-16T16:47:06Z": MIN_TIME_MS,
    "+292277025-08-18T07:12:54.999999999Z": MAX_TIME_MS,
}
_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")


class BadParameter(BackbeatError):
    """A parameter of a request is wrong; answered with 400 and errorType bad_data."""


class Parameters:
    """All values of each parameter, from the query string and a form body."""

    def __init__(self, values: dict[str, list[str]]) -> None:
        self._values = values

    @classmethod
    async def of(cls, request: Request) -> Parameters:
        """Of the query string and, for POST, the form body. Raises BadParameter over 64 KiB."""
        return cls.parsed(await raw_parameters(request))

    @classmethod
    def parsed(cls, raw: bytes) -> Parameters:
        """Raises BadParameter."""
        try:
            return cls(_fields(raw.decode("ascii")))
        except ValueError as error:
            raise BadParameter(f"the parameters are not URL-encoded UTF-8: {error}") from None

    def text(self, name: str, default: str = "") -> str:
        values = self._values.get(name)
        return values[0] if values else default

    def all(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def time_ms(self, name: str, default: int | None = None) -> int:
        """A time in ms: seconds since the epoch or RFC 3339. Raises BadParameter."""
        text = self.text(name)
        if text or default is None:
            return parse_time(text, name, optional=default is not None)
        return default

    def duration_ms(self, name: str) -> int:
        """A duration in ms: seconds as a number, which may be negative, or 5m. Raises BadParameter."""
        try:
            return parse_seconds(self.text(name))
        except BadParameter as error:
            raise BadParameter(f'invalid parameter "{name}": {error}') from None

    def timeout_ms(self) -> int | None:
        """`timeout`; None where it is not given. Raises BadParameter."""
        return self.duration_ms("timeout") if self.text("timeout") else None

    def lookback_ms(self) -> int | None:
        """`lookback_delta`; None where the server's own holds. Raises BadParameter."""
        if not self.text("lookback_delta"):
            return None
        try:
            given = parse_seconds(self.text("lookback_delta"))
        except BadParameter as error:
            raise BadParameter(f"error parsing lookback delta duration: {error}") from None
        return given if given > 0 else None

    def limit(self) -> int:
        """`limit`: 0 means none. Raises BadParameter."""
        text = self.text("limit")
        if not text:
            return 0
        if not _WHOLE.fullmatch(text):
            raise BadParameter(f'invalid parameter "limit": parsing "{text}": invalid syntax')
        if int(text) < 0:
            raise BadParameter('invalid parameter "limit": limit must be non-negative')
        return min(int(text), MAX_INT)

    def count(self, name: str) -> int | None:
        """A whole number that may be negative, which means no limit; None where it is not given."""
        text = self.text(name)
        if text and not _WHOLE.fullmatch(text):
            raise BadParameter(f"{name} must be a number")
        return int(text) if text and int(text) >= 0 else None

    def flag(self, name: str, said: str) -> bool:
        """A truth value as Go reads it, false where it is not given; `said` opens the error."""
        text = self.text(name)
        if text and text not in _TRUE + _FALSE:
            raise BadParameter(f'invalid parameter "{name}": {said}: parsing "{text}": invalid syntax')
        return text in _TRUE

    async def selectors(self) -> list[tuple[Matcher, ...]]:
        """`match[]`, none of which an absent label passes. Raises BadQuery, BadParameter."""
        texts = self.all("match[]")
        if sum(map(len, texts)) <= LONGEST_TEXT and all(map(is_soon_parsed, texts)):
            found = list(map(_selector, texts))
        else:
            found = await asyncio.to_thread(lambda: list(map(_selector, texts)))
        if any(all(matcher.matches("") for matcher in matchers) for matchers in found):
            raise BadParameter("match[] must contain at least one non-empty matcher")
        return found


async def raw_parameters(request: Request) -> bytes:
    """The query string and, for POST, the form body as they came. Raises BadParameter over 64 KiB."""
    raw: bytes = request.scope.get("query_string", b"")
    body = b""
    if request.method in ("POST", "PUT") and "form-urlencoded" in request.headers.get("content-type", ""):
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_PARAMETERS_BYTES:
                break
    if len(raw) + len(body) > MAX_PARAMETERS_BYTES:
        raise BadParameter(
            f"the parameters are larger than {MAX_PARAMETERS_BYTES} bytes; ask for less at once"
        )
    return raw + b"&" + body if raw and body else raw or body


def _fields(text: str) -> dict[str, list[str]]:
    """Of a query string or a form. Raises ValueError."""
    pieces = text.split("&")
    if len(pieces) > MAX_FIELDS:
        raise ValueError(f"more than {MAX_FIELDS} fields")
    found: dict[str, list[str]] = {}
    for piece in pieces:
        if piece:
            name, _, value = piece.partition("=")
            found.setdefault(_decoded(name), []).append(_decoded(value))
    return found


def _decoded(text: str) -> str:
    if "%" not in text and "+" not in text:
        return text
    return _unquoted(text) if len(text) <= LONGEST_REMEMBERED else unquote_plus(text, errors="strict")


def _selector(text: str) -> tuple[Matcher, ...]:
    """Raises BadQuery."""
    return _parsed(text) if len(text) <= LONGEST_REMEMBERED else parse_selector(text)


# A dashboard asks for the same again and again.
@lru_cache(maxsize=1024)
def _unquoted(text: str) -> str:
    return unquote_plus(text, errors="strict")


@lru_cache(maxsize=1024)
def _parsed(text: str) -> tuple[Matcher, ...]:
    return parse_selector(text)


def parse_seconds(text: str) -> int:
    """Milliseconds of `15`, `0.5` (seconds) or `1h30m`. Raises BadParameter."""
    if not _NUMBER.fullmatch(text):
        try:
            return parse_duration(text)
        except DurationError:
            raise BadParameter(f'cannot parse "{text}" to a valid duration') from None
    seconds = float(text)
    if abs(seconds) * 1e9 > MAX_INT:
        raise BadParameter(f'cannot parse "{text}" to a valid duration. It overflows int64')
    return round(seconds * 1000)


def parse_time(text: str, name: str = "time", *, optional: bool = False) -> int:
    """Milliseconds since the epoch of `1435781430.781` or `2015-07-01T20:10:51.781Z`.

    Times beyond 285,000 years from the epoch are brought to that edge, where no sample is.
    """
    if _NUMBER.fullmatch(text) and math.isfinite(seconds := float(text)):
        return round(max(MIN_TIME_MS, min(seconds * 1000, MAX_TIME_MS)))
    if text in _EDGES:
        return _EDGES[text]
    try:
        if _MOMENT.fullmatch(text):
            return round(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        pass
    where = f"invalid time value for '{name}': " if optional else ""
    raise BadParameter(f'invalid parameter "{name}": {where}cannot parse "{text}" to a valid timestamp')


def check_grid(start_ms: int, end_ms: int, step_ms: int) -> None:
    """Prometheus's limits on a range query. Raises BadParameter."""
    if end_ms < start_ms:
        raise BadParameter('invalid parameter "end": end timestamp must not be before start time')
    if step_ms <= 0:
        raise BadParameter(
            'invalid parameter "step": zero or negative query resolution step widths are not accepted.'
            " Try a positive integer"
        )
    if (end_ms - start_ms) / step_ms > MAX_POINTS:
        raise BadParameter(
            "exceeded maximum resolution of 11,000 points per timeseries."
            " Try decreasing the query resolution (?step=XX)"
        )


def union(selectors: Sequence[Sequence[Matcher]]) -> Sequence[Sequence[Matcher]]:
    """No selector at all means every series."""
    return selectors or [()]
