"""Values of sealed chunks in memory, packed many series at a time.

In:  a matrix (series, samples). Out: bytes for each group of series; any rows again, to the bit.
A chunk in memory is short and lives for hours, so what counts is how fast it is made: the differences of the
values' bit patterns, bytes of the same weight side by side, and a general compressor over many series at once
take a fifth of the time of one stream a series, and as little room. Blocks (`storage.codec`) are made once.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cramjam
import numpy as np

from backbeat.model.arrays import Float64s, Int32s

_GROUP_CELLS = 8192
"""so many at once are compressed as well and as fast as more; fewer take longer and more room"""


def group_series(samples: int) -> int:
    """How many series of so many samples are packed together."""
    return max(1, _GROUP_CELLS // samples)


def pack(matrix: Float64s) -> list[bytes]:
    """(series, samples), C-contiguous, at least one sample each, to a text for each group of series."""
    bits = matrix.view(np.uint64)
    changes = bits.copy()
    changes[:, 1:] -= bits[:, :-1]
    count, samples = matrix.shape
    together = group_series(samples)
    weights = changes.view(np.uint8).reshape(count, samples, 8).transpose(0, 2, 1)
    return [
        bytes(cramjam.zstd.compress(weights[first : first + together].tobytes(), level=1))
        for first in range(0, count, together)
    ]


def unpack(groups: Sequence[bytes], rows: Int32s, samples: int) -> Float64s:
    """(rows, samples): the values of some rows; quickest where these are sorted."""
    values = np.empty((len(rows), samples))
    bits = values.view(np.uint64)
    together = group_series(samples)
    bounds = np.flatnonzero(np.diff(rows // together, prepend=-1, append=-1)).tolist()
    for begin, end in pairwise(bounds):
        group = int(rows[begin]) // together
        weights = np.frombuffer(memoryview(cramjam.zstd.decompress(groups[group])), np.uint8)
        weights = weights.reshape(-1, 8, samples)
        own = rows[begin:end] - group * together
        chosen = weights if len(own) == len(weights) and bool((own[1:] > own[:-1]).all()) else weights[own]
        changes = np.ascontiguousarray(chosen.transpose(0, 2, 1)).view(np.uint64)[..., 0]
        np.cumsum(changes, axis=1, dtype=np.uint64, out=bits[begin:end])
    return values
