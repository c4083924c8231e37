"""Values of sealed chunks in memory, packed many series at a time.

In:  a matrix (series, samples). Out: a `Packed`; any rows of it again, to the bit.
A chunk in memory is short and lives for hours, so what counts is how fast it is made and read. Whole numbers
are held as their differences, in as few bytes as the largest of a series needs; all else as the differences
of its bit patterns. Series of one width are packed together, bytes of the same weight side by side, by a
general compressor: a tenth of the time of one stream a series, and little more room. Not too many, though:
who wants one metric of a target's thousand series unpacks few others. Blocks (`storage.codec`) are made once.
"""

from __future__ import annotations

from collections.abc import Sequence

import cramjam
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from backbeat.model.arrays import Float64s, Int32s, Int64s

_GROUP_BYTES = 1 << 14
"""before compression: so many are compressed as well as more, and nearly as fast; fewer take longer"""
_BITS = 8
"""width of a series whose bit patterns are packed: its values are no whole numbers, or too far apart"""
_OF_WIDTH = {width: np.dtype(f"<i{width}") for width in (1, 2, 4, _BITS)}
_NARROWED = (1, 2, 4)

Bytes8 = NDArray[np.uint8]
Places = NDArray[np.integer]


class Group(Struct, frozen=True):
    """Series of one width.

    rows:    (series,) which of the chunk's, sorted, from `first` to `last`
    content: their first values and then all differences, packed
    """

    width: int
    rows: Places
    first: int
    last: int
    content: bytes


class Packed(Struct, frozen=True):
    """samples: how many each series has."""

    samples: int
    groups: Sequence[Group]

    @property
    def size_bytes(self) -> int:
        return sum(len(group.content) + group.rows.nbytes + 150 for group in self.groups)


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
        members: Places = np.flatnonzero(widths == width)
        members = members.astype(np.uint16) if count <= 1 << 16 else members.astype(np.int32)
        own = changes if len(members) == count else changes[members]
        narrowed = own[:, 1:].astype(_OF_WIDTH[width])
        for begin in range(0, len(members), together):
            rows = members[begin : begin + together]
            content = _compressed(numbers[rows, 0], narrowed[begin : begin + together])
            groups.append(Group(width, rows, int(rows[0]), int(rows[-1]), content))
    return Packed(samples, groups)


def group_series(samples: int, width: int) -> int:
    """How many series of so many samples, each of so many bytes, are packed together."""
    return max(1, _GROUP_BYTES // (samples * width))


def unpack_into(out: Float64s, packed: Packed, rows: Int32s) -> None:
    """Write the values of some rows, each once, to (rows, samples); quickest where they are in order."""
    if not len(rows):
        return
    order = None if bool((rows[1:] > rows[:-1]).all()) else np.argsort(rows, kind="stable")
    wanted = rows if order is None else rows[order]
    first, last = wanted.item(0), wanted.item(-1)
    for group in packed.groups:
        if first <= group.last and group.first <= last:
            places, own = _found(group, wanted)
            if len(own):
                out[places if order is None else order[places]] = _values(group, own, packed.samples)


def _found(group: Group, wanted: Int32s) -> tuple[slice | Int64s, Places]:
    """Which of the wanted rows, in order, are in a group, and where in it."""
    begin, end = wanted.searchsorted((group.first, group.last + 1)).tolist()
    nearby = wanted[begin:end]
    if group.last - group.first + 1 == len(group.rows):
        return slice(begin, end), nearby - group.first
    own = group.rows.searchsorted(nearby)
    there = group.rows[own] == nearby
    return np.flatnonzero(there) + begin, own[there]


def _values(group: Group, own: Places, samples: int) -> Float64s | Int64s:
    """(own, samples) of some series of a group."""
    count, chosen = len(group.rows), _as_slice(own)
    weights = np.frombuffer(memoryview(cramjam.zstd.decompress(group.content)), np.uint8)
    values = np.empty((len(own), samples), np.int64)
    values[:, 0] = _joined(weights[: _BITS * count].reshape(_BITS, count, 1)[:, chosen])[:, 0]
    values[:, 1:] = _joined(weights[_BITS * count :].reshape(group.width, count, samples - 1)[:, chosen])
    np.cumsum(values, axis=1, out=values)
    return values.view(np.float64) if group.width == _BITS else values


def _as_slice(places: Places) -> slice | Places:
    first, last = places.item(0), places.item(-1)
    return slice(first, last + 1) if last - first + 1 == len(places) else places


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


def _compressed(firsts: Int64s, changes: NDArray[np.signedinteger]) -> bytes:
    """Bytes of one weight side by side: those of the first values, (series,), and of (series, changes)."""
    weights = [_apart(firsts[:, None]), _apart(changes)]
    return bytes(cramjam.zstd.compress(np.concatenate(weights).data, level=1))


def _apart(numbers: NDArray[np.signedinteger]) -> Bytes8:
    """All bytes of the lowest weight, then all of the next."""
    width = numbers.dtype.itemsize
    flat = np.ascontiguousarray(numbers).reshape(-1).view(np.uint8)
    return flat if width == 1 else np.ascontiguousarray(flat.reshape(-1, width).T).reshape(-1)


def _joined(weights: Bytes8) -> NDArray[np.signedinteger]:
    """(weights, series, numbers) bytes to (series, numbers)."""
    width, *shape = weights.shape
    numbers = weights[0] if width == 1 else np.ascontiguousarray(weights.transpose(1, 2, 0))
    return numbers.view(_OF_WIDTH[width]).reshape(shape)
