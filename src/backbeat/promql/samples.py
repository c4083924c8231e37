"""From the blocks that storage gives to the arrays that kernels take.

In:  SampleBlocks, with gaps and stale markers, and Sheets. Out: `Columns` without either, and whose series
they hold. Sheets are looked into where they lie. A large block without gaps is taken as it is; small blocks,
and series with gaps, are joined into one array, so that a thousand targets cost one call of a kernel and not
a thousand.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
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
    samples: int

    @property
    def is_in_order(self) -> bool:
        series = self.series
        return series is _counted(0, len(series)) or bool((series[1:] > series[:-1]).all())

    @property
    def place(self) -> slice | Int64s:
        """Where its rows go among those of all series."""
        first, last = self.series.item(0), self.series.item(-1) + 1
        return slice(first, last) if last - first == len(self.series) and self.is_in_order else self.series


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
    if blocks:
        parts += _block_parts(blocks, with_stale=with_stale)
    return Selection(labels, parts, sum([part.samples for part in parts]))


def _sheet_parts(sheet: Sheet, first: int, aside: frozenset[int]) -> list[Part]:
    """The groups that are not set aside: large ones each by itself, the others together."""
    if not aside and len(sheet.sizes) > 1 and sheet.samples < _LARGE and sheet.is_full:
        return [_joint_part(sheet, first, None)]  # nearly always so
    lengths = sheet.lengths
    is_used = lengths > 0
    if aside:
        is_used[list(aside)] = False
    is_large = is_used & (lengths * sheet.sizes >= (_LARGE if len(lengths) > 1 else 1))
    large = np.flatnonzero(is_large).tolist()
    parts = [_part_of_one(sheet, first, group) for group in large]
    together = np.flatnonzero(is_used & ~is_large) if large else np.flatnonzero(is_used)
    if len(together):
        parts.append(_joint_part(sheet, first, together))
    return parts


def _part_of_one(sheet: Sheet, first: int, group: int) -> Part:
    """One group, whose series are as far apart as the sheet's rows."""
    own, times = sheet.series_of(group), sheet.times_of(group)
    room, size, begin = sheet.values.shape[1], own.stop - own.start, int(sheet.begins[own.start])
    columns = Columns(
        values=sheet.values.reshape(-1)[begin : begin + size * room],
        rows=np.arange(size, dtype=np.int64) * room + int(sheet.firsts[group]),
        groups=np.zeros(size, np.int64),
        times=times,
        starts=np.array([0, len(times)]),
        falls=_within(sheet.falls, begin, begin + size * room),
        stride=room,
    )
    return Part(columns, _counted(first + own.start, size), size * len(times))


def _within(falls: Int64s, begin: int, end: int) -> Int64s:
    """Falls of a part of the values, counted from its begin."""
    return falls[falls.searchsorted(begin) : falls.searchsorted(end)] - begin if len(falls) else falls


def _joint_part(sheet: Sheet, first: int, chosen: Int64s | None) -> Part:
    """chosen: groups, ascending, each with samples; None: all."""
    groups, begins, series = sheet.groups, sheet.begins, _counted(first, len(sheet.groups))
    times, starts, firsts, samples = sheet.times, sheet.starts, sheet.firsts, sheet.samples
    if chosen is not None and len(chosen) < len(firsts):
        place_of = np.full(len(firsts), -1)
        place_of[chosen] = np.arange(len(chosen))
        kept = np.flatnonzero(place_of[groups] >= 0)
        groups, begins, series = place_of[groups[kept]], begins[kept], series[kept]
        lengths, firsts = sheet.lengths[chosen], firsts[chosen]
        times = np.concatenate([sheet.times_of(group) for group in chosen.tolist()])
        starts = np.concatenate(([0], np.cumsum(lengths)))
        samples = int(sheet.sizes[chosen] @ lengths)
    columns = Columns(
        values=sheet.values.reshape(-1),
        rows=begins + firsts[groups],
        groups=groups,
        times=times,
        starts=starts,
        falls=sheet.falls,
    )
    return Part(columns, series, samples)


@lru_cache(maxsize=256)
def _counted(first: int, count: int) -> Int64s:
    """first, first + 1, ...; shared: not to be written to."""
    numbers = np.arange(first, first + count)
    numbers.flags.writeable = False
    return numbers


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
    return Part(columns, np.concatenate([piece.series for piece in pieces]), len(values))
