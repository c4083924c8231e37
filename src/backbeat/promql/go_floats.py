"""Floats as Go's strconv.ParseFloat reads them, for the `le` label."""

from __future__ import annotations

import re

_DIGITS = r"\d+(?:_\d+)*"
_HEX = r"[0-9a-f]+(?:_[0-9a-f]+)*"
_FLOAT = re.compile(
    rf"nan|[+-]?(?:inf(?:inity)?|(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:e[+-]?{_DIGITS})?"
    rf"|0x(?:_?{_HEX}(?:\.(?:{_HEX})?)?|\.{_HEX})p[+-]?{_DIGITS})",
    re.ASCII | re.IGNORECASE,
)


def parse_float(text: str) -> float | None:
    """None where Go would refuse the text; a number too large is an error there, too."""
    if _FLOAT.fullmatch(text) is None:
        return None
    plain = text.replace("_", "")
    try:
        value = float.fromhex(plain) if "x" in plain.lower() else float(plain)
    except (ValueError, OverflowError):
        return None
    overflown = value in (float("inf"), float("-inf")) and "inf" not in plain.lower()
    return None if overflown else value
