"""Moments as people type them."""

from __future__ import annotations

from backbeat.model.errors import BackbeatError
from backbeat.web.params import BadParameter, parse_time


class WrongMoment(BackbeatError):
    """A text that is no moment."""


def moment_ms(text: str, option: str) -> int:
    """Milliseconds since the epoch of an RFC 3339 text or seconds. Raises WrongMoment."""
    try:
        return parse_time(text)
    except BadParameter as error:
        raise WrongMoment(
            f"{option}: found {text!r}, expected a moment such as 2026-01-31T12:00:00Z or seconds since 1970"
        ) from error
