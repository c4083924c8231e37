"""What a query may cost, and how it is stopped."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct

from backbeat.model.matchers import Matcher
from backbeat.model.results import QueryCanceled, QueryTimeout, QueryTooLarge

_REMEMBERED = 4096
"""selectors whose density is remembered"""


class Limits(Struct, frozen=True):
    """Prometheus's defaults."""

    max_samples: int = 50_000_000
    timeout_ms: int = 120_000
    lookback_ms: int = 300_000
    max_concurrency: int = 20
    default_subquery_step_ms: int = 60_000
    """of a subquery without a step: the global evaluation interval"""


class Dialect(Struct, frozen=True):
    """Prometheus's feature flags that change results."""

    delayed_name_removal: bool = False
    type_and_unit_labels: bool = False
    """tell counters by their __type__ label, not by the end of their name"""


class Deadline:
    """Says, between operators, whether a query must stop; may be cancelled from any thread."""

    def __init__(self, timeout_ms: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + timeout_ms / 1000
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True

    def check(self) -> None:
        """Raise QueryCanceled or QueryTimeout once the query must stop."""
        if self._cancelled:
            raise QueryCanceled("query was canceled in expression evaluation")
        if self._clock() >= self._end:
            raise QueryTimeout("query timed out in expression evaluation")


class Densities:
    """How many samples a selector gave for each ms, so that a query knows the size of its pieces."""

    def __init__(self) -> None:
        self._known: dict[tuple[Matcher, ...], float] = {}
        self.highest = 0.0
        """of all that were learnt"""

    def get(self, matchers: tuple[Matcher, ...]) -> float | None:
        return self._known.get(matchers)

    def learn(self, matchers: tuple[Matcher, ...], density: float) -> None:
        if len(self._known) >= _REMEMBERED:
            self._known, self.highest = {}, 0.0
        self._known[matchers] = density
        self.highest = max(self.highest, density)


class Budget:
    """Counts the samples that a query holds in memory at one time."""

    def __init__(self, max_samples: int) -> None:
        self._max = max_samples
        self.held = 0
        self.peak = 0
        self.read = 0
        """samples that came from storage"""
        self.series = 0
        """of those samples, selector by selector"""

    def hold(self, samples: int) -> None:
        """Raise QueryTooLarge where the query would hold too many."""
        self.held = held = self.held + samples
        if held > self.peak:
            self.peak = held
        if held > self._max:
            raise QueryTooLarge("query processing would load too many samples into memory in query execution")

    def release_to(self, samples: int) -> None:
        """What was held beyond `samples` has been freed."""
        self.held = samples
