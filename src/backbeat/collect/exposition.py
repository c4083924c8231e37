"""The grammar of what targets expose: text format 0.0.4 and OpenMetrics 1.0, a line at a time.

In:  one line of a scrape, as bytes.
Out: its series, value, timestamp and exemplar, or the metadata of a comment.
Pure: no clock, no I/O. Every mistake in the input is a LineError; `collect.reader` turns it into an
ExpositionError with the line's number. Speed is not made here: the reader asks only about lines it
has not seen before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

import numpy as np
import orjson
from msgspec import Struct

from backbeat.model.arrays import Float64s
from backbeat.model.errors import BackbeatError

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*+"
_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_SERIES = rf"({_NAME})?+(?:[ \t]*+(\{{(?:[^\"}}]|{_QUOTED})*+\}}))?+"
_SAMPLE = re.compile(rf"[ \t]*+{_SERIES}(?:(?<=\}})[ \t]*+|[ \t]++)([^\s{{#]++)(.*+)", re.DOTALL)
_PAIR = re.compile(
    rf"[ \t]*+(?:([a-zA-Z_][a-zA-Z0-9_]*+)|({_QUOTED}))[ \t]*+(?:=[ \t]*+({_QUOTED})[ \t]*+)?+(?:,|$)"
)
_PLAIN_PAIR = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*+)="([^"\\]*+)"(?:,|$)')
_PLAIN_PAIRS = re.compile(rf"(?:{_PLAIN_PAIR.pattern})*+")
_TEXT_TIMESTAMP = re.compile(r"[ \t]*+(?:(?<=[ \t])(-?\d{1,18})[ \t]*+)?")
_OPENMETRICS_REST = re.compile(rf"(?: ([^\s#]+))?(?: # \{{((?:[^\"}}]|{_QUOTED})*+)\}} (\S+)(?: (\S+))?)?")
_METADATA = re.compile(rf"#[ \t]+(HELP|TYPE|UNIT)[ \t]+(?:({_NAME})|({_QUOTED}))(?:[ \t](.*))?", re.DOTALL)
_NUMBER = re.compile(
    r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity)|[+-]?nan", re.ASCII | re.IGNORECASE
)
_TEXT_TYPES = frozenset({"counter", "gauge", "histogram", "summary", "untyped"})
_OPENMETRICS_TYPES = frozenset(
    {"counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown"}
)
_EXEMPLAR_RUNES = 128
_SHOWN = 120


class ExpositionError(BackbeatError):
    """A scrape that is not in the format it claims; `line` counts from 1, `text` is the line's beginning."""

    def __init__(self, line: int, text: str, problem: str) -> None:
        super().__init__(f"bad line {line}: {problem}: {text!r}" if text else f"bad line {line}: {problem}")
        self.line = line
        self.text = text
        self.problem = problem


class LineError(ValueError):
    """What is wrong with one line; the caller knows which line it was."""


class Metadata(Struct, frozen=True):
    """What a target says about a metric family."""

    type: str = "unknown"
    help: str = ""
    unit: str = ""


class ExposedExemplar(Struct, frozen=True):
    labels: tuple[tuple[str, str], ...]
    value: float
    timestamp_ms: int | None


class ExposedSample(Struct, frozen=True):
    """One sample line as written: label pairs unescaped, empty values kept, the name apart."""

    name: str
    pairs: tuple[tuple[str, str], ...]
    value: bytes
    """the number's text; already checked"""
    timestamp_ms: int | None = None
    exemplar: ExposedExemplar | None = None


class MetadataLine(Struct, frozen=True):
    kind: str
    """HELP, TYPE or UNIT"""
    family: str
    text: str


def parse_sample(line: bytes, *, openmetrics: bool) -> ExposedSample:
    """Parse a sample line completely. Raises LineError."""
    text = _decode(line)
    match = _SAMPLE.fullmatch(text)
    if match is None:
        raise LineError("expected name{labels} value")
    name, braces, value, rest = match.groups()
    parse_number(value)
    pairs: tuple[tuple[str, str], ...] = ()
    if braces:
        quoted_name, pairs = parse_pairs(braces[1:-1])
        if name and quoted_name:
            raise LineError("metric name given twice")
        name = name or quoted_name
    if not name:
        raise LineError("metric name missing")
    timestamp_ms, exemplar = _openmetrics_rest(rest) if openmetrics else (_text_rest(rest), None)
    return ExposedSample(name, pairs, value.encode(), timestamp_ms, exemplar)


def _text_rest(rest: str) -> int | None:
    match = _TEXT_TIMESTAMP.fullmatch(rest)
    if match is None:
        raise LineError("expected a timestamp in milliseconds or the end of the line after the value")
    return int(match[1]) if match[1] else None


def _openmetrics_rest(rest: str) -> tuple[int | None, ExposedExemplar | None]:
    match = _OPENMETRICS_REST.fullmatch(rest)
    if match is None:
        raise LineError("expected a timestamp, an exemplar or the end of the line after the value")
    timestamp, labels, value, at = match.groups()
    exemplar = None
    if value is not None:
        exemplar = _exemplar(labels, value, at)
    return (seconds_to_ms(timestamp) if timestamp else None), exemplar


def _exemplar(labels: str, value: str, timestamp: str | None) -> ExposedExemplar:
    quoted_name, pairs = parse_pairs(labels)
    if quoted_name:
        raise LineError("an exemplar has no metric name")
    if sum(len(name) + len(text) for name, text in pairs) > _EXEMPLAR_RUNES:
        raise LineError(f"exemplar labels are longer than {_EXEMPLAR_RUNES} characters")
    return ExposedExemplar(pairs, parse_number(value), seconds_to_ms(timestamp) if timestamp else None)


def parse_exemplar(text: bytes) -> ExposedExemplar:
    """Parse what follows ` # {`, as in `trace_id="1"} 0.5 1700000000.1`. Raises LineError."""
    return _exemplar_of(_OPENMETRICS_REST.fullmatch(" # {" + _decode(text)))


def _exemplar_of(match: re.Match[str] | None) -> ExposedExemplar:
    if match is None or match[3] is None:
        raise LineError("expected an exemplar: # {labels} value [timestamp]")
    return _exemplar(match[2], match[3], match[4])


def parse_pairs(inner: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Parse what stands between braces: a quoted metric name (or an empty text) and the label pairs."""
    if _PLAIN_PAIRS.fullmatch(inner):
        return "", _unique(_PLAIN_PAIR.findall(inner))
    metric = ""
    pairs: list[tuple[str, str]] = []
    at = 0
    while inner[at:].strip(" \t"):
        match = _PAIR.match(inner, at)
        if match is None:
            raise LineError('expected label="value" pairs, separated by commas, between the braces')
        bare, quoted, value = match.groups()
        name = bare or unescape(quoted[1:-1])
        at = match.end()
        if value is not None:
            pairs.append((name, unescape(value[1:-1])))
        elif quoted and not metric:
            metric = name
        else:
            raise LineError(f'label {name} has no value; expected {name}="…"')
        if not name:
            raise LineError("empty name between the braces")
    return metric, _unique(pairs)


def _unique(pairs: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    if len(dict(pairs)) != len(pairs):
        raise LineError("label name given twice")
    return tuple(pairs)


def parse_metadata(line: bytes, *, openmetrics: bool) -> MetadataLine | None:
    """Parse a comment line; None for a comment without meaning. Raises LineError."""
    head = line.split(None, 2)
    if len(head) < 2 or head[1] not in (b"HELP", b"TYPE", b"UNIT") or head[0] != b"#":
        if openmetrics:
            raise LineError("OpenMetrics has no comments but HELP, TYPE, UNIT and EOF")
        return None
    if head[1] == b"UNIT" and not openmetrics:
        return None
    match = _METADATA.fullmatch(_decode(line))
    if match is None:
        raise LineError(f"expected # {head[1].decode()} name text")
    kind, bare, quoted, text = match.groups()
    family, text = bare or unescape(quoted[1:-1]), text or ""
    if kind == "TYPE" and text not in (_OPENMETRICS_TYPES if openmetrics else _TEXT_TYPES):
        raise LineError(f"unknown metric type {text[:_SHOWN]!r}")
    if kind == "UNIT" and text and not family.endswith("_" + text):
        raise LineError(f"unit {text[:_SHOWN]!r} is not the suffix of its metric's name")
    if kind == "TYPE":
        return MetadataLine(kind, family, "unknown" if text == "untyped" else text)
    return MetadataLine(kind, family, unescape(text) if kind == "HELP" else text)


def parse_number(text: str) -> float:
    """A value as Go's ParseFloat takes it, without hexadecimal forms and underscores. Raises LineError."""
    if _NUMBER.fullmatch(text) is None:
        raise LineError(f"{text[:_SHOWN]!r} is not a number")
    return float(text)


def seconds_to_ms(text: str) -> int:
    """An OpenMetrics timestamp. Raises LineError."""
    seconds = parse_number(text)
    if not abs(seconds) < 1e15:
        raise LineError(f"{text[:_SHOWN]!r} is not a timestamp")
    return int(seconds * 1000)


def parse_row(numbers: Sequence[bytes]) -> Float64s:
    """All values of a scrape at once. (numbers,) float64. Raises LineError."""
    return parse_numbers(b",".join(numbers), len(numbers))


def parse_numbers(text: bytes, count: int) -> Float64s:
    """Numbers separated by commas. (count,) float64.

    orjson reads a float in a quarter of the time of `float()`. What JSON does not know (Inf, +1, .5,
    a negative zero written as -0) or knows too much of (strings, true, nested lists) takes the slow way.
    Raises LineError, which names the first text that is not a number.
    """
    if not count:
        return np.empty(0)
    # Between zeros, so that a negative zero stands between commas wherever it is.
    listed = b"[0,%b,0]" % text
    has_negative_zero = b"-" in text and b",-0," in listed
    if not (has_negative_zero or b'"' in text or b"l" in text or b"u" in text or b"\r" in text):
        if b"N" in text:
            listed = listed.replace(b"NaN", b"null")
        try:
            parsed = orjson.loads(listed)
            if len(parsed) == count + 2:
                return np.fromiter(parsed, np.float64, count + 2)[1:-1]
        except (ValueError, TypeError, OverflowError):
            pass
    numbers = text.split(b",")
    if len(numbers) != count:
        raise LineError("a comma in a number")
    return np.array([parse_number(number.decode("latin-1")) for number in numbers])


def unescape(text: str) -> str:
    r"""Undo \\, \" and \n; any other backslash stands for itself, as upstream takes it."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda match: _ESCAPED[match[0]], text)


_ESCAPED = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
_ESCAPE = re.compile(r"\\[\\\"n]")


def _decode(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise LineError("not valid UTF-8") from error


def shown(line: bytes) -> str:
    """The beginning of a line, for an error message."""
    text = line[:_SHOWN].decode("utf-8", "replace")
    return text + "…" if len(line) > _SHOWN else text


@lru_cache(4096)
def canonical_bound(text: str) -> str:
    """A bucket bound or quantile as OpenMetrics writes it (`1` is `1.0`); other texts unchanged.

    Prometheus 3 stores `le` and `quantile` in this form whatever the target wrote, so that one
    histogram has one set of bounds.
    """
    try:
        number = parse_number(text)
    except LineError:
        return text
    if number != number:
        return "NaN"
    if number in (float("inf"), float("-inf")):
        return "+Inf" if number > 0 else "-Inf"
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    assert isinstance(exponent, int)
    point = len(digits) + exponent - 1
    if -4 <= point < 6:
        return repr(number)
    first, *rest = map(str, digits)
    mantissa = first + ("." + "".join(rest) if rest else "")
    return f"{'-' * sign}{mantissa}e{point:+03d}"
