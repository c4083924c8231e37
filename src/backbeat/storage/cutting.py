"""From memory to blocks: compress full chunks, cut a span of time into a block, forget what left memory.

One thread at a time does this (the keeper's lock); appends and selects go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct

from backbeat.model.arrays import Int32s
from backbeat.storage.assemble import Part
from backbeat.storage.block_writer import write_block
from backbeat.storage.chunks import HeadChunk, RawChunk, SealedChunk, seal
from backbeat.storage.cohort import HeadCohort
from backbeat.storage.head import Head, Placed, parts_of


def compress_full_chunks(head: Head) -> int:
    """Compress the chunks that are full; returns how many. Reads see either form."""
    done = 0
    with head.lock:
        cohorts = [cohort for cohort in head.cohorts.values() if cohort.sealed]
    for cohort in cohorts:
        for chunk in cohort.sealed:
            if isinstance(chunk, SealedChunk):
                continue
            compressed = seal(chunk)
            with head.lock:
                place = cohort.sealed.index(chunk)
                for each in compressed if place else ():
                    each.share_columns(cohort.sealed[place - 1])
                cohort.sealed = (*cohort.sealed[:place], *compressed, *cohort.sealed[place + 1 :])
            done += 1
    return done


_FORGET_AT_ONCE = 500


class Cut(Struct, frozen=True):
    """What memory held before `through_ms` at one moment."""

    through_ms: int
    segment: int
    """rows before it in time and in an earlier log segment are in the cut"""
    cohorts: list[tuple[Placed, list[HeadChunk]]]


def begin_cut(head: Head, through_ms: int) -> Cut:
    """Fix what goes into the block. Raises StorageUnavailable."""
    head.wal.sync()
    with head.lock:
        segment = head.wal.roll()
        found = []
        for cohort in head.cohorts.values():
            if cohort.open is not None and cohort.open.count and cohort.open.oldest < through_ms:
                cohort.seal_open()
            chunks = [chunk for chunk in cohort.sealed if chunk.times[0] < through_ms]
            if chunks:
                found.append((cohort, chunks))
    # Sorting columns and gathering labels needs no lock, because only this thread forgets series.
    return Cut(through_ms, segment, [(_everyone(head, cohort, chunks), chunks) for cohort, chunks in found])


def write_cut(cut: Cut, blocks: Path, start_ms: int) -> Path | None:
    """Write the cut as a block. Raises OSError."""
    return write_block(blocks, start_ms, cut.through_ms, _parts_of_cut(cut))


def finish_cut(head: Head, cut: Cut) -> None:
    """Take what is in the block out of memory and, where it can be, out of the log."""
    for placed, chunks in cut.cohorts:
        rest = {id(chunk): _after(chunk, cut.through_ms) for chunk in chunks}
        with head.lock:
            cohort = placed.cohort
            remainders = [rest.get(id(chunk), chunk) for chunk in cohort.sealed]
            cohort.settle(tuple(chunk for chunk in remainders if chunk is not None))


def head_snapshot(head: Head) -> Cut:
    """Everything in memory, left where it is."""
    with head.lock:
        found = [(cohort, cohort.chunks()) for cohort in head.cohorts.values()]
        through_ms = head.newest_ms + 1
        held = [(_everyone(head, cohort, chunks), chunks) for cohort, chunks in found if chunks]
        return Cut(through_ms, 0, held)


def forget_idle_series(head: Head) -> int:
    """Forget series without a sample in memory, a few at a time; returns how many."""
    table = head.table
    with head.lock:
        living = np.zeros(len(table.labels), np.bool_)
        sealed = {number: cohort.sealed for number, cohort in head.cohorts.items()}
        for cohort in head.cohorts.values():
            numbers = cohort.ids[cohort.columns_with_samples()]
            living[numbers[numbers >= 0]] = True
        everyone = table.everyone()
        idle = everyone[~living[everyone]]
    for at in range(0, len(idle), _FORGET_AT_ONCE):
        batch = idle[at : at + _FORGET_AT_ONCE]
        with head.lock:
            # Not those that had a sample meanwhile, be it a late one.
            for each in head.placed(batch):
                again = each.cohort.columns_since(sealed.get(each.cohort.number, ()), each.columns)
                living[each.cohort.ids[again]] = True
            still_idle = batch[~living[batch]]
            for placed in head.placed(still_idle):
                placed.cohort.forget(placed.columns, placed.labels)
            table.retire(still_idle.tolist())
    with head.lock:
        for cohort in list(head.cohorts.values()):
            over = cohort.closed or cohort.irregular
            if over and not cohort.sealed and (cohort.open is None or not cohort.open.count):
                forget_cohort(head, cohort)
    return len(idle)


def forget_cohort(head: Head, cohort: HeadCohort) -> None:
    """Let go of a cohort without samples in memory. Call under the lock."""
    del head.cohorts[cohort.number]
    if head.by_name.get(cohort.name) is cohort:
        del head.by_name[cohort.name]
    cohort.is_gone = True
    numbers = cohort.ids[: cohort.width]
    head.table.remove_places(numbers[numbers >= 0].tolist(), cohort.number)


def _everyone(head: Head, cohort: HeadCohort, chunks: Sequence[HeadChunk]) -> Placed:
    columns: Int32s = np.unique(np.concatenate([chunk.columns for chunk in chunks])).astype(np.int32)
    numbers = cohort.ids[columns]
    labels = head.labels_of(numbers)
    return Placed(cohort, columns, head.table.keys[numbers], labels)


def _parts_of_cut(cut: Cut) -> Iterator[tuple[str, Sequence[Part]]]:
    for found in cut.cohorts:
        yield from parts_of([found], -(2**63), cut.through_ms - 1).items()


def _after(chunk: HeadChunk, through_ms: int) -> HeadChunk | None:
    """What a chunk holds from `through_ms` on."""
    times = chunk.times
    first = int(np.searchsorted(times, through_ms))
    if first == len(times):
        return None
    if first == 0:
        return chunk
    rows = np.arange(len(chunk.columns), dtype=np.int32)
    values, mask = chunk.read(rows, first, len(times))
    present = None
    columns = chunk.columns
    if mask is not None:
        has = np.flatnonzero(np.asarray(mask.any(axis=1)))
        if not len(has):
            return None
        values, present, columns = values[has], mask[has].T.copy(), columns[has]
    return RawChunk(times[first:].copy(), values.T.copy(), present, columns)
