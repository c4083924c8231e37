"""Values of sealed chunks in memory, packed many series at a time.

In:  a matrix (series, samples). Out: a `Packed`; any rows of it again, to the bit.
A chunk in memory is short and lives for hours, so what counts is how fast it is made and read. Whole numbers
are held as their differences, in as few bytes as the largest of a series needs; all else as the differences
of its bit patterns. Series of one width are packed together, bytes of the same weight side by side, by a
general compressor: a tenth of the time of one stream a series, and little more room. Blocks (`storage.codec`)
are made once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import cramjam
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from backbeat.model.arrays import Float64s, Int32s, Int64s

_GROUP_BYTES = 1 << 16
"""before compression: so many at once are compressed as well and as fast as more; fewer take longer"""
_BITS = 8
"""width of a series whose bit patterns are packed: its values are no whole numbers, or too far apart"""
_OF_WIDTH = {width: np.dtype(f"<i{width}") for width in (1, 2, 4, _BITS)}
_NARROWED = (1, 2, 4)

Bytes8 = NDArray[np.uint8]


class Group(Struct, frozen=True):
    """Series of one width. rows: (series,) which of the chunk's, sorted."""

    width: int
    rows: NDArray[np.integer]
    content: bytes


class Packed(Struct, frozen=True):
    """firsts: the first values of all series, packed; samples: how many each has."""

    samples: int
    count: int
    firsts: bytes
    groups: Sequence[Group]

    @property
    def size_bytes(self) -> int:
        return sum(len(group.content) + group.rows.nbytes + 100 for group in self.groups) + len(self.firsts)


def pack(matrix: Float64s) -> Packed:
    """(series, samples), C-contiguous, at least one sample each."""
    count, samples = matrix.shape
    bits = matrix.view(np.int64)
    with np.errstate(invalid="ignore"):
        numbers = matrix.astype(np.int64)
    changes = _changes(numbers)
    widths = _widths(changes)
    # By bits, so that -0.0 and NaN are not taken for whole numbers.
    widths[(numbers.astype(np.float64).view(np.int64) != bits).any(axis=1)] = _BITS
    by_bits = np.flatnonzero(widths == _BITS)
    if len(by_bits):
        numbers[by_bits] = bits[by_bits]
        changes[by_bits] = _changes(bits[by_bits])
    groups = []
    for width in np.unique(widths).tolist():
        together = group_series(samples, width)
        members: NDArray[np.integer] = np.flatnonzero(widths == width)
        members = members.astype(np.uint16) if count <= 1 << 16 else members.astype(np.int32)
        own = changes if len(members) == count else changes[members]
        narrowed = own.astype(_OF_WIDTH[width])
        groups += [
            Group(width, members[begin : begin + together], _compressed(narrowed[begin : begin + together]))
            for begin in range(0, len(members), together)
        ]
    return Packed(samples, count, _compressed(np.ascontiguousarray(numbers[:, 0])), groups)


def group_series(samples: int, width: int) -> int:
    """How many series of so many samples, each of so many bytes, are packed together."""
    return max(1, _GROUP_BYTES // (samples * width))


def unpack_into(out: Float64s, packed: Packed, rows: Int32s) -> None:
    """Write the values of some rows to (rows, samples); quickest where they are all of them in order."""
    firsts = _decompressed(packed.firsts, _BITS, (packed.count,))
    every = len(rows) == packed.count and bool((rows[1:] > rows[:-1]).all())
    for group, places, own in _found(packed, None if every else rows):
        changes = _decompressed(group.content, group.width, (len(group.rows), packed.samples))
        first = firsts[group.rows]
        if own is not None:
            changes, first = changes[own], first[own]
        target = out[places] if isinstance(places, slice) else np.empty((len(places), packed.samples))
        whole = target.view(np.int64)
        np.cumsum(changes, axis=1, dtype=np.int64, out=whole)
        whole += first[:, None]
        if group.width != _BITS:
            target[...] = whole
        if not isinstance(places, slice):
            out[places] = target


def _found(packed: Packed, rows: Int32s | None) -> Iterator[tuple[Group, slice | Int64s, Int64s | None]]:
    """Groups with wanted rows (None: all), the places of these in `rows`, and in the group (None: all)."""
    if rows is None:
        for group in packed.groups:
            first, last = int(group.rows[0]), int(group.rows[-1]) + 1
            is_run = last - first == len(group.rows)
            yield group, slice(first, last) if is_run else group.rows.astype(np.int64), None
        return
    group_of, place_in = np.empty(packed.count, np.int64), np.empty(packed.count, np.int64)
    for number, group in enumerate(packed.groups):
        group_of[group.rows], place_in[group.rows] = number, np.arange(len(group.rows))
    wanted = group_of[rows]
    order = np.argsort(wanted, kind="stable")
    for begin, end in pairwise(np.flatnonzero(np.diff(wanted[order], prepend=-1, append=-1)).tolist()):
        places = order[begin:end]
        yield packed.groups[int(wanted[places[0]])], places, place_in[rows[places]]


def _changes(numbers: Int64s) -> Int64s:
    """The differences of each series, which may overflow: sums of them do so back."""
    changes = np.zeros_like(numbers)
    np.subtract(numbers[:, 1:], numbers[:, :-1], out=changes[:, 1:])
    return changes


def _widths(changes: Int64s) -> Bytes8:
    """(series,) how many bytes the differences of each need."""
    least, most = changes.min(axis=1), changes.max(axis=1)
    widths = np.full(len(changes), _BITS, np.uint8)
    for width in reversed(_NARROWED):
        limits = np.iinfo(_OF_WIDTH[width])
        widths[(least >= limits.min) & (most <= limits.max)] = width
    return widths


def _compressed(numbers: NDArray[np.signedinteger]) -> bytes:
    width = numbers.dtype.itemsize
    weights = numbers.reshape(-1).view(np.uint8)
    if width > 1:
        weights = np.ascontiguousarray(weights.reshape(-1, width).T)
    return bytes(cramjam.zstd.compress(weights.data, level=1))


def _decompressed(content: bytes, width: int, shape: tuple[int, ...]) -> NDArray[np.signedinteger]:
    weights = np.frombuffer(memoryview(cramjam.zstd.decompress(content)), np.uint8)
    if width > 1:
        weights = np.ascontiguousarray(weights.reshape(width, -1).T).reshape(-1)
    return weights.view(_OF_WIDTH[width]).reshape(shape)
