"""Writing a block: a directory that appears all at once or not at all."""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import numpy as np
import orjson
from msgspec import Struct
from msgspec.structs import asdict

from backbeat.model.arrays import Bools, Float64s, Int64s
from backbeat.model.labels import Labels
from backbeat.storage.assemble import Part, assemble
from backbeat.storage.block_index import CHUNK_FIELDS, PAGE_SERIES, BlockIndex
from backbeat.storage.chunks import split_by_life
from backbeat.storage.codec import encode, encode_whole_numbers
from backbeat.storage.files import WRITING, fsync_path
from backbeat.storage.keys import key_of

MAX_ROWS = 2048
"""samples of a stream: long ones compress better, short ones are read sooner"""
_BATCH_CELLS = 8 << 20
FORMAT_VERSION = 1


class BlockMeta(Struct, frozen=True):
    """meta.json of a block: what can be known without its index. Window: [start_ms, end_ms)."""

    version: int
    start_ms: int
    end_ms: int
    min_ms: int
    max_ms: int
    samples: int
    series: int
    id: str
    """names the block for ever, as its directory does not"""
    parents: tuple[str, ...] = ()
    """ids of the blocks that this one replaces"""

    def to_bytes(self) -> bytes:
        """A line of JSON and a line with its CRC-32."""
        described = orjson.dumps(asdict(self))
        return b"%s\n%08x\n" % (described, zlib.crc32(described))

    @classmethod
    def from_bytes(cls, content: bytes) -> BlockMeta:
        """Raises ValueError."""
        described, _, checksum = content.partition(b"\n")
        if b"%08x\n" % zlib.crc32(described) != checksum:
            raise ValueError("its checksum does not fit")
        found = orjson.loads(described)
        return cls(**{**found, "parents": tuple(found["parents"])})


class BlockWriter:
    """Collects chunks; `finish` makes the block."""

    def __init__(self, blocks: Path, start_ms: int, end_ms: int) -> None:
        """Raises OSError."""
        self._target = _free_name(blocks, start_ms, end_ms)
        self._temporary = self._target.with_name(self._target.name + WRITING)
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary.mkdir(mode=0o700)
        self._window = (start_ms, end_ms)
        self._file: BinaryIO = (self._temporary / "chunks").open("wb")
        self._offset = 0
        self._cohorts: dict[str, int] = {}
        self._pairs: dict[tuple[str, str], int] = {}
        self._pair_counts: list[int] = []
        self._pair_refs: list[int] = []
        self._keys: list[int] = []
        self._chunks: dict[str, list[int]] = {name: [] for name in CHUNK_FIELDS}
        self._pages: list[tuple[int, int, int]] = []
        self._kinds: list[np.ndarray] = []
        self._lengths: list[np.ndarray] = []
        self._stream_count = 0
        self.samples = 0

    def add(
        self, cohort: str, labels: Sequence[Labels], times: Int64s, values: Float64s, present: Bools | None
    ) -> None:
        """Write samples of a cohort's series; values, present: (series, samples). Raises OSError."""
        for members, first, last, part, mask in split_by_life(values, present):
            first_series = len(self._keys)
            self._add_series([labels[each] for each in members.tolist()])
            for at in range(0, last - first, MAX_ROWS):
                rows = slice(at, min(at + MAX_ROWS, last - first))
                self._add_chunk(
                    cohort,
                    first_series,
                    times[first:last][rows],
                    np.ascontiguousarray(part[:, rows]),
                    None if mask is None else np.ascontiguousarray(mask[:, rows]),
                )

    def abandon(self) -> None:
        self._file.close()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def finish(self, parents: Sequence[str] = ()) -> Path | None:
        """Make the block durable under its name; None if it would be empty. Raises OSError."""
        if not self.samples:
            self.abandon()
            return None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        index = self._index()
        meta = BlockMeta(
            FORMAT_VERSION,
            *self._window,
            min(self._chunks["min_ms"]),
            max(self._chunks["max_ms"]),
            self.samples,
            len(np.unique(index.keys)),
            uuid4().hex,
            tuple(parents),
        )
        described, indexed = meta.to_bytes(), index.to_bytes()
        for name, content in (
            ("index", indexed),
            ("index-copy", indexed),
            ("meta.json", described),
            ("meta-copy.json", described),
        ):
            with (self._temporary / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        fsync_path(self._temporary)
        self._temporary.rename(self._target)
        fsync_path(self._target.parent)
        return self._target

    def _add_series(self, series: Sequence[Labels]) -> None:
        for labels in series:
            self._keys.append(key_of(labels))
            self._pair_counts.append(len(labels))
            self._pair_refs += [self._pairs.setdefault(pair, len(self._pairs)) for pair in labels]

    def _add_chunk(
        self, cohort: str, first_series: int, times: Int64s, values: Float64s, present: Bools | None
    ) -> None:
        if present is not None and not present.any():
            return
        masked = present is not None and not present.all()
        mask = (
            zlib.compress(np.packbits(present, axis=1).tobytes(), 9)
            if masked and present is not None
            else b""
        )
        encoded_times = encode_whole_numbers(times)
        head = encoded_times + mask
        table = {
            "cohort": self._cohorts.setdefault(cohort, len(self._cohorts)),
            "first_series": first_series,
            "series_count": len(values),
            "min_ms": int(times[0]),
            "max_ms": int(times[-1]),
            "samples": len(times),
            "head_offset": self._offset,
            "times_length": len(encoded_times),
            "mask_length": len(mask),
            "head_crc": zlib.crc32(head),
            "first_page": len(self._pages),
            "first_stream": self._stream_count,
        }
        for name, value in table.items():
            self._chunks[name].append(value)
        self._write(head)
        for at in range(0, len(values), PAGE_SERIES):
            streams = encode(values[at : at + PAGE_SERIES])
            self._pages.append((self._offset, len(streams.content), zlib.crc32(streams.content)))
            self._kinds.append(streams.kinds)
            self._lengths.append(streams.lengths)
            self._stream_count += len(streams.kinds)
            self._write(streams.content)
        self.samples += values.size if present is None else int(present.sum())

    def _write(self, content: bytes) -> None:
        self._file.write(content)
        self._offset += len(content)

    def _index(self) -> BlockIndex:
        pages = np.array(self._pages, np.int64).reshape(-1, 3)
        return BlockIndex(
            list(self._cohorts),
            list(self._pairs),
            np.concatenate([[0], np.cumsum(np.array(self._pair_counts, np.int64))]),
            np.array(self._pair_refs, np.int64),
            np.array(self._keys, np.uint64),
            {name: np.array(column, np.int64) for name, column in self._chunks.items()},
            np.ascontiguousarray(pages[:, 0]),
            np.ascontiguousarray(pages[:, 1]),
            np.ascontiguousarray(pages[:, 2]),
            np.concatenate(self._kinds),
            np.concatenate(self._lengths),
        )


def write_block(
    blocks: Path,
    start_ms: int,
    end_ms: int,
    cohorts: Iterable[tuple[str, Sequence[Part]]],
    parents: Sequence[str] = (),
) -> Path | None:
    """Write all samples of these parts as one block. Returns its directory, or None without any sample.

    Raises OSError, and then nothing is left behind.
    """
    writer = BlockWriter(blocks, start_ms, end_ms)
    try:
        for cohort, parts in cohorts:
            for batch in _in_batches(parts):
                for block in assemble({cohort: batch}):
                    writer.add(cohort, block.labels, block.times, block.values, block.present)
        return writer.finish(parents)
    except BaseException:
        writer.abandon()
        raise


def _in_batches(parts: Sequence[Part]) -> Iterable[list[Part]]:
    """Cut a wide cohort into groups of series, so that a group fits in memory."""
    samples = sum(part.last - part.first for part in parts)
    widest = max((len(part.keys) for part in parts), default=0)
    most = max(_BATCH_CELLS // max(samples, 1), 64)
    if widest <= most:
        yield list(parts)
        return
    everyone, first = np.unique(np.concatenate([part.keys for part in parts]), return_index=True)
    everyone = everyone[np.argsort(first)]
    for at in range(0, len(everyone), most):
        wanted = everyone[at : at + most]
        chosen = [(part, np.flatnonzero(np.isin(part.keys, wanted))) for part in parts]
        yield [part.only(rows) for part, rows in chosen if len(rows)]


def _free_name(blocks: Path, start_ms: int, end_ms: int) -> Path:
    path, number = blocks / f"{start_ms}-{end_ms}", 2
    while path.exists():
        path, number = blocks / f"{start_ms}-{end_ms}-{number}", number + 1
    return path
