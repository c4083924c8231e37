"""The seam where samples enter: one moment, many series.

Scrapes, push receivers, built-in collectors and rule results all enter here. Implementations: the
embedded storage; remote write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from backbeat.model.arrays import Float64s, Int32s, Int64s
from backbeat.model.errors import BackbeatError
from backbeat.model.labels import Labels


class StorageUnavailable(BackbeatError):
    """The store cannot take samples now (disk full, read-only); retrying later helps. HTTP 503."""


class Appended(Struct, frozen=True):
    """What became of a batch: every sample is in exactly one of these counts."""

    stored: int = 0
    duplicate: int = 0
    """same series, time and value as a stored sample: idempotent, nothing written"""
    conflicting: int = 0
    """same series and time, another value: refused"""
    out_of_order: int = 0
    """older than the out-of-order window allows: refused"""
    too_far_ahead: int = 0
    """more than 10 minutes in the future: refused"""


class Exemplar(Struct, frozen=True):
    """One example behind a sample: `labels` hold trace_id and the like."""

    series: Labels
    labels: Labels
    value: float
    timestamp_ms: int


class Cohort(Protocol):
    """A set of series that are sampled together; grows columns, never renumbers them while open."""

    def columns(self, series: Sequence[Labels]) -> Int32s:
        """The column of each series in this cohort, made where it is new. (series,) int32."""
        ...

    def append(self, timestamp_ms: int, columns: Int32s, values: Float64s) -> Appended:
        """One row: values[i] is the sample of column columns[i] at that moment.

        Passing the very same `columns` array object as last time is the fast path (the layout is
        known to be unchanged), so callers keep it; the array must never be changed in place.
        Logged to the write-ahead log before this returns. Raises StorageUnavailable.
        """
        ...

    def close(self) -> None:
        """The source has ended; its series stay readable."""
        ...


class Appender(Protocol):
    """What everything that takes in samples needs from storage, and nothing more."""

    def cohort(self, name: str) -> Cohort:
        """Open (or reopen) the cohort of one source, e.g. `scrape/<job>/<instance>`."""
        ...

    def append_samples(self, series: Sequence[Labels], times: Int64s, values: Float64s) -> Appended:
        """Samples with timestamps of their own, in any grouping; one log write for the whole batch.

        times, values: (samples,), aligned with `series` (a series may occur many times).
        Raises StorageUnavailable, and then nothing of the batch was acknowledged.
        """
        ...

    def append_exemplars(self, exemplars: Sequence[Exemplar]) -> None:
        """Kept in a bounded ring; the oldest go first."""
        ...
