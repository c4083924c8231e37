"""A tree printed and parsed again is the same tree; the printed forms are Prometheus's."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from backbeat.model.matchers import Matcher
from backbeat.model.results import BadQuery
from backbeat.promql.ast import VectorSelector
from backbeat.promql.parser import parse
from backbeat.promql.printer import format_expr, pretty
from backbeat.promql.tree_json import to_json


def without_spans(node: object) -> object:
    """The tree without places and spellings; the order of matchers means nothing."""
    if isinstance(node, tuple):
        return [without_spans(one) for one in node]
    if not isinstance(node, Struct) or isinstance(node, Matcher):
        return repr(node)
    skipped = ("span", "text", "is_duration")
    parts = {
        name: without_spans(getattr(node, name)) for name in node.__struct_fields__ if name not in skipped
    }
    if isinstance(node, VectorSelector):
        parts["matchers"] = sorted(map(repr, node.matchers))
    return type(node).__name__, parts


def assert_round_trip(query: str) -> None:
    tree = parse(query)
    for text in (format_expr(tree), pretty(tree)):
        assert without_spans(parse(text)) == without_spans(tree)
    assert format_expr(parse(format_expr(tree))) == format_expr(tree)


@pytest.mark.parametrize(
    ("query", "printed"),
    [
        ('up{b="x",a=~"y"}', 'up{a=~"y",b="x"}'),
        ("{__name__='up'}", '{__name__="up"}'),
        ('{"my.metric","a.b"="c"}', '{"a.b"="c",__name__="my.metric"}'),
        ("sum(x)by(a,b)", "sum by (a, b) (x)"),
        ("sum by ('NaN', \"without\", 'on') (x)", 'sum by ("NaN", "without", on) (x)'),
        ("sum without()(x)", "sum without () (x)"),
        ("topk(5,x)", "topk(5, x)"),
        ("x[300]offset 60", "x[5m] offset 1m"),
        ("x offset -1h30m", "x offset -1h30m"),
        ("x[5m:] @ 1.5", "x[5m:] @ 1.500"),
        ("x offset (5m) * 2 > y", "x offset (5m) * 2 > y"),
        ("x offset - -2 * 2", "x offset (2 * 2)"),
        ("x[5m] @ start() anchored", "x[5m] anchored @ start()"),
        ("x[(5m + step()) * 2]", "x[(5m + step()) * 2]"),
        ("a+on(x)group_right(y)fill(1)b", "a + on (x) group_right (y) fill (1) b"),
        ("a > bool ignoring() b", "a > bool b"),
        ("1e10 + 1h", "10000000000 + 1h"),
        ("-  +1", "-1"),
        ("0.0000001", "0.0000001"),
        ("'\\n\\u00e9\\x07'", '"\\né\\a"'),
    ],
)
def test_printed_form(query: str, printed: str) -> None:
    assert format_expr(parse(query)) == printed
    assert_round_trip(query)


def test_long_queries_are_laid_out() -> None:
    query = (
        "histogram_quantile(0.95, sum by (le, job) (rate(http_request_duration_seconds_bucket[5m])))"
        " > bool on (job) group_left () 2 * threshold"
    )
    assert pretty(parse(query)) == (
        "  histogram_quantile(0.95, sum by (le, job) (rate(http_request_duration_seconds_bucket[5m])))\n"
        "> bool on (job) group_left ()\n"
        "  2 * threshold"
    )
    assert_round_trip(query)


names = st.sampled_from(["up", "foo:bar", "sum", "offset", "step", "fill"])
texts = st.text(st.characters(codec="utf-8", exclude_characters="\ufffd"), max_size=6)
labels = st.one_of(st.sampled_from(["job", "le", "by"]), texts.filter(bool))
durations = st.one_of(
    st.sampled_from(
        ["5m", "300", "1h30m", "0.5", "step()", "5m + step()", "(1m * 2)", "max_of(1m, range())"]
    ),
    st.sampled_from(["-(-5m + 1h)", "2 ^ 3 - 1", "((1s))", "(step())", "0.0001", "+5m % 7"]),
)
groupings = st.lists(labels, max_size=2).map(lambda names: "(" + ",".join(map(quoted, names)) + ")")


def quoted(text: str) -> str:
    return '"' + "".join(f"\\U{ord(char):08x}" for char in text) + '"'


@st.composite
def selectors(draw: st.DrawFn) -> str:
    matchers = [
        f"{quoted(draw(labels))}{draw(st.sampled_from(['=', '!=']))}{quoted(draw(texts))}"
        for _ in range(draw(st.integers(0, 2)))
    ]
    name = draw(names) if draw(st.booleans()) else ""
    if not name:
        matchers.append(quoted(draw(texts.filter(bool))))
    return name + "{" + ",".join(matchers) + "}"


@st.composite
def modifiers(draw: st.DrawFn, *, modes: bool = True) -> str:
    offset = draw(st.sampled_from(["5m", "-5m", "step()", "-(1m + 2m)", "0"]))
    parts = [f" offset {offset}", draw(st.sampled_from([" @ 5.25", " @ -1", " @ start()", " @ end()"]))]
    parts += [draw(st.sampled_from([" anchored", " smoothed"]))] if modes else []
    return "".join(draw(st.permutations(parts))[: draw(st.integers(0, 2))])


def vectors(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["+", "-", "*", "^", "atan2", "==", "> bool", "</", "and", "or"])
    join = st.builds(lambda a, op, g, b: f"({a} {op} on {g} {b})", children, operators, groupings, children)
    plain = st.builds(lambda a, op, b: f"{a} {op} {b}", children, st.sampled_from(["+", "^", "<"]), children)
    grouped = st.builds(
        lambda a, g, b: f"({a} / ignoring {g} group_left (zz) fill_left (-1.5) {b})",
        children,
        groupings,
        children,
    )
    aggregate = st.builds(lambda g, a: f"topk by {g} (3, {a})", groupings, children)
    counted = st.builds(
        lambda t, a, g: f"count_values({quoted(t)}, {a}) without {g}", texts, children, groupings
    )
    ranged = st.builds(lambda s, d, m: f"rate({s}[{d}]{m})", selectors(), durations, modifiers())
    subquery = st.builds(
        lambda a, d, m: f"max_over_time(({a})[{d}:{d}]{m})", children, durations, modifiers(modes=False)
    )
    called = st.builds(lambda a, b: f"clamp({a}, -Inf, 0x1F) + vector(1h30m) - {b}", children, children)
    return st.one_of(
        join, plain, grouped, aggregate, counted, ranged, subquery, called, children.map("-{}".format)
    )


queries = st.recursive(st.builds(lambda s, m: s + m, selectors(), modifiers()), vectors, max_leaves=6)


@settings(max_examples=250, deadline=None)
@given(queries)
def test_printing_and_parsing_is_a_round_trip(query: str) -> None:
    try:
        tree = parse(query)
    except BadQuery as error:
        problem = str(error)
    else:
        problem = ""
    if problem:
        # What the generator writes is grammatical, but for a subquery whose range has no number; only its
        # meaning may be wrong.
        wrong = "must not|must be greater|metric name|non-empty|multiple times|together|before duration"
        assert re.search(wrong, problem), problem
        return
    assert to_json(tree)["type"]
    assert_round_trip(query)


def test_json_is_what_prometheus_gives() -> None:
    tree = to_json(parse("sum by (job) (rate(x{a='b'}[5m] offset step())) > bool on (job) 1h * y @ end()"))
    assert tree["type"] == "binaryExpr"
    assert tree["bool"] is True
    assert tree["matching"] == {
        "card": "one-to-one",
        "labels": ["job"],
        "on": True,
        "include": [],
        "fillValues": {"lhs": None, "rhs": None},
    }
    left, right = tree["lhs"], tree["rhs"]
    assert isinstance(left, dict)
    assert isinstance(right, dict)
    assert left["expr"] == {
        "type": "call",
        "func": {"name": "rate", "argTypes": ["matrix"], "variadic": 0, "returnType": "vector"},
        "args": [
            {
                "type": "matrixSelector",
                "name": "x",
                "range": 300000,
                "rangeExpr": None,
                "offset": 0,
                "offsetExpr": {
                    "type": "durationExpr",
                    "op": "step",
                    "lhs": None,
                    "rhs": None,
                    "wrapped": False,
                },
                "matchers": [
                    {"name": "a", "value": "b", "type": "="},
                    {"name": "__name__", "value": "x", "type": "="},
                ],
                "timestamp": None,
                "startOrEnd": None,
                "anchored": False,
                "smoothed": False,
            }
        ],
    }
    assert right["lhs"] == {"type": "numberLiteral", "val": "3600"}
    assert right["rhs"]["startOrEnd"] == "end"
