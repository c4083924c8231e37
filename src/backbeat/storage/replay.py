"""Reading the write-ahead log back into the head when the store is opened.

Whatever is whole is used, wherever the damage is; damaged bytes are kept in quarantine and their place in
the file becomes filler, so that they are reported once.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import orjson

from backbeat.model.arrays import Int32s
from backbeat.storage import records
from backbeat.storage.cutting import forget_cohort
from backbeat.storage.deletion import delete_from_head
from backbeat.storage.files import Quarantine
from backbeat.storage.head import Head
from backbeat.storage.keys import find_sorted
from backbeat.storage.logged import MOST_MAPPED, content_of
from backbeat.storage.records import Damage, Frames, Kind, frames
from backbeat.storage.replayed_rows import FileRows, Known, ReplayReport, restore_rows, rows_in
from backbeat.storage.wal import definition_files, segments

__all__ = ["ReplayReport", "replay"]

log = logging.getLogger(__name__)


def replay(directory: Path, head: Head, quarantine: Quarantine) -> ReplayReport:
    """Bring the head to where the log ends."""
    report = ReplayReport()
    # First what needs no interpreter: other threads run while the rows' checksums are computed.
    logs: list[tuple[int, memoryview, Frames]] = []
    for segment, path in segments(directory):
        content = content_of(path, is_mapped=len(logs) < MOST_MAPPED)
        logs.append((segment, content, _whole_records(path, content, quarantine, report)))
    report.segments = len(logs)
    known = _restore_definitions(directory, head, quarantine, report)
    head.table.index_unread()
    rows: list[FileRows] = []
    for segment, content, records_of_log in logs:
        for run, deletion in _runs(records_of_log):
            rows.append(rows_in(segment, content, run))
            if deletion is not None:
                restore_rows(head, known, rows, report)
                rows = []
                delete_from_head(head, *records.read_delete(content[deletion]))
    restore_rows(head, known, rows, report)
    _let_go_of_replaced(head)
    return report


def _runs(found: Frames) -> Iterator[tuple[Frames, slice | None]]:
    """Records of rows, and the payload of the deletion that follows them."""
    begin = 0
    for place in np.flatnonzero(found.kinds == Kind.DELETE).tolist():
        yield found.rows(begin, place), found.payload(place)
        begin = place
    yield found.rows(begin, len(found.kinds)), None


def _restore_definitions(directory: Path, head: Head, quarantine: Quarantine, report: ReplayReport) -> Known:
    """Cohorts, columns and layouts as the log names them."""
    known = Known()
    columns: dict[tuple[int, int], records.Columns] = {}
    raw_layouts: dict[int, tuple[int, Int32s]] = {}
    whole_before = memoryview(b"")
    for number, path in enumerate(definition_files(directory)):
        content = content_of(path, is_mapped=number < MOST_MAPPED)
        if _are_equal(content, whole_before):
            continue  # a copy
        damages = report.damages + report.torn_tails
        found = _whole_records(path, content, quarantine, report)
        whole_before = content if damages == report.damages + report.torn_tails else memoryview(b"")
        for place in range(len(found.kinds)):
            payload = content[found.payload(place)]
            _read_definition(int(found.kinds[place]), payload, head, known, columns, raw_layouts)
    defined = [own for _, own in sorted(columns.items())]
    shared = _cohorts_with_shared_series(defined)
    # These first, for they look series up: the others are told apart by their keys alone.
    for own_columns in sorted(defined, key=lambda own: own.cohort not in shared):
        _restore_columns(head, own_columns, all_new=own_columns.cohort not in shared)
    for layout, (number, own) in raw_layouts.items():
        _restore_layout(head, known, layout, number, own)
    return known


def _let_go_of_replaced(head: Head) -> None:
    """Of several cohorts with one name the last lives on: the others were forgotten before it was opened."""
    for cohort in list(head.cohorts.values()):
        if head.by_name[cohort.name] is not cohort:
            cohort.closed = True
            if cohort.oldest_ms() is None:
                forget_cohort(head, cohort)


def _are_equal(one: memoryview, other: memoryview) -> bool:
    """Two memoryviews compare themselves byte by byte, a hundred times slower."""
    return np.array_equal(np.frombuffer(one, np.uint8), np.frombuffer(other, np.uint8))


def _read_definition(
    kind: int,
    payload: memoryview,
    head: Head,
    known: Known,
    columns: dict[tuple[int, int], records.Columns],
    layouts: dict[int, tuple[int, Int32s]],
) -> None:
    if kind == Kind.COHORT:
        number, name, irregular = orjson.loads(payload)
        if number not in head.cohorts:
            head.restore_cohort(number, name, irregular)
    elif kind == Kind.COLUMNS:
        found = records.read_columns(payload)
        # A column that was forgotten and came back is defined again, alone.
        known_before = columns.get((found.cohort, found.first))
        if known_before is None or len(found.keys) > len(known_before.keys):
            columns[found.cohort, found.first] = found
    elif kind == Kind.LAYOUT:
        number, layout, own = records.read_layout(payload)
        layouts[layout] = (number, own)
        head.next_layout = max(head.next_layout, layout + 1)
        # The cohort may be forgotten: another one with its number would be taken for the one of these rows.
        head.next_cohort = max(head.next_cohort, number + 1)
    elif kind == Kind.CUT:
        segment, through_ms = orjson.loads(payload)
        known.cuts.append((segment, through_ms))


def _cohorts_with_shared_series(columns: Sequence[records.Columns]) -> set[int]:
    """Numbers of the cohorts with a series that is defined more than once."""
    if not columns:
        return set()
    keys = np.concatenate([each.keys for each in columns])
    everyone = np.sort(keys)
    again = np.unique(everyone[1:][everyone[1:] == everyone[:-1]])
    if not len(again):
        return set()
    cohorts = np.repeat([each.cohort for each in columns], [len(each.keys) for each in columns])
    return set(cohorts[find_sorted(again, keys) >= 0].tolist())


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
            head.place(cohort, columns.labels(columns.pairs()), columns.keys, first)
        return
    for place, labels in enumerate(columns.labels(columns.pairs())):
        column = first + place
        if column >= cohort.width:
            head.place(cohort, [labels], columns.keys[place : place + 1], column)
        elif cohort.ids[column] < 0:
            head.restore_column(cohort, column, labels)


def _restore_layout(head: Head, known: Known, layout: int, number: int, columns: Int32s) -> None:
    cohort = head.cohorts.get(number)
    if cohort is None:
        known.forgotten.add(layout)
        return
    missing = int(columns.max(initial=-1)) + 1 - cohort.width
    if missing > 0:
        cohort.add_columns([-1] * missing)
    known.layouts[layout] = head.restore_layout(cohort, layout, columns)
    known.cohort_of[layout] = number


def _whole_records(path: Path, content: memoryview, quarantine: Quarantine, report: ReplayReport) -> Frames:
    """The whole records of a file; what is damaged is reported, kept, and replaced by filler."""
    found, damages = frames(content)
    for damage in damages:
        what = f"bytes {damage.start} to {damage.end} are no whole record"
        if damage.at_end:
            report.torn_tails += 1
            what += " (the file was cut there)"
        else:
            report.damages += 1
        kept = content[damage.start : damage.end].tobytes()
        quarantine.keep(f"wal/{path.name}-{damage.start}", kept, what)
        _replace_damage(path, damage)
    return found


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
