"""Rows of the log, put back into the head many at a time.

In:  log files, and where the records of rows are in them. Out: rows and chunks of the head's cohorts.
Rows of one layout, each later than the one before, are one batch, however many files they are in, whatever
other cohorts have in between. Cohorts with series in common keep the order of the log, in which hardly a row
is late.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from msgspec import Struct, field

from backbeat.model.arrays import Bools, Float64s, Int64s
from backbeat.storage.cohort import HeadCohort, Layout
from backbeat.storage.head import Head
from backbeat.storage.irregular import Rows, apply, judge, note_applied
from backbeat.storage.logged import LoggedRows
from backbeat.storage.records import Frames
from backbeat.storage.series_table import NEVER


class Known(Struct):
    """What the log's definitions say of its rows."""

    layouts: dict[int, Layout] = field(default_factory=dict)
    cohort_of: dict[int, int] = field(default_factory=dict)
    forgotten: set[int] = field(default_factory=set)
    """layouts of cohorts of which nothing is left in memory"""
    cuts: list[tuple[int, int]] = field(default_factory=list)
    """(segment, through): rows of earlier segments and times are in a block"""

    def in_blocks_before(self, segment: int) -> int:
        """Rows of the segment that are older than this are in blocks."""
        return max((through for before, through in self.cuts if segment < before), default=-(2**63))


class ReplayReport(Struct):
    """What was found in the log."""

    segments: int = 0
    samples: int = 0
    torn_tails: int = 0
    """files whose last bytes were no whole record: what a crash in the middle of a write leaves"""
    damages: int = 0
    """places inside files whose bytes were no whole record"""
    unreadable_rows: int = 0
    """rows whose definitions were lost"""


class FileRows(Struct, frozen=True):
    """Rows of one log file in its order. Every array but the room is (rows,)."""

    segment: int
    room: Float64s
    """the file"""
    layouts: Int64s
    times: Int64s
    starts: Int64s
    """cell of the room where the values begin"""
    widths: Int64s
    """how many values"""


def rows_in(segment: int, content: memoryview, frames: Frames) -> FileRows:
    """The rows of a log file. frames: of its records of rows"""
    cells = len(content) // 8
    words, times = np.frombuffer(content, np.uint32, 2 * cells), np.frombuffer(content, np.int64, cells)
    begins = frames.payloads // 8
    layouts, counts = words[2 * begins].astype(np.int64), words[2 * begins + 1].astype(np.int64)
    widths = (frames.lengths // 8 - 1 - counts) // np.maximum(counts, 1)
    record = np.repeat(np.arange(len(counts)), counts)
    row = np.arange(len(record)) - (np.cumsum(counts) - counts)[record]
    return FileRows(
        segment,
        np.frombuffer(content, np.float64, cells),
        layouts[record],
        times[begins[record] + 1 + row],
        begins[record] + 1 + counts[record] + row * widths[record],
        widths[record],
    )


def restore_rows(head: Head, known: Known, files: Sequence[FileRows], report: ReplayReport) -> None:
    """Put those rows into memory that are not in blocks."""
    # Where a power cut took its definition, another layout with this number would be taken for it.
    newest_layout = max((int(each.layouts.max(initial=0)) for each in files), default=0)
    head.next_layout = max(head.next_layout, newest_layout + 1)
    files = [_chosen(each, each.times >= known.in_blocks_before(each.segment)) for each in files]
    file = np.repeat(np.arange(len(files)), [len(each.times) for each in files])
    if not len(file):
        return
    segments = np.array([each.segment for each in files])
    numbers, layout = np.unique(np.concatenate([each.layouts for each in files]), return_inverse=True)
    _note_layouts(head, numbers, layout, segments[file])
    known_layouts = [known.layouts.get(each) for each in numbers.tolist()]
    widths = [-1 if each is None else len(each.columns) for each in known_layouts]
    readable = np.array(widths)[layout] == np.concatenate([each.widths for each in files])
    is_forgotten = np.array([each in known.forgotten for each in numbers.tolist()])
    report.unreadable_rows += int((~readable & ~is_forgotten[layout]).sum())
    order = np.argsort(_groups(head, known, numbers)[layout], kind="stable")
    order = order[readable[order]]
    file, layout = file[order], layout[order]
    times = np.concatenate([each.times for each in files])[order]
    starts = np.concatenate([each.starts for each in files])[order]
    for segment, newest in zip(segments.tolist(), _newest(times, file, len(files)), strict=True):
        head.segment_newest[segment] = max(newest, head.segment_newest.get(segment, newest))
    breaks = np.flatnonzero((layout[1:] != layout[:-1]) | (times[1:] <= times[:-1])) + 1
    current = head.wal.segment
    for begin, end in pairwise([0, *breaks.tolist(), len(order)] if len(order) else ()):
        own = slice(begin, end)
        head.wal.segment = int(segments[file[end - 1]])
        pieces = _pieces(files, file[own], starts[own])
        report.samples += _restore_batch(head, known, int(numbers[layout[begin]]), times[own], pieces)
    head.wal.segment = current


def _chosen(rows: FileRows, which: Bools) -> FileRows:
    if which.all():
        return rows
    arrays = (rows.layouts, rows.times, rows.starts, rows.widths)
    return FileRows(rows.segment, rows.room, *(each[which] for each in arrays))


def _note_layouts(head: Head, numbers: Int64s, layout: Int64s, segments: Int64s) -> None:
    """Even if nothing of a row comes back: its segment is there, and so its layout must stay."""
    last = np.zeros(len(numbers), np.int64)
    np.maximum.at(last, layout, segments)
    head.layout_segments.update(zip(numbers.tolist(), last.tolist(), strict=True))


def _groups(head: Head, known: Known, numbers: Int64s) -> Int64s:
    """(layouts,) rows of one group must come in the order of the log: those of one cohort, or of several."""
    table = head.table
    entwined = {cohort for number in table.more_places for cohort, _ in table.places(number)}
    cohorts = [known.cohort_of.get(each, 0) for each in numbers.tolist()]
    return np.array([0 if cohort in entwined else cohort for cohort in cohorts])


def _newest(times: Int64s, file: Int64s, count: int) -> list[int]:
    """Time of the newest row of each file."""
    newest = np.full(count, NEVER)
    np.maximum.at(newest, file, times)
    return newest.tolist()


def _pieces(files: Sequence[FileRows], file: Int64s, starts: Int64s) -> list[tuple[Float64s, Int64s]]:
    """Rows by file. file, starts: (rows,) the file and the cell that each begins in"""
    bounds = np.flatnonzero(np.diff(file, prepend=-1, append=-1)).tolist()
    return [(files[int(file[first])].room, starts[first:last]) for first, last in pairwise(bounds)]


def _restore_batch(
    head: Head, known: Known, number: int, times: Int64s, pieces: list[tuple[Float64s, Int64s]]
) -> int:
    """Returns how many samples the batch has of series that are in memory."""
    cohort, layout = head.cohorts[known.cohort_of[number]], known.layouts[number]
    places = np.arange(len(layout.columns), dtype=np.int32)
    living = layout.ids >= 0
    if not living.all():
        # The log forgot columns of which nothing is left in memory: what the rows have of them was deleted.
        if not living.any():
            return 0
        layout, places = head.layout(cohort, layout.columns[living]), places[living]
        head.number_layout(cohort, layout)
    rows = LoggedRows(pieces, places)
    if head.table.newest[layout.ids].max() >= times[0]:
        _restore_again(head, cohort, layout, times, rows)
    elif len(times) == 1:
        apply(head, Rows(cohort, layout, times, rows.matrix()))
    else:
        cohort.append_logged(layout, times, rows)
        note_applied(head, cohort, layout, times)
    return len(times) * len(places)


def _restore_again(head: Head, cohort: HeadCohort, layout: Layout, times: Int64s, rows: LoggedRows) -> None:
    """Late rows, or rows that were written twice because their first copy may not have reached the disk."""
    for at, row in zip(times.tolist(), rows.matrix(), strict=True):
        accepted = judge_again(head, layout, at, row)
        if len(accepted) == len(row):
            apply(head, Rows(cohort, layout, np.array([at]), row.reshape(1, -1)))
        elif len(accepted):
            own = head.layout(cohort, layout.columns[accepted])
            head.number_layout(cohort, own)
            apply(head, Rows(cohort, own, np.array([at]), np.ascontiguousarray(row[accepted].reshape(1, -1))))


def judge_again(head: Head, layout: Layout, timestamp_ms: int, row: Float64s) -> Int64s:
    """Which cells of a logged row are not in memory yet, sorted."""
    accepted, _ = judge(head, layout.ids, np.full(len(row), timestamp_ms), row.copy(), any_age=True)
    return np.sort(accepted)
