"""Infinities, NaN bounds, metadata labels: where a plain formula would give another answer."""

from __future__ import annotations

import math

import pytest
from test_engine_queries import engine, instant

from backbeat.model.results import QueryError
from backbeat.promql.parser import parse
from backbeat.promql.printer import format_expr


def test_an_exact_rank_feels_no_infinity_beside_it() -> None:
    one = engine(
        *('x{of="below", i="1"} 1x20', 'x{of="below", i="2"} 2x20', 'x{of="below", i="3"} Infx20'),
        *('x{of="above", i="1"} -Infx20', 'x{of="above", i="2"} 2x20', 'x{of="above", i="3"} 3x20'),
        *('x{of="between", i="1"} -Infx20', 'x{of="between", i="2"} Infx20'),
    )
    found = instant(one, "quantile by (of) (0.5, x)")
    assert math.isnan(found.pop('{of="between"}'))
    assert found == {'{of="below"}': 2, '{of="above"}': 2}


@pytest.mark.parametrize(("samples", "value"), [("1 2 Inf", 2), ("-Inf 2 3", 2), ("-Inf -Inf 3", -math.inf)])
def test_nor_does_one_of_a_window(samples: str, value: float) -> None:
    assert instant(engine(f"x {samples}"), "quantile_over_time(0.5, x[3m] @ 120)") == {"{}": value}


@pytest.mark.parametrize(
    ("query", "value"),
    [("rad(vector(1e308))", 1.7453292519943295e306), ("deg(vector(1e306))", 5.729577951308232e307)],
)
def test_angles_do_not_overflow_half_way(query: str, value: float) -> None:
    assert instant(engine(), query) == {"{}": pytest.approx(value)}


@pytest.mark.parametrize(
    ("query", "expected", "place"),
    [
        ("histogram_quantile(0.5, h)", {"{}": 0.5}, "1:25"),
        ("histogram_quantiles(h, 'q', 0.25)", {'{q="0.25"}': 0.375}, "1:21"),
        ("histogram_fraction(-Inf, 1, h)", {"{}": pytest.approx(1 / 3)}, "1:29"),
    ],
)
def test_a_bucket_without_a_bound_is_left_out(query: str, expected: dict[str, float], place: str) -> None:
    one = engine('h{le="0.5"} 1x20', 'h{le="+Inf"} 3x20', 'h{le="NaN"} 2x20')
    assert instant(one, query) == expected
    assert one.instant(query, 0).notes.warnings == (
        f'PromQL warning: bucket label "le" is missing or has a malformed value of "NaN" ({place})',
    )


def test_a_histogram_of_nothing_else_is_none() -> None:
    assert instant(engine('h{le="NaN"} 2x20'), "histogram_quantile(0.5, h)") == {}


TYPED = ('x{__type__="gauge", __unit__="s", i="1"} 1x20', 'x{__type__="counter", i="2"} 2x20')


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sum without (i) (x)", {"{}": 3}),
        ("sum by (__type__) (x)", {'{__type__="gauge"}': 1, '{__type__="counter"}': 2}),
        ("count_values without (i) ('v', x)", {'{v="1"}': 1, '{v="2"}': 1}),
        ("absent(y{__type__='gauge', __unit__='s', i='1'})", {'{i="1"}': 1}),
        ("absent_over_time(y{__type__='gauge', i='1'}[1m])", {'{i="1"}': 1}),
    ],
)
def test_type_and_unit_go_where_the_name_goes(query: str, expected: dict[str, float]) -> None:
    assert instant(engine(*TYPED), query) == expected


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("integral(x[2m1s] @ 120)", 90),
        ("integral(x[2m1s] @ 120, 0)", 60),
        ("integral(x[2m1s] @ 120, 1)", 120),
        ("integral(x[1m] @ 120)", 0),
        ("integral(gappy[4m1s] @ 240)", 150),
        ("integral(infinite[2m1s] @ 120)", math.inf),
    ],
)
def test_integral(query: str, value: float) -> None:
    one = engine("x 0 1 1", "gappy 1 NaN 2 NaN NaN", "infinite 1 Inf 1")
    assert instant(one, query) == {"{}": pytest.approx(value)}


def test_integral_of_values_whose_sum_is_too_large() -> None:
    one = engine("x 1e308 1e308", step_ms=1000)
    assert instant(one, "integral(x[2s] @ 1)") == {"{}": 1e308}


def test_an_unknown_strategy_is_told_and_is_the_mean() -> None:
    answer = engine("x 0 1 1").instant("integral(x[2m1s] @ 120, 3)", 0)
    assert answer.value.values.tolist() == [[90.0]]
    assert answer.notes.warnings == (
        "PromQL warning: strategy should be 0, 1, or 2 (default), using 2, got 3 (1:25)",
    )


def test_a_strategy_may_change_from_step_to_step() -> None:
    answer = engine("x 0 1 2 3 4").range("integral(x[1m1s], time() / 60 - 1)", 60_000, 180_000, 60_000)
    assert answer.value.values.tolist() == [[0.0, 120.0, 150.0]]
    assert answer.notes.warnings == ()


UNQUOTED = (
    '{"http.requests", "service.name"="api"} 3x20',
    'température{"où"="ici"} 20x20',
    "a 1x20",
    '{"а"} 2x20',
)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("http.requests", {'{"http.requests", "service.name"="api"}': 3}),
        ('http.requests{service.name="api"}', {'{"http.requests", "service.name"="api"}': 3}),
        ("sum by (service.name) (http.requests)", {'{"service.name"="api"}': 3}),
        ('température{où="ici"}', {'{"température", "où"="ici"}': 20}),
        ("а", {'{"а"}': 2}),
    ],
)
def test_names_of_letters_and_dots_need_no_quotes(query: str, expected: dict[str, float]) -> None:
    assert instant(engine(*UNQUOTED), query) == expected


@pytest.mark.parametrize("name", ["foo..bar.", "Inf.total", "bool.total", "rate.sum", "K", "été:rate"])
def test_such_a_name_is_printed_as_written(name: str) -> None:
    assert format_expr(parse(f"rate({name}[5m])")) == f"rate({name}[5m])"


@pytest.mark.parametrize("text", ["²", "a²", ".a", "a{٣=''}", "o\u0308 + 1", "1.a"])
def test_what_is_no_letter_ends_a_name(text: str) -> None:
    with pytest.raises(QueryError):
        parse(text)
