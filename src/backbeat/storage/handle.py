"""What a source of samples holds while it lives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backbeat.model.appender import Appended
from backbeat.model.arrays import Float64s, Int32s
from backbeat.model.labels import Labels
from backbeat.storage.cohort import HeadCohort, Layout
from backbeat.storage.head import Head
from backbeat.storage.irregular import append_row


class CohortHandle:
    """Implements model.appender.Cohort."""

    def __init__(self, head: Head, cohort: HeadCohort) -> None:
        self._head = head
        self._cohort = cohort
        self._columns: Int32s | None = None
        self._layout: Layout | None = None
        self._forgets = -1

    def columns(self, series: Sequence[Labels]) -> Int32s:
        return self._head.columns(self._cohort, series)

    def append(self, timestamp_ms: int, columns: Int32s, values: Float64s) -> Appended:
        if not len(columns):
            return Appended()
        head, cohort = self._head, self._cohort
        values = np.ascontiguousarray(values, np.float64)
        with head.lock:
            if cohort.is_gone:
                raise LookupError(f"cohort {cohort.name!r} was closed; open it again")
            layout = self._layout
            if columns is not self._columns or layout is None or cohort.forgets != self._forgets:
                layout = self._layout = head.layout(cohort, columns)
                self._columns, self._forgets = columns, cohort.forgets
            appended = head.append_in_order(cohort, layout, timestamp_ms, values)
            return append_row(head, cohort, layout, timestamp_ms, values) if appended is None else appended

    def close(self) -> None:
        with self._head.lock:
            self._cohort.closed = True
