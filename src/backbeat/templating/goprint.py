"""Values as Go's fmt prints them: %v and its relatives, Sprintf, Sprint and Sprintln.

Bounded: what grows over a megabyte raises FunctionFailure instead of filling the memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from backbeat.model import gotext
from backbeat.templating.errors import FunctionFailure
from backbeat.templating.values import Record, content, is_list, type_name

MAX_TEXT = 1024 * 1024
_VERB = re.compile(r"%([+\-# 0]*)(\*|\d+)?(?:\.(\*|\d*))?(?:\[(\d+)\])?(.)?", re.DOTALL)
_MAX_WIDTH = 100_000


class Writer:
    """Collects text up to a limit."""

    __slots__ = ("_limit", "_parts", "_size")

    def __init__(self, limit: int = MAX_TEXT) -> None:
        self._parts: list[str] = []
        self._size = 0
        self._limit = limit

    def write(self, text: str) -> None:
        self._size += len(text)
        if self._size > self._limit:
            raise FunctionFailure(f"text longer than {self._limit} characters")
        self._parts.append(text)

    def text(self) -> str:
        return "".join(self._parts)


class Verb(Struct, frozen=True):
    """One `%...` of a format."""

    letter: str = "v"
    flags: str = ""
    width: int = 0
    precision: int | None = None

    def pad(self, text: str, *, zeros: bool = True) -> str:
        if len(text) >= self.width:
            return text
        if "-" in self.flags:
            return text.ljust(self.width)
        if "0" in self.flags and zeros:
            sign = text[:1] if text[:1] in ("+", "-") else ""
            return sign + text[len(sign) :].rjust(self.width - len(sign), "0")
        return text.rjust(self.width)

    def signed(self, text: str) -> str:
        """With the sign that `+` or a space asks for."""
        if text.startswith("-"):
            return text
        plain = text.removeprefix("+")
        return "+" + plain if "+" in self.flags else " " + plain if " " in self.flags else plain


_PLAIN = Verb()


def to_text(value: object) -> str:
    """`%v`."""
    if isinstance(value, str):
        return value
    writer = Writer()
    _write(writer, value, _PLAIN, top=True)
    return writer.text()


def sprint(values: Sequence[object]) -> str:
    """Blanks only between two operands that are no text."""
    writer = Writer()
    for index, value in enumerate(values):
        if index and not isinstance(value, str) and not isinstance(values[index - 1], str):
            writer.write(" ")
        writer.write(to_text(value))
    return writer.text()


def sprintln(values: Sequence[object]) -> str:
    writer = Writer()
    for index, value in enumerate(values):
        writer.write((" " if index else "") + to_text(value))
    writer.write("\n")
    return writer.text()


def sprintf(form: str, values: Sequence[object]) -> str:
    """Mistakes of the format are written into the text, as Go does: `%!d(string=hi)`."""
    writer = Writer()
    at = used = 0
    reordered = False
    for match in _VERB.finditer(form):
        if match.start() < at:
            continue
        writer.write(form[at : match.start()])
        at = match.end()
        flags, width_text, precision_text, index, letter = match.groups()
        if letter is None:
            writer.write("%!(NOVERB)")
            continue
        if letter == "%":
            writer.write("%")
            continue
        width, used, bad_width = _star(width_text, values, used, "BADWIDTH")
        precision, used, bad_precision = _star(precision_text, values, used, "BADPREC")
        writer.write(bad_width + bad_precision)
        if index is not None:
            used, reordered = int(index) - 1, True
        if not 0 <= used < len(values):
            writer.write(f"%!{letter}({'BADINDEX' if index is not None else 'MISSING'})")
            continue
        if width is not None and width < 0:
            flags, width = flags + "-", -width
        _write(writer, values[used], Verb(letter, flags, width or 0, precision), top=True)
        used += 1
    writer.write(form[at:])
    if used < len(values) and not reordered:
        extra = ", ".join(_extra(value) for value in values[used:])
        writer.write(f"%!(EXTRA {extra})")
    return writer.text()


def _extra(value: object) -> str:
    return "<nil>" if value is None else f"{type_name(value)}={to_text(value)}"


def _star(text: str | None, values: Sequence[object], used: int, bad: str) -> tuple[int | None, int, str]:
    """A width or precision, in digits or taken from the arguments with `*`."""
    if text is None:
        return None, used, ""
    if text != "*":
        number = int(text[:9] or "0")
        return (number, used, "") if number <= _MAX_WIDTH else (None, used, f"%!({bad})")
    value = values[used] if used < len(values) else None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MAX_WIDTH:
        return value, used + 1, ""
    return None, used + 1, f"%!({bad})"


def _write(writer: Writer, value: object, verb: Verb, *, top: bool = False) -> None:
    if isinstance(value, Record):
        text = value.text()
        if text is not None and verb.letter in "vsqxX":
            writer.write(_string(text, verb))
            return
    inner = content(value)
    if verb.letter == "T":
        writer.write(verb.pad(type_name(value)))
    elif inner is None:
        writer.write(verb.pad("<nil>") if verb.letter == "v" else f"%!{verb.letter}(<nil>)")
    elif isinstance(inner, Mapping):
        _write_pairs(writer, inner, verb)
    elif is_list(inner):
        _write_list(writer, inner, verb, "[]")
    elif isinstance(inner, Record):
        _write_list(writer, tuple(inner.fields().values()), verb, "{}")
    else:
        writer.write(_scalar(inner, verb))


def _write_list(writer: Writer, values: Sequence[object], verb: Verb, brackets: str) -> None:
    writer.write(brackets[0])
    for index, value in enumerate(values):
        writer.write(" " if index else "")
        _write(writer, value, verb)
    writer.write(brackets[1])


def _write_pairs(writer: Writer, pairs: Mapping[str, object], verb: Verb) -> None:
    writer.write("map[")
    for index, key in enumerate(sorted(pairs)):
        writer.write(" " if index else "")
        _write(writer, key, verb)
        writer.write(":")
        _write(writer, pairs[key], verb)
    writer.write("]")


def _scalar(value: object, verb: Verb) -> str:
    text: str | None = None
    match value:
        case bool():
            text = verb.pad("true" if value else "false", zeros=False) if verb.letter in "tv" else None
        case str():
            text = _string(value, verb) if verb.letter in "vsqxX" else None
        case int():
            text = _int(value, verb)
        case float():
            text = _float(value, verb)
    if text is None:
        return f"%!{verb.letter}({type_name(value)}={to_text(value)})"
    return text


def _string(text: str, verb: Verb) -> str:
    if verb.precision is not None:
        text = text[: verb.precision]
    if verb.letter == "q":
        raw = "#" in verb.flags and "`" not in text and text.isprintable()
        text = f"`{text}`" if raw else gotext.quote(text)
    elif verb.letter in "xX":
        digits = text.encode("utf-8", "replace").hex(*((" ",) if " " in verb.flags else ()))
        text = digits.upper() if verb.letter == "X" else digits
    return verb.pad(text)


def _int(value: int, verb: Verb) -> str | None:
    form = {"d": "d", "v": "d", "o": "o", "O": "o", "b": "b", "x": "x", "X": "X"}.get(verb.letter)
    if form is not None:
        digits = format(abs(value), form).rjust(verb.precision or 0, "0")
        prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}.get(verb.letter, "") if "#" in verb.flags else ""
        prefix = "0o" if verb.letter == "O" else prefix
        text = verb.signed(("-" if value < 0 else "") + prefix + digits)
        return verb.pad(text, zeros=verb.precision is None)
    if verb.letter in ("c", "q", "U"):
        if verb.letter == "U":
            return verb.pad(f"U+{value:04X}", zeros=False)
        valid = 0 <= value <= 0x10FFFF and not 0xD800 <= value < 0xE000
        char = chr(value) if valid else "\ufffd"
        return verb.pad(char if verb.letter == "c" else gotext.quote(char, "'"))
    return None


def _float(value: float, verb: Verb) -> str | None:
    if verb.letter not in "vgGeEfF":
        return None
    special = gotext.special_float(value)
    if special is not None:
        shown = special if special != "+Inf" or "+" in verb.flags else "+Inf"
        return verb.pad(shown if special != "NaN" else verb.signed("NaN"), zeros=False)
    letter = "g" if verb.letter == "v" else verb.letter
    if letter in "gG" and verb.precision is None:
        text = gotext.general(value)
        text = text.upper() if letter == "G" else text
    else:
        precision = 6 if verb.precision is None else min(verb.precision, 1000)
        text = f"{value:{'#' if '#' in verb.flags else ''}.{precision}{letter}}"
    return verb.pad(verb.signed(text))


def four_digits(value: float) -> str:
    """`%.4g`."""
    special = gotext.special_float(value)
    return special if special is not None else f"{value:.4g}"


def seconds_text(value: float) -> str:
    """Like Go's time.Duration prints: 1h2m3.5s."""
    nanoseconds = round(value * 1e9) if math.isfinite(value) else 0
    sign, nanoseconds = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if nanoseconds == 0:
        return "0s"
    for limit, unit, size in ((1_000, "ns", 1), (1_000_000, "µs", 1_000), (1_000_000_000, "ms", 1_000_000)):
        if nanoseconds < limit:
            return f"{sign}{_decimal(nanoseconds, size)}{unit}"
    minutes, rest = divmod(nanoseconds, 60 * 1_000_000_000)
    text = _decimal(rest, 1_000_000_000) + "s"
    if not minutes:
        return sign + text
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{f'{hours}h' if hours else ''}{minutes}m{text}"


def _decimal(value: int, size: int) -> str:
    whole, rest = divmod(value, size)
    if not rest:
        return str(whole)
    return f"{whole}.{str(rest).rjust(len(str(size)) - 1, '0').rstrip('0')}"
