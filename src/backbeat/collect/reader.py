"""Reading one target's scrapes: a row of values under a known layout.

In:  the decoded body of a scrape.
Out: a `Reading`: columns of the target's cohort and one float64 row, what changed, and the odd samples
     with timestamps or exemplars of their own.

A target exposes the same lines thousands of times and only the numbers change, so there are three ways,
each slower than the one before:
  1. The *layout* (`collect.layout`): the body is cut at every space and newline; if all pieces but the
     numbers equal those of the last scrape, the numbers are the row.
  2. The *known lines*: what stands before a line's number is looked up in a dict.
  3. The grammar (`collect.exposition`), for a line never seen.
No clock, no I/O. One reader belongs to one target and is not shared between threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from backbeat.collect.exposition import (
    ExposedExemplar,
    ExposedSample,
    ExpositionError,
    LineError,
    Metadata,
    canonical_bound,
    parse_exemplar,
    parse_metadata,
    parse_number,
    parse_row,
    parse_sample,
    seconds_to_ms,
    shown,
)
from backbeat.collect.identity import LabelLimitExceeded, SeriesIdentity
from backbeat.collect.layout import Layout
from backbeat.collect.reading import Lines, Prepared, Reading
from backbeat.model.appender import Exemplar
from backbeat.model.arrays import Float64s, Int32s
from backbeat.model.labels import NO_LABELS, Labels

_DROPPED = -1
_SPARE_LINES = 1000
_FAMILY_SUFFIXES = {"summary": "quantile", "histogram": "le"}


class SampleLimitExceeded(Exception):
    """More samples than the limit after metric relabelling; the whole scrape fails."""


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
        self._identity = identity
        self._columns_of = columns_of
        self._reserved = reserved
        self._extra = extra
        self._sample_limit = sample_limit
        self._honor_timestamps = honor_timestamps
        self._known: dict[bytes, int] = {}
        self._series: dict[bytes, Labels | None] = {}
        """line keys of samples with timestamps or exemplars; None: dropped by relabelling"""
        self._comments: dict[bytes, str | None] = {}
        """comment lines seen, and the type that one sets"""
        self._layout: Layout | None = None
        self._stable = False
        """the last two bodies had the same columns in the same order"""
        self._last_columns: list[int] = []
        self._last_reading: Reading | None = None
        self._type = ""
        self._openmetrics = False
        self._at_ms = 0
        self.scraped = 0
        """sample lines of the last body, also where reading it failed"""
        self.metadata: dict[str, Metadata] = {}

    @property
    def familiar(self) -> bool:
        """Whether a body has been read before, so that the next one is probably cheap."""
        return self._last_reading is not None

    def read(self, body: bytes, at_ms: int, *, openmetrics: bool = False) -> Reading:
        """Read one body, scraped at `at_ms`: `prepare` and `complete` in one."""
        return self.complete(self.prepare(body, at_ms, openmetrics=openmetrics))

    def prepare(self, body: bytes, at_ms: int, *, openmetrics: bool = False) -> Prepared:
        """Do all of the reading that needs no storage, so that a large body can be read on a thread.

        Raises ExpositionError, SampleLimitExceeded or LabelLimitExceeded, and then nothing of it counts.
        """
        last = self._last_reading
        if self._layout is not None and last is not None and self._openmetrics == openmetrics:
            row = self._layout.read(body, self._extra)
            if row is not None:
                self.scraped = last.scraped
                return Prepared(reading=Reading(last.columns, row, last.scraped, last.kept))
        self._openmetrics, self._at_ms = openmetrics, at_ms
        return self._read_lines(body)

    def complete(self, prepared: Prepared) -> Reading:
        """Give new series their columns. Must come before the next `prepare`."""
        if prepared.reading is not None:
            return prepared.reading
        found = prepared.lines
        places, keys, series = zip(*found.new, strict=True)
        for place, key, column in zip(places, keys, self._columns_of(series).tolist(), strict=True):
            found.columns[place] = column
            if key is not None:
                self._known[key] = column
        return self._finish(found, prepared.row)

    def _read_lines(self, body: bytes) -> Prepared:
        lines = body.split(b"\n")
        found = Lines()
        self._type = ""
        try:
            self._scan(lines, found)
        finally:
            self.scraped = found.kept + len(found.dropped) + found.stamped_dropped
            self._forget(self.scraped)
        self._check_limit(found)
        row = self._numbers(found, lines)
        if found.new:
            return Prepared(lines=found, row=row)
        reading = self._finish(found, row)
        if self._stable and found.plain and not reading.duplicates:
            self._layout = Layout.of(body, self._known, len(found.columns))
        return Prepared(reading=reading)

    def _scan(self, lines: list[bytes], found: Lines) -> None:
        """Look up every line; what is not known goes to the grammar."""
        if self._openmetrics:
            if lines[-1] == b"":
                lines.pop()
            if not lines or lines[-1] != b"# EOF":
                raise ExpositionError(max(1, len(lines)), "", "OpenMetrics must end with # EOF")
            lines.pop()
        known = self._known.get
        line = b""
        try:
            for line in lines:
                key, _, value = line.rpartition(b" ")
                column = known(key)
                if column is None:
                    self._other_line(line, found)
                elif column >= 0:
                    found.columns.append(column)
                    found.numbers.append(value)
                else:
                    found.dropped.append(value)
        except LabelLimitExceeded:
            raise
        except ValueError as error:
            raise ExpositionError(lines.index(line) + 1, shown(line), str(error)) from None

    def _check_limit(self, found: Lines) -> None:
        if found.kept > self._sample_limit:
            raise SampleLimitExceeded(f"more than {self._sample_limit} samples (sample_limit)")

    def _numbers(self, found: Lines, lines: list[bytes]) -> Float64s:
        try:
            row = parse_row(found.numbers, self._extra)
            parse_row(found.dropped)
        except LineError as error:
            # Rare, so the line is looked for only now.
            raise self._first_bad(lines) or ExpositionError(1, "", str(error)) from None
        return row

    def _first_bad(self, lines: list[bytes]) -> ExpositionError | None:
        for number, line in enumerate(lines, 1):
            if line.strip(b" \t") and not line.lstrip(b" \t").startswith(b"#"):
                try:
                    parse_sample(line, openmetrics=self._openmetrics)
                except LineError as error:
                    return ExpositionError(number, shown(line), str(error))
        return None

    def _finish(self, found: Lines, row: Float64s) -> Reading:
        columns, last = found.columns, self._last_reading
        self._layout = None
        self._stable = last is not None and columns == self._last_columns
        if last is not None and self._stable:
            known, duplicates = last.columns, last.duplicates
        else:
            known, duplicates = np.array(columns, np.int32), 0
        if not self._stable or duplicates:
            known, row, duplicates = self._without_duplicates(columns, known, row, reuse=self._stable)
        self._last_columns = columns
        self._last_reading = Reading(known, row[:0], self.scraped, found.kept, duplicates)
        return replace(self._last_reading, row=row, stamped=found.stamped, exemplars=found.exemplars)

    def _without_duplicates(
        self, columns: list[int], known: Int32s, row: Float64s, *, reuse: bool
    ) -> tuple[Int32s, Float64s, int]:
        """Keep each column's first sample, and none that the caller writes itself."""
        taken = set(self._reserved)
        if len(taken.union(columns)) == len(taken) + len(columns):
            return known, row, 0
        first = np.ones(len(row), np.bool_)
        for place, column in enumerate(columns):
            if column in taken:
                first[place] = False
            taken.add(column)
        duplicates = int(len(first) - first.sum())
        kept_columns = known if reuse else known[first[: len(columns)]]
        return kept_columns, row[first], duplicates

    def _other_line(self, line: bytes, found: Lines) -> None:
        """A line that the second way does not know: a comment, a blank, or a sample. Raises ValueError."""
        if line.startswith(b"#") or (not self._openmetrics and line.lstrip(b" \t").startswith(b"#")):
            self._comment(line)
        elif not line.strip(b" \t"):
            if self._openmetrics:
                raise LineError("OpenMetrics has no blank lines")
        elif not self._known_with_extras(line, found):
            self._new_sample(line, found)

    def _comment(self, line: bytes) -> None:
        if line in self._comments:
            self._type = self._comments[line] or self._type
            return
        said = parse_metadata(line.lstrip(b" \t"), openmetrics=self._openmetrics)
        self._comments[line] = said.text if said is not None and said.kind == "TYPE" else None
        if said is None:
            return
        old = self.metadata.get(said.family, Metadata())
        if said.kind == "TYPE":
            self._type = said.text
            self.metadata[said.family] = Metadata(said.text, old.help, old.unit)
        elif said.kind == "HELP":
            self.metadata[said.family] = Metadata(old.type, said.text, old.unit)
        else:
            self.metadata[said.family] = Metadata(old.type, old.help, said.text)

    def _known_with_extras(self, line: bytes, found: Lines) -> bool:
        """A series seen before, now with an exemplar or a timestamp; False: not so, ask the grammar."""
        exemplar = None
        if self._openmetrics and b" # {" in line:
            line, _, rest = line.rpartition(b" # {")
            exemplar = rest
        key, _, value = line.rpartition(b" ")
        if exemplar is not None and (column := self._known.get(key)) is not None:
            labels = self._series.get(key)
            if column >= 0 and labels is None:
                return False
            self._take(found, key, value, labels, None, parse_exemplar(exemplar), column)
            return True
        key, _, value = key.rpartition(b" ")
        if not self._honor_timestamps:
            column = self._known.get(key)
            if column is None or column < 0 or exemplar is not None:
                return False
            found.plain = False
            self._take(found, key, value, NO_LABELS, None, None, column)
            return True
        if key not in self._series:
            return False
        text = line.rpartition(b" ")[2].decode()
        timestamp_ms = seconds_to_ms(text) if self._openmetrics else int(text)
        parsed = parse_exemplar(exemplar) if exemplar is not None else None
        self._take(found, key, value, self._series[key], timestamp_ms, parsed, None)
        return True

    def _new_sample(self, line: bytes, found: Lines) -> None:
        sample = parse_sample(line, openmetrics=self._openmetrics)
        labels = self._identity.of(sample.name, self._canonical(sample))
        timestamp_ms = sample.timestamp_ms if self._honor_timestamps else None
        key = _key(line, sample)
        found.plain = found.plain and key is not None and sample.timestamp_ms is None
        if key is not None and (timestamp_ms is not None or sample.exemplar is not None):
            self._series[key] = labels
        self._take(found, key, sample.value, labels, timestamp_ms, sample.exemplar, None)

    def _exemplar_time(self, exemplar: ExposedExemplar) -> int:
        return self._at_ms if exemplar.timestamp_ms is None else exemplar.timestamp_ms

    def _canonical(self, sample: ExposedSample) -> Sequence[tuple[str, str]]:
        bound = _FAMILY_SUFFIXES.get(self._type)
        if bound is None:
            return sample.pairs
        return [(name, canonical_bound(value) if name == bound else value) for name, value in sample.pairs]

    def _take(
        self,
        found: Lines,
        key: bytes | None,
        value: bytes,
        labels: Labels | None,
        timestamp_ms: int | None,
        exemplar: ExposedExemplar | None,
        column: int | None,
    ) -> None:
        """Note a sample that the grammar has read, or a known one with extras."""
        if timestamp_ms is not None or exemplar is not None:
            found.plain = False
        if labels is None:
            if timestamp_ms is None:
                found.dropped.append(value)
                if key is not None:
                    self._known[key] = _DROPPED
            else:
                found.stamped_dropped += 1
                parse_number(value.decode("latin-1"))
            return
        if exemplar is not None:
            found.exemplars.append(
                Exemplar(labels, Labels.of(exemplar.labels), exemplar.value, self._exemplar_time(exemplar))
            )
        if timestamp_ms is not None:
            self._check_limit(found)
            found.stamped.append((labels, timestamp_ms, parse_number(value.decode("latin-1"))))
            return
        self._check_limit(found)
        if column is None:
            found.new.append((len(found.columns), key, labels))
        found.columns.append(_DROPPED if column is None else column)
        found.numbers.append(value)

    def _forget(self, lines: int) -> None:
        """Keep memory in proportion to what the target exposes now, however its series come and go."""
        room = 2 * lines + _SPARE_LINES
        if len(self._known) > room:
            present = set(self._last_columns)
            self._known = {key: column for key, column in self._known.items() if column in present}
        if len(self._series) > room:
            self._series.clear()
        if len(self._comments) > room:
            self._comments.clear()
            self.metadata.clear()


def _key(line: bytes, sample: ExposedSample) -> bytes | None:
    """What stands before the number, where cutting at the last spaces finds it again."""
    rest = line
    if sample.exemplar is not None:
        rest = rest.rpartition(b" # {")[0]
    if sample.timestamp_ms is not None:
        rest = rest.rpartition(b" ")[0]
    key, _, value = rest.rpartition(b" ")
    return key if value == sample.value else None
