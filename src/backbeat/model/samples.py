"""Sample values with a meaning of their own, and the arrays that carry samples between rooms."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backbeat.model.arrays import Bools, Float64s, Int64s
from backbeat.model.labels import Labels

STALE_BITS = 0x7FF0000000000002
"""Bit pattern of the stale marker: a series that has ended. Any other NaN is an ordinary value."""
STALE: float = struct.unpack("<d", struct.pack("<Q", STALE_BITS))[0]


def is_stale(values: Float64s) -> Bools:
    """Which cells are stale markers; any shape, C-contiguous or not."""
    bits: Bools = np.ascontiguousarray(values).view(np.int64) == STALE_BITS
    return bits


@dataclass(frozen=True, slots=True)
class SampleBlock:
    """Samples of series that share their timestamps (a cohort), or of one series.

    labels:  (series,)
    times:   (samples,) ms, strictly increasing
    values:  (series, samples) float64, C-contiguous; stale markers included
    present: (series, samples), False where a series has no sample at that time;
             None where every cell holds one. Where False the value is meaningless.
    """

    labels: Sequence[Labels]
    times: Int64s
    values: Float64s
    present: Bools | None = None

    def __post_init__(self) -> None:
        assert self.values.shape == (len(self.labels), len(self.times))
        assert self.present is None or self.present.shape == self.values.shape
