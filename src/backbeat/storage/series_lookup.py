"""Which series have samples in a range of time.

In:  matchers and a range.
Out: their label sets, sorted.
Once every matched series was found, a range is remembered in which each has a sample: whoever asks for it or
more, as a page does whose range moves on with the time, gets the same list, and no cohort is looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from backbeat.model.cache import ByteCache
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher
from backbeat.storage.assemble import Part
from backbeat.storage.block_store import BlockStore
from backbeat.storage.head import Head

_KNOWN_BYTES = 8 << 20
_FEW_COHORTS, _FEW_SERIES = 8, 200
"""of which finding those with samples in a range takes well under a ms"""
_NEVER_MS = 2**63 - 1


class _Everyone(NamedTuple):
    """All series in memory that some matchers accept; each has a sample in [first_ms, last_ms].

    state: what that follows from, beside samples that came: they take nothing away
    """

    state: tuple[int, int, int]
    first_ms: int
    last_ms: int
    labels: Sequence[Labels]


class SeriesLookup:
    """The series of memory and blocks together; any thread may ask."""

    def __init__(self, head: Head, blocks: BlockStore) -> None:
        self._head = head
        self._blocks = blocks
        self._known: ByteCache[_Everyone] = ByteCache(_KNOWN_BYTES)

    def find(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[Labels]:
        """Label sets of series with samples in the range, sorted; never changed."""
        wanted = tuple(matchers)
        # Memory first: what a cut moves to a block meanwhile is then found twice, not missed.
        in_memory = self._everyone(wanted, start_ms, end_ms)
        if in_memory is None:
            in_memory = self._in_memory(wanted, start_ms, end_ms)
        in_blocks: set[Labels] = set()
        for parts in self._blocks.parts(wanted, start_ms, end_ms).values():
            for part in parts:
                _add(in_blocks, part)
        return sorted(in_blocks.union(in_memory)) if in_blocks else in_memory

    def at_hand(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[Labels] | None:
        """What `find` gives, where that is known or these are few in known places; else None."""
        if self._blocks.overlapping(start_ms, end_ms):
            return None
        wanted = tuple(matchers)
        everyone = self._everyone(wanted, start_ms, end_ms)
        if everyone is not None:
            return everyone
        placed = self._head.matched_before(wanted)
        if (
            placed is None
            or len(placed) > _FEW_COHORTS
            or sum(len(each.keys) for each in placed) > _FEW_SERIES
        ):
            return None
        return self.find(wanted, start_ms, end_ms)

    def _state(self) -> tuple[int, int, int]:
        return self._head.table.generation, self._head.deletions, self._blocks.version

    def _everyone(self, wanted: tuple[Matcher, ...], start_ms: int, end_ms: int) -> Sequence[Labels] | None:
        """The series in memory, if it is known that all have a sample in the range."""
        known = self._known.get(wanted)
        if known is None or known.state != self._state():
            return None
        return known.labels if start_ms <= known.first_ms and known.last_ms <= end_ms else None

    def _in_memory(self, wanted: tuple[Matcher, ...], start_ms: int, end_ms: int) -> Sequence[Labels]:
        state = self._state()
        placed = self._head.matched(wanted)
        found: set[Labels] = set()
        first_ms, last_ms = _NEVER_MS, -_NEVER_MS
        members = Counter[str]()
        for each in placed:
            members[each.cohort.name] += len(each.keys)
        for name, parts in self._head.parts(placed, start_ms, end_ms).items():
            own: set[Labels] = set()
            # The newest first: it has most of them.
            for part in reversed(parts):
                before = len(own)
                is_whole = _add(own, part)
                if len(own) > before:
                    times = part.times
                    first_ms = min(first_ms, int(times[-1 if is_whole else 0]))
                    last_ms = max(last_ms, int(times[-1]))
                if len(own) == members[name]:
                    break
            found |= own
        labels = sorted(found)
        # Series that lie in several cohorts, which are rare, are looked for each time.
        if found and len(found) == members.total():
            self._known.put(wanted, _Everyone(state, first_ms, last_ms, labels), 500 + 8 * len(labels))
        return labels


def _add(found: set[Labels], part: Part) -> bool:
    """Add the series that have a sample in a part; whether each of them has one at each of its times."""
    present = part.source.presence(part.rows, part.first, part.last)
    if present is None:
        found.update(part.labels)
        return True
    found.update(part.labels[each] for each in np.flatnonzero(np.asarray(present.any(axis=1))).tolist())
    return False
