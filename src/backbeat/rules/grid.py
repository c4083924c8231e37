"""When a group is evaluated: a grid that does not drift, shifted by group so that not all start at once.

Pure: moments in, moments out. Times are ms since the epoch.
"""

from __future__ import annotations

import zlib

from msgspec import Struct


class Grid(Struct, frozen=True):
    """The moments offset_ms + n * interval_ms."""

    interval_ms: int
    offset_ms: int = 0

    @classmethod
    def of(cls, key: str, interval_ms: int) -> Grid:
        """The same key has the same grid after every restart."""
        return cls(interval_ms, zlib.crc32(key.encode()) % interval_ms)

    def after(self, at_ms: int) -> int:
        """The first moment of the grid later than `at_ms`."""
        return at_ms - (at_ms - self.offset_ms) % self.interval_ms + self.interval_ms

    def next(self, last_ms: int, now_ms: int) -> tuple[int, int]:
        """The moment to evaluate after `last_ms`, and how many moments were missed in between.

        A moment that passed while the last evaluation was still running is evaluated late rather than
        missed, unless a later one has passed as well. A clock that was set back starts the grid anew.
        """
        if now_ms < last_ms - self.interval_ms:
            return self.after(now_ms), 0
        steps = max(1, (now_ms - last_ms) // self.interval_ms)
        return last_ms + steps * self.interval_ms, steps - 1
