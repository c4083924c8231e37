"""Exemplars: examples behind samples, in a ring of fixed size, in memory only."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from threading import Lock

from backbeat.model.appender import Exemplar
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher


class ExemplarRing:
    """The newest exemplars; the oldest go first. What a scrape tells again is kept once."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._ring: deque[Exemplar] = deque()
        self._newest: dict[Labels, Exemplar] = {}
        self._lock = Lock()

    def extend(self, exemplars: Sequence[Exemplar]) -> None:
        with self._lock:
            for one in exemplars:
                self._add(one)

    def _add(self, one: Exemplar) -> None:
        newest = self._newest.get(one.series)
        if newest is not None:
            is_told_again = (newest.labels, newest.value) == (one.labels, one.value)
            if is_told_again or one.timestamp_ms < newest.timestamp_ms:
                return
        self._ring.append(one)
        self._newest[one.series] = one
        if len(self._ring) > self._size:
            oldest = self._ring.popleft()
            if self._newest[oldest.series] is oldest:
                del self._newest[oldest.series]

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Exemplar]:
        """Exemplars in [start_ms, end_ms] whose series all matchers accept, by series and time, each once."""
        with self._lock:
            kept = list(self._ring)
        found = {
            exemplar
            for exemplar in kept
            if start_ms <= exemplar.timestamp_ms <= end_ms
            and all(matcher.accepts(exemplar.series) for matcher in matchers)
        }
        return sorted(found, key=lambda each: (each.series, each.timestamp_ms, each.labels))

    def __len__(self) -> int:
        return len(self._ring)
