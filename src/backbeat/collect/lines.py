"""Reading lines one by one: by what stands before the number where that is known, else by the grammar.

In:  lines of a scrape.
Out: their columns and numbers, new series, samples with timestamps or exemplars (`reading.Lines`).
No clock, no I/O. Knows every line key of one target, in proportion to what it exposes now.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    parse_sample,
    seconds_to_ms,
    shown,
)
from backbeat.collect.identity import LabelLimitExceeded, SeriesIdentity
from backbeat.collect.reading import DROPPED, NEW, NOTHING, Lines
from backbeat.model.appender import Exemplar
from backbeat.model.arrays import Int32s
from backbeat.model.labels import NO_LABELS, Labels

_SPARE_LINES = 1000
_FAMILY_SUFFIXES = {"summary": "quantile", "histogram": "le"}


class SampleLimitExceeded(Exception):
    """More samples than the limit after metric relabelling; the whole scrape fails."""


class LineReader:
    """Reads the lines of one target."""

    def __init__(self, identity: SeriesIdentity, *, sample_limit: int, honor_timestamps: bool) -> None:
        self._identity = identity
        self._sample_limit = sample_limit
        self._honor_timestamps = honor_timestamps
        self._known: dict[bytes, int] = {}
        self._series: dict[bytes, Labels | None] = {}
        """line keys of samples with timestamps or exemplars; None: dropped by relabelling"""
        self._comments: dict[bytes, str | None] = {}
        """comment lines seen, and the type that one sets"""
        self._type = ""
        self._openmetrics = False
        self._at_ms = 0
        self.metadata: dict[str, Metadata] = {}

    def begin(self, at_ms: int, *, openmetrics: bool) -> None:
        """A new body; at_ms: the time of exemplars without one."""
        self._at_ms, self._openmetrics, self._type = at_ms, openmetrics, ""

    def remember(self, key: bytes, column: int) -> None:
        """The column of a line that was new."""
        self._known[key] = column

    def rest(self) -> None:
        """Know no lines until `wake`: none will be looked up."""
        self._known = {}

    def wake(self, known: dict[bytes, int]) -> None:
        """Go on with what is known of the lines that the layout has; the columns may say DROPPED."""
        self._known = known

    def read_all(self, lines: list[bytes], found: Lines) -> None:
        """Read a whole body. Raises ExpositionError, SampleLimitExceeded, LabelLimitExceeded."""
        if self._openmetrics:
            if lines[-1] == b"":
                lines.pop()
            if not lines or lines[-1] != b"# EOF":
                raise ExpositionError(max(1, len(lines)), "", "OpenMetrics must end with # EOF")
            lines.pop()
        try:
            self._scan(lines, found)
        except LabelLimitExceeded:
            raise
        except ValueError as error:
            line = lines[len(found.columns)]
            raise ExpositionError(len(found.columns) + 1, shown(line), str(error)) from None
        if self._openmetrics:
            found.columns.append(NOTHING)
        self.check_limit(found)

    def read_line(self, line: bytes, kind: str, found: Lines) -> None:
        """Read one line after comments that set the type `kind`. Raises ValueError, SampleLimitExceeded."""
        self._type = kind
        self._scan([line], found)

    def _scan(self, lines: list[bytes], found: Lines) -> None:
        """Look up every line; what is not known goes to the grammar. Raises ValueError."""
        known, columns, numbers = self._known.get, found.columns, found.numbers
        for line in lines:
            key, _, value = line.rpartition(b" ")
            column = known(key)
            if column is None:
                self._other_line(line, found)
            else:
                columns.append(column)
                numbers.append(value)
                if column < 0:
                    found.dropped += 1

    def check_limit(self, found: Lines) -> None:
        """Raises SampleLimitExceeded."""
        if found.kept > self._sample_limit:
            raise SampleLimitExceeded(f"more than {self._sample_limit} samples (sample_limit)")

    def first_bad(self, lines: list[bytes]) -> ExpositionError | None:
        """What is wrong with the first line that the grammar refuses."""
        for number, line in enumerate(lines, 1):
            if line.strip(b" \t") and not line.lstrip(b" \t").startswith(b"#"):
                try:
                    parse_sample(line, openmetrics=self._openmetrics)
                except LineError as error:
                    return ExpositionError(number, shown(line), str(error))
        return None

    def _other_line(self, line: bytes, found: Lines) -> None:
        """A line that the second way does not know: a comment, a blank, or a sample. Raises ValueError."""
        if line.startswith(b"#") or (not self._openmetrics and line.lstrip(b" \t").startswith(b"#")):
            self._comment(line, found)
            found.columns.append(NOTHING)
        elif not line.strip(b" \t"):
            if self._openmetrics:
                raise LineError("OpenMetrics has no blank lines")
            found.columns.append(NOTHING)
        elif not self._known_with_extras(line, found):
            self._new_sample(line, found)

    def _comment(self, line: bytes, found: Lines) -> None:
        is_known = line in self._comments
        said = None if is_known else parse_metadata(line.lstrip(b" \t"), openmetrics=self._openmetrics)
        if not is_known:
            self._comments[line] = said.text if said is not None and said.kind == "TYPE" else None
        if kind := self._comments[line]:
            self._type = kind
            found.types.append((len(found.columns), kind))
        if said is None:
            return
        old = self.metadata.get(said.family, Metadata())
        if said.kind == "TYPE":
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
            self._take(found, key, value, NO_LABELS, None, None, column, is_odd=True)
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
        is_odd = key is None or sample.timestamp_ms is not None
        if key is not None and (timestamp_ms is not None or sample.exemplar is not None):
            self._series[key] = labels
        self._take(found, key, sample.value, labels, timestamp_ms, sample.exemplar, None, is_odd=is_odd)

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
        *,
        is_odd: bool = False,
    ) -> None:
        """Note a sample that the grammar has read, or a known one with extras."""
        if is_odd or timestamp_ms is not None or exemplar is not None:
            found.odd.append(len(found.columns))
        if labels is None:
            if timestamp_ms is None:
                found.columns.append(DROPPED)
                found.numbers.append(value)
                found.dropped += 1
                if key is not None:
                    self._known[key] = DROPPED
            else:
                parse_number(value.decode("latin-1"))
                found.columns.append(NOTHING)
                found.stamped_dropped += 1
            return
        if exemplar is not None:
            found.exemplars.append(
                Exemplar(labels, Labels.of(exemplar.labels), exemplar.value, self._exemplar_time(exemplar))
            )
        self.check_limit(found)
        if timestamp_ms is not None:
            found.stamped.append((labels, timestamp_ms, parse_number(value.decode("latin-1"))))
            found.columns.append(NOTHING)
            return
        if column is None:
            found.new.append((len(found.columns), key, labels))
        found.columns.append(NEW if column is None else column)
        found.numbers.append(value)

    def forget(self, lines: int, present: Int32s) -> None:
        """Keep memory in proportion to what the target exposes now, however its series come and go.

        present: the columns of its last body
        """
        room = 2 * lines + _SPARE_LINES
        if len(self._known) > room:
            living = set(present.tolist())
            self._known = {key: column for key, column in self._known.items() if column in living}
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
