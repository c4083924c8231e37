"""An appender that keeps everything in memory, for tests of what comes before storage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct, field

from backbeat.model.appender import Appended, Exemplar, StorageUnavailable
from backbeat.model.arrays import Float64s, Int32s, Int64s
from backbeat.model.labels import Labels
from backbeat.model.samples import STALE, is_stale


class Stale:
    def __repr__(self) -> str:
        return "stale"


STALE_MARKER = Stale()


class MemoryCohort(Struct):
    name: str
    store: MemoryAppender
    series: list[Labels] = field(default_factory=list)
    places: dict[Labels, int] = field(default_factory=dict)
    layouts: list[Int32s] = field(default_factory=list)
    closed: bool = False

    def columns(self, series: Sequence[Labels]) -> Int32s:
        for labels in series:
            assert list(labels) == sorted(labels)
            if labels not in self.places:
                self.places[labels] = len(self.series)
                self.series.append(labels)
        return np.array([self.places[labels] for labels in series], np.int32)

    def append(self, timestamp_ms: int, columns: Int32s, values: Float64s) -> Appended:
        assert columns.shape == values.shape
        assert columns.dtype == np.int32
        assert values.dtype == np.float64
        assert len(set(columns.tolist())) == len(columns)
        self.layouts.append(columns)
        series = [self.series[column] for column in columns]
        return self.store.append_samples(series, np.full(len(series), timestamp_ms), values)

    def close(self) -> None:
        self.closed = True


class MemoryAppender:
    def __init__(self) -> None:
        self.cohorts: dict[str, MemoryCohort] = {}
        self.samples: dict[Labels, list[tuple[int, float]]] = {}
        self.exemplars: list[Exemplar] = []
        self.full = False
        self.window_ms: int | None = None
        """refuse samples older than the newest of their series by more than this"""

    def cohort(self, name: str) -> MemoryCohort:
        return self.cohorts.setdefault(name, MemoryCohort(name, self))

    def append_samples(self, series: Sequence[Labels], times: Int64s, values: Float64s) -> Appended:
        if self.full:
            raise StorageUnavailable("disk full")
        stored = duplicate = conflicting = late = 0
        for labels, at, value in zip(series, times.tolist(), values.tolist(), strict=True):
            known = self.samples.setdefault(labels, [])
            same = [old for when, old in known if when == at]
            if same:
                equal = np.array(same).tobytes() == np.array([value]).tobytes()
                duplicate, conflicting = duplicate + equal, conflicting + (not equal)
            elif known and self.window_ms is not None and at < known[-1][0] - self.window_ms:
                late += 1
            else:
                known.append((at, value))
                stored += 1
        return Appended(stored, duplicate, conflicting, late)

    def append_exemplars(self, exemplars: Sequence[Exemplar]) -> None:
        self.exemplars.extend(exemplars)

    def of(self, metric: str, **labels: str) -> list[tuple[int, object]]:
        """The samples of the one series with this name and at least these labels; stale markers by name."""
        wanted = Labels.of(labels, __name__=metric)
        matching = [own for own in self.samples if set(wanted) <= set(own)]
        assert len(matching) == 1, f"{wanted} matches {matching}"
        return [
            (at, STALE_MARKER if is_stale(np.array([value])).any() else value)
            for at, value in self.samples[matching[0]]
        ]

    def names(self) -> set[str]:
        return {labels.metric for labels in self.samples}


assert is_stale(np.array([STALE])).all()
