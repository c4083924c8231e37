"""Range functions agree with the slow loops over random samples: gaps, stale markers, NaN, Inf, resets."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import slow_windows as slow
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_queryable import MemoryQueryable

from backbeat.model.labels import Labels
from backbeat.model.results import Matrix
from backbeat.model.samples import STALE
from backbeat.promql import slicing
from backbeat.promql.engine import Engine
from backbeat.promql.limits import Dialect

RANGE_MS = 60_000
BASE_MS = 1_700_000_000_000
"""as large as real times, so that what is lost in float seconds shows"""
_VALUES = st.one_of(
    st.integers(0, 50).map(float),
    st.floats(-1e6, 1e6, allow_subnormal=False),
    st.sampled_from([math.nan, math.inf, -math.inf, STALE, -0.0]),
)
_COUNTERS = st.integers(0, 50).map(float)

Series = dict[Labels, list[tuple[int, float]]]
Slow = Callable[[slow.Window, int], float | None]


@st.composite
def cohorts(draw: st.DrawFn, values: st.SearchStrategy[float] = _VALUES) -> list[Series]:
    """A few cohorts of a few series; most series have every sample, some have gaps."""
    found = []
    for number in range(draw(st.integers(1, 3))):
        count = draw(st.integers(1, 25))
        jitter = draw(st.lists(st.integers(0, 900), min_size=count, max_size=count))
        times = [BASE_MS + i * 10_000 + offset for i, offset in enumerate(jitter)]
        series = {}
        for row in range(draw(st.integers(1, 3))):
            samples = [(at, draw(values)) for at in times]
            if draw(st.booleans()):
                samples = [one for one in samples if draw(st.integers(0, 9)) > 2]
            series[Labels.of(__name__="x", cohort=str(number), row=str(row))] = samples
        found.append(series)
    return found


def _values(slow_function: Callable[[list[float]], float | None]) -> Slow:
    return lambda window, end: slow_function([value for _, value in window]) if window else None


def _line(window: slow.Window, end: int, ahead_s: float | None) -> float | None:
    found = slow.line(window, end)
    if found is None:
        return None
    return found[0] if ahead_s is None else found[1] + found[0] * ahead_s


FUNCTIONS: dict[str, Slow] = {
    "avg_over_time(x[1m])": _values(lambda values: slow.total(values) / len(values)),
    "changes(x[1m])": _values(slow.changes),
    "count_over_time(x[1m])": _values(len),
    "deriv(x[1m])": lambda window, end: _line(window, end, None),
    "double_exponential_smoothing(x[1m], 0.3, 0.6)": _values(lambda values: slow.smoothed(values, 0.3, 0.6)),
    "first_over_time(x[1m])": _values(lambda values: values[0]),
    "idelta(x[1m])": lambda window, end: slow.instant(window, is_rate=False),
    "integral(x[1m])": lambda window, end: slow.integral(window, 0.5) if window else None,
    "integral(x[1m], 0)": lambda window, end: slow.integral(window, 1.0) if window else None,
    "integral(x[1m], 1)": lambda window, end: slow.integral(window, 0.0) if window else None,
    "irate(x[1m])": lambda window, end: slow.instant(window, is_rate=True),
    "last_over_time(x[1m])": _values(lambda values: values[-1]),
    "mad_over_time(x[1m])": _values(slow.median_deviation),
    "max_over_time(x[1m])": _values(slow.largest),
    "min_over_time(x[1m])": _values(lambda values: -slow.largest([-value for value in values])),
    "predict_linear(x[1m], 30)": lambda window, end: _line(window, end, 30.0),
    "present_over_time(x[1m])": _values(lambda values: 1.0),
    "quantile_over_time(0.3, x[1m])": _values(lambda values: slow.quantile(0.3, values)),
    "resets(x[1m])": _values(lambda values: sum(b < a for a, b in pairwise(values))),
    "stddev_over_time(x[1m])": _values(lambda values: math.sqrt(slow.variance(values))),
    "stdvar_over_time(x[1m])": _values(slow.variance),
    "sum_over_time(x[1m])": _values(slow.total),
    "ts_of_first_over_time(x[1m])": lambda window, end: window[0][0] / 1000 if window else None,
    "ts_of_last_over_time(x[1m])": lambda window, end: window[-1][0] / 1000 if window else None,
    "ts_of_max_over_time(x[1m])": lambda window, end: slow.time_of_largest(window) if window else None,
}
COUNTER_FUNCTIONS: dict[str, Slow] = {
    name: lambda window, end, kind=kind: slow.extrapolated(window, end - RANGE_MS, end, **kind)
    for name, kind in {
        "delta(x[1m])": {"is_counter": False, "is_rate": False},
        "increase(x[1m])": {"is_counter": True, "is_rate": False},
        "rate(x[1m])": {"is_counter": True, "is_rate": True},
    }.items()
}


def _is_stale(value: float) -> bool:
    return _bits(value) == _bits(STALE)


def _bits(value: float) -> bytes:
    return struct.pack("<d", value)


def _storage(found: list[Series]) -> MemoryQueryable:
    storage = MemoryQueryable()
    for series in found:
        storage.add(series)
    return storage


def _check(found: list[Series], query: str, reference: Slow, step: int) -> None:
    engine = Engine(_storage(found), dialect=Dialect(delayed_name_removal=True))
    answer = engine.range(query, BASE_MS - 7_000, BASE_MS + 290_000, step).value
    assert isinstance(answer, Matrix)
    rows = {labels.get("cohort") + labels.get("row"): row for row, labels in enumerate(answer.labels)}
    for labels, samples in (pair for series in found for pair in series.items()):
        row = rows.get(labels.get("cohort") + labels.get("row"))
        for column, end in enumerate(answer.steps.tolist()):
            window = [(at, v) for at, v in samples if end - RANGE_MS < at <= end and not _is_stale(v)]
            expected = reference(window, end)
            there = row is not None and bool(answer.present[row, column])
            assert there == (expected is not None), (labels, end)
            if expected is not None:
                assert row is not None
                size = max((abs(value) for _, value in window if math.isfinite(value)), default=0.0)
                _check_close(float(answer.values[row, column]), expected, size, query)


def _check_close(got: float, expected: float, size: float, query: str) -> None:
    if math.isnan(expected) or math.isnan(got):
        assert math.isnan(expected) == math.isnan(got)
        return
    # Squares of values near 1e6 lose digits that no double has; the slow loop computes with fractions.
    rounding = 1e-13 * size * (size if "stdvar" in query else 1.0)
    if "stddev" in query:
        rounding = 1e-7 * size
    assert math.isclose(got, expected, rel_tol=1e-9, abs_tol=rounding + 1e-12), query


_SETTINGS = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.mark.parametrize("query", FUNCTIONS)
@_SETTINGS
@given(found=cohorts(), step=st.sampled_from([7_000, 10_000, 45_000, 120_000]))
def test_agrees_with_the_slow_loop(query: str, found: list[Series], step: int) -> None:
    _check(found, query, FUNCTIONS[query], step)


@pytest.mark.parametrize("query", COUNTER_FUNCTIONS)
@_SETTINGS
@given(found=cohorts(_COUNTERS), step=st.sampled_from([7_000, 10_000, 45_000]))
def test_extrapolates_as_the_slow_loop(query: str, found: list[Series], step: int) -> None:
    _check(found, query, COUNTER_FUNCTIONS[query], step)


@_SETTINGS
@given(found=cohorts(), step=st.sampled_from([7_000, 45_000]))
def test_a_long_range_is_the_same_in_pieces(found: list[Series], step: int) -> None:
    storage = _storage(found)
    for query in (
        "x",
        "sum_over_time(x[1m])",
        "timestamp(x)",
        "sum by (row) (x)",
        "max by (row) (rate(x[1m]))",
    ):
        whole = Engine(storage).range(query, BASE_MS, BASE_MS + 290_000, step).value
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(slicing, "UNKNOWN_SPAN_MS", 20_000)
            patch.setattr(slicing, "SLICE_SAMPLES", 20)
            engine = Engine(storage)
            engine.range(query, BASE_MS, BASE_MS + 290_000, step)  # from now on it knows how much it reads
            pieces = engine.range(query, BASE_MS, BASE_MS + 290_000, step).value
        assert isinstance(whole, Matrix)
        assert isinstance(pieces, Matrix)
        assert list(whole.labels) == list(pieces.labels)
        assert (whole.present == pieces.present).all()
        there = whole.present
        np.testing.assert_allclose(whole.values[there], pieces.values[there], rtol=1e-12)


_OUTSIDE = [
    *("sum_over_time(x[40s])", "avg_over_time(x[40s])", "stddev_over_time(x[40s])", "max_over_time(x[40s])"),
    *("deriv(x[40s])", "predict_linear(x[40s], 30)", "rate(x[40s])", "delta(x[40s])", "changes(x[40s])"),
    *("integral(x[40s])", "integral(x[40s], 0)", "integral(x[40s], 1)"),
]


@pytest.mark.parametrize("before", [1e300, -1e300, math.nan, math.inf, 131073.0])
@pytest.mark.parametrize("query", _OUTSIDE)
def test_a_window_feels_nothing_that_lies_outside_it(query: str, before: float) -> None:
    inside = [(BASE_MS + i * 10_000, value) for i, value in enumerate((0.1, 0.7, 0.2, 0.0078125))]
    outside = [(BASE_MS - 20_000, before), (BASE_MS - 10_000, -before)]
    answers = []
    for samples in (inside, outside + inside):
        storage = MemoryQueryable()
        storage.add({Labels.of(__name__="x"): samples})
        value = Engine(storage).range(query, BASE_MS - 10_000, BASE_MS + 35_000, 45_000).value
        assert isinstance(value, Matrix)
        answers.append(float(value.values[0, -1]))
    assert answers[0] == pytest.approx(answers[1], rel=1e-14)


@pytest.mark.parametrize("query", COUNTER_FUNCTIONS)
@pytest.mark.parametrize("start", [0.0, 1e-3, 7.0, 1e6])
def test_a_counter_grows_the_same_whatever_stands_beside_it(query: str, start: float) -> None:
    """One that began near zero needs a closer look at each cell, which must not show in the other."""
    high = {Labels.of(__name__="x", row="high"): [(BASE_MS + i * 9_973, 1e6 + i / 3) for i in range(30)]}
    beside = {Labels.of(__name__="x", row="low"): [(BASE_MS + i * 9_973, start + i / 7) for i in range(30)]}
    rows = []
    for found in ([high], [high | beside]):
        value = Engine(_storage(found)).range(query, BASE_MS + 20_000, BASE_MS + 300_000, 7_000).value
        assert isinstance(value, Matrix)
        place = next(i for i, labels in enumerate(value.labels) if labels.get("row") == "high")
        rows.append([_bits(each) for each in value.values[place][value.present[place]].tolist()])
    assert rows[0] == rows[1]
