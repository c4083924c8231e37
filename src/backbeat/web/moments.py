"""Times in API bodies: RFC 3339 in UTC, as Go writes them."""

from __future__ import annotations

from datetime import UTC, datetime

from backbeat.web.params import BadParameter

ZERO = "0001-01-01T00:00:00Z"
_GO_ZERO = datetime(1, 1, 1, tzinfo=UTC)
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_300_799_999
"""RFC 3339 knows the years 1 to 9999; a sample may be older or newer."""


def rfc3339(ms: int) -> str:
    """`2026-01-02T03:04:05.678Z`, the nearest that can be written; 0 is Go's zero time."""
    if ms == 0:
        return ZERO
    written = min(max(ms, _FIRST_MS), _LAST_MS) / 1000
    return datetime.fromtimestamp(written, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rfc3339_short(ms: int) -> str:
    """As Prometheus's API has it: no more decimals than needed, `2026-01-02T03:04:05.6Z`."""
    text = rfc3339(ms)
    return text if ms == 0 else text[:-1].rstrip("0").rstrip(".") + "Z" if "." in text else text


def parse_rfc3339(text: object, name: str) -> int:
    """ms since the epoch; an absent or zero time is 0. Raises BadParameter."""
    if text is None or text in ("", ZERO):
        return 0
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadParameter(f"{name}: found {text!r}, expected a time such as 2026-01-02T03:04:05Z")
    if moment == _GO_ZERO:  # with decimals, as amtool sends it
        return 0
    return round(moment.timestamp() * 1000)
