"""Reading one block. Nothing in it changes but its tombstones.

Damage is contained: a page (64 streams) that fails its checksum makes these series absent in that chunk, a
damaged chunk head the chunk; the bytes are kept in quarantine, and everything else is served.
"""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import Callable, Sequence
from itertools import count, pairwise
from pathlib import Path
from threading import Lock

import numpy as np

from backbeat.model.arrays import Bools, Float64s, Int32s, Int64s
from backbeat.model.cache import ByteCache
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher
from backbeat.storage.assemble import Part
from backbeat.storage.block_index import PAGE_SERIES, BlockIndex, DamagedIndex
from backbeat.storage.block_writer import FORMAT_VERSION, BlockMeta
from backbeat.storage.codec import decode_into, decode_whole_numbers
from backbeat.storage.cohort import times_within
from backbeat.storage.files import Quarantine, write_durably
from backbeat.storage.keys import Keys
from backbeat.storage.tombstones import Tombstones

log = logging.getLogger(__name__)

_numbers = count()
_MATCHES_BYTES = 64 << 20


class UnreadableBlock(Exception):
    """Neither copy of its index or description is whole; the message says which."""


class _ChunkFile:
    """Closed when the last reader let go of it, so that a block can be deleted under a query."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)


class Block:
    """One directory below `blocks/`."""

    def __init__(self, path: Path, quarantine: Quarantine) -> None:
        """Raises UnreadableBlock, OSError (which says nothing about the block)."""
        self.path = path
        self.name = path.name
        self.number = next(_numbers)
        self.quarantine = quarantine
        self.meta = _read_meta(path, quarantine)
        self.file = _ChunkFile(path / "chunks")
        self.tombstones = Tombstones(path / "tombstones", quarantine)
        self._index: BlockIndex | None = None
        self._matches: ByteCache[tuple[Int32s, list[Labels]]] = ByteCache(_MATCHES_BYTES)
        self._chunks: dict[int, BlockChunk | None] = {}
        self._lock = Lock()
        self.bad_places: set[tuple[int, int]] = set()
        """(chunk, page) found damaged; page -1: the head of the chunk"""
        self.has_unread_bytes = False
        """the disk refused to read some: they may be whole, and are nowhere else"""

    def index(self) -> BlockIndex:
        """Loaded when first needed. Raises UnreadableBlock."""
        with self._lock:
            if self._index is None:
                self._index = self._load_index()
            return self._index

    @property
    def index_bytes(self) -> int:
        """Memory that the loaded index takes."""
        index = self._index
        return 0 if index is None else index.size_bytes + self._matches.size_bytes

    def forget_index(self) -> None:
        """Free the memory of the index until it is needed again."""
        with self._lock:
            self._index = None
            self._matches.clear()
            self._chunks.clear()

    def parts(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> dict[str, list[Part]]:
        """What the block holds of the series that all matchers accept, in [start_ms, end_ms]."""
        wanted = tuple(matchers)
        found = self._matches.get(wanted)
        if found is None:
            index = self.index()
            series = index.match(wanted)
            found = (series, index.labels(series.tolist()))
            self._matches.put(wanted, found, 500 + 250 * len(series))
        return self._parts_of(*found, start_ms, end_ms)

    def parts_of_keys(self, keys: Keys, start_ms: int, end_ms: int) -> dict[str, list[Part]]:
        series = self.index().of_keys(keys)
        return self._parts_of(series, self.index().labels(series.tolist()), start_ms, end_ms)

    def all_parts(self) -> dict[str, list[Part]]:
        """Everything in the block."""
        series = np.arange(len(self.index().keys), dtype=np.int32)
        return self._parts_of(
            series, self.index().labels(series.tolist()), self.meta.min_ms, self.meta.max_ms
        )

    def _parts_of(
        self, series: Int32s, labels: Sequence[Labels], start_ms: int, end_ms: int
    ) -> dict[str, list[Part]]:
        index = self.index()
        chunks = index.chunks
        begins = np.searchsorted(series, chunks["first_series"])
        ends = np.searchsorted(series, chunks["first_series"] + chunks["series_count"])
        touched = (ends > begins) & (chunks["min_ms"] <= end_ms) & (chunks["max_ms"] >= start_ms)
        keys = index.keys[series]
        result: dict[str, list[Part]] = {}
        for number in np.flatnonzero(touched).tolist():
            chunk = self._chunk(number)
            if chunk is None:
                continue
            first, last = times_within(chunk.times, start_ms, end_ms)
            if first == last:
                continue
            own = slice(int(begins[number]), int(ends[number]))
            rows = (series[own] - chunk.first_series).astype(np.int32)
            cohort = index.cohorts[int(chunks["cohort"][number])]
            result.setdefault(cohort, []).append(Part(keys[own], labels[own], chunk, rows, first, last))
        return result

    def _chunk(self, number: int) -> BlockChunk | None:
        try:
            return self._chunks[number]
        except KeyError:
            # Not looked up again: another thread may forget all of them meanwhile.
            chunk = self._chunks[number] = BlockChunk.load(self, self.index(), number)
            return chunk

    def read(self, offset: int, length: int, crc: int, place: tuple[int, int]) -> bytes | None:
        """Bytes of the chunk file if they are whole; else they are reported and kept, once."""
        try:
            content = os.pread(self.file.descriptor, length, offset)
        except OSError as error:
            content = b""
            self.has_unread_bytes = True
            log.error("%s/chunks: cannot read %d bytes at %d: %s", self.path, length, offset, error)
        if len(content) == length and zlib.crc32(content) == crc:
            return content
        if place not in self.bad_places:
            self.bad_places.add(place)
            what = f"{length} bytes at {offset} fail their checksum; their samples are left out"
            self.quarantine.keep(f"blocks/{self.name}/chunks-{offset}", content, what)
        return None

    def verify(self) -> list[str]:
        """Read everything; returns one line for each damaged place."""
        index = self.index()
        for number in range(len(index.chunks["cohort"])):
            chunk = self._chunk(number)
            if chunk is not None:
                chunk.verify()
        return [
            f"{self.path}: chunk {number}: "
            + (f"page {page} is damaged" if page >= 0 else "its head is damaged")
            for number, page in sorted(self.bad_places)
        ]

    def mend_copies(self) -> list[str]:
        """Restore whichever copy of the index and the description is damaged. Returns what was done."""
        done = []
        pairs: tuple[tuple[str, str, Callable[[bytes], object]], ...] = (
            ("index", "index-copy", BlockIndex.from_bytes),
            ("meta.json", "meta-copy.json", BlockMeta.from_bytes),
        )
        for one, two, check in pairs:
            for name, other in ((one, two), (two, one)):
                content = b""
                try:
                    content = (self.path / name).read_bytes()
                    check(content)
                except (OSError, ValueError):
                    self.quarantine.keep(f"blocks/{self.name}/{name}", content, "it is damaged")
                    _restore(self.path / name, self.path / other, check)
                    done.append(f"{self.path / name}: restored from its copy")
        return done

    def _load_index(self) -> BlockIndex:
        copies = [self.path / "index", self.path / "index-copy"]
        refused: OSError | None = None
        for path, other in (copies, copies[::-1]):
            content = b""
            try:
                content = path.read_bytes()
            except FileNotFoundError as error:
                log.error("%s: %s", path, error)
            except OSError as error:
                # Says nothing about the bytes: no descriptor is free, or the disk is away.
                log.error("%s: %s", path, error)
                refused = error
                continue
            try:
                return BlockIndex.from_bytes(content)
            except DamagedIndex:
                self.quarantine.keep(f"blocks/{self.name}/{path.name}", content, "the index is damaged")
                _restore(path, other, BlockIndex.from_bytes)
        if refused is not None:
            raise refused
        raise UnreadableBlock(f"{self.path}: both copies of its index are damaged")


class BlockChunk:
    """A run of series of one cohort over some time: a Source."""

    def __init__(self, block: Block, index: BlockIndex, number: int, times: Int64s, mask: bytes) -> None:
        table = index.chunks
        self.times = times
        self.first_series = int(table["first_series"][number])
        self._block = block
        self._number = number
        series = int(table["series_count"][number])
        streams = slice(int(table["first_stream"][number]), int(table["first_stream"][number]) + series)
        pages = slice(
            int(table["first_page"][number]),
            int(table["first_page"][number]) + (series + PAGE_SERIES - 1) // PAGE_SERIES,
        )
        self._keys = index.keys[self.first_series : self.first_series + series]
        self._kinds = index.stream_kinds[streams]
        self._lengths = index.stream_lengths[streams]
        self._pages = [index.page_offsets[pages], index.page_lengths[pages], index.page_crcs[pages]]
        # Where in its page each stream begins.
        ends = np.cumsum(self._lengths, dtype=np.int64)
        first = np.arange(series) // PAGE_SERIES * PAGE_SERIES
        self._starts = ends - self._lengths - (ends - self._lengths)[first]
        self._mask = np.frombuffer(mask, np.uint8).reshape(series, -1) if mask else None

    @classmethod
    def load(cls, block: Block, index: BlockIndex, number: int) -> BlockChunk | None:
        """None if its head is damaged."""
        row = {name: int(column[number]) for name, column in index.chunks.items()}
        length = row["times_length"] + row["mask_length"]
        head = block.read(row["head_offset"], length, row["head_crc"], (number, -1))
        if head is None:
            return None
        times = decode_whole_numbers(head[: row["times_length"]])
        mask = head[row["times_length"] :]
        return cls(block, index, number, times, zlib.decompress(mask) if mask else b"")

    def read(self, rows: Int32s, first: int, last: int) -> tuple[Float64s, Bools | None]:
        whole = np.ones(len(rows), np.bool_)
        values = self._decode(rows, whole)
        present = self.presence(rows, first, last)
        if not whole.all():
            present = np.ones((len(rows), last - first), np.bool_) if present is None else present
            present[~whole] = False
        return values[:, first:last], present

    def verify(self) -> None:
        for page in range(len(self._pages[0])):
            self._page(page)

    def presence(self, rows: Int32s | None, first: int, last: int) -> Bools | None:
        chosen = np.arange(len(self._keys), dtype=np.int32) if rows is None else rows
        deleted = self._block.tombstones.deleted(self._keys[chosen], self.times[first:last])
        if self._mask is None:
            return None if deleted is None else ~deleted
        bits = np.unpackbits(self._mask[chosen], axis=1, count=len(self.times))
        present = bits[:, first:last].view(np.bool_)
        if deleted is not None:
            present &= ~deleted
        return None if present.all() else present

    def _page(self, page: int) -> bytes | None:
        offset, length, crc = (int(column[page]) for column in self._pages)
        return self._block.read(offset, length, crc, (self._number, page))

    def _decode(self, rows: Int32s, whole: Bools) -> Float64s:
        values = np.zeros((len(rows), len(self.times)))
        pages = rows // PAGE_SERIES
        bounds = np.flatnonzero(np.diff(pages, prepend=-1, append=-1)).tolist()
        for begin, end in pairwise(bounds):
            content = self._page(int(pages[begin]))
            if content is None:
                whole[begin:end] = False
                continue
            own = rows[begin:end]
            decode_into(values[begin:end], self._kinds[own], content, self._starts[own], self._lengths[own])
        return values


def _read_meta(path: Path, quarantine: Quarantine) -> BlockMeta:
    names = ("meta.json", "meta-copy.json")
    refused: OSError | None = None
    for name, other in (names, names[::-1]):
        content = b""
        try:
            content = (path / name).read_bytes()
            meta = BlockMeta.from_bytes(content)
        except (FileNotFoundError, ValueError) as error:
            quarantine.keep(f"blocks/{path.name}/{name}", content, f"the description is damaged ({error})")
            _restore(path / name, path / other, BlockMeta.from_bytes)
            continue
        except OSError as error:
            log.error("%s: %s", path / name, error)
            refused = error
            continue
        if meta.version > FORMAT_VERSION:
            raise UnreadableBlock(
                f"{path}: its format is {meta.version}, this Backbeat knows {FORMAT_VERSION}"
            )
        return meta
    if refused is not None:
        raise refused
    raise UnreadableBlock(f"{path}: both copies of its description are damaged")


def _restore(path: Path, copy: Path, check: Callable[[bytes], object]) -> None:
    try:
        content = copy.read_bytes()
        check(content)
        write_durably(path, content)
        log.warning("%s: restored from its copy", path)
    except (OSError, ValueError) as error:
        log.warning("%s: could not be restored from its copy: %s", path, error)
