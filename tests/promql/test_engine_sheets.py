"""What storage keeps side by side and grows in place gives the answers that copies of the samples give."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher
from backbeat.model.results import Answer, Matrix, RawSamples
from backbeat.model.samples import STALE, SampleBlock, Sheet
from backbeat.promql.engine import Engine
from backbeat.promql.parser import parse_selector
from backbeat.promql.range_functions import RANGE_FUNCTIONS
from backbeat.storage import Storage, StorageOptions, open_storage

SECOND = 1000
START = 10_000_000
TARGETS = [
    [Labels.of(__name__="x_total", instance=instance, row=str(row)) for row in range(rows)]
    for instance, rows in (("a", 3), ("b", 2), ("c", 1))
]
_ARGUMENTS = {
    "quantile_over_time": "quantile_over_time(0.5, x_total[40s])",
    "predict_linear": "predict_linear(x_total[40s], 10)",
    "double_exponential_smoothing": "double_exponential_smoothing(x_total[40s], 0.5, 0.5)",
}
QUERIES = [
    "x_total",
    "timestamp(x_total)",
    "rate(x_total[40s] anchored)",
    "x_total smoothed",
    'sum by (row) (rate(x_total{row!="1"}[1m]))',
    *(_ARGUMENTS.get(name, f"{name}(x_total[40s])") for name in sorted(RANGE_FUNCTIONS)),
]


class Copies:
    """The store, with every sheet copied into blocks."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.series, self.label_names = storage.series, storage.label_names
        self.label_values = storage.label_values

    def read(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[SampleBlock | Sheet]:
        return self._storage.select(matchers, start_ms, end_ms)


values = st.one_of(st.integers(0, 20).map(float), st.sampled_from((float("nan"), float("inf"), STALE)))
scrapes = st.tuples(st.just("scrape"), st.integers(0, 2), st.integers(1, 25), st.lists(values, min_size=3))
partial = st.tuples(st.just("partial"), st.integers(0, 1), st.integers(1, 9), values)
late = st.tuples(st.just("late"), st.integers(0, 2), st.integers(1, 200), values)
deletions = st.tuples(st.just("delete"), st.integers(0, 100), st.integers(0, 50))
queries = st.tuples(
    st.just("query"),
    st.integers(0, len(QUERIES) - 1),
    st.integers(0, 300),
    st.integers(0, 300),
    st.sampled_from((5, 10, 15)),
)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.one_of(scrapes, scrapes, scrapes, partial, queries, queries, late, deletions), max_size=60)
)
def test_sheets_answer_as_copies_do(story: list[tuple]) -> None:
    with TemporaryDirectory() as directory:
        clock = [START]
        storage = open_storage(
            Path(directory, "data"),
            StorageOptions(out_of_order_window_ms=600_000, chunk_rows=5),
            lambda: clock[0],
        )
        in_place, copied = Engine(storage), Engine(Copies(storage))
        cohorts = [storage.cohort(own[0].get("instance")) for own in TARGETS]
        columns = [cohort.columns(own) for cohort, own in zip(cohorts, TARGETS, strict=True)]
        for kind, *details in story:
            if kind == "scrape":
                target, after_s, row = details
                clock[0] += after_s * SECOND
                cohorts[target].append(clock[0], columns[target], np.array(row[: len(columns[target])]))
            elif kind == "partial":
                target, after_s, value = details
                clock[0] += after_s * SECOND
                cohorts[target].append(clock[0], columns[target][1:2], np.array([value]))
            elif kind == "late":
                target, ago_s, value = details
                at = np.array([clock[0] - ago_s * SECOND])
                storage.append_samples([TARGETS[target][0]], at, np.array([value]))
            elif kind == "delete":
                ago_s, length_s = details
                begin = clock[0] - ago_s * SECOND
                storage.delete_series(parse_selector('{row="0"}'), begin, begin + length_s * SECOND)
            else:
                place, ago_s, length_s, step_s = details
                end = clock[0] - ago_s * SECOND
                span = end - length_s * SECOND, end, step_s * SECOND
                assert_same(in_place.range(QUERIES[place], *span), copied.range(QUERIES[place], *span))
                assert_same(in_place.instant("x_total[2m]", end), copied.instant("x_total[2m]", end))
        storage.close()


def assert_same(found: Answer, expected: Answer) -> None:
    assert found.notes == expected.notes
    assert found.samples_read == expected.samples_read
    one, two = found.value, expected.value
    if isinstance(one, RawSamples):
        assert isinstance(two, RawSamples)
        for own, other in zip(one.blocks, two.blocks, strict=True):
            assert own.labels == other.labels
            np.testing.assert_array_equal(own.times, other.times)
            np.testing.assert_array_equal(own.values, other.values)
        return
    assert isinstance(one, Matrix)
    assert isinstance(two, Matrix)
    assert list(one.labels) == list(two.labels)
    np.testing.assert_array_equal(one.present, two.present)
    np.testing.assert_allclose(one.values[one.present], two.values[two.present], rtol=1e-12)


def test_a_late_sample_of_a_series_that_only_a_block_has(tmp_path: Path) -> None:
    options = StorageOptions(out_of_order_window_ms=600_000)
    series, moments = TARGETS[2], (START, START - 5000)
    storage = open_storage(tmp_path, options, lambda: START)
    storage.append_samples(series, np.array(moments[:1]), np.array([1.0]))
    storage.flush()
    storage.close()
    storage = open_storage(tmp_path, options, lambda: START)
    storage.select(parse_selector("x_total"), 0, START)
    storage.append_samples(series, np.array(moments[1:]), np.array([2.0]))
    (block,) = storage.select(parse_selector("x_total"), 0, START)
    assert block.times.tolist() == sorted(moments)
    storage.close()


def test_resets_of_a_cohort_that_fits_no_sheet_are_not_those_of_the_next(tmp_path: Path) -> None:
    storage = open_storage(tmp_path, StorageOptions(), lambda: 0)
    falling = [Labels.of(__name__="x_total", n=str(number)) for number in range(2)]
    rising = [Labels.of(__name__="x_total", n=str(number)) for number in range(2, 4)]
    first, second = storage.cohort("scrape/falling"), storage.cohort("scrape/rising")
    for at in range(1, 7):
        first.append(at * SECOND, first.columns(falling), np.full(2, 10.0 - at))
    storage.flush()
    # A gap, behind resets that the sheet has noted already.
    first.append(7 * SECOND, first.columns(falling[:1]), np.full(1, 50.0))
    for at in range(1, 9):
        second.append(at * SECOND, second.columns(rising), np.full(2, float(at)))
    query = "resets(x_total[10s])"
    for _ in range(2):
        answer = Engine(storage).instant(query, 9 * SECOND)
        assert isinstance(answer.value, Matrix)
        resets = dict(zip(answer.value.labels, answer.value.values[:, 0].tolist(), strict=True))
        assert [resets[Labels.of(n=str(number))] for number in range(4)] == [5, 5, 0, 0]
    storage.close()
