"""A range query's series as it was written last: where its window moved on, only the new steps are written.

In:  what was asked, and a series with its steps and values. Out: the text of its pairs, the same as if it
     were written anew: what is kept counts only as far as steps and values are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from msgspec import Struct

from backbeat.model.arrays import Float64s, Int64s
from backbeat.model.cache import ByteCache

BETWEEN = b'"],['
"""what stands between two pairs, and nowhere else"""
_BUDGET_BYTES = 16 << 20
_MOST_STEPS = 50
"""by which a window has moved on; beyond that, writing anew is hardly more"""


class _Written(Struct, frozen=True):
    """steps, values: the bytes of the arrays; pairs: their text."""

    first_ms: int
    steps: bytes
    values: bytes
    pairs: bytes


_written: ByteCache[_Written] = ByteCache(_BUDGET_BYTES)


def continued(what: Hashable, steps: Int64s, values: Float64s, write: Callable[[int], bytes]) -> bytes:
    """The pairs of `what`: a query and a series of its answer. write(n): those from the n-th step on."""
    own = _Written(steps.item(0), steps.tobytes(), values.tobytes(), b"")
    known = _written.get(what)
    pairs = None if known is None else _go_on(known, own, write)
    if pairs is None:
        pairs = write(0)
    kept = _Written(own.first_ms, own.steps, own.values, pairs)
    _written.put(what, kept, 500 + len(pairs) + len(own.steps) + len(own.values))
    return pairs


def _go_on(known: _Written, own: _Written, write: Callable[[int], bytes]) -> bytes | None:
    """What was written last without the steps that are over, and the new ones; None where it does not fit."""
    gone = known.steps.find(own.steps[:8])
    if gone % 8 or gone > 8 * _MOST_STEPS:
        return None
    kept = len(known.steps) - gone
    if kept > len(own.steps):
        return None
    if known.steps[gone:] != own.steps[:kept] or known.values[gone:] != own.values[:kept]:
        return None
    begin = 0
    for _ in range(gone // 8):
        begin = known.pairs.index(BETWEEN, begin) + len(BETWEEN)
    if kept == len(own.steps):
        return known.pairs[begin:]
    return known.pairs[begin:] + BETWEEN + write(kept // 8)
