"""Reading scrapes: the three ways give one result, and bad input gives one kind of error."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_appender import MemoryAppender, MemoryCohort

from backbeat.collect.exposition import ExpositionError, Metadata
from backbeat.collect.identity import LabelLimitExceeded, LabelLimits, SeriesIdentity
from backbeat.collect.lines import SampleLimitExceeded
from backbeat.collect.reader import ScrapeReader
from backbeat.collect.reading import Reading
from backbeat.collect.relabel import Relabeler
from backbeat.config.prometheus import RelabelConfig
from backbeat.model.labels import Labels

TARGET = Labels.of(job="shop", instance="a:1")


class Bench:
    """A reader with its cohort."""

    def __init__(self, identity: SeriesIdentity | None = None, **settings: object) -> None:
        self.cohort: MemoryCohort = MemoryAppender().cohort("test")
        self.reader = ScrapeReader(
            identity or SeriesIdentity(TARGET),
            self.cohort.columns,
            **settings,  # type: ignore[arg-type]
        )

    def read(self, text: str | bytes, *, openmetrics: bool = False) -> dict[Labels, float]:
        body = text.encode() if isinstance(text, str) else text
        return self.samples(self.reader.read(body, 1000, openmetrics=openmetrics))

    def samples(self, reading: Reading) -> dict[Labels, float]:
        assert len(set(reading.columns.tolist())) == len(reading.columns)
        return {
            self.cohort.series[column]: value
            for column, value in zip(reading.columns.tolist(), reading.row.tolist(), strict=False)
        }


def series(metric: str, **labels: str) -> Labels:
    return TARGET.set({"__name__": metric, **labels})


def test_the_same_lines_give_the_very_same_columns() -> None:
    bench = Bench()
    readings = [
        bench.reader.read(f'# TYPE a gauge\na{{b="x y"}} {n}\na{{b="z"}} {n + 1}\nc {n}\n'.encode(), 0)
        for n in range(5)
    ]
    assert [reading.columns is readings[0].columns for reading in readings] == [True] * 5
    assert [reading.row.tolist() for reading in readings] == [[n, n + 1, n] for n in range(5)]
    assert [reading.scraped for reading in readings] == [3] * 5


def test_lines_that_come_and_go() -> None:
    bench = Bench()
    for n in range(40):
        shown = [i for i in range(20) if random.Random(n * 100 + i).random() < (0.9 if n % 4 else 1)]
        body = "".join(f'a{{i="{i}"}} {n * i}\n' for i in shown)
        assert bench.read(body) == {series("a", i=str(i)): n * i for i in shown}


def test_order_may_change() -> None:
    bench = Bench()
    for body in ("a 1\nb 2\n", "a 3\nb 4\n", "a 5\nb 6\n", "b 7\na 8\n", "b 9\na 10\n", "b 11\na 12\n"):
        (first, one), (second, two) = [line.split() for line in body.splitlines()]
        assert bench.read(body) == {series(first): float(one), series(second): float(two)}


@pytest.mark.parametrize("quiet", [0, 1, 7, 8, 9, 20])
def test_lines_are_known_again_after_many_scrapes_in_which_only_numbers_changed(quiet: int) -> None:
    asked: list[str] = []

    class Identity(SeriesIdentity):
        def of(self, name: str, pairs: Sequence[tuple[str, str]]) -> Labels | None:
            asked.append(name)
            return super().of(name, pairs)

    relabel = Relabeler([RelabelConfig("drop", ("__name__",), regex="go_.*")])
    names = ["a", "go_dropped", "seven77", f'b{{le="{"x" * 30}"}}', f'c{{d="{"y" * 300}"}}', 'e{f="g h"}']
    bench = Bench(Identity(TARGET, relabel=relabel))

    def body(number: int, more: str = "") -> str:
        lines = [f"{name} {number + place}" for place, name in enumerate(names)]
        return "\n".join(["# TYPE b counter", "", *lines[:3], *filter(None, [more]), *lines[3:], ""])

    first = bench.read(body(0))
    for number in range(quiet):
        bench.read(body(number))
    del asked[:]
    grown = bench.read(body(50, "new 1"))
    assert asked == ["new"]
    assert grown == {**{labels: value + 50 for labels, value in first.items()}, series("new"): 1}
    for number in range(quiet):
        bench.read(body(number))
    assert bench.read(body(60, "new 2"))[series("new")] == 2
    assert set(asked) == {"new"}
    assert bench.read(body(60)) == {labels: value + 60 for labels, value in first.items()}


def test_a_bad_number_is_found_on_every_way() -> None:
    bench = Bench()
    good, bad = "# HELP a x\na 1\nb 2\nc 3\n", "# HELP a x\na 1\nb 2x\nc 3\n"
    for _ in range(4):
        with pytest.raises(ExpositionError, match=r"bad line 3: '2x' is not a number: 'b 2x'"):
            bench.read(bad)
        assert bench.read(good) == {series("a"): 1, series("b"): 2, series("c"): 3}


def test_the_error_names_line_and_text() -> None:
    with pytest.raises(ExpositionError) as raised:
        Bench().read("a 1\n\n# TYPE b gauge\nb{x 1\n")
    assert (raised.value.line, raised.value.text) == (4, "b{x 1")


def test_the_target_wins_over_the_exposed_label() -> None:
    assert Bench().read('a{job="x",exported_job="y",z="1"} 1\n') == {
        series("a", exported_job="y", exported_exported_job="x", z="1"): 1
    }


def test_honor_labels_keeps_the_exposed_label_and_an_empty_one_keeps_away() -> None:
    bench = Bench(SeriesIdentity(TARGET, honor_labels=True))
    assert bench.read('a{job="x"} 1\nb{instance=""} 2\n') == {
        Labels.of(__name__="a", job="x", instance="a:1"): 1,
        Labels.of(__name__="b", job="shop"): 2,
    }


def test_metric_relabelling_drops_and_renames_on_every_way() -> None:
    relabel = Relabeler(
        [
            RelabelConfig("drop", ("__name__",), regex="go_.*"),
            RelabelConfig(source_labels=("x",), target_label="y"),
            RelabelConfig("labeldrop", regex="x"),
        ]
    )
    bench = Bench(SeriesIdentity(TARGET, relabel=relabel))
    for n in range(4):
        body = f'go_a{{x="1"}} {n}\na{{x="1"}} {n}\na{{x="2"}} {n}\ngo_b 7\n'
        assert bench.read(body) == {series("a", y="1"): n, series("a", y="2"): n}
        reading = bench.reader.read(body.encode(), 0)
        assert (reading.scraped, reading.kept) == (4, 2)
    with pytest.raises(ExpositionError, match="bad line 4"):
        bench.read('go_a{x="1"} 1\na{x="1"} 1\na{x="2"} 1\ngo_b x\n')


def test_relabelling_the_name_away_fails_the_scrape() -> None:
    bench = Bench(SeriesIdentity(TARGET, relabel=Relabeler([RelabelConfig("labeldrop", regex="__name__")])))
    with pytest.raises(ExpositionError, match="no metric name"):
        bench.read("a 1\n")


def test_the_first_of_two_samples_of_a_series_counts() -> None:
    bench = Bench(reserved=frozenset())
    for n in range(3):
        reading = bench.reader.read(f"a {n}\na 7\nb 2\na{{}} 8\n".encode(), 0)
        assert bench.samples(reading) == {series("a"): n, series("b"): 2}
        assert (reading.duplicates, reading.scraped) == (2, 4)


def test_series_the_caller_writes_itself_are_duplicates() -> None:
    cohort = MemoryAppender().cohort("test")
    (up,) = cohort.columns([series("up")]).tolist()
    reader = ScrapeReader(SeriesIdentity(TARGET), cohort.columns, reserved=frozenset({up}), extra=1)
    for _ in range(3):
        reading = reader.read(b"a 1\nup 7\nb 2\n", 0)
        assert (reading.row.tolist(), reading.duplicates) == ([1, 2, 0], 1)


def test_bucket_bounds_are_stored_as_openmetrics_writes_them() -> None:
    body = '# TYPE a histogram\na_bucket{le="1"} 1\n# TYPE b gauge\nb{le="1"} 2\n'
    assert Bench().read(body) == {series("a_bucket", le="1.0"): 1, series("b", le="1"): 2}


def test_timestamps_of_their_own() -> None:
    bench = Bench()
    for n in range(4):
        reading = bench.reader.read(f'a 1 {5000 + n}\nb 2\nc{{x="1"}} {n} {7000 + n}\n'.encode(), 0)
        assert bench.samples(reading) == {series("b"): 2}
        assert list(reading.stamped) == [(series("a"), 5000 + n, 1), (series("c", x="1"), 7000 + n, n)]
        assert (reading.scraped, reading.kept) == (3, 3)


def test_timestamps_can_be_ignored() -> None:
    bench = Bench(honor_timestamps=False)
    for n in range(4):
        assert bench.read(f"a {n} 5000\nb 2\n") == {series("a"): n, series("b"): 2}


OPENMETRICS = """# TYPE a histogram
# HELP a Some text.
a_bucket{le="1.0"} 1 # {trace_id="t1"} 0.5 1.25
a_bucket{le="+Inf"} 2 # {trace_id="t2"} 1.5
a_count 2
# TYPE b_seconds gauge
# UNIT b_seconds seconds
b_seconds 2 3.5
# EOF
"""


def test_openmetrics() -> None:
    bench = Bench()
    for _ in range(4):
        reading = bench.reader.read(OPENMETRICS.encode(), 9000, openmetrics=True)
        assert bench.samples(reading) == {
            series("a_bucket", le="1.0"): 1,
            series("a_bucket", le="+Inf"): 2,
            series("a_count"): 2,
        }
        assert list(reading.stamped) == [(series("b_seconds"), 3500, 2)]
        assert [
            (str(exemplar.labels), exemplar.series.get("le"), exemplar.value, exemplar.timestamp_ms)
            for exemplar in reading.exemplars
        ] == [('{trace_id="t1"}', "1.0", 0.5, 1250), ('{trace_id="t2"}', "+Inf", 1.5, 9000)]
    assert bench.reader.metadata == {
        "a": Metadata("histogram", "Some text."),
        "b_seconds": Metadata("gauge", "", "seconds"),
    }


def test_an_exemplar_may_come_and_go() -> None:
    bench = Bench()
    for n in range(8):
        exemplar = ' # {t="1"} 1' if n % 3 == 1 else ""
        reading = bench.reader.read(f"a {n}{exemplar}\nb 1\n# EOF\n".encode(), 0, openmetrics=True)
        assert bench.samples(reading) == {series("a"): n, series("b"): 1}
        assert len(reading.exemplars) == bool(exemplar)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("a 1\n", "must end with # EOF"),
        ("", "must end with # EOF"),
        ("a 1\n# EOF\nb 1\n", "must end with # EOF"),
        ("a 1\n# EOF\n# EOF\n", "no comments but"),
        ("a 1\n\n# EOF\n", "no blank lines"),
        ("# EO", "must end with # EOF"),
    ],
)
def test_bad_openmetrics(body: str, problem: str) -> None:
    bench = Bench()
    bench.read("a 1\nb 1\n# EOF\n", openmetrics=True)
    with pytest.raises(ExpositionError, match=problem):
        bench.read(body, openmetrics=True)


def test_an_empty_body_is_no_sample_and_no_error() -> None:
    assert Bench().read("") == {}
    assert Bench().read("# EOF\n", openmetrics=True) == {}


@pytest.mark.parametrize("known", [False, True])
def test_the_sample_limit_fails_the_whole_scrape(known: bool) -> None:
    bench = Bench(sample_limit=3)
    if known:
        bench.read("a 1\nb 2\n")
    with pytest.raises(SampleLimitExceeded, match="3"):
        bench.read("a 1\nb 2\nc 3\nd 4\n")
    assert series("d") not in bench.cohort.places
    assert bench.read("a 1\nb 2\nc 3\n") != {}


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (LabelLimits(labels=3), "4 labels, the limit is 3"),
        (LabelLimits(name_bytes=8), "label name long_name of a is longer than 8"),
        (LabelLimits(value_bytes=5), "value of label long_name of a is longer than 5"),
    ],
)
def test_label_limits_fail_the_whole_scrape(limits: LabelLimits, said: str) -> None:
    bench = Bench(SeriesIdentity(TARGET, limits=limits))
    with pytest.raises(LabelLimitExceeded, match=said):
        bench.read('a{long_name="ééé"} 1\n')


def test_memory_stays_in_proportion_under_churn() -> None:
    bench = Bench()
    for n in range(60):
        body = "".join(f'# HELP m{n}_{i} x\na{{i="{n}-{i}"}} 1\ns{{i="{n}-{i}"}} 1 5\n' for i in range(200))
        bench.read(body)
    lines = bench.reader._lines
    assert len(lines._known) + len(lines._series) + len(lines._comments) < 6000
    assert len(lines.metadata) < 2000


def test_bodies_that_are_not_what_they_were_never_pass_for_it() -> None:
    """Cutting at spaces and newlines must not take one body for another."""
    bench = Bench()
    for _ in range(3):
        bench.read('a{x="1 2"} 3\nb 4\n')
    with pytest.raises(ExpositionError):
        bench.read('a{x="1 2"} 3 b 4\n')
    assert bench.read('a{x="1  2"} 3\nb 4\n') == {series("a", x="1  2"): 3, series("b"): 4}
    assert bench.read('a{x="1 2"} 3\n\nb 4\n') == {series("a", x="1 2"): 3, series("b"): 4}


WORDS = (
    "a",
    "b_total",
    "{",
    "}",
    '"',
    'x="1"',
    "x=",
    ",",
    "1",
    "2.5e3",
    "NaN",
    "-0",
    "+Inf",
    "\\",
    "é",
    "16000",
)
LINES = (
    " ",
    "\t",
    "\n",
    "\r",
    "\x00",
    "#",
    "# EOF\n",
    "# TYPE a counter\n",
    "# HELP ",
    ' # {t="1"} 2',
    '{"m.x"}',
)
PIECES = st.sampled_from(WORDS + LINES)
PIECED = st.lists(PIECES, max_size=12).map(lambda pieces: "".join(pieces).encode())


@settings(max_examples=150, deadline=None)
@given(
    bodies=st.lists(st.one_of(st.binary(max_size=60), PIECED), min_size=1, max_size=4),
    openmetrics=st.booleans(),
)
def test_any_bytes_give_samples_or_the_one_error(bodies: list[bytes], openmetrics: bool) -> None:
    """And reading a body again, with all that is cached by then, gives what a new reader gives."""
    cached = Bench()
    for body in [*bodies, *bodies, *bodies]:
        results: list[object] = []
        for bench in (cached, Bench()):
            try:
                results.append(bench.read(body, openmetrics=openmetrics))
            except ExpositionError:
                results.append("refused")
        assert repr(results[0]) == repr(results[1])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_mutated_scrape_reads_alike_with_and_without_its_history(data: st.DataObject) -> None:
    lines = [b'a{x="%d y",z="w"} %d' % (i, i * 7) for i in range(6)] + [b"# TYPE q counter", b"q_total 5"]
    history = Bench()
    for _ in range(3):
        history.read(b"\n".join(lines) + b"\n")
    body = bytearray(b"\n".join(lines) + b"\n")
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from([b"", b" ", b"\n", b"1", b'"', b"x"])
        )
    results: list[object] = []
    for bench in (history, Bench()):
        try:
            results.append(dict(sorted(bench.read(bytes(body)).items())))
        except ExpositionError:
            results.append("refused")
    assert results[0] == results[1]


NUMBERS = (
    "0",
    "1",
    "11",
    "-1",
    "1.0",
    "1e3",
    "NaN",
    "+Inf",
    "0.1234567890123",
    "0.12345678901234",
    "10.12345678901234",
    "20.12345678901234",
    "120.1234567890123456",
)
"""whose last characters are partly the same, of fewer and of more than are compared"""


@settings(max_examples=60, deadline=None)
@given(
    bodies=st.lists(st.lists(st.sampled_from(NUMBERS), min_size=8, max_size=8), min_size=2, max_size=6),
    is_dropped=st.booleans(),
)
def test_numbers_that_change_and_stay_read_alike_with_and_without_their_history(
    bodies: list[list[str]], is_dropped: bool
) -> None:
    keys = ["a", 'b{x="1"}', "c", 'd{x="%s"}' % ("y" * 30), "e", "f", 'g{x="%s"}' % ("0" * 40), "h"]
    dropping = RelabelConfig("drop", ("__name__",), regex="e")
    identity = SeriesIdentity(TARGET, relabel=Relabeler((dropping,) if is_dropped else ()))
    history = Bench(identity)
    for numbers in bodies:
        text = "".join(f"{key} {number}\n" for key, number in zip(keys, numbers, strict=True))
        assert repr(history.read(text)) == repr(Bench(identity).read(text))


def test_numbers_of_a_scrape_that_failed_do_not_count_as_seen() -> None:
    bench = Bench(sample_limit=3)
    bench.read("a 1\nb 2\nc 3\n")
    for _ in range(2):
        with pytest.raises(SampleLimitExceeded):
            bench.read("a 7\nb 8\nc 9\nd 10\n")
        with pytest.raises(ExpositionError):
            bench.read("a 7\nb 8\nc x\n")
        assert bench.read("a 7\nb 2\nc 3\n") == {series("a"): 7, series("b"): 2, series("c"): 3}


def test_numbers_stay_with_their_lines_where_others_come_go_and_have_exemplars() -> None:
    bench = Bench()
    for exemplar, number in (("", 1), (' # {t="1"} 2', 1), ("", 2), (' # {t="2"} 2', 2), ("", 3)):
        text = f"a 5\nb_total {number}{exemplar}\nc 6\n# EOF\n"
        expected = {series("a"): 5, series("b_total"): number, series("c"): 6}
        assert bench.read(text, openmetrics=True) == expected
    assert bench.read("a 5\nc 6\n# EOF\n", openmetrics=True) == {series("a"): 5, series("c"): 6}


def test_rows_are_float64_with_room_at_the_end() -> None:
    reading = Bench(extra=5).reader.read(b"a 1\nb 2\n", 0)
    assert reading.row.dtype == np.float64
    assert len(reading.row) == len(reading.columns) + 5
