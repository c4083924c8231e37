"""What the reader makes of one scrape.

In:  nothing; plain values.
Out: passed from `collect.reader` to `collect.series`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from backbeat.model.appender import Exemplar
from backbeat.model.arrays import Float64s, Int32s
from backbeat.model.labels import Labels

EMPTY_COLUMNS: Int32s = np.empty(0, np.int32)


@dataclass(frozen=True, slots=True)
class Reading:
    """One scrape, read.

    columns: (samples,) int32, unique; the very same object as long as the layout stays
    row:     (samples + extra,) float64; the last `extra` cells are the caller's
    """

    columns: Int32s
    row: Float64s
    scraped: int
    """sample lines"""
    kept: int
    """sample lines left by metric relabelling"""
    duplicates: int = 0
    """sample lines refused because their series had a sample in this scrape already"""
    stamped: Sequence[tuple[Labels, int, float]] = ()
    """samples with a timestamp of their own: series, ms, value"""
    exemplars: Sequence[Exemplar] = ()


@dataclass(slots=True)
class Lines:
    """What the second way gathers from a body."""

    columns: list[int] = field(default_factory=list)
    numbers: list[bytes] = field(default_factory=list)
    dropped: list[bytes] = field(default_factory=list)
    new: list[tuple[int, bytes | None, Labels]] = field(default_factory=list)
    """place in `columns`, line key where it may be remembered, series"""
    stamped: list[tuple[Labels, int, float]] = field(default_factory=list)
    exemplars: list[Exemplar] = field(default_factory=list)
    stamped_dropped: int = 0
    plain: bool = True
    """every sample line was a key, a space and a number, so a layout can stand for this body"""

    @property
    def kept(self) -> int:
        """sample lines left by metric relabelling"""
        return len(self.numbers) + len(self.stamped)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A body read as far as it goes without storage; for `ScrapeReader.complete` alone."""

    reading: Reading | None = None
    lines: Lines = field(default_factory=Lines)
    row: Float64s = field(default_factory=lambda: np.empty(0))
