"""Durations as Prometheus writes them: 30s, 1h30m, 5d; in and out of integer milliseconds."""

from __future__ import annotations

import re

from backbeat.model.errors import DurationError

UNIT_MS = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
    "y": 31_536_000_000,
}
_DURATION = re.compile(
    r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII
)
_ORDER = ("y", "w", "d", "h", "m", "s", "ms")
_GO_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_GO_UNIT_MS = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ms": 1, "s": 1e3, "m": 6e4, "h": 3.6e6}


def parse_duration(text: str) -> int:
    """Parse `1h30m` to milliseconds. Units go from large to small, each at most once; `0` is allowed.

    Raises DurationError, whose message says what a duration looks like.
    """
    if text == "0":
        return 0
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise DurationError(f"found {text!r}, expected a duration such as 30s or 1h30m")
    total = sum(
        int(count) * UNIT_MS[unit] for count, unit in zip(match.groups(), _ORDER, strict=True) if count
    )
    if total > 2**63 // 1_000_000:
        raise DurationError(f"found {text!r}, which is longer than 292 years")
    return total


def parse_go_duration(text: str) -> float:
    """Parse Go's own `-1h30m` or `1.5s` to milliseconds. Raises DurationError."""
    body = text[1:] if text[:1] in ("+", "-") else text
    parts = _GO_PART.findall(body)
    if body != "0" and (not parts or "".join(count + unit for count, unit in parts) != body):
        raise DurationError(f"found {text!r}, expected a duration such as 30s or 1.5h")
    total = sum(float(count) * _GO_UNIT_MS[unit] for count, unit in parts)
    if total > 2**63 / 1e6:
        raise DurationError(f"found {text!r}, which is longer than 292 years")
    return -total if text.startswith("-") else total


def format_duration(ms: int) -> str:
    """The shortest text that parses to the same milliseconds, as Prometheus prints it."""
    if ms == 0:
        return "0s"
    sign, ms = ("-", -ms) if ms < 0 else ("", ms)
    parts = []
    for unit in _ORDER:
        count, rest = divmod(ms, UNIT_MS[unit])
        # Years and weeks only where they divide exactly: 90d stays 90d.
        if count and (unit not in ("y", "w") or rest == 0):
            parts.append(f"{count}{unit}")
            ms = rest
    return sign + "".join(parts)
