"""A Parquet file of samples: a row a sample, a column a label.

Columns: `metric`, `timestamp` (ms, UTC), `value`, then every label by its name, null where a series lacks it.
A label that is called like one of the first three gets `label_` before its name. Stale markers are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backbeat.model.errors import BackbeatError
from backbeat.model.samples import SampleBlock, is_stale

_OURS = ("metric", "timestamp", "value")
_ROWS_AT_ONCE = 1_000_000


class Missing(BackbeatError):
    """The library that writes Parquet is not installed."""


class Sink:
    """Writes blocks to a file while it is entered."""

    def __init__(self, path: Path, labels: Sequence[str]) -> None:
        """labels: every name that a series may have. Raises Missing."""
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise Missing(
                "Parquet needs the library pyarrow: run `pip install 'backbeat[parquet]'`, "
                "or export with --format openmetrics"
            ) from error
        self._arrow: Any = pyarrow
        self._labels = [(name, f"label_{name}" if name in _OURS else name) for name in labels]
        texts = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
        columns = [("metric", texts), ("timestamp", pyarrow.timestamp("ms", tz="UTC"))]
        columns += [("value", pyarrow.float64()), *((column, texts) for _, column in self._labels)]
        self._schema = pyarrow.schema(columns)
        self._writer: Any = pyarrow.parquet.ParquetWriter(str(path), self._schema, compression="zstd")

    def __enter__(self) -> Callable[[SampleBlock], None]:
        return self._write

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._writer.close()

    def _write(self, block: SampleBlock) -> None:
        height = max(1, _ROWS_AT_ONCE // max(1, len(block.times)))
        for first in range(0, len(block.labels), height):
            self._write_rows(block, slice(first, first + height))

    def _write_rows(self, block: SampleBlock, rows: slice) -> None:
        values = block.values[rows]
        there = ~is_stale(values)
        if block.present is not None:
            there &= block.present[rows]
        series, moments = np.nonzero(there)
        if not len(series):
            return
        labels = block.labels[rows]
        arrow = self._arrow
        columns = [
            self._texts([own.metric for own in labels], series),
            arrow.array(block.times[moments], arrow.timestamp("ms", tz="UTC")),
            arrow.array(values[there]),
        ]
        for name, _ in self._labels:
            columns.append(self._texts([own.get(name) or None for own in labels], series))
        self._writer.write_table(arrow.Table.from_arrays(columns, schema=self._schema))

    def _texts(self, each: Sequence[str | None], series: np.ndarray) -> Any:
        """The text of each sample's series."""
        numbers: dict[str, int] = {}
        codes = np.array([-1 if text is None else numbers.setdefault(text, len(numbers)) for text in each])
        chosen = codes[series].astype(np.int32)
        arrow = self._arrow
        indices = arrow.array(chosen, mask=chosen < 0)
        return arrow.DictionaryArray.from_arrays(indices, arrow.array(list(numbers), arrow.string()))
