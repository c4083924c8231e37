"""Samples of a data directory to a file, one metric at a time, so that memory holds no more than one.

Out: OpenMetrics text (`backbeat import` and others read it), or Parquet (DuckDB, pandas and others do).
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from msgspec import Struct

from backbeat.exchange import openmetrics, parquet
from backbeat.model.labels import METRIC_NAME
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.model.samples import SampleBlock, is_stale
from backbeat.storage import Storage
from backbeat.storage.files import WRITING

Matchers = tuple[Matcher, ...]


class Selected(Struct, frozen=True):
    """What is to be exported: series that any of the selectors accepts, in [start_ms, end_ms]."""

    selectors: Sequence[Matchers]
    start_ms: int
    end_ms: int


class Exported(Struct, frozen=True):
    series: int = 0
    samples: int = 0


def metrics(storage: Storage, selected: Selected) -> dict[str, list[Matchers]]:
    """The metric names that are selected, sorted, and the selectors that select some of their series."""
    found: dict[str, list[Matchers]] = {}
    for matchers in selected.selectors:
        for name in storage.label_values(METRIC_NAME, matchers, selected.start_ms, selected.end_ms):
            found.setdefault(name, []).append(matchers)
    return dict(sorted(found.items()))


def blocks(
    storage: Storage, name: str, selectors: Sequence[Matchers], selected: Selected
) -> Iterator[SampleBlock]:
    """A metric's series, each once."""
    own = Matcher(METRIC_NAME, MatchOp.EQUAL, name)
    seen: set[object] = set()
    for matchers in selectors:
        for block in storage.select((*matchers, own), selected.start_ms, selected.end_ms):
            fresh = [row for row, labels in enumerate(block.labels) if labels not in seen]
            seen.update(block.labels)
            if len(fresh) == len(block.labels):
                yield block
            elif fresh:
                yield SampleBlock(
                    [block.labels[row] for row in fresh],
                    block.times,
                    block.values[fresh],
                    None if block.present is None else block.present[fresh],
                )


def export(
    storage: Storage, selected: Selected, path: Path, form: str, progress: Callable[[str], None]
) -> Exported:
    """Write the file, which appears whole or not at all. form: "openmetrics" or "parquet".

    Raises OSError, parquet.Missing.
    """
    temporary = path.with_name(path.name + WRITING)
    done = Exported()
    try:
        with _sink(temporary, path, form, storage, selected) as write:
            for name, selectors in metrics(storage, selected).items():
                progress(name)
                for block in blocks(storage, name, selectors, selected):
                    write(block)
                    done = Exported(done.series + len(block.labels), done.samples + _count(block))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return done


def _count(block: SampleBlock) -> int:
    there = ~is_stale(block.values)
    if block.present is not None:
        there &= block.present
    return int(np.count_nonzero(there))


class _TextSink:
    def __init__(self, temporary: Path, *, compressed: bool) -> None:
        plain = temporary.open("wb")
        self._plain = plain
        self._file = cast("BinaryIO", gzip.GzipFile(fileobj=plain, mode="wb")) if compressed else plain

    def __enter__(self) -> Callable[[SampleBlock], None]:
        return lambda block: self._file.writelines(openmetrics.write([block]))

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._file.write(b"# EOF\n")
        self._file.close()
        self._plain.close()


def _sink(
    temporary: Path, path: Path, form: str, storage: Storage, selected: Selected
) -> _TextSink | parquet.Sink:
    if form == "parquet":
        names: set[str] = set()
        for matchers in selected.selectors:
            names.update(storage.label_names(matchers, selected.start_ms, selected.end_ms))
        return parquet.Sink(temporary, sorted(names - {METRIC_NAME}))
    return _TextSink(temporary, compressed=path.suffix == ".gz")
