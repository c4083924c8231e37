"""Series as a server would know them at a moment of a test: what comes later is not there yet.

Even `offset -5m` sees no sample of the future, neither in a rule nor in a tested expression, which is asked
when the last evaluation is done.
"""

from __future__ import annotations

from collections.abc import Sequence

from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher
from backbeat.model.samples import SampleBlock, Sheet
from backbeat.promql.queryable import Queryable


class SoFar:
    """A queryable without its samples after `till_ms`. Whoever plays the time moves `till_ms`."""

    def __init__(self, whole: Queryable, till_ms: int) -> None:
        self.till_ms = till_ms
        self._whole = whole

    def read(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[SampleBlock | Sheet]:
        if start_ms > self.till_ms:
            return []
        return self._whole.read(matchers, start_ms, min(end_ms, self.till_ms))

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[Labels]:
        return self._whole.series(matchers, start_ms, min(end_ms, self.till_ms))

    def label_names(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[str]:
        return self._whole.label_names(matchers, start_ms, min(end_ms, self.till_ms))

    def label_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> Sequence[str]:
        return self._whole.label_values(name, matchers, start_ms, min(end_ms, self.till_ms))
