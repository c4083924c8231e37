"""Reading one target's scrapes: a row of values under a known layout.

In:  the decoded body of a scrape.
Out: a `Reading`: columns of the target's cohort and one float64 row, what changed, and the odd samples
     with timestamps or exemplars of their own.

A target exposes the same lines thousands of times and only the numbers change, so a line is read in one of
three ways, each slower than the one before:
  1. The *layout* (`collect.layout`): all lines at once are compared with those of the last scrape; where all
     but the number is the same, the number goes to the line's column; where all is, so does the last number.
  2. The *known lines*: what stands before a line's number is looked up in a dict. While a target exposes the
     same lines again and again, the layout has all that it would hold, so it is made anew when it is needed.
  3. The grammar (`collect.exposition`), for a line never seen.
No clock, no I/O. One reader belongs to one target and is not shared between threads.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from backbeat.collect.exposition import ExpositionError, LineError, Metadata, parse_numbers, parse_row
from backbeat.collect.identity import SeriesIdentity
from backbeat.collect.layout import Body, Layout, Seen, Shape
from backbeat.collect.lines import LineReader, SampleLimitExceeded
from backbeat.collect.reading import EMPTY_COLUMNS, NOTHING, Lines, Parsed, Prepared, Reading
from backbeat.model.arrays import Bools, Float64s, Int32s, Int64s
from backbeat.model.labels import Labels

_MOST_CHANGED = 1 / 4
"""of the lines; where more have changed, all are read one by one"""
_QUIET_SCRAPES = 8
"""in which only numbers changed, until the known lines are let go"""


_EMPTY_ROW: Float64s = np.empty(0)


class _Last(Struct, frozen=True):
    """The last body that could be read.

    columns: (lines,) as `Parsed.columns`
    places:  (samples,) lines that have a column
    values:  (lines,) of its numbers; changed in place while nothing else changes
    types:   (line, type) where a comment sets the type of the metrics after it
    """

    openmetrics: bool
    layout: Layout
    columns: Int32s
    places: Int64s
    values: Float64s
    types: list[tuple[int, str]]


class ScrapeReader:
    """Reads the scrapes of one target."""

    def __init__(
        self,
        identity: SeriesIdentity,
        columns_of: Callable[[Sequence[Labels]], Int32s],
        *,
        reserved: frozenset[int] = frozenset(),
        extra: int = 0,
        sample_limit: int = 50_000,
        honor_timestamps: bool = True,
    ) -> None:
        """columns_of: gives series their columns, as `Cohort.columns`.

        reserved: columns that the caller writes itself; an exposed series of the same name is a duplicate.
        extra: cells that every row has more, for the caller.
        """
        self._lines = LineReader(identity, sample_limit=sample_limit, honor_timestamps=honor_timestamps)
        self._columns_of = columns_of
        self._reserved: Int64s = np.array(sorted(reserved), np.int64)
        self._extra = extra
        self._last: _Last | None = None
        self._last_reading: Reading | None = None
        self._openmetrics = False
        self._quiet_scrapes = _QUIET_SCRAPES
        """since known lines were looked up; the first body needs none"""
        self.scraped = 0
        """sample lines of the last body, also where reading it failed"""

    @property
    def metadata(self) -> dict[str, Metadata]:
        """What the target says about its metric families."""
        return self._lines.metadata

    @property
    def familiar(self) -> bool:
        """Whether a body has been read before, so that the next one is probably cheap."""
        return self._last_reading is not None

    def read(self, body: bytes | bytearray, at_ms: int, *, openmetrics: bool = False) -> Reading:
        """Read one body, scraped at `at_ms`: `prepare` and `complete` in one."""
        return self.complete(self.prepare(body, at_ms, openmetrics=openmetrics))

    def prepare(self, body: bytes | bytearray, at_ms: int, *, openmetrics: bool = False) -> Prepared:
        """Do all of the reading that needs no storage, so that a large body can be read on a thread.

        Raises ExpositionError, SampleLimitExceeded or LabelLimitExceeded, and then nothing of it counts.
        """
        self._lines.begin(at_ms, openmetrics=openmetrics)
        cut = Body.of(body)
        if self._last is not None and self._last.openmetrics == openmetrics:
            try:
                prepared = self._read_changes(cut, self._last)
            except (ValueError, SampleLimitExceeded):
                # Reading every line finds the same and says where, and what comes before it counts.
                prepared = None
            if prepared is not None:
                return prepared
        self._openmetrics = openmetrics
        return self._read_lines(bytes(body), cut)

    def complete(self, prepared: Prepared) -> Reading:
        """Give new series their columns. Must come before the next `prepare`."""
        if isinstance(prepared, Reading):
            return prepared
        if prepared.found.new:
            places, keys, series = zip(*prepared.found.new, strict=True)
            columns = self._columns_of(series)
            prepared.columns[prepared.again[list(places)]] = columns
            for key, column in zip(keys, columns.tolist(), strict=True):
                if key is not None:
                    self._lines.remember(key, column)
        return self._finish(prepared)

    def _read_changes(self, body: Body, last: _Last) -> Prepared | None:
        """Read a body by what the last one was; None where that does not help. Raises ValueError."""
        reading = self._last_reading
        seen = last.layout.read(body)
        if seen is None or reading is None or len(seen.again) > _MOST_CHANGED * len(last.columns):
            return None
        numbers = parse_numbers(seen.text, len(seen.changed))
        if not len(seen.again):
            self._note_quiet()
            last.layout.adopt(seen)
            last.values[seen.changed] = numbers
            row: Float64s = np.empty(len(last.places) + self._extra)
            # Every place is one of `values`; to make sure of it would take a copy.
            last.values.take(last.places, out=row[: len(last.places)], mode="clip")
            self.scraped = reading.scraped
            return Reading(reading.columns, row, reading.scraped, reading.kept)
        self._wake_lines()
        read_again = int(np.count_nonzero(last.columns[seen.again] >= 0))
        found = Lines(others=len(last.places) - read_again)
        changed = [body.line(at) for at in seen.again.tolist()]
        shape = last.layout.shape
        had_sample = shape.numbered[seen.again] | shape.odd[seen.again]
        if not had_sample.all() or any(line.startswith(b"#") for line in changed):
            return None  # other comments, which may set another type
        begins = [at for at, _ in last.types]
        for at, line in zip(seen.again.tolist(), changed, strict=True):
            before = bisect_right(begins, at)
            self._lines.read_line(line, last.types[before - 1][1] if before else "", found)
        self._lines.forget(reading.scraped, reading.columns)
        columns, values = last.columns.copy(), last.values.copy()
        values[seen.changed] = numbers
        return self._parsed(body, seen.again, found, columns, values, shape, last.types, seen)

    def _note_quiet(self) -> None:
        self._quiet_scrapes += 1
        self._rest_lines()

    def _rest_lines(self) -> None:
        """Let go of the known lines where the layout has them and they have not been of use lately."""
        if self._quiet_scrapes >= _QUIET_SCRAPES and self._last is not None:
            self._lines.rest()

    def _wake_lines(self) -> None:
        """Lines are about to be looked up."""
        last = self._last
        if last is None:
            return
        if self._quiet_scrapes >= _QUIET_SCRAPES:
            self._lines.wake({key: int(last.columns[line]) for line, key in last.layout.known_lines()})
        self._quiet_scrapes = 0

    def _read_lines(self, body: bytes, cut: Body) -> Prepared:
        """Read every line of a body. Raises ExpositionError, SampleLimitExceeded, LabelLimitExceeded."""
        self._wake_lines()
        lines = body.split(b"\n")
        found = Lines()
        try:
            self._lines.read_all(lines, found)
        finally:
            self.scraped = found.scraped
            known = self._last_reading
            self._lines.forget(found.scraped, EMPTY_COLUMNS if known is None else known.columns)
        count = len(cut.ends)
        del found.columns[count:]
        everything: Int64s = np.arange(count)
        shape = Shape(np.zeros(count, np.int64), np.zeros(count, np.bool_), np.zeros(count, np.bool_))
        columns, values = np.full(count, NOTHING, np.int32), np.zeros(count)
        try:
            return self._parsed(cut, everything, found, columns, values, shape, found.types, None)
        except LineError as error:
            # Rare, so the line is looked for only now.
            raise self._lines.first_bad(lines) or ExpositionError(1, "", str(error)) from None

    def _parsed(
        self,
        body: Body,
        again: Int64s,
        found: Lines,
        columns: Int32s,
        values: Float64s,
        shape: Shape,
        types: list[tuple[int, str]],
        seen: Seen | None,
    ) -> Prepared:
        """Put what was found into the body's arrays. Raises LineError."""
        own: Int32s = np.array(found.columns, np.int32)
        numbered: Bools = own != NOTHING
        fixed = body.ends[again] - body.starts[again]
        fixed[numbered] -= np.fromiter(map(len, found.numbers), np.int64, len(found.numbers))
        odd = np.zeros(len(again), np.bool_)
        odd[found.odd] = True
        columns[again] = own
        values[again[numbered]] = parse_row(found.numbers)
        is_same = (
            seen is not None
            and np.array_equal(shape.fixed[again], fixed)
            and np.array_equal(shape.numbered[again], numbered)
            and np.array_equal(shape.odd[again], odd)
        )
        if not is_same:
            shape = Shape(shape.fixed.copy(), shape.numbered.copy(), shape.odd.copy())
            shape.fixed[again], shape.numbered[again], shape.odd[again] = fixed, numbered, odd
            seen = None
        parsed = Parsed(body, again, found, columns, values, shape, types, seen)
        return parsed if found.new else self._finish(parsed)

    def _finish(self, parsed: Parsed) -> Reading:
        found, last = parsed.found, self._last_reading
        places: Int64s = np.flatnonzero(parsed.columns >= 0)
        columns = parsed.columns[places]
        kept, is_first = len(columns) + len(found.stamped), self._first_of_each(columns)
        duplicates = len(columns) - int(np.count_nonzero(is_first))
        if duplicates:
            places, columns = places[is_first], columns[is_first]
        if last is not None and np.array_equal(columns, last.columns):
            columns = last.columns
        row = np.zeros(len(columns) + self._extra)
        row[: len(columns)] = parsed.values[places]
        self._note(parsed, places, duplicates)
        numbers = int(np.count_nonzero(parsed.columns != NOTHING))
        self.scraped = numbers + len(found.stamped) + found.stamped_dropped
        self._last_reading = Reading(columns, _EMPTY_ROW, self.scraped, kept, duplicates)
        self._rest_lines()
        return replace(self._last_reading, row=row, stamped=found.stamped, exemplars=found.exemplars)

    def _note(self, parsed: Parsed, places: Int64s, duplicates: int) -> None:
        """Remember the body for the next one."""
        last = self._last
        self._last = None
        if duplicates or not len(places):
            return
        if last is not None and parsed.seen is not None:
            layout = last.layout
            layout.adopt(parsed.seen)
        else:
            layout = Layout(parsed.body, parsed.shape)
        self._last = _Last(self._openmetrics, layout, parsed.columns, places, parsed.values, parsed.types)

    def _first_of_each(self, columns: Int32s) -> Bools:
        """Which samples are their column's first, and not of a column that the caller writes itself."""
        first = np.ones(len(columns), np.bool_)
        if not len(columns):
            return first
        counts = np.bincount(columns, minlength=int(self._reserved.max(initial=0)) + 1)
        if counts.max() > 1 or counts[self._reserved].any():
            first[:] = False
            first[np.unique(columns, return_index=True)[1]] = True
            first &= ~np.isin(columns, self._reserved)
        return first
