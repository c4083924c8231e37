"""Query answers as Prometheus's JSON, written from arrays without a Python object per point.

Numbers are strings in Go's shortest form (`1`, `0.25`, `+Inf`), times are seconds.
"""

from __future__ import annotations

import math
from functools import lru_cache, partial

import numpy as np
import orjson

from backbeat.model.arrays import Float64s, Int64s
from backbeat.model.labels import Labels
from backbeat.model.results import Answer, Matrix, RawSamples, Scalar, Text
from backbeat.web.continued import BETWEEN, continued

_FEW_STEPS = 20
_MANY_SERIES = 200
"""Fewer steps are not worth being remembered, and more series would push everything else out."""


def format_value(value: float) -> str:
    """One sample value as Go's JSON encoder of Prometheus prints it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    size = abs(value)
    if size and (size < 1e-6 or size >= 1e21):
        mantissa, _, exponent = repr(value).partition("e")
        sign = "-" if exponent.startswith("-") else "+"
        return f"{mantissa.removesuffix('.0')}e{sign}{exponent.lstrip('+-').lstrip('0').zfill(2)}"
    text = repr(value)
    if "e" in text:
        text = np.format_float_positional(value, trim="-")
    return text.removesuffix(".0")


def format_seconds(ms: int) -> str:
    """Milliseconds as seconds, with three decimals or none."""
    if ms % 1000 == 0:
        return str(ms // 1000)
    sign = "-" if ms < 0 else ""
    whole, rest = divmod(abs(ms), 1000)
    return f"{sign}{whole}.{rest:03d}"


def value_texts(values: Float64s) -> list[bytes]:
    """Every value as JSON text without quotes; (n,) float64 in, n texts out."""
    if not len(values):
        return []
    text = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
    # The array writer writes shortest floats, always with a fraction; Go drops an empty one.
    if b".0" in text:
        text = (text + b",").replace(b".0,", b",")[:-1]
    texts = text.split(b",")
    if b"e" in text or b"n" in text:  # exponents in another form than Go's; null
        for place, one in enumerate(texts):
            if b"e" in one or b"n" in one:
                texts[place] = format_value(float(values[place])).encode()
    return texts


def _pairs(prefixes: list[bytes], values: Float64s) -> bytes:
    """`1,"0.5"],[2,"0.25`: the pairs of a series, without the outermost brackets and quote."""
    parts = [b""] * (2 * len(prefixes))
    parts[0::2] = prefixes
    parts[1::2] = value_texts(values)
    return b"".join(parts)[len(BETWEEN) :]


def _time_prefixes(times: Int64s) -> list[bytes]:
    """What stands before each value: the end of the pair before it, and its time in seconds."""
    if (times % 1000).any():
        return [BETWEEN + format_seconds(at).encode() + b',"' for at in times.tolist()]
    return [BETWEEN + text + b',"' for text in value_texts(times / 1000)]


# The panels of a dashboard have the same steps; of those that go on, `continued` writes the new ones alone.
@lru_cache(maxsize=64)
def _prefixes_of(times: bytes) -> list[bytes]:
    return _time_prefixes(np.frombuffer(times, np.int64))


def _step_prefixes(steps: Int64s) -> list[bytes]:
    """The same for the steps of a query."""
    return _prefixes_of(steps.tobytes())


def _metric(labels: Labels) -> bytes:
    return orjson.dumps(dict(labels))


def render_value(value: Matrix | Scalar | Text | RawSamples, *, at_ms: int | None, asked: str = "") -> bytes:
    """The `resultType` and `result` members. `at_ms` is None for a range query's matrix."""
    if isinstance(value, Text):
        shown = orjson.dumps([0, value.value])[2:]
        return b'"resultType":"string","result":[' + format_seconds(at_ms or 0).encode() + shown
    if isinstance(value, RawSamples):
        return b'"resultType":"matrix","result":[' + b",".join(_raw_series(value)) + b"]"
    if isinstance(value, Scalar):
        return _scalar(value, at_ms)
    if at_ms is None:
        return b'"resultType":"matrix","result":[' + b",".join(_range_series(value, asked)) + b"]"
    return b'"resultType":"vector","result":[' + b",".join(_instant_series(value, at_ms)) + b"]"


def _scalar(value: Scalar, at_ms: int | None) -> bytes:
    pairs = _pairs(_step_prefixes(value.steps), value.values)
    if at_ms is None:
        return b'"resultType":"matrix","result":[{"metric":{},"values":[[' + pairs + b'"]]}]'
    return b'"resultType":"scalar","result":[' + pairs + b'"]'


def _instant_series(matrix: Matrix, at_ms: int) -> list[bytes]:
    if not len(matrix.labels):
        return []
    prefix = b',"value":[' + format_seconds(at_ms).encode() + b',"'
    texts = value_texts(matrix.values[:, 0])
    return [
        b'{"metric":' + _metric(labels) + prefix + text + b'"]}'
        for labels, text in zip(matrix.labels, texts, strict=True)
    ]


class _Prefixes:
    """What stands before the values of an answer's steps, made when it is needed."""

    def __init__(self, steps: Int64s) -> None:
        self._steps = steps
        self._known: dict[int, list[bytes]] = {}

    def beginning(self, first: int) -> list[bytes]:
        """Of the steps from the `first`-th on."""
        if first not in self._known:
            steps = self._steps
            self._known[first] = _time_prefixes(steps[first:]) if first else _step_prefixes(steps)
        return self._known[first]


def _range_series(matrix: Matrix, asked: str) -> list[bytes]:
    steps, prefixes = matrix.steps, _Prefixes(matrix.steps)
    is_remembered = bool(asked) and len(steps) >= _FEW_STEPS and len(matrix.labels) <= _MANY_SERIES
    full = np.asarray(matrix.present.all(axis=1)).tolist()
    rendered = []
    for index, labels in enumerate(matrix.labels):
        times, values, cells = steps, matrix.values[index], None
        if not full[index]:
            cells = np.flatnonzero(matrix.present[index])
            if not len(cells):
                continue
            times, values = steps[cells], values[cells]
        write = partial(_pairs_from, prefixes, times, values, cells)
        pairs = continued((asked, labels), times, values, write) if is_remembered else write(0)
        rendered.append(b'{"metric":' + _metric(labels) + b',"values":[[' + pairs + b'"]]}')
    return rendered


def _pairs_from(
    prefixes: _Prefixes, times: Int64s, values: Float64s, cells: Int64s | None, first: int
) -> bytes:
    """cells: which of the steps `times` are; None: all."""
    if cells is None:
        chosen = prefixes.beginning(first)
    elif first:
        chosen = _time_prefixes(times[first:])
    else:
        every = prefixes.beginning(0)
        chosen = [every[cell] for cell in cells.tolist()]
    return _pairs(chosen, values[first:])


def _raw_series(raw: RawSamples) -> list[bytes]:
    rendered = []
    for block in raw.blocks:
        prefixes = _time_prefixes(block.times)
        for index, labels in enumerate(block.labels):
            values, chosen = block.values[index], prefixes
            if block.present is not None:
                cells = np.flatnonzero(block.present[index])
                values, chosen = values[cells], [prefixes[cell] for cell in cells]
            if len(values):
                pairs = _pairs(chosen, values)
                rendered.append(b'{"metric":' + _metric(labels) + b',"values":[[' + pairs + b'"]]}')
    return rendered


def render_answer(answer: Answer, *, at_ms: int | None, stats: bytes = b"", asked: str = "") -> bytes:
    """A whole response body for a query that succeeded. asked: the query, where it will be asked again."""
    return b"".join(
        (
            b'{"status":"success","data":{',
            render_value(answer.value, at_ms=at_ms, asked=asked),
            stats,
            b"}",
            _notes(answer),
            b"}",
        )
    )


def _notes(answer: Answer) -> bytes:
    shown = b""
    if answer.notes.warnings:
        shown += b',"warnings":' + orjson.dumps(answer.notes.warnings)
    if answer.notes.infos:
        shown += b',"infos":' + orjson.dumps(answer.notes.infos)
    return shown
