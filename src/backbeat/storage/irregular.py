"""Samples that are not simply the next row: times of their own, late ones, repeated ones.

Each sample is judged (stored, duplicate, conflicting, too late, too far ahead). What is stored becomes rows:
series of one batch that have the same times share a cohort of their own from then on (their *home*), so the
steady stream of a sender hits the same layouts again and again, as a scrape does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from backbeat.model.appender import Appended
from backbeat.model.arrays import Bools, Float64s, Int32s, Int64s
from backbeat.model.labels import Labels
from backbeat.model.samples import SampleBlock
from backbeat.storage import records
from backbeat.storage.assemble import assemble
from backbeat.storage.cohort import HeadCohort, Layout
from backbeat.storage.head import Head
from backbeat.storage.keys import Keys

_WIDEST_HOME = 50_000
_FOREVER = 2**63 - 1
_OLDEST_MS = -(2**62)
"""older samples are refused: windows and spans counted from them would not fit in 64 bits"""


class Rows(Struct, frozen=True):
    """Rows of one cohort to be written. matrix: (times, columns)."""

    cohort: HeadCohort
    layout: Layout
    times: Int64s
    matrix: Float64s


def append_row(
    head: Head, cohort: HeadCohort, layout: Layout, timestamp_ms: int, values: Float64s
) -> Appended:
    """A row of a cohort in which some cell is not its series' newest. Call under the lock."""
    times = np.full(len(values), timestamp_ms)
    accepted, counts = judge(head, layout.ids, times, np.ascontiguousarray(values))
    if len(accepted):
        own = (
            layout if len(accepted) == len(values) else head.layout(cohort, layout.columns[np.sort(accepted)])
        )
        row = values[np.sort(accepted)].reshape(1, -1)
        write(head, [Rows(cohort, own, times[:1], np.ascontiguousarray(row))])
    return counts


def append_samples(head: Head, series: Sequence[Labels], times: Int64s, values: Float64s) -> Appended:
    """Samples in any grouping. Call under the lock."""
    known, add = head.table.by_labels.get, head.table.add
    found = [known(labels) for labels in series]
    numbers = np.array(
        [add(labels) if number is None else number for number, labels in zip(found, series, strict=True)],
        np.int32,
    )
    times = np.ascontiguousarray(times, np.int64)
    values = np.ascontiguousarray(values, np.float64)
    accepted, counts = judge(head, numbers, times, values)
    if len(accepted):
        write(head, make_rows(head, numbers[accepted], times[accepted], values[accepted]))
    return counts


def judge(
    head: Head, numbers: Int32s, times: Int64s, values: Float64s, *, any_age: bool = False
) -> tuple[Int64s, Appended]:
    """Which samples are to be stored, sorted by series and time, and what becomes of the others.

    any_age: neither the clock nor the out-of-order window refuses any (they were accepted before).
    """
    ahead_ms = _FOREVER if any_age else head.now() + head.options.future_limit_ms
    in_bounds = times <= ahead_ms
    order = np.lexsort((times, numbers))
    order = order[(in_bounds & (times >= _OLDEST_MS))[order]]
    too_far = len(times) - int(in_bounds.sum())
    too_old = len(times) - len(order) - too_far
    # Within the batch: the first of several samples of one series and moment counts.
    own, at = numbers[order], times[order]
    again = np.zeros(len(order), np.bool_)
    again[1:] = (own[1:] == own[:-1]) & (at[1:] == at[:-1])
    bits = values.view(np.int64)[order]
    first = np.maximum.accumulate(np.where(again, 0, np.arange(len(order))))
    is_duplicate = again & (bits == bits[first])
    is_conflict = again & ~is_duplicate
    newest = _newest_known(head, own, at)
    late = np.flatnonzero(~again & (at <= newest))
    is_out = np.zeros(len(order), np.bool_)
    if len(late):
        stored, same = _stored_already(head, own[late], at[late], bits[late])
        is_duplicate[late] = stored & same
        is_conflict[late] = stored & ~same
        if not any_age:
            is_out[late] = ~stored & (at[late] < newest[late] - head.options.out_of_order_window_ms)
            # A newest sample that would now be refused itself came of a wrong clock, and is no measure.
            is_out[late] &= newest[late] <= ahead_ms
    accepted = order[~(is_duplicate | is_conflict | is_out)]
    return accepted, Appended(
        stored=len(accepted),
        duplicate=int(is_duplicate.sum()),
        conflicting=int(is_conflict.sum()),
        out_of_order=int(is_out.sum()) + too_old,
        too_far_ahead=too_far,
    )


def _newest_known(head: Head, numbers: Int32s, times: Int64s) -> Int64s:
    """The newest sample of each sample's series, in memory or in a block."""
    if len(times) and times.min() <= head.older.newest_ms:
        unknown = np.unique(numbers[~head.table.blocks_asked[numbers] & (times <= head.older.newest_ms)])
        if len(unknown):
            ask_blocks(head, unknown, int(times.min()))
    return head.table.newest[numbers]


def ask_blocks(head: Head, numbers: Int32s, since_ms: int) -> None:
    """Take the newest samples in blocks into account, as far as they are not older than `since_ms`."""
    table = head.table
    table.blocks_asked[numbers] = True
    for block in assemble(head.older.parts_of_keys(table.keys[numbers], since_ms, _FOREVER)):
        note_newest(head, block)


def note_newest(head: Head, block: SampleBlock) -> None:
    """The series' newest samples are at least those of the block."""
    for row, labels in enumerate(block.labels):
        has = block.times if block.present is None else block.times[block.present[row]]
        number = head.table.by_labels[labels]
        head.table.newest[number] = max(int(head.table.newest[number]), int(has[-1]))


def _stored_already(head: Head, numbers: Int32s, times: Int64s, bits: Int64s) -> tuple[Bools, Bools]:
    """(samples,) whether a sample of that series and time is stored, and whether it has the same bits."""
    stored, same = np.zeros(len(numbers), np.bool_), np.zeros(len(numbers), np.bool_)
    unique = np.unique(numbers)
    start, end = int(times.min()), int(times.max())
    parts = head.parts(head.placed(unique), start, end)
    if start <= head.older.newest_ms:
        for name, older in head.older.parts_of_keys(head.table.keys[unique], start, end).items():
            parts.setdefault(name, []).extend(older)
    for block in assemble(parts):
        row_of = np.full(len(head.table.labels), -1, np.int32)
        row_of[[head.table.by_labels[labels] for labels in block.labels]] = np.arange(len(block.labels))
        rows = row_of[numbers]
        samples = np.minimum(np.searchsorted(block.times, times), len(block.times) - 1)
        hit = (rows >= 0) & (block.times[samples] == times)
        if block.present is not None:
            hit &= block.present[rows, samples]
        stored |= hit
        same |= hit & (np.ascontiguousarray(block.values).view(np.int64)[rows, samples] == bits)
    return stored, same


def make_rows(head: Head, numbers: Int32s, times: Int64s, values: Float64s) -> list[Rows]:
    """Group samples, sorted by series and time, into rows of their home cohorts."""
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    counts = np.diff(starts, append=len(numbers))
    signatures = np.add.reduceat(_mixed(times), starts) + counts.astype(np.uint64)
    _, groups = np.unique(signatures, return_inverse=True)
    rows: list[Rows] = []
    for group in range(int(groups.max()) + 1):
        members = np.flatnonzero(groups == group)
        count = int(counts[members[0]])
        cells = starts[members][:, None] + np.arange(count)
        if (counts[members] == count).all() and (times[cells] == times[cells[0]]).all():
            rows += _rows_of(head, numbers[starts[members]], times[cells[0]], values[cells])
        else:
            # Two sets of times with one signature: take each series by itself.
            for each in members.tolist():
                own = slice(int(starts[each]), int(starts[each] + counts[each]))
                rows += _rows_of(head, numbers[own][:1], times[own], values[own].reshape(1, -1))
    return rows


def _mixed(times: Int64s) -> Keys:
    """A hash of each time, so that a sum tells sets of times apart."""
    mixed = times.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return mixed ^ (mixed >> np.uint64(32))


def _rows_of(head: Head, numbers: Int32s, times: Int64s, values: Float64s) -> list[Rows]:
    """Rows of series with the same times; values: (series, times)."""
    table = head.table
    homes = table.home_cohort[numbers]
    homeless = np.flatnonzero(homes < 0)
    if len(homeless):
        _find_home(head, numbers, homes, homeless)
        homes = table.home_cohort[numbers]
    rows = []
    for home in np.unique(homes).tolist():
        members = np.flatnonzero(homes == home)
        cohort = head.cohorts[home]
        columns = table.home_column[numbers[members]]
        order = np.argsort(columns)
        layout = head.layout(cohort, columns[order])
        rows.append(Rows(cohort, layout, times, np.ascontiguousarray(values[members[order]].T)))
    return rows


def _find_home(head: Head, numbers: Int32s, homes: Int32s, homeless: Int64s) -> None:
    """Let new series join the cohort of the series that they came with, or found one."""
    with_home = homes[homes >= 0]
    cohort = head.cohorts[int(with_home[0])] if len(with_home) else None
    if cohort is None or cohort.width + len(homeless) > _WIDEST_HOME:
        cohort = head.open_cohort(f"samples/{head.next_cohort}", irregular=True)
    labels = [head.table.labels[number] for number in numbers[homeless].tolist()]
    columns = head.columns(cohort, [each for each in labels if each is not None])
    head.table.home_cohort[numbers[homeless]] = cohort.number
    head.table.home_column[numbers[homeless]] = columns


def write(head: Head, all_rows: Sequence[Rows]) -> None:
    """Log the rows with one write, then put them into memory. Raises StorageUnavailable."""
    batch = []
    for rows in all_rows:
        number = head.number_layout(rows.cohort, rows.layout)
        batch.append(records.rows_record(number, rows.times, rows.matrix))
    head.wal.append(b"".join(batch))
    for rows in all_rows:
        apply(head, rows)


def apply(head: Head, rows: Rows) -> None:
    """Put logged rows into memory."""
    if len(rows.times) == 1:
        rows.cohort.append(rows.layout, int(rows.times[0]), rows.matrix[0])
    else:
        rows.cohort.append_rows(rows.layout, rows.times, rows.matrix)
    note_applied(head, rows.cohort, rows.layout, rows.times)


def note_applied(head: Head, cohort: HeadCohort, layout: Layout, times: Int64s) -> None:
    """What follows from rows of a layout that are in memory now; times: theirs, in order."""
    ids, newest = layout.ids, head.table.newest
    newest[ids] = np.maximum(newest[ids], times[-1])
    head.note_rows(layout, int(times[0]), int(times[-1]))
    head.samples_stored += len(times) * len(ids)
    if cohort.irregular and cohort.is_sparse:
        # Its series come together no more: each finds a new home with its next sample.
        own = cohort.ids[: cohort.width]
        own = own[own >= 0]
        head.table.home_cohort[own[head.table.home_cohort[own] == cohort.number]] = -1
        cohort.is_sparse = False
