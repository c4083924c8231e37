"""Aggregations and bucket quantiles agree with slow loops over random vectors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import slow_windows as slow
from hypothesis import given, settings
from hypothesis import strategies as st

from backbeat.promql.kernels import aggregates, buckets
from backbeat.promql.kernels.aggregates import Groups

_VALUES = st.one_of(
    st.integers(-3, 9).map(float),
    st.floats(-1e9, 1e9, allow_subnormal=False),
    st.sampled_from([math.nan, math.inf, -math.inf, 1e300, -1e300]),
)


@st.composite
def vectors(draw: st.DrawFn) -> tuple[Groups, np.ndarray, np.ndarray]:
    """Grouped series over a few steps, some samples absent; every group has a series."""
    series, steps = draw(st.integers(1, 9)), draw(st.integers(1, 4))
    raw = draw(st.lists(st.integers(0, 3), min_size=series, max_size=series))
    codes = np.unique(np.array(raw), return_inverse=True)[1]
    cells = st.lists(_VALUES, min_size=series * steps, max_size=series * steps)
    flags = st.lists(
        st.sampled_from([True, True, True, False]), min_size=series * steps, max_size=series * steps
    )
    shape = (series, steps)
    return Groups.of(codes), np.array(draw(cells)).reshape(shape), np.array(draw(flags)).reshape(shape)


def _members(groups: Groups, values: np.ndarray, present: np.ndarray, group: int, step: int) -> list[float]:
    return [
        float(values[row, step])
        for row in range(len(values))
        if groups.codes[row] == group and present[row, step]
    ]


def _same(one: float, two: float, size: float = 0.0) -> bool:
    if math.isnan(one) or math.isnan(two):
        return math.isnan(one) and math.isnan(two)
    return math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-12 + size)


def _mean(values: list[float]) -> float:
    return slow.total([value / len(values) for value in values])


REFERENCES = {
    "sum": (aggregates.sums, slow.total),
    "avg": (aggregates.means, _mean),
    "max": (lambda g, v, p: aggregates.extremes(g, v, p, largest=True), slow.largest),
    "min": (
        lambda g, v, p: aggregates.extremes(g, v, p, largest=False),
        lambda values: -slow.largest([-value for value in values]),
    ),
    "count": (lambda g, v, p: aggregates.counts(g, p), len),
    "quantile": (
        lambda g, v, p: aggregates.quantiles(g, v, p, np.full(v.shape[1], 0.3)),
        lambda values: slow.quantile(0.3, values),
    ),
}


@pytest.mark.parametrize("name", REFERENCES)
@settings(max_examples=80, deadline=None)
@given(vector=vectors())
def test_aggregations(name: str, vector: tuple[Groups, np.ndarray, np.ndarray]) -> None:
    kernel, reference = REFERENCES[name]
    groups, values, present = vector
    with np.errstate(all="ignore"):
        found = kernel(groups, values, present)
    for group in range(len(groups.starts)):
        for step in range(values.shape[1]):
            members = _members(groups, values, present, group, step)
            if members:
                assert _same(float(found[group, step]), reference(members)), members


@settings(max_examples=80, deadline=None)
@given(vector=vectors())
def test_variance(vector: tuple[Groups, np.ndarray, np.ndarray]) -> None:
    groups, values, present = vector
    values = np.where(np.abs(values) > 1e12, 7.0, values)
    with np.errstate(all="ignore"):
        found = aggregates.variances(groups, values, present)
    for group in range(len(groups.starts)):
        for step in range(values.shape[1]):
            members = _members(groups, values, present, group, step)
            if members:
                size = (
                    max(abs(one) for one in members) ** 2 * 1e-14 if all(map(math.isfinite, members)) else 0.0
                )
                assert _same(float(found[group, step]), slow.variance(members), size)


@pytest.mark.parametrize("largest", [True, False])
@settings(max_examples=80, deadline=None)
@given(vector=vectors(), k=st.integers(1, 4))
def test_the_best(largest: bool, vector: tuple[Groups, np.ndarray, np.ndarray], k: int) -> None:
    groups, values, present = vector
    places = aggregates.ranks(groups, values, present, largest=largest)
    found = aggregates.best(groups, values, present, k, largest=largest)
    for row, group in enumerate(groups.codes):
        own = groups.codes == group
        chosen = (places < k) & present & own[:, np.newaxis]
        equals = (values == values[row]) & chosen
        expected = own.sum() <= k or bool((chosen[row] | (present[row] & equals.any(axis=0))).any())
        assert found[row] or not expected
        if not np.isnan(values).any() and present.all():
            assert found[row] == expected


@pytest.mark.parametrize("largest", [True, False])
@settings(max_examples=80, deadline=None)
@given(vector=vectors())
def test_ranks(largest: bool, vector: tuple[Groups, np.ndarray, np.ndarray]) -> None:
    groups, values, present = vector
    found = aggregates.ranks(groups, values, present, largest=largest)
    for step in range(values.shape[1]):
        for group in range(len(groups.starts)):
            rows = [row for row in range(len(values)) if groups.codes[row] == group and present[row, step]]
            sign = -1 if largest else 1
            best = sorted(
                rows,
                key=lambda row: (math.isnan(values[row, step]), sign * np.nan_to_num(values[row, step]), row),
            )
            infinite = any(math.isinf(values[row, step]) for row in rows)
            if not infinite:
                assert [int(found[row, step]) for row in best] == list(range(len(rows)))


def test_sums_keep_what_cancels() -> None:
    values = np.array([[1e100], [1.0], [-1e100], [3.0]])
    groups = Groups.of(np.zeros(4, np.int64))
    assert aggregates.sums(groups, values, np.ones((4, 1), bool)).tolist() == [[4.0]]


@pytest.mark.parametrize(
    ("bounds", "counts", "q", "expected"),
    [
        pytest.param([1, 2, math.inf], [2, 4, 4], 0.5, 1.0, id="exactly at a bound"),
        pytest.param([1, 2, math.inf], [2, 4, 4], 0.75, 1.5, id="inside a bucket"),
        pytest.param([1, 2, math.inf], [2, 4, 8], 0.9, 2.0, id="in the last bucket: the bound before it"),
        pytest.param([-1, 2, math.inf], [4, 8, 8], 0.1, -1.0, id="in a lowest bucket below 0: its bound"),
        pytest.param([1, 2, math.inf], [0, 0, 0], 0.5, math.nan, id="no observations"),
        pytest.param([math.inf], [5], 0.5, math.nan, id="one bucket"),
        pytest.param([1, 2, 3, math.inf], [4, 2, 8, 8], 0.75, 2.5, id="counts that fall are raised"),
        pytest.param([1, 2, math.inf], [4, 4 - 1e-15, 4], 1.0, 1.0, id="rounding is no fall"),
    ],
)
def test_bucket_quantile(bounds: list[float], counts: list[float], q: float, expected: float) -> None:
    with np.errstate(all="ignore"):
        found, forced = buckets.quantile(
            np.array(bounds), np.array(counts, float)[np.newaxis, :, np.newaxis], np.array([q])
        )
    assert _same(float(found[0, 0]), expected)
    assert bool(forced.cells.any()) == (counts[1:2] == [2])


@pytest.mark.parametrize("series", [64, 65, 129, 400, 1000])
@pytest.mark.parametrize("number", [1, 2, 3, 7])
@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_large_groups_are_folded_as_small_ones(series: int, number: int, in_order: bool, whole: bool) -> None:
    rng = np.random.default_rng(series * number)
    codes = np.arange(series) % number
    groups = Groups.of(np.sort(codes) if in_order else codes)
    values = rng.normal(0, 1e6, (series, 3))
    present = np.ones(values.shape, bool) if whole else rng.random(values.shape) < 0.7
    sums = aggregates.sums(groups, values, present)
    largest = aggregates.extremes(groups, values, present, largest=True)
    for group, step in np.ndindex(number, 3):
        members = _members(groups, values, present, group, step)
        assert math.isclose(float(sums[group, step]), math.fsum(members), rel_tol=1e-9)
        assert float(largest[group, step]) == max(members)
