"""Rule results on their way to storage, with stale markers for series that a rule no longer returns.

In:  one vector a rule and evaluation.
Out: rows of the group's cohort.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from backbeat.model.appender import Appended, Appender, Cohort
from backbeat.model.arrays import Int32s
from backbeat.model.labels import Labels
from backbeat.model.samples import STALE
from backbeat.rules.vector import Vector


class GroupWriter:
    """The cohort of one group, opened when the first result comes."""

    def __init__(self, appender: Appender, name: str) -> None:
        self._appender = appender
        self._name = name
        self._cohort: Cohort | None = None

    @property
    def cohort(self) -> Cohort:
        if self._cohort is None:
            self._cohort = self._appender.cohort(self._name)
        return self._cohort

    def mark_stale(self, at_ms: int, series: Iterable[Labels]) -> None:
        """End these series. Where another rule wrote one at that very moment, storage keeps that sample."""
        ended = list(series)
        if ended:
            columns = self.cohort.columns(ended)
            self.cohort.append(at_ms, columns, np.full(len(ended), STALE))

    def close(self) -> None:
        if self._cohort is not None:
            self._cohort.close()
            self._cohort = None


class RuleWriter:
    """Remembers which series one rule wrote last, and their columns."""

    def __init__(self, group: GroupWriter, series: Sequence[Labels] = ()) -> None:
        """series: what an earlier form of this rule wrote last; it ends where this one does not go on."""
        self._group = group
        self._columns: tuple[Sequence[Labels], Int32s] | None = None
        self.series: Sequence[Labels] = series

    def write(self, at_ms: int, vector: Vector) -> Appended:
        """One row. Raises StorageUnavailable, and then the series of last time are still remembered."""
        series = list(vector.labels)
        appended = Appended()
        if series:
            appended = self._group.cohort.append(at_ms, self._columns_of(series), vector.values)
        else:
            # Storage gives columns up that are without samples for long.
            self._columns = None
        if series != self.series:
            self._group.mark_stale(at_ms, set(self.series).difference(series))
            self.series = series
        return appended

    def _columns_of(self, series: Sequence[Labels]) -> Int32s:
        """The very same array while the series are the same: storage's fast path."""
        if self._columns is None or self._columns[0] != series:
            self._columns = (series, self._group.cohort.columns(series))
        return self._columns[1]
