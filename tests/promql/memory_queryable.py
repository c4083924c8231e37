"""A queryable over samples in memory, laid out as storage lays them out: cohorts, with or without gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher
from backbeat.model.samples import SampleBlock

Series = Mapping[Labels, Sequence[tuple[int, float]]]


class MemoryQueryable:
    """Each added cohort is a block of its own; a series that comes again continues."""

    def __init__(self) -> None:
        self._cohorts: list[dict[Labels, dict[int, float]]] = []

    def add(self, series: Series) -> None:
        """One cohort: samples at (ms, value)."""
        fresh = {labels: dict(samples) for labels, samples in series.items()}
        for cohort in self._cohorts:
            for labels in [one for one in fresh if one in cohort]:
                cohort[labels].update(fresh.pop(labels))
        self._cohorts.append(fresh)

    def read(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[SampleBlock]:
        blocks = []
        for cohort in self._cohorts:
            chosen = {
                labels: {at: value for at, value in samples.items() if start_ms <= at <= end_ms}
                for labels, samples in cohort.items()
                if all(matcher.accepts(labels) for matcher in matchers)
            }
            times = sorted({at for samples in chosen.values() for at in samples})
            if times:
                blocks.append(_block(chosen, times))
        return blocks

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[Labels]:
        found = self.read(matchers, start_ms, end_ms)
        return sorted(labels for block in found for labels in block.labels)

    def label_names(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[str]:
        return sorted({name for labels in self.series(matchers, start_ms, end_ms) for name, _ in labels})

    def label_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> Sequence[str]:
        found = {labels.get(name) for labels in self.series(matchers, start_ms, end_ms)}
        return sorted(found - {""})


def _block(series: Mapping[Labels, Mapping[int, float]], times: list[int]) -> SampleBlock:
    values = np.zeros((len(series), len(times)))
    present = np.zeros(values.shape, bool)
    for row, samples in enumerate(series.values()):
        for column, at in enumerate(times):
            if at in samples:
                values[row, column], present[row, column] = samples[at], True
    whole = bool(present.all())
    return SampleBlock(list(series), np.array(times, np.int64), values, None if whole else present)
