"""What random questions beside Prometheus found, each as a small case."""

from __future__ import annotations

import math

import pytest
from test_engine_queries import MINUTE, engine, instant

from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.model.results import BadQuery, Matrix, QueryError, RawSamples, Text
from backbeat.promql.engine import Engine
from backbeat.promql.functions.ordering import natural_less
from backbeat.promql.go_floats import parse_float
from backbeat.promql.parser import parse
from backbeat.promql.printer import format_expr, pretty
from backbeat.promql.tree_json import to_json


def steps(one: Engine, query: str, minutes: int = 10) -> dict[str, list[float]]:
    """A range query from the epoch, a step a minute: the values that are there."""
    answer = one.range(query, 0, minutes * MINUTE, MINUTE).value
    assert isinstance(answer, Matrix)
    return {
        str(labels): values[present].tolist()
        for labels, values, present in zip(answer.labels, answer.values, answer.present, strict=True)
    }


TAKING_TURNS = ("old 1 2 3 stale _ _ _ _ _ _ _", "new _ _ _ _ 5 6 7 8 9 10 11")


@pytest.mark.parametrize(
    "query",
    [
        *("abs(X)", "-X", "X + 0", "round(X)", "clamp_min(X, 0)", "timestamp(X)"),
        *("sum_over_time(X[1m])", "count_over_time((X)[1m:])"),
    ],
)
def test_series_that_never_meet_become_one_where_their_names_go(query: str) -> None:
    found = steps(engine(*TAKING_TURNS), query.replace("X", '{__name__=~"old|new"}'))
    assert [len(values) for values in found.values()] == [10]


def test_windows_that_see_both_are_refused() -> None:
    with pytest.raises(QueryError, match="same labelset"):
        steps(engine(*TAKING_TURNS), 'sum_over_time({__name__=~"old|new"}[5m])')


@pytest.mark.parametrize("value", ["NaN", "Inf", "-Inf", "1e300"])
def test_what_no_calendar_reaches_is_its_end(value: str) -> None:
    fields = {"year": 292277026596, "month": 12, "day_of_month": 4, "hour": 15, "minute": 30}
    fields |= {"day_of_week": 0, "day_of_year": 339, "days_in_month": 31}
    for function, expected in fields.items():
        assert instant(engine(), f"{function}(vector({value}))") == {"{}": expected}


@pytest.mark.parametrize(
    ("text", "value"),
    [("1_0", 10), ("1_0.5_0", 10.5), ("0x_1p3", 8), ("1__0", None), ("_1", None), ("+nan", None)],
)
def test_bucket_bounds_as_go_reads_them(text: str, value: float | None) -> None:
    assert parse_float(text) == value


def test_buckets_of_one_bound_are_added_even_at_infinity() -> None:
    one = engine('b{le="1"} 4x20', 'b{le="+Inf"} 5x20', 'b{le="Inf"} 3x20')
    assert instant(one, "histogram_quantile(0.25, b)") == {"{}": 0.5}


def test_a_quantile_that_comes_twice_is_refused() -> None:
    with pytest.raises(QueryError, match="same labelset"):
        instant(engine('b{le="+Inf"} 5x20'), "histogram_quantiles(b, 'q', 0.5, 0.5)")


def test_notes_name_the_inner_place_and_equal_ones_come_once() -> None:
    query = "quantile((2), a) + quantile((2), a)"
    assert engine("a 1x20").instant(query, 0).notes.warnings == (
        "PromQL warning: quantile value should be between 0 and 1, got 2 (1:30)",
    )


def test_sort_is_told_of_by_the_range_and_not_the_number_of_steps() -> None:
    one = engine("a 1x20")
    assert one.range("sort(a)", 0, 7, MINUTE).notes.warnings
    assert not one.range("sort(a)", 0, 0, MINUTE).notes.warnings
    assert not one.range("sort(a @ 0)", 0, 7, MINUTE).notes.warnings


def test_timestamp_looks_from_its_at() -> None:
    one = engine("a 0x5", step_ms=2 * MINUTE)
    assert instant(one, "timestamp(a @ 300)") == {"{}": 240}
    assert instant(one, "timestamp(a @ 300 offset 2m)") == {"{}": 120}
    assert instant(one, "timestamp(a @ 1000 offset 6m)") == {}
    assert instant(one, "timestamp(a smoothed)", at_ms=3 * MINUTE) == {"{}": 120}


def test_the_earliest_mistake_of_matching_is_told() -> None:
    one = engine('a{x="1"} 1x9', 'a{x="2"} 1x9', 'b{y="1"} 1x9', 'b{y="2"} _ _ _ 1x6')
    with pytest.raises(QueryError, match="many-to-one matching must be explicit"):
        steps(one, "a + on() b")
    with pytest.raises(QueryError, match=r"match group {} on the right hand-side"):
        steps(one, "a{x='1'} + on() b")


def test_sums_become_too_large_where_the_order_of_samples_says_so() -> None:
    one = engine("a 1.7e308 1e308 -1.7e308 9e307")
    assert instant(one, "sum_over_time(a[4m])", at_ms=3 * MINUTE) == {"{}": math.inf}
    assert instant(one, "sum_over_time(a[2m])", at_ms=2 * MINUTE)["{}"] == pytest.approx(-0.7e308)
    assert instant(one, "sum_over_time(a[3m])", at_ms=3 * MINUTE)["{}"] == pytest.approx(2e307)


def test_bytes_that_are_no_text() -> None:
    one = engine("a 1x20")
    value = one.instant(r'"a\xc5z"', 0).value
    assert isinstance(value, Text)
    assert value.value == "a\ufffdz"
    assert instant(one, r"label_replace(a, 'b', '\xff', '', '')") == {'a{b="\ufffd"}': 1}
    assert instant(one, r"label_join(a, 'b', '\xff', 'c', 'd')") == {'a{b="\ufffd"}': 1}
    assert instant(one, r'a{b="\xff"}') == {}
    assert instant(one, r'a{b=~"\xff|x"}') == {}
    assert instant(one, r'absent(a{b="\xff"})') == {'{b="\ufffd"}': 1}
    with pytest.raises(QueryError, match="invalid destination label name in label_replace"):
        instant(one, r"label_replace(a, '\xff', '', '', '')")
    with pytest.raises(QueryError, match=r'invalid label name "\\xff"'):
        instant(one, r"count_values('\xff', a)")
    with pytest.raises(BadQuery, match="regular expression"):
        parse(r'a{b=~"\xff.*"}')
    assert format_expr(parse(r'"\xe2\x82"')) == r'"\xe2\x82"'
    assert to_json(parse(r'a{b="\xff"}'))["matchers"][0]["value"] == "\ufffd"


def test_a_regular_expression_cannot_close_what_it_did_not_open() -> None:
    with pytest.raises(BadQuery, match="regular expression"):
        parse('a{b=~"x)|(y"}')
    assert Matcher("b", MatchOp.REGEX, "x.y").accepts(Labels.of(b="x\ny"))


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ('{"é"} )', "1:9"),
        ("a)", "1:3"),
        ('"é" + "é" + b', "1:1"),
        ("x[:1m]", "1:4"),
        ("x[step()*:1m]", "1:10"),
    ],
)
def test_columns_count_bytes(query: str, place: str) -> None:
    with pytest.raises(BadQuery, match=rf"^{place}: "):
        parse(query)


@pytest.mark.parametrize("query", ["a[range():1s]", "a[step():]", "a[max_of(step(), range()):step()]"])
def test_a_range_without_a_number_may_have_a_step(query: str) -> None:
    assert format_expr(parse(query)) == query


def test_a_range_and_a_step_have_one_colon() -> None:
    with pytest.raises(BadQuery, match=r"^1:22: parse error: unexpected repeated colon"):
        parse("rate(b[step():step():1m])")


def test_brackets_before_do_not_count_as_a_range() -> None:
    with pytest.raises(BadQuery, match="unexpected colon before duration in duration expression"):
        parse("rate(a[5m]) + rate(b[:1m])")


@pytest.mark.parametrize(
    ("range_", "place"),
    [("step()", "19:25"), ("max_of(-1, step())", "19:37"), ("1-min_of(5s, 7)", "19:34")],
)
def test_durations_name_their_place_in_bytes(range_: str, place: str) -> None:
    with pytest.raises(BadQuery, match=f"^{place}: duration must be greater than 0"):
        instant(engine(), f'rate({{"métrique"}}[{range_}])')


@pytest.mark.parametrize(
    "query",
    [
        "count_values('', a) + rate(a[step()])",
        "a @ 0 offset (1m / step())",
        "count_values('', a) unless max_over_time(a[5m:step()])",
    ],
)
def test_wrong_durations_are_told_before_anything_is_read(query: str) -> None:
    with pytest.raises(BadQuery, match=r"must be greater than 0|division by zero"):
        instant(engine("a 1x20"), query)


def test_a_line_is_as_long_as_its_bytes() -> None:
    name = "é" * 45
    assert "\n" in pretty(parse(f'sum({{"{name}"}})'))
    assert "\n" not in pretty(parse(f'sum({{"{name[:30]}"}})'))


def test_at_beyond_64_bits() -> None:
    assert instant(engine("a 1x20"), "a @ 17000001000000101") == {}
    assert instant(engine("a 1x20"), "a @ -17000001000000101 offset 5m") == {}
    assert instant(engine("a 1x20"), "a @ 9223372036854775 offset -5m") == {}


def test_smoothed_samples_show_what_comes_after_the_window() -> None:
    one = engine("a _ _ _ _ _ _ _ 7")
    value = one.instant("a[2m] smoothed", 5 * MINUTE).value
    assert isinstance(value, RawSamples)
    assert [block.values.tolist() for block in value.blocks] == [[[7, 7]]]
    assert instant(one, "increase(a[2m] smoothed)", at_ms=5 * MINUTE) == {}


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ("x2", "x10", True),
        ("x10", "x2", False),
        ("x", "x1", True),
        ("x1", "x", False),
        ("1", "01", True),
        ("01", "1", True),
        ("", "a", False),
        ("a", "", False),
        ("9" * 20, "8" * 21, False),
    ],
)
def test_natural_order(one: str, two: str, expected: bool) -> None:
    assert natural_less(one, two) is expected


def test_where_series_without_the_label_go() -> None:
    one = engine('a{x="2"} 1x20', "a 1x20", 'a{x="1"} 1x20')
    assert list(instant(one, "sort_by_label(a, 'x')")) == ['a{x="2"}', "a", 'a{x="1"}']
    assert list(instant(one, "sort_by_label_desc(a, 'x')")) == ["a", 'a{x="2"}', 'a{x="1"}']


def test_a_parameter_that_is_nan_at_one_step_is_refused() -> None:
    for operator in ("topk", "limitk"):
        with pytest.raises(QueryError, match="Parameter value is NaN"):
            steps(engine("a 1x20", "k _ _ 0x20"), f"{operator}(scalar(k), a)")
    with pytest.raises(QueryError, match="Ratio value is NaN"):
        steps(engine("a 1x20", "k _ _ 0x20"), "limit_ratio(scalar(k), a)")


def test_a_quantile_is_doubted_where_there_are_samples() -> None:
    answer = engine("a _ _ 1 _ _ _").range("quantile_over_time(time(), a[1m])", 0, 10 * MINUTE, MINUTE)
    assert answer.notes.warnings == (
        "PromQL warning: quantile value should be between 0 and 1, got 120 (1:20)",
    )


def test_a_rate_has_the_last_bit_of_its_formula() -> None:
    one = engine("a 3 5.1 9.7 12.3 20.9 31.1")
    rise, sampled, to_end = 31.1 - 5.1, 240.0, 0.0
    to_zero = sampled * (5.1 / rise)  # nearer than the window's start
    expected = rise * ((sampled + to_zero + to_end) / sampled / 300.0)
    assert instant(one, "rate(a[5m])", at_ms=5 * MINUTE) == {"{}": expected}
