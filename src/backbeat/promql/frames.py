"""Frames: where a grid's windows lie in timestamps, found once for all series and queries that share them.

The metrics of one target have the same timestamps, and the panels of a dashboard the same grid, so most range
functions of a dashboard find here what an earlier one computed.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from backbeat.model.arrays import Int64s
from backbeat.model.cache import ByteCache
from backbeat.promql.kernels.rates import Edges, edges
from backbeat.promql.kernels.windows import Columns, Windows, half_open

_BUDGET_BYTES = 32 << 20


class Frame:
    """The windows (end - range, end] over the timestamps of some groups."""

    def __init__(self, columns: Columns, ends: Int64s, range_ms: int) -> None:
        none = np.empty(0, np.int64)
        # Without values, so that a frame that is kept holds no samples.
        self._columns = Columns(np.empty(0), none, none, columns.times, columns.starts)
        self._ends = ends
        self._range_ms = range_ms
        windows = half_open(self._columns, ends, range_ms)
        self._lo, self._hi = windows.lo, windows.hi

    def windows(self, columns: Columns) -> Windows:
        """The same windows over other values."""
        return Windows(columns, self._lo, self._hi)

    @cached_property
    def edges(self) -> Edges:
        return edges(self.windows(self._columns), self._ends, self._range_ms)

    def is_of(self, columns: Columns, ends: Int64s) -> bool:
        """All are as long as this one's."""
        return (
            _are_equal(self._ends, ends)
            and _are_equal(self._columns.times, columns.times)
            and _are_equal(self._columns.starts, columns.starts)
        )

    @property
    def size_bytes(self) -> int:
        return 8 * len(self._columns.times) + 6 * self._lo.nbytes


def _are_equal(one: Int64s, two: Int64s) -> bool:
    """Of two that are as long."""
    return one is two or bool((one == two).all())


class Frames:
    """The frames that were used lately. Thread-safe."""

    def __init__(self) -> None:
        self._known: ByteCache[Frame] = ByteCache(_BUDGET_BYTES)

    def of(self, columns: Columns, ends: Int64s, range_ms: int) -> Frame:
        times = columns.times
        key = (
            len(columns.starts),
            len(times),
            times.item(0),
            len(ends),
            ends.item(0),
            ends.item(-1),
            range_ms,
        )
        frame = self._known.get(key)
        if frame is None or not frame.is_of(columns, ends):
            frame = Frame(columns, ends, range_ms)
            self._known.put(key, frame, frame.size_bytes)
        return frame
