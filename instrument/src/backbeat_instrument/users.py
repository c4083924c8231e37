"""Counts the different users of the last few minutes, in bounded memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable


class RecentUsers:
    """The users seen within `window_s`; beyond `capacity` the oldest is forgotten.

    Ids stay in memory and never become a label.
    """

    def __init__(self, clock: Callable[[], float], window_s: float = 300.0, capacity: int = 100_000) -> None:
        self._clock = clock
        self._window_s = window_s
        self._capacity = capacity
        self._seen_at: OrderedDict[Hashable, float] = OrderedDict()
        self._lock = threading.Lock()

    def seen(self, user: Hashable) -> None:
        with self._lock:
            self._seen_at[user] = self._clock()
            self._seen_at.move_to_end(user)
            if len(self._seen_at) > self._capacity:
                self._seen_at.popitem(last=False)

    def count(self) -> int:
        oldest = self._clock() - self._window_s
        with self._lock:
            while self._seen_at and next(iter(self._seen_at.values())) <= oldest:
                self._seen_at.popitem(last=False)
            return len(self._seen_at)
