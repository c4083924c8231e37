"""What a line of an exposition means, and what is wrong with one that means nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backbeat.collect.exposition import (
    ExposedExemplar,
    LineError,
    canonical_bound,
    parse_metadata,
    parse_row,
    parse_sample,
)


@pytest.mark.parametrize(
    ("line", "name", "pairs", "value", "timestamp_ms"),
    [
        pytest.param(b"up 1", "up", (), 1.0, None, id="bare name"),
        pytest.param(b'a{b="c"} 2.5', "a", (("b", "c"),), 2.5, None, id="one label"),
        pytest.param(b'a{b="c",} 2.5 1500', "a", (("b", "c"),), 2.5, 1500, id="trailing comma, timestamp"),
        pytest.param(b"a 1 -1500", "a", (), 1.0, -1500, id="timestamp before the epoch"),
        pytest.param(
            b'\ta { b = "c" , d="" }\t1\t7 ', "a", (("b", "c"), ("d", "")), 1.0, 7, id="white space"
        ),
        pytest.param(b'a{b="c"}1', "a", (("b", "c"),), 1.0, None, id="no space after the brace"),
        pytest.param(rb'a{b="x\"y\\z\n\t"} 1', "a", (("b", 'x"y\\z\n\\t'),), 1.0, None, id="escapes"),
        pytest.param(b'a{b="} 1 # {"} 1', "a", (("b", "} 1 # {"),), 1.0, None, id="braces in a value"),
        pytest.param(b'{"my.metric", a="b"} 1', "my.metric", (("a", "b"),), 1.0, None, id="quoted name"),
        pytest.param(b'{a="b","my.metric"} 1', "my.metric", (("a", "b"),), 1.0, None, id="quoted name last"),
        pytest.param('a{"ü.x"="é"} 1'.encode(), "a", (("ü.x", "é"),), 1.0, None, id="quoted label name"),
        pytest.param(b"a{} -1e-5", "a", (), -1e-5, None, id="empty braces"),
        pytest.param(b"a +Inf", "a", (), math.inf, None, id="+Inf"),
        pytest.param(b"a -inf", "a", (), -math.inf, None, id="-inf"),
        pytest.param(b"a .5", "a", (), 0.5, None, id="no digit before the point"),
    ],
)
def test_text_samples(
    line: bytes, name: str, pairs: tuple[tuple[str, str], ...], value: float, timestamp_ms: int | None
) -> None:
    sample = parse_sample(line, openmetrics=False)
    assert (sample.name, sample.pairs, float(sample.value), sample.timestamp_ms) == (
        name,
        pairs,
        value,
        timestamp_ms,
    )


def test_nan_is_a_value() -> None:
    assert parse_sample(b"a NaN", openmetrics=False).value == b"NaN"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        pytest.param(b"<html>", "name{labels} value", id="not an exposition"),
        pytest.param(b"foo1", "name{labels} value", id="no value"),
        pytest.param(b'a{b="c} 1', "name{labels} value", id="quote not closed"),
        pytest.param(b'a{b="c"', "name{labels} value", id="brace not closed"),
        pytest.param(b"a{b=c} 1", "label=", id="value without quotes"),
        pytest.param(b'a{b="c" d="e"} 1', "label=", id="comma missing"),
        pytest.param(b'a{,b="c"} 1', "label=", id="comma too many"),
        pytest.param(b'a{b="1",b="2"} 1', "twice", id="label twice"),
        pytest.param(b'a{"b"} 1', "twice", id="name twice"),
        pytest.param(b'{a="b"} 1', "name missing", id="no name"),
        pytest.param(b"{} 1", "name missing", id="nothing in the braces"),
        pytest.param(b'{"a","b"} 1', "no value", id="two quoted names"),
        pytest.param(b'{""} 1', "empty", id="empty quoted name"),
        pytest.param(b"a 0x10", "not a number", id="hexadecimal"),
        pytest.param(b"a 1_000", "not a number", id="underscores"),
        pytest.param(b"a abc", "not a number", id="word"),
        pytest.param(b"a 1 2 3", "timestamp", id="something after the timestamp"),
        pytest.param(b"a 1 1.5", "timestamp", id="fraction of a millisecond"),
        pytest.param(b'a 1 # {x="y"} 1', "timestamp", id="exemplar in the text format"),
        pytest.param(b'a{b="\xff"} 1', "UTF-8", id="not UTF-8"),
        pytest.param("a ١".encode(), "not a number", id="digits of another script"),
    ],
)
def test_bad_text_samples(line: bytes, problem: str) -> None:
    with pytest.raises(LineError, match=problem):
        parse_sample(line, openmetrics=False)


def test_openmetrics_exemplar_and_timestamps() -> None:
    sample = parse_sample(b'a_bucket{le="1.0"} 3 1.5 # {trace_id="x y"} 0.67 1600.25', openmetrics=True)
    assert sample.timestamp_ms == 1500
    assert sample.exemplar == ExposedExemplar((("trace_id", "x y"),), 0.67, 1_600_250)
    plain = parse_sample(b"a_total 3 # {} 1", openmetrics=True)
    assert plain.exemplar == ExposedExemplar((), 1.0, None)


@pytest.mark.parametrize(
    "line",
    [
        b'a 1 # {x="y"}',
        b'a 1 # x="y" 1',
        b'a 1 # {x="y"} 1 2 3',
        b'a 1 # {"x"} 1',
        b'a 1 # {x="' + b"y" * 128 + b'"} 1',
        b"a 1 NaN",
        b"a 1 1e300",
        b"a 1  2",
    ],
)
def test_bad_openmetrics_samples(line: bytes) -> None:
    with pytest.raises(LineError):
        parse_sample(line, openmetrics=True)


@pytest.mark.parametrize(
    ("line", "openmetrics", "said"),
    [
        (b"# HELP a Some \\\\ text\\nmore", False, ("HELP", "a", "Some \\ text\nmore")),
        (b"# HELP a", False, ("HELP", "a", "")),
        (b"# TYPE a untyped", False, ("TYPE", "a", "unknown")),
        (b'# TYPE "my.metric" gauge', False, ("TYPE", "my.metric", "gauge")),
        (b"# TYPE a stateset", True, ("TYPE", "a", "stateset")),
        (b"# UNIT a_seconds seconds", True, ("UNIT", "a_seconds", "seconds")),
        (b"# just a comment", False, None),
        (b"#", False, None),
        (b"# UNIT a seconds", False, None),
    ],
)
def test_metadata(line: bytes, openmetrics: bool, said: tuple[str, str, str] | None) -> None:
    found = parse_metadata(line, openmetrics=openmetrics)
    assert (None if found is None else (found.kind, found.family, found.text)) == said


@pytest.mark.parametrize(
    ("line", "openmetrics"),
    [
        (b"# TYPE a stateset", False),
        (b"# TYPE a", False),
        (b"# HELP 1a text", False),
        (b"# HELP a \xff", False),
        (b"# UNIT a_seconds bytes", True),
        (b"# UNIT seconds seconds", True),
        (b"# a comment", True),
    ],
)
def test_bad_metadata(line: bytes, openmetrics: bool) -> None:
    with pytest.raises(LineError):
        parse_metadata(line, openmetrics=openmetrics)


@pytest.mark.parametrize(
    "numbers",
    [
        [b"1", b"2.5", b"1e+06"],
        [b"NaN", b"1"],
        [b"+Inf", b"-Inf", b"NaN"],
        [b"-0", b"-0.0", b"0"],
        [b"1", b"-0", b"2"],
        [b"18446744073709551616", b"9007199254740993"],
        [b"1e400", b"1e-400"],
        [b"007", b"1.", b".5", b"+1"],
        [],
    ],
)
def test_a_row_is_what_float_says(numbers: list[bytes]) -> None:
    row = parse_row(numbers)
    expected = np.array([float(number) for number in numbers])
    assert np.array_equal(row, expected, equal_nan=True)
    assert np.signbit(row[~np.isnan(row)]).tolist() == np.signbit(expected[~np.isnan(expected)]).tolist()


@pytest.mark.parametrize(
    "bad", [b'"2"', b"true", b"null", b"1,2", b"1],[2", b"[1]", b"{}", b"", b"1\r", b"1_0", b"x", b"1 2"]
)
def test_a_row_takes_nothing_but_numbers(bad: bytes) -> None:
    with pytest.raises(LineError):
        parse_row([b"1", bad])
    with pytest.raises(LineError):
        parse_row([bad, b"NaN"])


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("1", "1.0"),
        ("0.005", "0.005"),
        ("1e6", "1e+06"),
        ("1234567.5", "1.2345675e+06"),
        ("100000", "100000.0"),
        ("0.00001", "1e-05"),
        ("-2.50", "-2.5"),
        ("Inf", "+Inf"),
        ("-inf", "-Inf"),
        ("nan", "NaN"),
        ("0", "0.0"),
        ("p95", "p95"),
        ("", ""),
    ],
)
def test_bounds_are_written_one_way(written: str, stored: str) -> None:
    assert canonical_bound(written) == stored
