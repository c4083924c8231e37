"""Queries over a few small series: names, errors, notes, order, and every shape of a result."""

from __future__ import annotations

import math

import numpy as np
import pytest
from memory_queryable import MemoryQueryable
from promql_script import series_line

from backbeat.model.labels import Labels
from backbeat.model.results import BadQuery, Matrix, QueryError, RawSamples, Scalar, Text
from backbeat.promql.engine import Engine
from backbeat.promql.functions import FUNCTIONS
from backbeat.promql.label_hash import xxhash64
from backbeat.promql.limits import Dialect, Limits
from backbeat.promql.range_functions import RANGE_FUNCTIONS
from backbeat.promql.signatures import SIGNATURES

MINUTE = 60_000


def engine(*lines: str, dialect: Dialect | None = None, step_ms: int = MINUTE) -> Engine:
    """An engine over one cohort in series notation, a sample a minute from the epoch."""
    series = {}
    for line in lines:
        labels, values, _ = series_line(line)
        series[labels] = [(i * step_ms, value) for i, value in enumerate(values) if value is not None]
    storage = MemoryQueryable()
    storage.add(series)
    return Engine(storage, dialect=dialect)


def instant(one: Engine, query: str, at_ms: int = 10 * MINUTE) -> dict[str, float]:
    answer = one.instant(query, at_ms).value
    assert isinstance(answer, Matrix)
    return {str(labels): float(row[0]) for labels, row in zip(answer.labels, answer.values, strict=True)}


TWO_JOBS = ('errors_total{job="a"} 0+6x20', 'errors_total{job="b"} 0+12x20', 'other_total{job="a"} 0+60x20')


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("errors_total", {'errors_total{job="a"}': 60, 'errors_total{job="b"}': 120}, id="keeps"),
        pytest.param("rate(errors_total[5m])", {'{job="a"}': 0.1, '{job="b"}': 0.2}, id="rate drops"),
        pytest.param("sum by (__name__) (errors_total)", {"errors_total": 180}, id="grouped by name"),
        pytest.param("sum by (__name__) (-errors_total)", {"{}": -180}, id="the name went before the sum"),
        pytest.param("errors_total > 100", {'errors_total{job="b"}': 120}, id="comparison keeps"),
        pytest.param("errors_total > bool 100", {'{job="a"}': 0, '{job="b"}': 1}, id="bool drops"),
        pytest.param(
            "last_over_time(errors_total[5m]) and other_total", {'errors_total{job="a"}': 60}, id="and"
        ),
        pytest.param("other_total - ignoring(x) errors_total", {'{job="a"}': 540}, id="minus"),
    ],
)
def test_metric_names(query: str, expected: dict[str, float]) -> None:
    found = instant(engine(*TWO_JOBS), query)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    "query",
    [
        'rate({job="a"}[5m])',
        'abs({job="a"})',
        'sum_over_time({job="a"}[5m])',
        '-{job="a"}',
        '{job="a"} * 2',
        'label_replace({job="a"}, "__name__", "same", "", "")',
    ],
)
def test_series_that_become_the_same_are_refused(query: str) -> None:
    with pytest.raises(QueryError, match="vector cannot contain metrics with the same labelset"):
        engine(*TWO_JOBS).instant(query, 10 * MINUTE)


@pytest.mark.parametrize("query", ['{job="a"} >= errors_total', '{job="a"} != bool errors_total'])
@pytest.mark.parametrize("delayed", [False, True])
def test_series_whose_names_alone_differ_match_one_only_where_that_is_said(query: str, delayed: bool) -> None:
    one = engine(*TWO_JOBS, dialect=Dialect(delayed_name_removal=delayed))
    with pytest.raises(
        QueryError, match="multiple matches for labels: many-to-one matching must be explicit"
    ):
        one.instant(query, 10 * MINUTE)


def test_delayed_name_removal_lets_a_label_function_look_at_the_name() -> None:
    query = 'label_replace(rate({job="a"}[5m]), "from", "$1", "__name__", "(.*)_total")'
    found = instant(engine(*TWO_JOBS, dialect=Dialect(delayed_name_removal=True)), query)
    assert found == pytest.approx({'{from="errors", job="a"}': 0.1, '{from="other", job="a"}': 1.0})


_NO_COUNTER = "metric might not be a counter, name does not end in _total/_sum/_count/_bucket:"


@pytest.mark.parametrize(
    ("query", "warnings", "infos"),
    [
        pytest.param(
            "sum(rate(up[5m]))",
            (),
            (f'PromQL info: {_NO_COUNTER} "up" (1:10)',),
            id="rate of a gauge",
        ),
        pytest.param(
            "\n  quantile(1.5, up)",
            ("PromQL warning: quantile value should be between 0 and 1, got 1.5 (2:12)",),
            (),
            id="second line",
        ),
        pytest.param(
            "histogram_quantile(0.5, up)",
            ('PromQL warning: bucket label "le" is missing or has a malformed value of "" (1:25)',),
            (),
            id="no le",
        ),
        pytest.param("increase(up_total[5m])", (), (), id="a metric that is not there"),
    ],
)
def test_notes(query: str, warnings: tuple[str, ...], infos: tuple[str, ...]) -> None:
    notes = engine("up 1x20").instant(query, 10 * MINUTE).notes
    assert (notes.warnings, notes.infos) == (warnings, infos)


def test_forced_monotonicity_is_told_once_for_all_steps() -> None:
    one = engine(*(f'h_bucket{{le="{le}"}} {count}x20' for le, count in (("1", 10), ("2", 4), ("+Inf", 20))))
    answer = one.range("histogram_quantile(0.5, h_bucket)", 0, 4 * MINUTE, MINUTE)
    (info,) = answer.notes.infos
    assert "from buckets 2 to 2, with a max diff of 6, over 5 samples from 1970-01-01T00:00:00Z" in info
    assert info.endswith("to 1970-01-01T00:04:00Z (1:25)")


def test_a_range_is_in_label_order_and_an_instant_in_the_query_s() -> None:
    one = engine('x{n="2"} 5x20', 'x{n="10"} 1x20', 'x{n="1"} 9x20')
    ordered = one.range("x", 0, MINUTE, MINUTE).value
    assert isinstance(ordered, Matrix)
    assert [labels.get("n") for labels in ordered.labels] == ["1", "10", "2"]
    assert list(instant(one, "sort(x)")) == ['x{n="10"}', 'x{n="2"}', 'x{n="1"}']
    assert list(instant(one, 'sort_by_label(x, "n")')) == ['x{n="1"}', 'x{n="2"}', 'x{n="10"}']
    assert list(instant(one, "topk(2, x)")) == ['x{n="1"}', 'x{n="2"}']


def test_shapes_of_results() -> None:
    one = engine("x 1 2 _ stale 5")
    text, number = one.instant('"hi"', 0).value, one.instant("2 ^ 3", 0).value
    assert isinstance(text, Text)
    assert text.value == "hi"
    assert isinstance(number, Scalar)
    assert number.values.tolist() == [8.0]
    raw = one.instant("x[10m]", 4 * MINUTE).value
    assert isinstance(raw, RawSamples)
    (block,) = raw.blocks
    assert block.times.tolist() == [0, MINUTE, 4 * MINUTE]
    assert block.values.tolist() == [[1, 2, 5]]


def test_absent_is_a_mask_and_never_nan() -> None:
    answer = engine("x 1 NaN stale 4").range("x", 0, 3 * MINUTE, MINUTE).value
    assert isinstance(answer, Matrix)
    assert answer.present.tolist() == [[True, True, False, True]]
    assert math.isnan(answer.values[0, 1])


def test_lookback_is_open_on_the_left() -> None:
    one = engine("x 7")
    assert instant(one, "x", 5 * MINUTE - 1) == {"x": 7.0}
    assert instant(one, "x", 5 * MINUTE) == {}
    assert isinstance(one.instant("x", 5 * MINUTE, lookback_ms=10 * MINUTE).value, Matrix)
    assert one.instant("x", 5 * MINUTE, lookback_ms=10 * MINUTE).value.labels == [Labels.of(__name__="x")]


def test_subquery_without_a_step_takes_the_engine_s() -> None:
    storage = MemoryQueryable()
    storage.add({Labels.of(__name__="x"): [(0, 1.0)]})
    one = Engine(storage, Limits(default_subquery_step_ms=20_000))
    assert instant(one, "count_over_time(x[1m:])", MINUTE) == {"{}": 3.0}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        pytest.param("x + on(job) y", "found duplicate series for the match group", id="many on the right"),
        pytest.param(
            "y + on(job) x", "multiple matches for labels: many-to-one matching must be explicit", id="left"
        ),
        pytest.param(
            "y + on(job) group_left(n) x",
            "multiple matches for labels: grouping labels must ensure unique matches",
            id="group_left that is not unique",
        ),
        pytest.param("topk(NaN, x)", "Parameter value is NaN", id="topk"),
        pytest.param("topk(1e20, x)", "Scalar value 1e+20 overflows int64", id="too many"),
        pytest.param(
            "double_exponential_smoothing(x[5m], 1, 0.5)",
            "invalid smoothing factor. Expected: 0 < sf < 1",
            id="sf",
        ),
        pytest.param(
            "avg_over_time(x[5m] anchored)",
            "anchored modifier can only be used with: changes, delta, increase, rate, resets - not with",
            id="anchored",
        ),
        pytest.param(
            'label_replace(x, "a", "", "b", "(")', "invalid regular expression in label_replace()", id="re"
        ),
    ],
)
def test_execution_errors(query: str, message: str) -> None:
    one = engine('x{job="a"} 1x20', 'y{job="a", n="1"} 1x20', 'y{job="a", n="2"} 2x20')
    with pytest.raises(QueryError) as raised:
        one.instant(query, 10 * MINUTE)
    assert message in str(raised.value)
    assert raised.value.kind == "execution"


@pytest.mark.parametrize(
    ("query", "start", "end", "step"),
    [("x[5m]", 0, 60, 60), ('"text"', 0, 60, 60), ("x", 0, 60, 0), ("x", 60, 0, 60), ("x[1m-1m]", 0, 60, 60)],
)
def test_bad_ranges(query: str, start: int, end: int, step: int) -> None:
    with pytest.raises(BadQuery):
        engine("x 1x20").range(query, start * 1000, end * 1000, step * 1000)


@pytest.mark.parametrize(
    ("template", "expected"),
    [("$1-$2", "ab-7"), ("${1}x", "abx"), ("$1x", ""), ("$$1", "$1"), ("$name", "7"), ("$0", "ab7")],
)
def test_label_replace_expands_as_go_does(template: str, expected: str) -> None:
    query = f'label_replace(x, "to", "{template}", "from", "([a-z]+)(?P<name>[0-9]+)")'
    (labels,) = engine('x{from="ab7"} 1x20').instant(query, MINUTE).value.labels
    assert labels.get("to") == expected


def test_many_small_cohorts_are_as_one_large() -> None:
    rng = np.random.default_rng(7)
    lines = {
        Labels.of(__name__="x_total", row=str(row)): [
            (i * 15_000, float(value)) for i, value in enumerate(rng.integers(0, 9, 80).cumsum())
        ]
        for row in range(40)
    }
    together, apart = MemoryQueryable(), MemoryQueryable()
    together.add(lines)
    for labels, samples in lines.items():
        apart.add({labels: samples})
    for query in ("rate(x_total[2m])", "x_total", "max_over_time(x_total[3m])", "deriv(x_total[3m])"):
        one, many = (Engine(storage).range(query, 0, 1_200_000, 7_000).value for storage in (together, apart))
        assert isinstance(one, Matrix)
        assert isinstance(many, Matrix)
        assert list(one.labels) == list(many.labels)
        assert (one.present == many.present).all()
        np.testing.assert_allclose(one.values[one.present], many.values[many.present], rtol=1e-12)


def test_every_function_that_parses_is_there() -> None:
    assert set(FUNCTIONS) | set(RANGE_FUNCTIONS) == set(SIGNATURES)


def test_limit_ratio_chooses_by_prometheus_s_hash() -> None:
    one = engine(*(f'x{{n="{n}"}} {n}x20' for n in range(200)))
    chosen, rest = instant(one, "limit_ratio(0.3, x)"), instant(one, "limit_ratio(-0.7, x)")
    assert not set(chosen) & set(rest)
    assert len(chosen) + len(rest) == 200
    assert 40 <= len(chosen) <= 80


@pytest.mark.parametrize(
    ("text", "hash_"),
    [
        pytest.param(b"", 0xEF46DB3751D8E999, id="empty"),
        pytest.param(b"a", 0xD24EC4F1A98C6E5B, id="one byte"),
        pytest.param(b"asdf", 0x415872F599CEA71E, id="four bytes"),
        pytest.param(
            b"Call me Ishmael. Some years ago--never mind how long precisely-",
            0x02A2E85470D6FD96,
            id="63 bytes go every way",
        ),
    ],
)
def test_xxhash64(text: bytes, hash_: int) -> None:
    assert xxhash64(text) == hash_
