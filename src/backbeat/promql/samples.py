"""From the blocks that storage gives to the arrays that kernels take.

In:  SampleBlocks, with gaps and stale markers, and Sheets. Out: `Columns` without either, and whose series
they hold. Sheets are looked into where they lie. A large block without gaps is taken as it is; small blocks,
and series with gaps, are joined into one array, so that a thousand targets cost one call of a kernel and not
a thousand.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from msgspec import Struct

from backbeat.model.arrays import Bools, Float64s, Int64s
from backbeat.model.labels import Labels
from backbeat.model.samples import SampleBlock, Sheet, is_stale
from backbeat.promql.kernels.windows import Columns
from backbeat.promql.label_lists import LabelLists

_LARGE = 1 << 15
"""samples from which a block is worth a kernel call of its own"""


class Part(Struct, frozen=True):
    """Some of a selection's series; series: (rows,) their index among all of them."""

    columns: Columns
    series: Int64s


class Selection(Struct, frozen=True):
    """The series of a selector with their samples."""

    labels: Sequence[Labels]
    parts: list[Part]
    samples: int


class _Piece(Struct, frozen=True):
    """Series that share timestamps (`values` is a matrix), or each with timestamps of its own (flat)."""

    values: Float64s
    times: Int64s
    lengths: Int64s
    """(groups,)"""
    series: Int64s


def selection(
    found: Sequence[SampleBlock | Sheet], *, with_stale: bool, lists: LabelLists | None = None
) -> Selection:
    """Bring samples into kernel shape; stale markers stay samples only for instant vectors."""
    each = [one.labels for one in found]
    if len(each) == 1:
        labels = each[0]
    elif lists is None:
        labels = _united(each)
    else:
        labels = lists.derive("united", each, lambda: _united(each))
    first = 0
    parts: list[Part] = []
    blocks: list[tuple[SampleBlock, int]] = []
    for one in found:
        if isinstance(one, SampleBlock):
            blocks.append((one, first))
        else:
            aside = frozenset() if with_stale else one.stale
            parts += _sheet_parts(one, first, aside)
            blocks += [(one.block(group), first + one.series_of(group).start) for group in sorted(aside)]
        first += len(one.labels)
    parts += _block_parts(blocks, with_stale=with_stale)
    return Selection(labels, parts, sum(part.columns.samples for part in parts))


def _sheet_parts(sheet: Sheet, first: int, aside: frozenset[int]) -> list[Part]:
    """The groups that are not set aside: large ones each by itself, the others together."""
    room = sheet.values.shape[1]
    flat = sheet.values.reshape(-1)
    parts: list[Part] = []
    together: list[int] = []
    large = _LARGE if len(sheet.times) > 1 else 1
    for group, (size, times) in enumerate(zip(sheet.sizes, sheet.times, strict=True)):
        if not len(times) or group in aside:
            continue
        if size * len(times) < large:
            together.append(group)
            continue
        own = sheet.series_of(group)
        row = int(sheet.rows[own.start])
        columns = Columns(
            values=flat[row * room : (row + size) * room],
            rows=np.arange(size, dtype=np.int64) * room + int(sheet.firsts[group]),
            groups=np.zeros(size, np.int64),
            times=times,
            starts=np.array([0, len(times)]),
            falls=_within(sheet.falls, row * room, (row + size) * room),
            stride=room,
        )
        parts.append(Part(columns, np.arange(first + own.start, first + own.stop)))
    if together:
        parts.append(_joint_part(sheet, first, together, flat))
    return parts


def _within(falls: Int64s, begin: int, end: int) -> Int64s:
    """Falls of a part of the values, counted from its begin."""
    return falls[falls.searchsorted(begin) : falls.searchsorted(end)] - begin if len(falls) else falls


def _joint_part(sheet: Sheet, first: int, chosen: Sequence[int], flat: Float64s) -> Part:
    times, firsts = sheet.times, sheet.firsts
    groups, rows, series = sheet.groups, sheet.rows, np.arange(first, first + len(sheet.groups))
    if len(chosen) < len(times):
        place_of = np.full(len(times), -1)
        place_of[chosen] = np.arange(len(chosen))
        kept = np.flatnonzero(place_of[groups] >= 0)
        groups, rows, series = place_of[groups[kept]], rows[kept], series[kept]
        times, firsts = [times[group] for group in chosen], firsts[chosen]
    columns = Columns(
        values=flat,
        rows=rows * sheet.values.shape[1] + firsts[groups],
        groups=groups,
        times=np.concatenate(times),
        starts=np.cumsum([0, *map(len, times)]),
        falls=sheet.falls,
    )
    return Part(columns, series)


def _block_parts(blocks: Sequence[tuple[SampleBlock, int]], *, with_stale: bool) -> list[Part]:
    """blocks: each with the place of its first series."""
    parts: list[Part] = []
    small: list[_Piece] = []
    for block, first in blocks:
        for piece in _pieces(block, first, with_stale=with_stale):
            if piece.values.ndim == 2 and piece.values.size >= _LARGE:
                parts.append(_join([piece]))
            else:
                small.append(piece)
    if small:
        parts.append(_join(small))
    return parts


def _united(lists: Sequence[Sequence[Labels]]) -> list[Labels]:
    return list(chain.from_iterable(lists))


def _pieces(block: SampleBlock, first: int, *, with_stale: bool) -> list[_Piece]:
    values, times, present = block.values, block.times, block.present
    if not with_stale:
        stale = is_stale(values)
        if stale.any():
            present = ~stale if present is None else present & ~stale
    series = np.arange(first, first + len(block.labels))
    if present is not None:
        used = present.any(axis=0)
        if not used.all():  # a scrape that failed for all: no gap in any series
            values, times, present = values[:, used], times[used], present[:, used]
    if values.size == 0:
        return []
    if present is None:
        return [_Piece(values, times, np.array([len(times)]), series)]
    whole = present.all(axis=1)
    pieces = []
    if whole.any():
        kept = values if whole.all() else values[whole]
        pieces.append(_Piece(kept, times, np.array([len(times)]), series[whole]))
    if not whole.all():
        pieces.append(_ragged(values[~whole], times, present[~whole], series[~whole]))
    return pieces


def _ragged(values: Float64s, times: Int64s, present: Bools, series: Int64s) -> _Piece:
    lengths = present.sum(axis=1)
    has_any = lengths > 0
    own_times = np.broadcast_to(times, present.shape)[present]
    return _Piece(values[present], own_times, lengths[has_any], series[has_any])


def _join(pieces: list[_Piece]) -> Part:
    if len(pieces) == 1:
        values, times = np.ascontiguousarray(pieces[0].values).reshape(-1), pieces[0].times
    else:
        values = np.concatenate([piece.values.reshape(-1) for piece in pieces])
        times = np.concatenate([piece.times for piece in pieces])
    lengths = np.concatenate([piece.lengths for piece in pieces])
    # How many series a group has: all of a matrix, one where each has timestamps of its own.
    sizes = np.concatenate(
        [
            np.array([len(piece.series)]) if piece.values.ndim == 2 else np.ones(len(piece.series), np.int64)
            for piece in pieces
        ]
    )
    groups = np.repeat(np.arange(len(lengths)), sizes)
    widths = lengths[groups]
    columns = Columns(
        values=values,
        rows=np.cumsum(widths) - widths,
        groups=groups,
        times=times,
        starts=np.concatenate(([0], np.cumsum(lengths))),
    )
    return Part(columns, np.concatenate([piece.series for piece in pieces]))
