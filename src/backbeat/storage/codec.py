"""One series' values over a chunk as bytes, and back, exactly to the bit.

Whole numbers are compressed as integers: that is smaller, and three times faster to write. A series that
did not change is its one value. Streams stand alone, so that a query decodes only what it matched.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pcodec import ChunkConfig, standalone

from backbeat.model.arrays import Bools, Float64s, Int32s, Int64s

Bytes8 = NDArray[np.uint8]


class Stream(IntEnum):
    """How a series' values are written."""

    CONSTANT = 0
    """8 bytes: the value of every cell"""
    WHOLE = 1
    """pcodec, int64"""
    FLOAT = 2
    """pcodec, float64"""


_THOROUGH = ChunkConfig(compression_level=8)


class Streams(NamedTuple):
    """Encoded series: kinds (series,), lengths in bytes (series,), and the bytes one after the other."""

    kinds: Bytes8
    lengths: Int32s
    content: bytes


def encode(matrix: Float64s) -> Streams:
    """Compress (series, samples), C-contiguous, at least one sample each."""
    bits = matrix.view(np.int64)
    with np.errstate(invalid="ignore"):
        whole = matrix.astype(np.int64)
    # By bits, so that -0.0 and NaN are not taken for whole numbers.
    is_whole = (whole.astype(np.float64).view(np.int64) == bits).all(axis=1)
    is_constant = (bits == bits[:, :1]).all(axis=1)
    kinds = np.where(is_constant, Stream.CONSTANT, np.where(is_whole, Stream.WHOLE, Stream.FLOAT))
    streams: list[bytes] = []
    for row, kind in enumerate(kinds.tolist()):
        if kind == Stream.CONSTANT:
            streams.append(matrix[row, :1].tobytes())
        elif kind == Stream.WHOLE:
            streams.append(standalone.simple_compress(whole[row], _THOROUGH))
        else:
            streams.append(standalone.simple_compress(matrix[row], _THOROUGH))
    lengths = np.fromiter(map(len, streams), np.int32, len(streams))
    return Streams(kinds.astype(np.uint8), lengths, b"".join(streams))


def decode_into(out: Float64s, kinds: Bytes8, content: bytes, starts: Int64s, lengths: Int32s) -> None:
    """Decode one stream into each row of `out` (series, samples), C-contiguous."""
    whole_view = out.view(np.int64)
    places = zip(kinds.tolist(), starts.tolist(), lengths.tolist(), strict=True)
    for row, (kind, start, length) in enumerate(places):
        stream = content[start : start + length]
        if kind == Stream.WHOLE:
            standalone.simple_decompress_into(stream, whole_view[row])
        elif kind == Stream.FLOAT:
            standalone.simple_decompress_into(stream, out[row])
        else:
            out[row] = np.frombuffer(stream, np.float64)[0]
    whole = kinds == Stream.WHOLE
    if whole.all():
        out[...] = whole_view
    elif whole.any():
        out[whole] = whole_view[whole]


def encode_whole_numbers(numbers: NDArray[np.generic]) -> bytes:
    """Compress integers of any width: times, lengths, references."""
    content: bytes = standalone.simple_compress(np.ascontiguousarray(numbers, np.int64), _THOROUGH)
    return content


def decode_whole_numbers(content: bytes) -> Int64s:
    found = standalone.simple_decompress(content)
    return np.empty(0, np.int64) if found is None else found


def fill_absent(matrix: Float64s, present: Bools) -> Float64s:
    """Give absent cells the value before (or, at the start, after) them: whatever compresses best."""
    samples = np.arange(matrix.shape[1])
    before = np.maximum.accumulate(np.where(present, samples, -1), axis=1)
    first = present.argmax(axis=1)
    return np.take_along_axis(matrix, np.where(before < 0, first[:, None], before), axis=1)
