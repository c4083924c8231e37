"""OpenMetrics files whose samples have timestamps: read a batch at a time, written a series at a time.

In:  lines of a file, or blocks of samples. Out: batches of samples, or lines.
The format has no stale markers, so those are not written. Exemplars are read over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
from msgspec import Struct

from backbeat.collect.exposition import (
    LineError,
    parse_metadata,
    parse_number,
    parse_sample,
    seconds_to_ms,
    shown,
)
from backbeat.model.arrays import Float64s, Int64s
from backbeat.model.errors import BackbeatError
from backbeat.model.labels import METRIC_NAME, Labels
from backbeat.model.samples import SampleBlock, is_stale

BATCH_SAMPLES = 100_000
_MOST_SERIES_REMEMBERED = 500_000
_PLAIN_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_PLAIN_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class FileMistake(BackbeatError):
    """A line of a file that cannot be read; the message names file, line and what would be right."""


class Batch(Struct, frozen=True):
    """Samples in the order of the file.

    series: (samples,); times: (samples,) ms; values: (samples,); line: number of the last line read
    """

    series: list[Labels]
    times: Int64s
    values: Float64s
    line: int


def read(name: str, lines: Iterable[bytes], batch_samples: int = BATCH_SAMPLES) -> Iterator[Batch]:
    """Read a file's lines. Raises FileMistake; the batches before it were whole."""
    known: dict[bytes, Labels] = {}
    series: list[Labels] = []
    times: list[int] = []
    values: list[float] = []
    number, ended = 0, False
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip(b"\r\n")
        if ended:
            raise FileMistake(f"{name}:{number}: found a line after # EOF; remove it or the mark above it")
        if line.startswith(b"#"):
            ended = line == b"# EOF"
            if not ended:
                _check_comment(name, number, line)
            continue
        labels, at, value = _sample(name, number, line, known)
        series.append(labels)
        times.append(at)
        values.append(value)
        if len(series) >= batch_samples:
            yield Batch(series, np.array(times, np.int64), np.array(values), number)
            series, times, values = [], [], []
    if series:
        yield Batch(series, np.array(times, np.int64), np.array(values), number)
    if not ended:
        raise FileMistake(
            f"{name}:{max(1, number)}: the file ends without # EOF, so it may be cut short; "
            "if it is whole, add that line and import it again (what is there already is recognised)"
        )


def _check_comment(name: str, number: int, line: bytes) -> None:
    try:
        parse_metadata(line, openmetrics=True)
    except LineError as error:
        raise _mistake(name, number, line, error) from None


def _sample(name: str, number: int, line: bytes, known: dict[bytes, Labels]) -> tuple[Labels, int, float]:
    """A line's series, time in ms and value. A series that was seen is not parsed again."""
    try:
        key, value, at = _cut(line)
        labels = known.get(key)
        if labels is None:
            sample = parse_sample(line, openmetrics=True)
            if sample.timestamp_ms is None:
                raise LineError("the sample has no timestamp; each needs one, in seconds, after its value")
            if sample.exemplar is not None:
                key, value, at = _cut(line.rpartition(b" # {")[0])
            labels = Labels.of({**dict(sample.pairs), METRIC_NAME: sample.name})
            if len(known) >= _MOST_SERIES_REMEMBERED:
                known.clear()
            known[key] = labels
        return labels, _milliseconds(at), parse_number(value.decode())
    except ValueError as error:
        raise _mistake(name, number, line, error) from None


def _cut(line: bytes) -> tuple[bytes, bytes, bytes]:
    """What stands before the last two spaces, between them, and after them."""
    rest, _, last = line.rpartition(b" ")
    first, _, middle = rest.rpartition(b" ")
    return first, middle, last


def _milliseconds(text: bytes) -> int:
    seconds_to_ms(text.decode())  # refuses what is no moment
    # Rounded, where a scrape cuts off as Prometheus does: here a time must come back as it went out.
    return round(float(text) * 1000)


def _mistake(name: str, number: int, line: bytes, error: ValueError) -> FileMistake:
    return FileMistake(f"{name}:{number}: {error}; found {shown(line)!r}")


def write(blocks: Iterable[SampleBlock]) -> Iterator[bytes]:
    """The lines of each block's series, without the `# EOF` at the end of a file."""
    for block in blocks:
        seconds = [_seconds(at) for at in block.times.tolist()]
        for row, labels in enumerate(block.labels):
            values = block.values[row]
            there = ~is_stale(values)
            if block.present is not None:
                there &= block.present[row]
            head = series_text(labels)
            cells = np.flatnonzero(there).tolist()
            texts = map(_number, values[there].tolist())
            yield "".join(
                chain.from_iterable(
                    (head, " ", text, " ", seconds[cell], "\n")
                    for cell, text in zip(cells, texts, strict=True)
                )
            ).encode()


def series_text(labels: Labels) -> str:
    """A series as both text formats write it: quoted where a name is no plain one."""
    name = labels.metric
    plain = _PLAIN_NAME.fullmatch(name) is not None
    pairs = [] if plain else [_quoted(name)]
    pairs += [
        (label if _PLAIN_LABEL.fullmatch(label) else _quoted(label)) + "=" + _quoted(value)
        for label, value in labels
        if label != METRIC_NAME
    ]
    shown_pairs = "{" + ",".join(pairs) + "}" if pairs else ""
    return (name if plain else "") + shown_pairs


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"') + '"'


def _number(value: float) -> str:
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    return json.dumps(value)


def _seconds(ms: int) -> str:
    sign = "-" if ms < 0 else ""
    whole, rest = divmod(abs(ms), 1000)
    return f"{sign}{whole}.{rest:03d}" if rest else f"{sign}{whole}"
