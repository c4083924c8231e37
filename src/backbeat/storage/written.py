"""What was written since someone last looked, so that results over older samples can be kept."""

from __future__ import annotations

from collections import deque

NOTHING_WRITTEN = 2**63 - 1
EVERYTHING = -(2**63)
_MOST_LOOKS = 4096


class Written:
    """For every look back, the time of the oldest sample that changed since. Used under the head's lock."""

    def __init__(self) -> None:
        self._mark = 0
        self._oldest = NOTHING_WRITTEN
        self._changes: deque[tuple[int, int]] = deque()
        """(mark, oldest): ascending in both, for an older change makes the later ones before it needless"""
        self._forgotten = 0
        """marks below this are too old to be told apart"""

    def note(self, oldest_ms: int) -> None:
        """Samples from `oldest_ms` on were stored or deleted."""
        if oldest_ms < self._oldest:
            self._oldest = oldest_ms

    def since(self, mark: int) -> tuple[int, int]:
        """A mark for the next look, and the time of the oldest sample that changed since `mark`."""
        if self._oldest != NOTHING_WRITTEN:
            while self._changes and self._changes[-1][1] >= self._oldest:
                self._changes.pop()
            self._changes.append((self._mark, self._oldest))
            self._mark += 1
            self._oldest = NOTHING_WRITTEN
            if len(self._changes) > _MOST_LOOKS:
                self._forgotten = self._changes.popleft()[0] + 1
        if mark < self._forgotten:
            return self._mark, EVERYTHING
        # Callers ask about their last look, so the change they want is among the newest.
        found = NOTHING_WRITTEN
        for at, oldest in reversed(self._changes):
            if at < mark:
                break
            found = oldest
        return self._mark, found
