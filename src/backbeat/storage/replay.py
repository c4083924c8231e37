"""Reading the write-ahead log back into the head when the store is opened.

Whatever is whole is used, wherever the damage is; damaged bytes are kept in quarantine and their place in
the file becomes filler, so that they are reported once.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import orjson
from msgspec import Struct, field
from numpy.typing import NDArray

from backbeat.model.arrays import Float64s, Int32s, Int64s
from backbeat.storage import records
from backbeat.storage.cohort import Layout
from backbeat.storage.cutting import forget_cohort
from backbeat.storage.deletion import delete_from_head
from backbeat.storage.files import Quarantine
from backbeat.storage.head import Head
from backbeat.storage.irregular import Rows, apply, judge
from backbeat.storage.records import Damage, Kind, Record, scan
from backbeat.storage.wal import definition_files, segments

log = logging.getLogger(__name__)


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


Bytes8 = NDArray[np.uint8]


class _Batch(Struct):
    """Rows of one cohort that are put into memory at once: of one layout, each later than the one before."""

    layout: Layout
    times: list[int]
    rows: list[Float64s]
    """each of one or more times"""


class _Known(Struct):
    layouts: dict[int, Layout] = field(default_factory=dict)
    cohort_of: dict[int, int] = field(default_factory=dict)
    forgotten: set[int] = field(default_factory=set)
    """layouts of cohorts of which nothing is left in memory"""
    cuts: list[tuple[int, int]] = field(default_factory=list)
    """(segment, through): rows of earlier segments and times are in a block"""
    batches: dict[int, _Batch] = field(default_factory=dict)
    """by number of the cohort"""

    def in_blocks_before(self, segment: int) -> int:
        """Rows of the segment that are older than this are in blocks."""
        return max((through for before, through in self.cuts if segment < before), default=-(2**63))


def replay(directory: Path, head: Head, quarantine: Quarantine) -> ReplayReport:
    """Bring the head to where the log ends."""
    report = ReplayReport()
    known = _Known()
    columns: dict[tuple[int, int], records.Columns] = {}
    raw_layouts: dict[int, tuple[int, Int32s]] = {}
    for path in definition_files(directory):
        for record in _whole_records(path, quarantine, report):
            _read_definition(record, head, known, columns, raw_layouts)
    defined = [own for _, own in sorted(columns.items())]
    shared = _cohorts_with_shared_series(defined)
    # These first, for they look series up: the others are told apart by their keys alone.
    for own_columns in sorted(defined, key=lambda own: own.cohort not in shared):
        _restore_columns(head, own_columns, all_new=own_columns.cohort not in shared)
    for layout, (number, own) in raw_layouts.items():
        _restore_layout(head, known, layout, number, own)
    files = segments(directory)
    # One room for all of them: pages of memory that are new cost as much as reading the file.
    room = np.empty(max((path.stat().st_size for _, path in files), default=0), np.uint8)
    for segment, path in files:
        report.segments += 1
        head.wal.segment, current = segment, head.wal.segment
        skip_before = known.in_blocks_before(segment)
        for record in _whole_records(path, quarantine, report, room):
            if record.kind == Kind.ROWS:
                _replay_rows(record, head, known, skip_before, report)
            elif record.kind == Kind.DELETE:
                _restore_batches(head, known)
                delete_from_head(head, *records.read_delete(record.payload))
        _restore_batches(head, known)
        head.wal.segment = current
    _let_go_of_replaced(head)
    return report


def _let_go_of_replaced(head: Head) -> None:
    """Of several cohorts with one name the last lives on: the others were forgotten before it was opened."""
    for cohort in list(head.cohorts.values()):
        if head.by_name[cohort.name] is not cohort:
            cohort.closed = True
            if cohort.oldest_ms() is None:
                forget_cohort(head, cohort)


def _read_definition(
    record: Record,
    head: Head,
    known: _Known,
    columns: dict[tuple[int, int], records.Columns],
    layouts: dict[int, tuple[int, Int32s]],
) -> None:
    if record.kind == Kind.COHORT:
        number, name, irregular = orjson.loads(record.payload)
        if number not in head.cohorts:
            head.restore_cohort(number, name, irregular)
    elif record.kind == Kind.COLUMNS:
        found = records.read_columns(record.payload)
        # A column that was forgotten and came back is defined again, alone.
        known_before = columns.get((found.cohort, found.first))
        if known_before is None or len(found.keys) > len(known_before.keys):
            columns[found.cohort, found.first] = found
    elif record.kind == Kind.LAYOUT:
        number, layout, own = records.read_layout(record.payload)
        layouts[layout] = (number, own)
        head.next_layout = max(head.next_layout, layout + 1)
        # The cohort may be forgotten: another one with its number would be taken for the one of these rows.
        head.next_cohort = max(head.next_cohort, number + 1)
    elif record.kind == Kind.CUT:
        segment, through_ms = orjson.loads(record.payload)
        known.cuts.append((segment, through_ms))


def _cohorts_with_shared_series(columns: Sequence[records.Columns]) -> set[int]:
    """Numbers of the cohorts with a series that is defined more than once."""
    if not columns:
        return set()
    keys = np.concatenate([each.keys for each in columns])
    everyone = np.sort(keys)
    again = np.unique(everyone[1:][everyone[1:] == everyone[:-1]])
    cohorts = np.repeat([each.cohort for each in columns], [len(each.keys) for each in columns])
    return set(cohorts[np.isin(keys, again)].tolist())


def _restore_columns(head: Head, columns: records.Columns, *, all_new: bool) -> None:
    number, first = columns.cohort, columns.first
    cohort = head.cohorts.get(number)
    if cohort is None:
        log.error("the log defines columns of cohort %d, whose own definition was lost", number)
        cohort = head.restore_cohort(number, f"recovered/{number}", irregular=True)
    if first >= cohort.width:
        if all_new:
            head.place_new(cohort, columns)
        else:
            head.place(cohort, columns.labels(), columns.keys, first)
        return
    for place, labels in enumerate(columns.labels()):
        column = first + place
        if column >= cohort.width:
            head.place(cohort, [labels], columns.keys[place : place + 1], column)
        elif cohort.ids[column] < 0:
            head.restore_column(cohort, column, labels)


def _restore_layout(head: Head, known: _Known, layout: int, number: int, columns: Int32s) -> None:
    cohort = head.cohorts.get(number)
    if cohort is None:
        known.forgotten.add(layout)
        return
    missing = int(columns.max(initial=-1)) + 1 - cohort.width
    if missing > 0:
        cohort.add_columns([-1] * missing)
    known.layouts[layout] = head.restore_layout(cohort, layout, columns)
    known.cohort_of[layout] = number


def _continue_batch(record: Record, known: _Known, skip_before: int, report: ReplayReport) -> bool:
    """Take the row if it is the next one of its cohort's batch, as nearly all are."""
    number, count, at = records.read_row_head(record.payload)
    batch = known.batches.get(known.cohort_of.get(number, -1))
    if batch is None or count != 1 or at <= batch.times[-1] or at < skip_before:
        return False
    if known.layouts.get(number) is not batch.layout:
        return False
    row = records.read_row_values(record.payload)
    batch.times.append(at)
    batch.rows.append(row)
    report.samples += len(row)
    return True


def _replay_rows(record: Record, head: Head, known: _Known, skip_before: int, report: ReplayReport) -> None:
    if _continue_batch(record, known, skip_before, report):
        return
    number, times, flat = records.read_rows(record.payload)
    # Where a power cut took its definition, another layout with this number would be taken for it.
    head.next_layout = max(head.next_layout, number + 1)
    first, last = int(times[0]), int(times[-1])
    if last < skip_before and not (times >= skip_before).any():
        return
    layout = known.layouts.get(number)
    if layout is not None and first >= skip_before:
        batch = known.batches.get(known.cohort_of[number])
        if batch is not None and batch.layout is layout and first > batch.times[-1]:
            batch.times += times.tolist()
            batch.rows.append(flat)
            report.samples += len(flat)
            return
    # Noted even if nothing of the row comes back: its segment is there, and so its layout must stay.
    head.layout_segments[number] = head.wal.segment
    if layout is None:
        report.unreadable_rows += number not in known.forgotten
        return
    matrix = flat.reshape(len(times), len(layout.columns))
    kept = times >= skip_before
    if not kept.all():
        times, matrix = times[kept], matrix[kept]
    living = layout.ids >= 0
    if not living.all():
        # The log forgot columns of which nothing is left in memory: what the row has of them was deleted.
        if not living.any():
            return
        cohort = head.cohorts[known.cohort_of[layout.number]]
        layout, matrix = head.layout(cohort, layout.columns[living]), np.ascontiguousarray(matrix[:, living])
        known.cohort_of[head.number_layout(cohort, layout)] = cohort.number
    report.samples += matrix.size
    cohort_number = known.cohort_of[layout.number]
    if (before := known.batches.pop(cohort_number, None)) is not None:
        _restore_batch(head, known, before)
    known.batches[cohort_number] = _Batch(layout, times.tolist(), [matrix.ravel()])


def _restore_batches(head: Head, known: _Known) -> None:
    """Put everything into memory that was gathered."""
    for batch in known.batches.values():
        _restore_batch(head, known, batch)
    known.batches.clear()


def _restore_batch(head: Head, known: _Known, batch: _Batch) -> None:
    times = np.array(batch.times, np.int64)
    if len(times) == len(batch.rows):
        _restore_rows(head, known, batch.layout, times, batch.rows)
    else:
        rows = np.concatenate(batch.rows)
        _restore_rows(head, known, batch.layout, times, rows.reshape(len(times), -1))


def _restore_rows(
    head: Head, known: _Known, layout: Layout, times: Int64s, matrix: Float64s | list[Float64s]
) -> None:
    cohort = head.cohorts[known.cohort_of[layout.number]]
    if head.table.newest[layout.ids].max() < times[0]:
        apply(head, Rows(cohort, layout, times, matrix))
        return
    # A late row, or one that was written twice because its first copy may not have reached the disk.
    for at, row in zip(times.tolist(), matrix, strict=True):
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


def _whole_records(
    path: Path, quarantine: Quarantine, report: ReplayReport, room: Bytes8 | None = None
) -> list[Record]:
    """The whole records of a file; what is damaged is reported, kept, and replaced by filler.

    room: where the records are until the next file is read there
    """
    content = memoryview(path.read_bytes()) if room is None else _read_into(room, path)
    found: list[Record] = []
    for item in scan(content):
        if isinstance(item, Record):
            found.append(item)
            continue
        what = f"bytes {item.start} to {item.end} are no whole record"
        if item.at_end:
            report.torn_tails += 1
            what += " (the file was cut there)"
        else:
            report.damages += 1
        quarantine.keep(f"wal/{path.name}-{item.start}", content[item.start : item.end].tobytes(), what)
        _replace_damage(path, item)
    return found


def _read_into(room: Bytes8, path: Path) -> memoryview:
    """The content of a file that fits in. Raises OSError."""
    view, size = room.data, 0
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(view[size:]):
            size += count
    return view[:size]


def _replace_damage(path: Path, damage: Damage) -> None:
    try:
        if damage.at_end:
            os.truncate(path, damage.start)
            return
        filler = damage.end - damage.start - records.HEADER.size
        if filler >= 0 and filler % 8 == 0:
            with path.open("r+b") as file:
                file.seek(damage.start)
                file.write(records.frame(Kind.FILLER, bytes(filler)))
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        log.warning("%s: could not replace the damaged bytes at %d: %s", path, damage.start, error)
