"""The series of one target: readings and failures become rows of its cohort.

In:  the readings of `collect.reader`, or the word that a scrape failed.
Out: one row a scrape to the appender: the samples, the report series, and stale markers for series that
     were there before and are not any more.
No clock: the moment of the scrape is an argument. Called from one thread, that of the event loop.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from msgspec import Struct

from backbeat.collect.reading import EMPTY_COLUMNS, Reading
from backbeat.model.appender import Appended, Appender, Cohort
from backbeat.model.arrays import Float64s, Int32s, Int64s
from backbeat.model.labels import Labels
from backbeat.model.samples import STALE

REPORT = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
)


class Report(Struct, frozen=True):
    """What Backbeat writes about every scrape."""

    up: bool
    duration_s: float
    scraped: int = 0
    kept: int = 0


class TargetSeries:
    """The cohort of one target, and which of its series are alive."""

    def __init__(self, appender: Appender, name: str, report: Iterable[Labels]) -> None:
        """report: the labels of the `REPORT` series, in that order."""
        self._appender = appender
        self._report_labels = tuple(report)
        self.cohort: Cohort = appender.cohort(name)
        self._report: Int32s = self.cohort.columns(self._report_labels)
        self._alive: Int32s = EMPTY_COLUMNS
        """columns that got a sample in the last scrape, without the report's"""
        self._seen: Int32s = EMPTY_COLUMNS
        """columns of the last scrape that succeeded"""
        self._whole: Int32s = self._report
        """`_seen` and the report's: one object as long as nothing changes, which is storage's fast path"""
        self._reported = False

    @property
    def report_columns(self) -> frozenset[int]:
        return frozenset(self._report.tolist())

    def inherit(self, old: TargetSeries) -> None:
        """Go on where `old` of the same cohort ends: what it had and this one will not have becomes stale."""
        self._alive = old._alive
        self._reported = old._reported

    def write(self, at_ms: int, reading: Reading, report: Report) -> Appended:
        """One successful scrape. Raises StorageUnavailable.

        `reading.row` has room for the report at its end; it is filled here.
        """
        columns, row = reading.columns, reading.row
        whole, vanished, added = self._whole, EMPTY_COLUMNS, 0
        if columns is not self._seen:
            whole = np.concatenate([columns, self._report])
            gone = _without(self._seen, columns)
            added = len(columns) - (len(self._seen) - len(gone))
            if self._alive is self._seen:
                vanished = gone
        if self._alive is not self._seen:
            vanished = _without(self._alive, columns)
        self._fill(row[len(columns) :], report, added)
        appended = self._append(at_ms, whole, row, vanished)
        self._seen, self._alive, self._whole, self._reported = columns, columns, whole, True
        return appended

    def write_stamped(self, reading: Reading) -> Appended:
        """The samples that carry a timestamp of their own, and the exemplars. Raises StorageUnavailable."""
        if reading.exemplars:
            self._appender.append_exemplars(reading.exemplars)
        if not reading.stamped:
            return Appended()
        series, times, values = zip(*reading.stamped, strict=True)
        stamps: Int64s = np.array(times, np.int64)
        return self._appender.append_samples(series, stamps, np.array(values, np.float64))

    def fail(self, at_ms: int, report: Report) -> Appended:
        """A failed scrape: the report, and the end of all that was alive. Raises StorageUnavailable."""
        row: Float64s = np.empty(len(REPORT))
        self._fill(row, report, 0)
        appended = self._append(at_ms, self._report, row, self._alive)
        self._alive, self._reported = EMPTY_COLUMNS, True
        return appended

    def end(self, at_ms: int) -> None:
        """The target is gone: everything ends, the report too. Raises StorageUnavailable."""
        ended = np.concatenate([self._alive, self._report]) if self._reported else self._alive
        if len(ended):
            self.cohort.append(at_ms, ended, np.full(len(ended), STALE))
        self._alive, self._reported = EMPTY_COLUMNS, False

    def close(self) -> None:
        self.cohort.close()

    def _append(self, at_ms: int, columns: Int32s, row: Float64s, vanished: Int32s) -> Appended:
        if len(vanished):
            columns = np.concatenate([columns, vanished])
            row = np.concatenate([row, np.full(len(vanished), STALE)])
        return self.cohort.append(at_ms, columns, row)

    @staticmethod
    def _fill(cells: Float64s, report: Report, added: int) -> None:
        cells[0] = report.up
        cells[1] = report.duration_s
        cells[2] = report.scraped
        cells[3] = report.kept
        cells[4] = added


def _without(columns: Int32s, others: Int32s) -> Int32s:
    """The columns that are not among the others; np.setdiff1d would sort."""
    is_other = np.zeros(1 + max(columns.max(initial=0), others.max(initial=0)), np.bool_)
    is_other[others] = True
    return columns[~is_other[columns]]
