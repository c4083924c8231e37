"""From the blocks that storage gives to the arrays that kernels take.

In:  SampleBlocks, with gaps and stale markers. Out: `Columns` without either, and whose series they hold.
A large block without gaps is taken as it is; small blocks, and series with gaps, are joined into one array,
so that a thousand targets cost one call of a kernel and not a thousand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from backbeat.model.arrays import Bools, Float64s, Int64s
from backbeat.model.labels import Labels
from backbeat.model.samples import SampleBlock, is_stale
from backbeat.promql.kernels.windows import Columns
from backbeat.promql.label_lists import LabelLists

_LARGE = 1 << 15
"""samples from which a block is worth a kernel call of its own"""


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a selection's series; series: (rows,) their index among all of them."""

    columns: Columns
    series: Int64s


@dataclass(frozen=True, slots=True)
class Selection:
    """The series of a selector with their samples."""

    labels: Sequence[Labels]
    parts: list[Part]
    samples: int


@dataclass(frozen=True, slots=True)
class _Piece:
    """Series that share timestamps (`values` is a matrix), or each with timestamps of its own (flat)."""

    values: Float64s
    times: Int64s
    lengths: Int64s
    """(groups,)"""
    series: Int64s


def selection(
    blocks: Sequence[SampleBlock], *, with_stale: bool, lists: LabelLists | None = None
) -> Selection:
    """Bring blocks into kernel shape; stale markers stay samples only for instant vectors."""
    each = [block.labels for block in blocks]
    if len(each) == 1:
        labels = each[0]
    elif lists is None:
        labels = _united(each)
    else:
        labels = lists.derive("united", each, lambda: _united(each))
    if len(blocks) > 1 and (whole := _whole(blocks)) is not None:
        return Selection(labels, [whole], whole.columns.values.size)
    first = 0
    parts: list[Part] = []
    small: list[_Piece] = []
    for block in blocks:
        for piece in _pieces(block, first, with_stale=with_stale):
            if piece.values.ndim == 2 and piece.values.size >= _LARGE:
                parts.append(_join([piece]))
            else:
                small.append(piece)
        first += len(block.labels)
    if small:
        parts.append(_join(small))
    return Selection(labels, parts, sum(part.columns.values.size for part in parts))


def _whole(blocks: Sequence[SampleBlock]) -> Part | None:
    """Small blocks without gaps and stale markers, joined at once; None where it is not so simple."""
    if any(block.present is not None or block.values.size >= _LARGE for block in blocks):
        return None
    values = np.concatenate([block.values.reshape(-1) for block in blocks])
    if is_stale(values).any():
        return None
    lengths = np.array([len(block.times) for block in blocks])
    groups = np.repeat(np.arange(len(blocks)), [len(block.labels) for block in blocks])
    widths = lengths[groups]
    columns = Columns(
        values=values,
        rows=np.cumsum(widths) - widths,
        groups=groups,
        times=np.concatenate([block.times for block in blocks]),
        starts=np.concatenate(([0], np.cumsum(lengths))),
    )
    return Part(columns, np.arange(len(groups)))


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
