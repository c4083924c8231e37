"""An in-process cache: the least recently used entry makes room, and an old entry no longer counts."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from backbeat_instrument import Metrics

from .faults import Faults


class Cache:
    """Keeps up to `capacity` values for `ttl_s` each, and counts hits, misses and evictions."""

    def __init__(
        self,
        metrics: Metrics,
        faults: Faults,
        clock: Callable[[], float],
        capacity: int = 250,
        ttl_s: float = 300.0,
    ) -> None:
        self._metrics = metrics
        self._faults = faults
        self._clock = clock
        self._capacity = capacity
        self._ttl_s = ttl_s
        self._entries: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()

    def get(self, key: Hashable) -> Any | None:
        """The kept value, or None, which therefore cannot be kept."""
        entry = None if self._faults.is_on("cache_off") else self._entries.get(key)
        if entry is not None and self._clock() - entry[0] > self._ttl_s:
            del self._entries[key]
            self._metrics.cache_evicted()
            entry = None
        if entry is None:
            self._metrics.cache_miss()
            return None
        self._entries.move_to_end(key)
        self._metrics.cache_hit()
        return entry[1]

    def put(self, key: Hashable, value: Any) -> None:
        if self._faults.is_on("cache_off"):
            return
        self._entries[key] = (self._clock(), value)
        self._entries.move_to_end(key)
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
            self._metrics.cache_evicted()

    def drop(self, key: Hashable) -> None:
        self._entries.pop(key, None)
