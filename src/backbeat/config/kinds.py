"""Kinds of single values, each read by the rules of the Go type behind the field."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from msgspec import Struct

from backbeat.config.go_url import URLError, parse_http_url, parse_url
from backbeat.config.nodes import Node, Scalar, go_bool, go_number
from backbeat.config.schema import INVALID, Invalid, MapOf, Reading, one_of, quoted
from backbeat.model.durations import parse_duration, parse_go_duration
from backbeat.model.errors import BackbeatError, DurationError, RegexError
from backbeat.model.labels import LEGACY_LABEL_NAME

_SIZE_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTPE]?i?B)")
_SIZE_POWER = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}

LOG_LEVELS = ("debug", "info", "warn", "error")


def text_of(node: Node, path: str, reading: Reading, expected: str = "text") -> str | Invalid:
    """The text of a scalar of any type, as Go reads one into a string."""
    if not isinstance(node, Scalar):
        return reading.wrong(node, path, expected)
    if node.tag == "binary":
        try:
            return base64.b64decode("".join(node.text.split()), validate=True).decode()
        except binascii.Error:
            return reading.wrong(node, path, "base64 text after !!binary")
        except UnicodeDecodeError:
            reading.error(
                node, path, "the !!binary text is not valid UTF-8, so it is not a valid label value or text"
            )
            return INVALID
    return node.text


class Text(Struct, frozen=True):
    """Any text; numbers and booleans count as their text."""

    expected: str = "text"
    empty = ""

    def read(self, node: Node, path: str, reading: Reading) -> str | Invalid:
        return text_of(node, path, reading, self.expected)


class Template:
    """Text in the template language; one that does not parse is worth a warning."""

    empty = ""

    def read(self, node: Node, path: str, reading: Reading) -> str | Invalid:
        text = text_of(node, path, reading)
        if isinstance(text, str) and reading.parse_template is not None and "{{" in text:
            try:
                reading.parse_template(text)
            except BackbeatError as error:
                reading.warn(node, path, f"the template cannot be rendered: {error}")
        return text


class LogLevel:
    """debug, info, warn or error, in capitals as well."""

    empty = ""

    def read(self, node: Node, path: str, reading: Reading) -> str | Invalid:
        text = text_of(node, path, reading)
        if not isinstance(text, str) or text.lower() in ("", *LOG_LEVELS):
            return text.lower() if isinstance(text, str) else text
        return reading.wrong(node, path, f"a log level: one of {', '.join(LOG_LEVELS)}")


class Flag:
    """true or false, also yes/no and on/off."""

    empty = False

    def read(self, node: Node, path: str, reading: Reading) -> bool | Invalid:
        value = go_bool(node) if isinstance(node, Scalar) else None
        return reading.wrong(node, path, "true or false") if value is None else value


class Integer(Struct, frozen=True):
    """A whole number; a fraction is cut off, as Go does."""

    unsigned: bool = False
    empty = 0

    def read(self, node: Node, path: str, reading: Reading) -> int | Invalid:
        value = go_number(node) if isinstance(node, Scalar) else None
        expected = "a whole number" + (" of at least 0" if self.unsigned else "")
        bottom, top = (0, 2**64) if self.unsigned else (-(2**63), 2**63)
        if value is None or value != value or not bottom <= value < top:
            return reading.wrong(node, path, expected)
        return int(value)


class Number:
    """A number, with or without a fraction."""

    empty = 0.0

    def read(self, node: Node, path: str, reading: Reading) -> float | Invalid:
        value = go_number(node) if isinstance(node, Scalar) else None
        if value is None:
            return reading.wrong(node, path, "a number")
        try:
            return float(value)
        except OverflowError:
            return reading.wrong(node, path, "a smaller number")


class Duration:
    """Prometheus's durations (30s, 1h30m, 0) in int milliseconds."""

    empty = 0

    def read(self, node: Node, path: str, reading: Reading) -> int | Invalid:
        if not isinstance(node, Scalar):
            return reading.wrong(node, path, "a duration such as 30s or 1h30m")
        try:
            return parse_duration(node.text)
        except DurationError as error:
            reading.error(node, path, str(error))
        except ValueError:  # thousands of digits
            return reading.wrong(node, path, "a duration such as 30s or 1h30m")
        return INVALID


class GoDuration(Struct, frozen=True):
    """Go's own durations (1.5h, 300ms), used by a few timeouts; a bare number counts nanoseconds."""

    empty = 0
    bare: bool = True

    def read(self, node: Node, path: str, reading: Reading) -> int | Invalid:
        expected = "a duration such as 30s or 1.5h"
        if not isinstance(node, Scalar):
            return reading.wrong(node, path, expected)
        number = go_number(node)
        if number is not None and self.bare:
            return int(number / 1e6) if abs(number) < 2**63 else reading.wrong(node, path, expected)
        try:
            return int(parse_go_duration(node.text))
        except DurationError:
            return reading.wrong(node, path, expected)


class Size:
    """Bytes such as 512MB or 1GiB; both mean powers of 1024."""

    empty = 0

    def read(self, node: Node, path: str, reading: Reading) -> int | Invalid:
        expected = "a size such as 512MB or 10GB"
        if not isinstance(node, Scalar):
            return reading.wrong(node, path, expected)
        text = node.text.removeprefix("-") if node.text.startswith("-") else node.text.removeprefix("+")
        if text == "0":
            return 0
        parts = _SIZE_PART.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            return reading.wrong(node, path, expected)
        if len({"i" in unit for _, unit in parts if unit != "B"}) > 1 or "iB" in (unit for _, unit in parts):
            return reading.wrong(node, path, expected)
        total = sum(float(number) * 1024 ** _SIZE_POWER[unit.rstrip("iB")] for number, unit in parts)
        if total >= 2**63:
            return reading.wrong(node, path, expected)
        return int(-total if node.text.startswith("-") else total)


class OneOf(Struct, frozen=True):
    """One of a few words."""

    words: tuple[str, ...]
    lower: bool = False
    what: str = ""
    empty = ""

    def read(self, node: Node, path: str, reading: Reading) -> str | Invalid:
        text = text_of(node, path, reading, one_of(self.words))
        if not isinstance(text, str):
            return text
        word = text.lower() if self.lower else text
        if word not in self.words:
            return reading.wrong(
                node, path, (f"{self.what}: " if self.what else "") + one_of(filter(None, self.words))
            )
        return word


class Regex:
    """A regular expression that RE2 accepts; reads as its text."""

    empty = ""

    def read(self, node: Node, path: str, reading: Reading) -> str | Invalid:
        from backbeat.model.matchers import compile_regex

        text = text_of(node, path, reading, "a regular expression")
        if isinstance(text, str):
            try:
                compile_regex(text)
            except RegexError as error:
                reading.error(node, path, str(error))
                return INVALID
        return text


class LabelName(Struct, frozen=True):
    """A label name; any text but the empty one, or [a-zA-Z_][a-zA-Z0-9_]* where `legacy`."""

    legacy: bool = False
    empty = ""

    def read(self, node: Node, path: str, reading: Reading) -> str | Invalid:
        text = text_of(node, path, reading, "a label name")
        if not isinstance(text, str):
            return text
        if not is_label_name(text, legacy=self.legacy):
            expected = (
                "a label name of letters, digits and _" if self.legacy else "a label name that is not empty"
            )
            reading.error(
                node, path, f"found {quoted(text)}, expected {expected}: it is not a valid label name"
            )
            return INVALID
        return text


def is_label_name(name: str, *, legacy: bool) -> bool:
    return LEGACY_LABEL_NAME.fullmatch(name) is not None if legacy else bool(name)


def label_set() -> MapOf:
    """Label names with their values."""
    return MapOf(Text(), key=LabelName(), what="a mapping of label names to values")


class Url(Struct, frozen=True):
    """Any URL that Go parses; reads as its text. A password in it is masked."""

    http: bool = False
    empty = ""

    def read(self, node: Node, path: str, reading: Reading) -> str | Invalid:
        text = text_of(node, path, reading, "a URL")
        if not isinstance(text, str):
            return text
        expected = "a URL such as https://host/path" if self.http else "a URL"
        try:
            url = parse_http_url(text) if self.http else parse_url(text)
        except URLError as error:
            if "@" in text:  # what stands before it may be a password
                reading.secrets.add(id(node))
                return reading.wrong(node, path, expected)
            reading.error(node, path, f"found {quoted(text)}, expected {expected}: {error}")
            return INVALID
        if url.has_password:
            reading.secrets.add(id(node))
        return text


TEXT = Text()
FLAG = Flag()
LOG_LEVEL = LogLevel()
INTEGER = Integer()
COUNT = Integer(unsigned=True)
NUMBER = Number()
DURATION = Duration()
SIZE = Size()
TEMPLATE = Template()
URL = Url()


def texts(null_item: str = "") -> Any:
    """A list of texts."""
    from backbeat.config.schema import ListOf

    return ListOf(TEXT, null_item, "a list of texts")
