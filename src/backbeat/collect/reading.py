"""What the reader makes of one scrape.

In:  nothing; plain values.
Out: passed from `collect.reader` to `collect.series`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct, field

from backbeat.collect.layout import Body, Seen, Shape
from backbeat.model.appender import Exemplar
from backbeat.model.arrays import Float64s, Int32s, Int64s
from backbeat.model.labels import Labels

EMPTY_COLUMNS: Int32s = np.empty(0, np.int32)


class Reading(Struct, frozen=True):
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


DROPPED, NOTHING, NEW = -1, -2, -3
"""instead of a line's column: relabelling drops its series; it has no sample for the row; a series that has
no column yet"""


class Lines(Struct):
    """What reading lines one by one gathers."""

    others: int = 0
    """samples left by metric relabelling on lines that are not read again"""
    columns: list[int] = field(default_factory=list)
    """of every line"""
    numbers: list[bytes] = field(default_factory=list)
    """of every line with a number for the row, or whose series is dropped"""
    odd: list[int] = field(default_factory=list)
    """places in `columns` of lines that are no key, space and number, or that have more than that"""
    new: list[tuple[int, bytes | None, Labels]] = field(default_factory=list)
    """place in `columns`, line key where it may be remembered, series"""
    types: list[tuple[int, str]] = field(default_factory=list)
    """place in `columns`, and the metric type that the line sets for those after it"""
    stamped: list[tuple[Labels, int, float]] = field(default_factory=list)
    exemplars: list[Exemplar] = field(default_factory=list)
    dropped: int = 0
    stamped_dropped: int = 0

    @property
    def kept(self) -> int:
        """sample lines left by metric relabelling"""
        return self.others + len(self.numbers) - self.dropped + len(self.stamped)

    @property
    def scraped(self) -> int:
        """sample lines that were read one by one"""
        return len(self.numbers) + len(self.stamped) + self.stamped_dropped


class Parsed(Struct):
    """A body read as far as it goes without storage: one whose lines are not all as they were.

    again:   (changes,) the lines that `found` is about
    columns: (lines,) column, or what stands instead of one
    values:  (lines,) 0 where there is none
    """

    body: Body
    again: Int64s
    found: Lines
    columns: Int32s
    values: Float64s
    shape: Shape
    types: list[tuple[int, str]]
    seen: Seen | None
    """None: every line was read"""


Prepared = Reading | Parsed
"""for `ScrapeReader.complete` alone"""
