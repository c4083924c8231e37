"""What a query's text means: literals, selectors, modifiers, precedence."""

import math

import pytest

from backbeat.model.matchers import Matcher, MatchOp
from backbeat.promql.ast import (
    Aggregate,
    AtEdge,
    Binary,
    Call,
    Cardinality,
    DurationBinary,
    DurationCall,
    MatrixSelector,
    NumberLiteral,
    RangeMode,
    StringLiteral,
    Subquery,
    Unary,
    VectorSelector,
)
from backbeat.promql.parser import parse, parse_selector
from backbeat.promql.printer import format_expr


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("+5", 5.0),
        ("-0", -0.0),
        ("1_000", 1000.0),
        ("1_2.5_0e+1", 125.0),
        ("0x1F", 31.0),
        ("0x_ff", 255.0),
        ("017", 15.0),
        ("08", 8.0),
        ("Inf", math.inf),
        ("-inf", -math.inf),
        ("1h30m", 5400.0),
        ("100ms", 0.1),
        ("1w2d", 777600.0),
    ],
)
def test_numbers(text: str, value: float) -> None:
    number = parse(text)
    assert isinstance(number, NumberLiteral)
    assert number.value == value
    assert math.copysign(1, number.value) == math.copysign(1, value)


def test_nan_is_a_number() -> None:
    number = parse("NaN")
    assert isinstance(number, NumberLiteral)
    assert math.isnan(number.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"a\n\t\"\\"', 'a\n\t"\\'),
        (r"'it\'s'", "it's"),
        (r'"\x41\101é\U0001f600"', "AAé😀"),
        (r'"\xc3\xa9"', "é"),
        (r"`raw\n`", "raw\\n"),
        ("`two\nlines`", "two\nlines"),
    ],
)
def test_strings(text: str, value: str) -> None:
    literal = parse(text)
    assert isinstance(literal, StringLiteral)
    assert literal.value == value


def test_selector_matchers_hold_the_name_last() -> None:
    selector = parse("up{job=~\"a|b\", instance!='x',}")
    assert isinstance(selector, VectorSelector)
    assert selector.name == "up"
    assert selector.matchers == (
        Matcher("job", MatchOp.REGEX, "a|b"),
        Matcher("instance", MatchOp.NOT_EQUAL, "x"),
        Matcher("__name__", MatchOp.EQUAL, "up"),
    )


def test_utf8_names_are_quoted_in_the_braces() -> None:
    selector = parse('{"my.metric", "label.x"="v"}')
    assert isinstance(selector, VectorSelector)
    assert selector.name == ""
    assert selector.matchers == (
        Matcher("__name__", MatchOp.EQUAL, "my.metric"),
        Matcher("label.x", MatchOp.EQUAL, "v"),
    )


@pytest.mark.parametrize("query", ["foo[5m] offset 1h @ 10", "foo[5m] @ 10 offset 1h"])
def test_offset_and_at_come_in_any_order(query: str) -> None:
    matrix = parse(query)
    assert isinstance(matrix, MatrixSelector)
    assert matrix.selector.at == 10.0
    assert isinstance(matrix.selector.offset, NumberLiteral)
    assert matrix.selector.offset.value == 3600.0
    assert isinstance(matrix.range, NumberLiteral)
    assert matrix.range.value == 300.0
    assert (matrix.span.start, matrix.span.end) == (0, len(query))


def test_at_takes_edges_and_is_kept_in_milliseconds() -> None:
    edge, time = parse("foo @ end()"), parse("foo @ -1.23456")
    assert isinstance(edge, VectorSelector)
    assert isinstance(time, VectorSelector)
    assert edge.at is AtEdge.END
    assert time.at == -1.235


def test_an_offset_of_zero_is_none() -> None:
    selector = parse("foo offset 0")
    assert isinstance(selector, VectorSelector)
    assert selector.offset is None
    assert selector.span.end == 12


def test_extended_range_modes() -> None:
    anchored, smoothed = parse("foo[5m] anchored"), parse("foo smoothed")
    assert isinstance(anchored, MatrixSelector)
    assert isinstance(smoothed, VectorSelector)
    assert anchored.selector.mode is RangeMode.ANCHORED
    assert smoothed.mode is RangeMode.SMOOTHED


def test_subqueries_chain() -> None:
    query = parse("max_over_time(rate(foo[5m])[1h:1m] offset 1d)[1d:]")
    assert isinstance(query, Subquery)
    assert query.step is None
    inner = query.expr
    assert isinstance(inner, Call)
    subquery = inner.args[0]
    assert isinstance(subquery, Subquery)
    assert isinstance(subquery.step, NumberLiteral)
    assert subquery.step.value == 60.0
    assert isinstance(subquery.offset, NumberLiteral)


def test_a_plain_number_is_a_duration_of_seconds() -> None:
    matrix = parse("foo[300]")
    assert isinstance(matrix, MatrixSelector)
    assert isinstance(matrix.range, NumberLiteral)
    assert matrix.range.value == 300.0


def test_duration_expressions() -> None:
    matrix = parse("foo[5m + step() * 2] offset -(1m + max_of(step(), 10s))")
    assert isinstance(matrix, MatrixSelector)
    span = matrix.range
    assert isinstance(span, DurationBinary)
    assert span.op == "+"
    assert isinstance(span.right, DurationBinary)
    assert isinstance(span.right.left, DurationCall)
    offset = matrix.selector.offset
    assert isinstance(offset, DurationBinary)
    assert (offset.op, offset.left) == ("-", None)
    assert isinstance(offset.right, DurationBinary)
    assert offset.right.parenthesised


@pytest.mark.parametrize(
    ("query", "grouped"),
    [
        ("1 + 2 * 3 ^ 2 ^ 2", "1 + (2 * (3 ^ (2 ^ 2)))"),
        ("a - b - c", "(a - b) - c"),
        ("a or b and c", "a or (b and c)"),
        ("a and b unless c", "(a and b) unless c"),
        ("a > b + c", "a > (b + c)"),
        ("a atan2 b % c", "(a atan2 b) % c"),
        ("-a ^ 2", "-(a ^ 2)"),
        ("-a * b", "(-a) * b"),
        ("2 ^ -a", "2 ^ (-a)"),
        ("foo offset -2 ^ 2", "(foo offset -2s) ^ 2"),
        ("foo offset 5m + 3", "(foo offset 5m) + 3"),
        ("a </ b + c", "a </ (b + c)"),
    ],
)
def test_precedence(query: str, grouped: str) -> None:
    assert format_expr(parse(grouped)).replace("(", "").replace(")", "") == format_expr(parse(query))
    assert _shape(parse(query)) == _shape(parse(grouped))


def _shape(expr: object) -> object:
    inner = getattr(expr, "expr", None)
    if isinstance(expr, Binary):
        return (expr.op, _shape(expr.left), _shape(expr.right))
    if isinstance(expr, Unary):
        return (expr.op, _shape(inner))
    return _shape(inner) if inner is not None else type(expr).__name__


def test_vector_matching() -> None:
    query = parse('a / on(x, "y.z") group_left(w) fill_right(-1) fill_left(0.5) b')
    assert isinstance(query, Binary)
    matching = query.matching
    assert matching is not None
    assert matching.on
    assert matching.labels == ("x", "y.z")
    assert matching.include == ("w",)
    assert matching.cardinality is Cardinality.MANY_TO_ONE
    assert (matching.fill_left, matching.fill_right) == (0.5, -1.0)


def test_set_operators_match_many_to_many() -> None:
    query = parse("a and on(x) b")
    assert isinstance(query, Binary)
    assert query.matching is not None
    assert query.matching.cardinality is Cardinality.MANY_TO_MANY


def test_matching_is_none_unless_both_sides_are_vectors() -> None:
    query = parse("a > bool 1")
    assert isinstance(query, Binary)
    assert query.return_bool
    assert query.matching is None


@pytest.mark.parametrize(
    "query", ["sum by (job) (x)", "sum(x) by (job)", "SUM BY (job,) (x)", 'sum by ("job") (x)']
)
def test_grouping_stands_before_or_behind(query: str) -> None:
    aggregate = parse(query)
    assert isinstance(aggregate, Aggregate)
    assert (aggregate.op, aggregate.grouping, aggregate.without) == ("sum", ("job",), False)
    assert (aggregate.span.start, aggregate.span.end) == (0, len(query))


def test_aggregation_parameters() -> None:
    aggregate = parse("limit_ratio without (a) (0.5, x)")
    assert isinstance(aggregate, Aggregate)
    assert isinstance(aggregate.param, NumberLiteral)
    assert aggregate.without


@pytest.mark.parametrize(
    "query",
    [
        "sum",
        "by",
        "offset offset 5m",
        "start + end",
        "step{a='b'}",
        "fill + fill",
        "sum{by='x'}",
        "sum by (by, on, sum, offset, start, bool) (without)",
        "min_of(1, 2) + max_of(start(), end())",
        "a:b:c",
        "foo # comment",
        "# first\nfoo[5m] # last",
        "and or or",
        "smoothed anchored",
    ],
)
def test_keywords_are_names_where_they_may_be(query: str) -> None:
    assert format_expr(parse(query))


def test_spans_point_at_the_text() -> None:
    query = "sum by (job) ( rate(foo[5m]) ) / bar"
    tree = parse(query)
    assert isinstance(tree, Binary)
    assert query[tree.left.span.start : tree.left.span.end] == "sum by (job) ( rate(foo[5m]) )"
    assert query[tree.right.span.start : tree.right.span.end] == "bar"
    assert isinstance(tree.left, Aggregate)
    call = tree.left.expr
    assert query[call.span.start : call.span.end] == "rate(foo[5m])"


def test_the_same_text_is_parsed_once() -> None:
    assert parse("rate(foo[5m])") is parse("rate(foo[5m])")


def test_a_lone_selector_may_match_everything() -> None:
    assert parse_selector("{}") == ()
    assert parse_selector('up{job="x"}')[0] == Matcher("job", MatchOp.EQUAL, "x")
