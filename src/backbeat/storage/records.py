"""Records of the write-ahead log: bytes in, typed values out. The format is in docs/formats/storage.md.

A record is a 16-byte header (magic, payload length, CRC-32, kind), the payload, and zeros up to a multiple
of 8 bytes, so that arrays in it are aligned. The CRC covers length, kind and payload.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from enum import IntEnum

import numpy as np
import orjson
from msgspec import Struct

from backbeat.model.arrays import Float64s, Int32s, Int64s
from backbeat.model.labels import Labels
from backbeat.storage import checksums
from backbeat.storage.keys import Keys

MAGIC = b"\xbbBr1"
HEADER = struct.Struct("<4sIII")
_CHECKED = struct.Struct("<II")
_COLUMNS = struct.Struct("<IIII")
_LAYOUT = struct.Struct("<II")
_ROWS = struct.Struct("<II")
_ONE_ROW = struct.Struct("<IIq")
_DELETE = struct.Struct("<qq")
_MAX_PAYLOAD = 1 << 30
_MAGIC_WORD = int.from_bytes(MAGIC, "little")
_ZEROS = np.array([zlib.crc32(bytes(count)) for count in range(8)], np.uint32)
"""CRC-32 of so many zeros"""


class Kind(IntEnum):
    FILLER = 0
    COHORT = 1
    COLUMNS = 2
    LAYOUT = 3
    CUT = 4
    ROWS = 5
    DELETE = 6


class Record(Struct, frozen=True):
    offset: int
    kind: int
    payload: memoryview


class Damage(Struct, frozen=True):
    """Bytes [start, end) of a file that are no whole record."""

    start: int
    end: int
    at_end: bool


class Frames(Struct, frozen=True):
    """The whole records of a file in order. Every array is (records,)."""

    kinds: Int64s
    payloads: Int64s
    """place of the payload, a multiple of 8"""
    lengths: Int64s
    """bytes of the payload"""

    def payload(self, place: int) -> slice:
        """Where the payload of a record is in the file."""
        begin = int(self.payloads[place])
        return slice(begin, begin + int(self.lengths[place]))

    def rows(self, first: int, last: int) -> Frames:
        """Those of records [first, last) that hold rows."""
        which = np.flatnonzero(self.kinds[first:last] == Kind.ROWS) + first
        return Frames(self.kinds[which], self.payloads[which], self.lengths[which])


def frame(kind: Kind, *parts: bytes | memoryview) -> bytes:
    """parts: each of single bytes; copied once, for rows are large."""
    size = sum(map(len, parts))
    crc = zlib.crc32(_CHECKED.pack(size, kind))
    for part in parts:
        crc = zlib.crc32(part, crc)
    return b"".join((HEADER.pack(MAGIC, size, crc, kind), *parts, bytes(-size % 8)))


def cohort_record(cohort: int, name: str, irregular: bool) -> bytes:
    return frame(Kind.COHORT, orjson.dumps([cohort, name, irregular]))


class Columns(Struct, frozen=True):
    """Series in the columns of a cohort from `first` on.

    keys:  (series,)
    sizes: (series,) how many labels each has
    refs:  (labels,) place in `pairs` of each label, series after series
    texts: JSON of the names and values of the pairs that occur
    """

    cohort: int
    first: int
    keys: Keys
    sizes: Int32s
    refs: Int32s
    texts: memoryview

    def pairs(self) -> list[tuple[str, str]]:
        """The (name, value) pairs that occur."""
        texts = orjson.loads(self.texts)
        return list(zip(texts[::2], texts[1::2], strict=True))

    def labels(self, pairs: Sequence[tuple[str, str]]) -> list[Labels]:
        """The series. pairs: those of `pairs`, or equal ones"""
        flat = [pairs[ref] for ref in self.refs.tolist()]
        ends = np.cumsum(self.sizes).tolist()
        return [Labels(flat[begin:end]) for begin, end in zip([0, *ends], ends, strict=False)]


def columns_record(cohort: int, first: int, series: Sequence[Labels], keys: Keys) -> bytes:
    pairs: dict[tuple[str, str], int] = {}
    refs = np.array([pairs.setdefault(pair, len(pairs)) for labels in series for pair in labels], np.int32)
    sizes = np.array([len(labels) for labels in series], np.int32)
    texts = orjson.dumps([text for pair in pairs for text in pair])
    header = _COLUMNS.pack(cohort, first, len(series), len(refs))
    return frame(Kind.COLUMNS, header, keys.tobytes(), sizes.tobytes(), refs.tobytes(), texts)


def layout_record(cohort: int, layout: int, columns: Int32s) -> bytes:
    return frame(Kind.LAYOUT, _LAYOUT.pack(cohort, layout), columns.tobytes())


def cut_record(segment: int, through_ms: int) -> bytes:
    return frame(Kind.CUT, orjson.dumps([segment, through_ms]))


def rows_record(layout: int, times: Int64s, matrix: Float64s) -> bytes:
    """matrix: (times, columns) C-contiguous."""
    return frame(Kind.ROWS, _ROWS.pack(layout, len(times)), times.tobytes(), matrix.tobytes())


def row_record(layout: int, timestamp_ms: int, values: Float64s) -> bytes:
    return frame(Kind.ROWS, _ONE_ROW.pack(layout, 1, timestamp_ms), values.data.cast("B"))


def delete_record(start_ms: int, end_ms: int, keys: Keys) -> bytes:
    return frame(Kind.DELETE, _DELETE.pack(start_ms, end_ms), keys.tobytes())


def read_columns(payload: memoryview) -> Columns:
    cohort, first, count, labels = _COLUMNS.unpack_from(payload)
    at = _COLUMNS.size
    keys = np.frombuffer(payload, np.uint64, count, at)
    sizes = np.frombuffer(payload, np.int32, count, at + 8 * count)
    refs = np.frombuffer(payload, np.int32, labels, at + 12 * count)
    return Columns(cohort, first, keys, sizes, refs, payload[at + 12 * count + 4 * labels :])


def read_layout(payload: memoryview) -> tuple[int, int, Int32s]:
    cohort, layout = _LAYOUT.unpack_from(payload)
    return cohort, layout, np.frombuffer(payload, np.int32, offset=_LAYOUT.size)


def read_delete(payload: memoryview) -> tuple[int, int, Keys]:
    start_ms, end_ms = _DELETE.unpack_from(payload)
    return start_ms, end_ms, np.frombuffer(payload, np.uint64, offset=_DELETE.size)


def frames(content: memoryview) -> tuple[Frames, list[Damage]]:
    """Every whole record of a file, and the bytes between that are none."""
    whole = _all_whole(content)
    if whole is not None:
        return whole, []
    items = list(scan(content))
    found = [item for item in items if isinstance(item, Record)]
    fields = [(each.kind, each.offset + HEADER.size, len(each.payload)) for each in found]
    columns = np.array(fields, np.int64).reshape(-1, 3).T
    return Frames(*columns), [item for item in items if isinstance(item, Damage)]


def _all_whole(content: memoryview) -> Frames | None:
    """The records of a file that consists of whole ones alone; None: it does not.

    That each of a thousand checksums is right takes one checksum of the file: one call, during which other
    threads run Python.
    """
    size = len(content)
    if size % 8:
        return None
    whole_crc = zlib.crc32(content)
    words = content.cast("I")
    places: list[int] = []
    at = 0
    while at < size:
        places.append(at)
        at += (words[(at >> 2) + 1] + HEADER.size + 7) & -8
    if at != size:
        return None
    offsets = np.array(places, np.int64)
    headers = np.frombuffer(content, np.uint32).reshape(-1, 2)
    firsts, seconds = headers[offsets >> 3], headers[(offsets >> 3) + 1]
    lengths = firsts[:, 1].astype(np.int64)
    if (firsts[:, 0] != _MAGIC_WORD).any() or lengths.max(initial=0) > _MAX_PAYLOAD:
        return None
    # In the file, the header comes before the payload; in the record's own checksum, length and kind do.
    in_file = checksums.of_rows(np.hstack((firsts, seconds)).view(np.uint8))
    in_record = checksums.of_rows(np.stack((firsts[:, 1], seconds[:, 1]), axis=1).view(np.uint8))
    crcs = checksums.followed(in_file ^ in_record, lengths) ^ seconds[:, 0]
    sizes = (lengths + HEADER.size + 7) & -8
    padding = sizes - lengths - HEADER.size
    if padding.any():
        crcs = checksums.followed(crcs, padding) ^ _ZEROS[padding]
    if checksums.joined(crcs, sizes) != whole_crc:
        return None
    return Frames(seconds[:, 1].astype(np.int64), offsets + HEADER.size, lengths)


def scan(content: bytes | memoryview) -> Iterator[Record | Damage]:
    """Every whole record of a file in order, and the bytes between that are none."""
    view, at, size = memoryview(content), 0, len(content)
    while at < size:
        record = _record_at(view, at)
        if record is not None:
            yield record
            at += HEADER.size + len(record.payload) + (-len(record.payload) % 8)
            continue
        end = _next_whole(view, at + 1)
        yield Damage(at, end, at_end=end == size)
        at = end


def _record_at(view: memoryview, at: int) -> Record | None:
    if at + HEADER.size > len(view):
        return None
    magic, length, crc, kind = HEADER.unpack_from(view, at)
    end = at + HEADER.size + length
    if magic != MAGIC or length > _MAX_PAYLOAD or end + (-length % 8) > len(view):
        return None
    payload = view[at + HEADER.size : end]
    if zlib.crc32(payload, zlib.crc32(_CHECKED.pack(length, kind))) != crc:
        return None
    return Record(at, kind, payload)


def _next_whole(view: memoryview, begin: int) -> int:
    rest, at = view[begin:].tobytes(), 0
    while (at := rest.find(MAGIC, at)) >= 0:
        if _record_at(view, begin + at) is not None:
            return begin + at
        at += 1
    return len(view)
