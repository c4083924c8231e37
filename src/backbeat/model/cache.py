"""A cache of arrays within a budget of bytes; what was not used longest goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class ByteCache(Generic[Value]):
    """Thread-safe; a value larger than `largest_bytes` (a quarter of the budget) is not kept."""

    def __init__(self, budget_bytes: int, largest_bytes: int | None = None) -> None:
        self._budget = budget_bytes
        self._largest = budget_bytes // 4 if largest_bytes is None else largest_bytes
        self._entries: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._lock = Lock()
        self.size_bytes = 0

    def get(self, key: Hashable) -> Value | None:
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            self._entries.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, value: Value, size_bytes: int) -> None:
        if size_bytes > self._largest:
            return
        with self._lock:
            self._forget(key)
            self._entries[key] = (value, size_bytes)
            self.size_bytes += size_bytes
            while self.size_bytes > self._budget:
                _, (_, gone) = self._entries.popitem(last=False)
                self.size_bytes -= gone

    def forget(self, key: Hashable) -> None:
        with self._lock:
            self._forget(key)

    def _forget(self, key: Hashable) -> None:
        old = self._entries.pop(key, None)
        if old is not None:
            self.size_bytes -= old[1]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self.size_bytes = 0
