"""Parameters of the HTTP APIs: from text to values, with Prometheus's error messages.

GET queries and form-encoded POST bodies mean the same; both are limited in size before parsing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import parse_qs

from starlette.requests import Request

from backbeat.model.durations import parse_duration
from backbeat.model.errors import BackbeatError, DurationError
from backbeat.model.matchers import Matcher
from backbeat.promql.parser import parse_selector

MAX_PARAMETERS_BYTES = 64 * 1024
MAX_POINTS = 11_000
MIN_TIME_MS = -(2**53)
MAX_TIME_MS = 2**53
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


class BadParameter(BackbeatError):
    """A parameter of a request is wrong; answered with 400 and errorType bad_data."""


class Parameters:
    """All values of each parameter, from the query string and a form body."""

    def __init__(self, values: dict[str, list[str]]) -> None:
        self._values = values

    @classmethod
    async def of(cls, request: Request) -> Parameters:
        """Read the query string and, for POST, the form body. Raises BadParameter over 64 KiB."""
        raw = request.scope.get("query_string", b"")
        body = b""
        if request.method == "POST" and "form-urlencoded" in request.headers.get("content-type", ""):
            async for piece in request.stream():
                body += piece
                if len(body) > MAX_PARAMETERS_BYTES:
                    break
        if len(raw) + len(body) > MAX_PARAMETERS_BYTES:
            raise BadParameter(
                f"the parameters are larger than {MAX_PARAMETERS_BYTES} bytes; ask for less at once"
            )
        try:
            text = raw.decode("ascii") + "&" + body.decode("ascii")
            return cls(parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=10_000))
        except ValueError as error:
            raise BadParameter(f"the parameters are not URL-encoded UTF-8: {error}") from None

    def text(self, name: str, default: str = "") -> str:
        return self._values.get(name, [default])[0]

    def all(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def required(self, name: str) -> str:
        if not self.text(name):
            raise BadParameter(f'invalid parameter "{name}": it is missing or empty')
        return self.text(name)

    def time_ms(self, name: str, default: int | None = None) -> int:
        """A time in ms: seconds since the epoch or RFC 3339. Raises BadParameter."""
        text = self.text(name)
        if not text:
            if default is None:
                raise BadParameter(f'invalid parameter "{name}": cannot parse "" to a valid timestamp')
            return default
        return parse_time(text, name)

    def duration_ms(self, name: str, default: int | None = None) -> int:
        """A duration in ms: seconds as a number, or 5m. Raises BadParameter."""
        text = self.text(name)
        if not text and default is not None:
            return default
        try:
            ms = round(float(text) * 1000) if _NUMBER.fullmatch(text) else parse_duration(text)
        except (DurationError, OverflowError):
            ms = -1
        if ms < 0 or ms > MAX_TIME_MS:
            raise BadParameter(f'invalid parameter "{name}": cannot parse "{text}" to a valid duration')
        return ms

    def limit(self) -> int:
        """`limit`: 0 means none. Raises BadParameter."""
        text = self.text("limit", "0") or "0"
        if not text.isascii() or not text.isdigit():
            raise BadParameter(f'invalid parameter "limit": found "{text}", expected a number of 0 or more')
        return int(text[:12])

    def selectors(self, name: str = "match[]") -> list[tuple[Matcher, ...]]:
        return [parse_selector(text) for text in self.all(name)]


def parse_time(text: str, name: str = "time") -> int:
    """Milliseconds since the epoch of `1435781430.781` or `2015-07-01T20:10:51.781Z`."""
    if _NUMBER.fullmatch(text):
        seconds = float(text)
        if math.isfinite(seconds) and MIN_TIME_MS <= seconds * 1000 <= MAX_TIME_MS:
            return round(seconds * 1000)
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        pass
    raise BadParameter(f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp')


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
