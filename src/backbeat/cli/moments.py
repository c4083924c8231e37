"""Moments and lengths of time as people type them."""

from __future__ import annotations

from backbeat.model.clock import now_ms
from backbeat.model.durations import parse_duration
from backbeat.model.errors import BackbeatError, DurationError
from backbeat.web.params import BadParameter, parse_seconds, parse_time


class WrongMoment(BackbeatError):
    """A text that is no moment, or no length of time."""


def moment_ms(text: str, option: str) -> int:
    """Milliseconds since the epoch of `now`, `-1h`, an RFC 3339 text or seconds. Raises WrongMoment."""
    if text == "now":
        return now_ms()
    try:
        if text.startswith("-") and not text[1:].replace(".", "").isdigit():
            return now_ms() - parse_duration(text[1:])
        return parse_time(text)
    except (BadParameter, DurationError) as error:
        raise WrongMoment(
            f"{option}: found {text!r}, expected a moment such as now, -1h, 2026-01-31T12:00:00Z "
            "or seconds since 1970"
        ) from error


def length_ms(text: str, option: str) -> int:
    """Milliseconds of `90` (seconds) or `1h30m`. Raises WrongMoment."""
    try:
        length = parse_seconds(text)
    except BadParameter as error:
        raise WrongMoment(f"{option}: found {text!r}, expected a time such as 30s or 1h30m") from error
    if length <= 0:
        raise WrongMoment(f"{option}: found {text!r}, expected more than no time, such as 30s or 1h30m")
    return length
