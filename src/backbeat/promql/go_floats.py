"""Floats as Go's strconv.ParseFloat reads them, for the `le` label."""

from __future__ import annotations

import re

_FLOAT = re.compile(
    r"[+-]?(?:inf(?:inity)?|nan|(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|0x[0-9a-f]*\.?[0-9a-f]*p[+-]?\d+)",
    re.ASCII | re.IGNORECASE,
)


def parse_float(text: str) -> float | None:
    """None where Go would refuse the text; a number too large is an error there, too."""
    if _FLOAT.fullmatch(text) is None:
        return None
    try:
        value = float.fromhex(text) if "x" in text.lower() else float(text)
    except (ValueError, OverflowError):
        return None
    overflown = value in (float("inf"), float("-inf")) and "inf" not in text.lower()
    return None if overflown else value
