"""Texts as Go writes them: quoted strings and floats, for queries, templates and messages alike.

Pure functions; what Prometheus prints with `%q`, `strconv.Quote` and `strconv.FormatFloat`.
"""

from __future__ import annotations

import math
import re

_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
}
_NO_CHARACTER = re.compile("[\ud800-\udfff]")
_LETTERS = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34}
_DIGITS = {"x": (2, 16), "u": (4, 16), "U": (8, 16)}


def escape(char: str, quote: str) -> str:
    """One character as it stands between Go's quotes."""
    if char == quote:
        return "\\" + char
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char == " " or char.isprintable():
        return char
    code = ord(char)
    if 0xDC80 <= code < 0xDD00:
        return f"\\x{code - 0xDC00:02x}"  # a byte that is no UTF-8
    if 0xD800 <= code < 0xE000:
        return "\ufffd"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quote(text: str, mark: str = '"') -> str:
    """`strconv.Quote`: double quotes, with escapes for what is not printable."""
    return mark + "".join(escape(char, mark) for char in text) + mark


def unquote(literal: str, *, any_bytes: bool = False) -> str:
    """The value of a quoted literal, whose marks may be \\" or ' or `; escapes are Go's.

    Raises ValueError for a literal that Go refuses, and for bytes that are no UTF-8 (`"\\xff"`) unless any
    are allowed, which become lone surrogates (`surrogateescape`) then.
    """
    mark = literal[:1]
    if len(literal) < 2 or mark not in "\"'`" or literal[-1] != mark:
        raise ValueError("invalid syntax")
    body = literal[1:-1]
    if mark == "`":
        if "`" in body:
            raise ValueError("invalid syntax")
        return body
    if "\\" not in body:
        if mark in body or "\n" in body:
            raise ValueError("invalid syntax")
        return body
    return _unescape(body, mark, "surrogateescape" if any_bytes else "strict")


def readable(text: str) -> str:
    """With U+FFFD for every byte that is no UTF-8, as Go's JSON has it."""
    return text if text.isascii() else _NO_CHARACTER.sub("\ufffd", text)


def is_utf8(text: str) -> bool:
    """Whether the text has no bytes that `any_bytes` let in."""
    return text.isascii() or _NO_CHARACTER.search(text) is None


def _unescape(body: str, mark: str, errors: str) -> str:
    out = bytearray()
    at = 0
    while at < len(body):
        char = body[at]
        at += 1
        if char in (mark, "\n"):
            raise ValueError("invalid syntax")
        if char != "\\":
            out += char.encode("utf-8", "replace")
            continue
        letter = body[at : at + 1]
        if (letter in _LETTERS and letter not in ("'", '"')) or letter == mark:
            out.append(_LETTERS[letter])
            at += 1
        else:
            code, at, is_byte = _numeric_escape(body, at)
            out += bytes([code]) if is_byte else chr(code).encode()
    try:
        return out.decode("utf-8", errors)
    except UnicodeDecodeError:
        raise ValueError("its bytes are not valid UTF-8") from None


def _numeric_escape(body: str, at: int) -> tuple[int, int, bool]:
    """Read `xff`, `u00e9`, `U0001f600` or `377` at `at`: (value, next place, whether it is one byte)."""
    letter = body[at : at + 1]
    if letter in _DIGITS:
        count, base = _DIGITS[letter]
        at += 1
    else:
        count, base = 3, 8
    digits = body[at : at + count]
    if len(digits) != count or not digits.isascii() or not digits.isalnum():
        raise ValueError("invalid syntax")
    code = int(digits, base)
    is_byte = letter not in ("u", "U")
    if code > (0xFF if is_byte else 0x10FFFF) or (not is_byte and 0xD800 <= code < 0xE000):
        raise ValueError("invalid syntax")
    return code, at + count, is_byte


def special_float(value: float) -> str | None:
    """`NaN`, `+Inf` or `-Inf`; None for a finite number."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return None


def float_digits(value: float) -> tuple[str, str, int]:
    """The shortest digits that read back the same: (sign, digits, point), value = 0.digits * 10**point."""
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    return (sign, digits, point) if digits else (sign, "0", 1)


def positional(value: float) -> str:
    """`FormatFloat(value, 'f', -1, 64)`: the shortest exact text without an exponent."""
    special = special_float(value)
    if special is not None:
        return special
    sign, digits, point = float_digits(value)
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}" if value else f"{sign}0"
    if len(digits) <= point:
        return sign + digits + "0" * (point - len(digits))
    return f"{sign}{digits[:point]}.{digits[point:]}"


def general(value: float) -> str:
    """`%v` and `%g` of a float64: positional for exponents from -4 to 5, else scientific (`1e+06`)."""
    special = special_float(value)
    if special is not None:
        return special
    sign, digits, point = float_digits(value)
    exponent = point - 1
    if value == 0 or -4 <= exponent < 6:
        return positional(value)
    fraction = "." + digits[1:] if len(digits) > 1 else ""
    mark = "-" if exponent < 0 else "+"
    return f"{sign}{digits[0]}{fraction}e{mark}{abs(exponent):02d}"
