"""Go's number syntax in templates: 12, 1_000, 0x1f, 0b11, 0o17, 017, 1.5e3."""

from __future__ import annotations

import math
import re

_PREFIXED = re.compile(r"([+-]?)0(?:[xX](?P<x>_?[0-9a-fA-F_]+)|[bB](?P<b>_?[01_]+)|[oO]?(?P<o>_?[0-7_]+))")
_MAX_INT = 2**63


def parse_number(text: str) -> int | float:
    """An int where it is written as one, else a float. Raises ValueError."""
    match = _PREFIXED.fullmatch(text)
    if match is not None:
        bases = {"x": 16, "b": 2, "o": 8}
        base = next(letter for letter in bases if match[letter] is not None)
        value = int(match[base].lstrip("_") if base != "o" else match[base].replace("_", ""), bases[base])
        value = -value if match[1] == "-" else value
    elif re.fullmatch(r"[+-]?[0-9_]{1,40}", text):
        value = int(text)
    else:
        number = float(text)
        if math.isinf(number) or math.isnan(number):
            raise ValueError("float overflow")
        return number
    if not -_MAX_INT <= value < _MAX_INT:
        raise ValueError("integer overflow")
    return value
