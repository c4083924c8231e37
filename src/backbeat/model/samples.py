"""Sample values with a meaning of their own, and the arrays that carry samples between rooms."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from backbeat.model.arrays import Bools, Float64s, Int64s
from backbeat.model.labels import Labels

STALE_BITS = 0x7FF0000000000002
"""Bit pattern of the stale marker: a series that has ended. Any other NaN is an ordinary value."""
STALE: float = struct.unpack("<d", struct.pack("<Q", STALE_BITS))[0]


def is_stale(values: Float64s) -> Bools:
    """Which cells are stale markers; any shape, C-contiguous or not."""
    bits: Bools = np.ascontiguousarray(values).view(np.int64) == STALE_BITS
    return bits


class SampleBlock(Struct, frozen=True):
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

    @property
    def series(self) -> int:
        """How many have a sample."""
        return len(self.labels)

    @property
    def samples(self) -> int:
        return self.values.size if self.present is None else int(self.present.sum())


class Sheet(Struct, frozen=True):
    """Samples of many series in one matrix, as storage keeps them: nothing is copied for a query.

    Series that share their timestamps are a group; series stand group after group. No cell of a group's
    samples is without one. Cells beyond them hold anything, and are written to while this is read.

    labels: (series,)
    values: (rows, room) float64
    begins: (series,) index into `values.ravel()` of the first cell of its row, ascending
    groups: (series,) the group of each series, ascending
    sizes:  (groups,) how many series each has
    times:  (timestamps,) ms, group after group, strictly increasing inside a group
    starts: (groups + 1,) index of each group's first timestamp in `times`
    firsts: (groups,) column of `values` of each group's first sample
    falls:  sorted indexes into `values.ravel()` of samples that are lower than the one before them
    stale:  groups that have a stale marker among their samples
    samples: how many there are in all
    is_full: whether every group has a timestamp
    """

    labels: Sequence[Labels]
    values: Float64s
    begins: Int64s
    groups: Int64s
    sizes: Int64s
    times: Int64s
    starts: Int64s
    firsts: Int64s
    falls: Int64s
    stale: frozenset[int]
    samples: int
    is_full: bool

    @property
    def lengths(self) -> Int64s:
        """(groups,) how many timestamps each has; may be 0."""
        return self.starts[1:] - self.starts[:-1]

    @property
    def series(self) -> int:
        """How many have a sample."""
        return int(self.sizes[self.lengths > 0].sum())

    def series_of(self, group: int) -> slice:
        """The places of a group's series."""
        first, last = self.groups.searchsorted((group, group + 1))
        return slice(int(first), int(last))

    def times_of(self, group: int) -> Int64s:
        return self.times[self.starts[group] : self.starts[group + 1]]

    def block(self, group: int) -> SampleBlock:
        """A copy of one group."""
        own, times = self.series_of(group), self.times_of(group)
        first = int(self.firsts[group])
        row = int(self.begins[own.start]) // self.values.shape[1]
        cells = self.values[row : row + own.stop - own.start, first : first + len(times)]
        return SampleBlock(self.labels[own], times, np.ascontiguousarray(cells))

    def blocks(self) -> list[SampleBlock]:
        """A copy of every group that has samples."""
        return [self.block(group) for group in np.flatnonzero(self.lengths).tolist()]
