"""The fixed pieces of a scrape body, so that the next one can be read without looking at its lines.

In:  bodies of one target.
Out: the numbers of a body whose every other piece is as it was last time.
Pure. A body is cut at every space and newline; comparing the pieces and picking the numbers runs in C.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np

from backbeat.collect.exposition import LineError, parse_row
from backbeat.model.arrays import Float64s

Pick = Callable[[Sequence[bytes]], tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the fixed pieces and the numbers of a body stand."""

    pieces: int
    newlines: int
    fixed_at: Pick
    fixed: bytes
    """the fixed pieces in one text: comparing it walks memory in order, where thousands of pieces kept from
    the last scrape would each be fetched from somewhere else"""
    numbers_at: Pick
    dropped_at: Pick | None
    """numbers of lines that metric relabelling drops: only checked"""

    @classmethod
    def of(cls, body: bytes, known: Mapping[bytes, int], numbers: int) -> Layout | None:
        """The layout of a body of plain lines (key, space, number), at least two of them.

        known: column of each line key, negative where the line is dropped.
        numbers: how many lines have a column; None is returned where the body does not agree.
        """
        pieces = _cut(body)
        at = 0
        kept: list[int] = []
        dropped: list[int] = []
        for line in body.split(b"\n"):
            at += line.count(b" ") + 1
            column = known.get(line.rpartition(b" ")[0])
            if column is not None:
                (kept if column >= 0 else dropped).append(at - 1)
        if len(kept) != numbers or numbers < 2:
            return None
        varying = {*kept, *dropped}
        fixed = [place for place in range(len(pieces)) if place not in varying]
        if len(fixed) < 2:
            return None
        fixed_at = _pick(fixed)
        # Its first place twice, because itemgetter of a single place gives no tuple.
        dropped_at: Pick | None = _pick([*dropped, dropped[0]]) if dropped else None
        return cls(
            len(pieces), _newlines(body), fixed_at, b" ".join(fixed_at(pieces)), _pick(kept), dropped_at
        )

    def read(self, body: bytes, extra: int) -> Float64s | None:
        """The row of a body's numbers with `extra` zeros after them; None where the body differs."""
        pieces = _cut(body)
        if len(pieces) != self.pieces or b" ".join(self.fixed_at(pieces)) != self.fixed:
            return None
        if _newlines(body) != self.newlines:
            return None
        try:
            if self.dropped_at is not None:
                parse_row(self.dropped_at(pieces))
            return parse_row(self.numbers_at(pieces), extra)
        except LineError:
            return None


def _pick(places: Sequence[int]) -> Pick:
    """Get these places of a list. All layouts share their numbers, which so stay in the processor's cache."""
    while len(_PLACES) <= max(places):
        _PLACES.append(len(_PLACES))
    pick: Pick = itemgetter(*[_PLACES[place] for place in places])
    return pick


_PLACES: list[int] = []


def _newlines(body: bytes) -> int:
    # NumPy counts four times as fast as bytes.count, which stops at every one of them.
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == 10))


def _cut(body: bytes) -> list[bytes]:
    return body.replace(b"\n", b" ").split(b" ")
