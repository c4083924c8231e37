"""Deleting samples of series within a time range, from memory.

Cells lose their presence; a chunk that is compressed is rewritten. Blocks keep tombstones instead
(`storage.tombstones`).
"""

from __future__ import annotations

import numpy as np

from backbeat.model.arrays import Int32s
from backbeat.storage.assemble import assemble
from backbeat.storage.chunks import HeadChunk, RawChunk
from backbeat.storage.cohort import times_within
from backbeat.storage.head import Head, Placed
from backbeat.storage.irregular import note_newest
from backbeat.storage.keys import Keys
from backbeat.storage.series_table import NEVER


def delete_from_head(head: Head, start_ms: int, end_ms: int, keys: Keys) -> int:
    """Delete the samples in [start_ms, end_ms] of the series with these keys. Returns how many there were."""
    with head.lock:
        numbers = head.table.everyone()
        numbers = numbers[np.isin(head.table.keys[numbers], keys)]
        deleted = 0
        for placed in head.placed(numbers):
            cohort = placed.cohort
            if cohort.open is not None and cohort.open.count and cohort.open.oldest <= end_ms:
                cohort.seal_open()
            left = [_without(chunk, placed, start_ms, end_ms) for chunk in cohort.sealed]
            cohort.settle(tuple(chunk for chunk, _ in left))
            deleted += sum(count for _, count in left)
        head.deletions += 1
        _find_newest_again(head, numbers)
        return deleted


def _find_newest_again(head: Head, numbers: Int32s) -> None:
    """What was deleted may come again, from its first sample on."""
    head.table.newest[numbers] = NEVER
    head.table.blocks_asked[numbers] = False
    for block in assemble(head.parts(head.placed(numbers), NEVER, -NEVER - 1)):
        note_newest(head, block)


def _without(chunk: HeadChunk, placed: Placed, start_ms: int, end_ms: int) -> tuple[HeadChunk, int]:
    first, last = times_within(chunk.times, start_ms, end_ms)
    rows = np.flatnonzero(np.isin(chunk.columns, placed.columns))
    if first == last or not len(rows):
        return chunk, 0
    everyone = np.arange(len(chunk.columns), dtype=np.int32)
    values, mask = chunk.read(everyone, 0, len(chunk.times))
    present = np.ones(values.shape, np.bool_) if mask is None else mask.copy()
    window = np.ix_(rows, np.arange(first, last))
    count = int(present[window].sum())
    present[window] = False
    return RawChunk(chunk.times, values.T.copy(), present.T.copy(), chunk.columns), count
