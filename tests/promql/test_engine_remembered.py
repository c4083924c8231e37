"""Answers made from remembered steps equal those computed anew, whatever is written or deleted in between."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backbeat.model.labels import Labels
from backbeat.model.results import Answer, Matrix
from backbeat.promql.engine import Engine
from backbeat.promql.parser import parse_selector
from backbeat.storage import StorageOptions, open_storage
from backbeat.storage.tombstones import Tombstones
from backbeat.storage.written import EVERYTHING, NOTHING_WRITTEN, Written

SECOND = 1000
START = 10_000_000
SERIES = [
    Labels.of({"__name__": "requests_total", "route": f"/{route}", "instance": instance})
    for route in range(3)
    for instance in ("a", "b")
]
QUERIES = (
    "sum by (route) (rate(requests_total[40s]))",
    "sum(rate(requests_total[40s])) / sum(increase(requests_total[1m] offset 10s))",
    "topk(2, max by (route) (requests_total))",
    "avg(max_over_time(rate(requests_total[20s])[1m:10s]))",
    "count(requests_total) + time()",
    "sum(requests_total @ end())",
    "sum(requests_total offset -20s)",
    "limitk(2, requests_total)",
)

rows = st.tuples(
    st.just("row"), st.integers(1, 30), st.sets(st.integers(0, 5), min_size=1), st.integers(0, 1000)
)
late = st.tuples(st.just("late"), st.integers(1, 200), st.integers(0, 5), st.integers(0, 1000))
deletions = st.tuples(st.just("delete"), st.integers(0, 300), st.integers(0, 100), st.integers(0, 2))
queries = st.tuples(
    st.just("query"),
    st.integers(0, len(QUERIES) - 1),
    st.integers(-50, 300),
    st.integers(0, 300),
    st.sampled_from((5, 10, 15)),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(rows, rows, queries, queries, queries, late, deletions), min_size=5, max_size=50))
def test_remembered_steps_are_what_would_be_computed_anew(story: list[tuple]) -> None:
    with TemporaryDirectory() as directory:
        clock = [START]
        storage = open_storage(
            Path(directory, "data"), StorageOptions(out_of_order_window_ms=600_000), lambda: clock[0]
        )
        engine = Engine(storage, watched=storage)
        cohort = storage.cohort("scrape")
        columns = cohort.columns(SERIES)
        given_before: list[tuple[str, int, int, int, Answer]] = []
        for kind, *details in story:
            if kind == "row":
                after_s, members, value = details
                clock[0] += after_s * SECOND
                chosen = np.array(sorted(members))
                cohort.append(clock[0], columns[chosen], value + chosen.astype(float))
            elif kind == "late":
                ago_s, member, value = details
                storage.append_samples(
                    [SERIES[member]], np.array([clock[0] - ago_s * SECOND]), np.array([float(value)])
                )
            elif kind == "delete":
                ago_s, length_s, route = details
                start = clock[0] - ago_s * SECOND
                selector = parse_selector(f'{{route="/{route}"}}')
                storage.delete_series(selector, start, start + length_s * SECOND)
            else:
                place, ago_s, length_s, step_s = details
                end = (clock[0] // SECOND - ago_s) // step_s * step_s * SECOND
                start = end - length_s // step_s * step_s * SECOND
                remembered = engine.range(QUERIES[place], start, end, step_s * SECOND)
                anew = engine.range(QUERIES[place], start, end, step_s * SECOND, anew=True)
                _assert_equal(remembered, anew, QUERIES[place])
                given_before.append((QUERIES[place], start, end, step_s * SECOND, remembered))
                asked = f"vector(0) + on () group_right() ({QUERIES[place]})"
                at_once = engine.instant(asked, end)
                _assert_equal(at_once, Engine(storage).instant(asked, end), asked)
            for query, start, end, step, before in given_before:
                if before.holds is not None and before.holds():
                    _assert_equal(before, engine.range(query, start, end, step, anew=True), query)
        storage.close()


def _assert_equal(found: Answer, expected: Answer, query: str) -> None:
    one, two = found.value, expected.value
    assert isinstance(one, Matrix)
    assert isinstance(two, Matrix)
    assert sorted(one.labels) == sorted(two.labels), query
    order, other = (sorted(range(len(each.labels)), key=each.labels.__getitem__) for each in (one, two))
    one = Matrix(one.labels, one.steps, one.values[order], one.present[order])
    two = Matrix(two.labels, two.steps, two.values[other], two.present[other])
    np.testing.assert_array_equal(one.present, two.present, query)
    there = two.present
    np.testing.assert_allclose(one.values[there], two.values[there], rtol=1e-12, err_msg=query)


def test_a_refresh_reads_only_what_is_new(tmp_path: Path) -> None:
    clock = [START]
    storage = open_storage(tmp_path / "data", StorageOptions(), lambda: clock[0])
    engine = Engine(storage, watched=storage)
    cohort = storage.cohort("scrape")
    columns = cohort.columns(SERIES)

    def scrape() -> None:
        clock[0] += 10 * SECOND
        cohort.append(clock[0], columns, np.full(len(SERIES), clock[0] / SECOND))

    def ask() -> int:
        return engine.range(QUERIES[0], clock[0] - 3_000_000, clock[0], 10 * SECOND).samples_read

    for _ in range(400):
        scrape()
    whole = ask()
    assert ask() == 0
    scrape()
    assert 0 < ask() < whole / 50
    storage.close()


def test_an_answer_holds_until_something_up_to_its_last_step_is_written(tmp_path: Path) -> None:
    clock = [START + 100 * SECOND]
    storage = open_storage(
        tmp_path / "data", StorageOptions(out_of_order_window_ms=600_000), lambda: clock[0]
    )
    engine = Engine(storage, watched=storage)

    def write(at_ms: int) -> None:
        storage.append_samples(SERIES[:1], np.array([at_ms]), np.array([1.0]))

    def ask(query: str) -> Answer:
        return engine.range(query, START, START + 60 * SECOND, 15 * SECOND)

    write(START)
    answer = ask(QUERIES[0])
    assert answer.holds is not None
    write(START + 61 * SECOND)
    assert answer.holds()
    assert answer.holds()
    write(START + 60 * SECOND)
    assert not answer.holds()
    assert not answer.holds()
    assert ask("sum(requests_total offset -20s)").holds is None
    assert Engine(storage).range(QUERIES[0], START, START, SECOND).holds is None
    storage.close()


@pytest.mark.parametrize(
    "query",
    [
        *QUERIES,
        "count_values('v', requests_total)",
        "quantile(0.5, rate(requests_total[1m]))",
        "topk(scalar(count(requests_total) or vector(1)), requests_total)",
        "sum(absent_over_time(requests_total[20s]))",
        "sum(requests_total or vector(1))",
        "sum(requests_total @ start())",
    ],
)
def test_a_range_that_begins_before_all_data(query: str, tmp_path: Path) -> None:
    clock = [START]
    storage = open_storage(tmp_path / "data", StorageOptions(), lambda: clock[0])
    cohort = storage.cohort("scrape")
    columns = cohort.columns(SERIES)
    for row in range(30):
        clock[0] = START + 10 * row * SECOND
        cohort.append(clock[0], columns, np.arange(len(SERIES)) * float(row))
    for start in (START - 500_000, START - 5_000, START, START + 1):
        for end in (start, START - 1000, START, clock[0]):
            if end >= start:
                found = Engine(storage, watched=storage).range(query, start, end, 10 * SECOND)
                _assert_equal(found, Engine(storage).range(query, start, end, 10 * SECOND), query)
    storage.close()


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("note"), st.integers(0, 50)), st.tuples(st.just("look"), st.integers(0, 9))
        )
    )
)
def test_the_oldest_change_since_a_look(story: list[tuple[str, int]]) -> None:
    written, looks, notes = Written(), [(0, 0)], []
    for kind, number in story:
        if kind == "note":
            written.note(number)
            notes.append(number)
        else:
            mark, seen = looks[number % len(looks)]
            expected = min(notes[seen:], default=NOTHING_WRITTEN)
            new_mark, oldest = written.since(mark)
            assert oldest == expected
            looks.append((new_mark, len(notes)))


def test_a_look_that_was_too_long_ago_learns_that_everything_may_have_changed() -> None:
    written = Written()
    first, _ = written.since(0)
    written.note(1)
    for at in range(2, 10_000):
        written.since(first)
        written.note(at)
    assert written.since(first)[1] == EVERYTHING


@pytest.mark.parametrize("query", ["sum(requests_total @ start())", "sum(requests_total offset -10s)"])
def test_what_depends_on_later_samples_or_on_the_range_is_never_remembered(
    query: str, tmp_path: Path
) -> None:
    storage = open_storage(tmp_path / "data", StorageOptions(), lambda: START)
    engine = Engine(storage, watched=storage)
    cohort = storage.cohort("scrape")
    cohort.append(START, cohort.columns(SERIES), np.ones(len(SERIES)))
    first = engine.range(query, START, START + 60_000, 10 * SECOND)
    again = engine.range(query, START, START + 60_000, 10 * SECOND)
    assert again.samples_read == first.samples_read > 0
    storage.close()


def test_what_info_reads_beside_its_arguments_is_not_remembered_too_long(tmp_path: Path) -> None:
    storage = open_storage(tmp_path / "data", StorageOptions(), lambda: START)
    engine = Engine(storage, watched=storage)
    query = "sum by (version) (info(requests_total))"
    target = {"instance": "a", "job": "web"}
    series = [Labels.of({"__name__": name, **target}) for name in ("requests_total", "target_info")]
    series[1] = Labels.of({**dict(series[1]), "version": "1"})
    versions = []
    # So long ago that it does not count, but the series is known.
    storage.append_samples(series[1:], np.array([START - 600 * SECOND]), np.ones(1))
    for each in series:
        storage.append_samples([each], np.array([START]), np.ones(1))
        value = engine.instant(query, START).value
        assert isinstance(value, Matrix)
        versions += [labels.get("version") for labels in value.labels]
    assert versions == ["", "1"]
    storage.close()


def test_a_sample_older_than_all_that_comes_as_a_query_begins_is_not_left_out_for_good(
    tmp_path: Path,
) -> None:
    storage = open_storage(tmp_path / "data", StorageOptions(out_of_order_window_ms=600_000), lambda: START)
    storage.append_samples(SERIES[:1], np.array([START]), np.ones(1))
    older = [START - 100 * SECOND]

    class Meanwhile:
        """The storage, to which the older sample comes just before a query asks for a mark."""

        def written_since(self, mark: int) -> tuple[int, int]:
            while older:
                storage.append_samples(SERIES[:1], np.array([older.pop()]), np.ones(1))
            return storage.written_since(mark)

        def __getattr__(self, name: str) -> Any:
            return getattr(storage, name)

    engine = Engine(storage, watched=Meanwhile())  # type: ignore[arg-type]
    for _ in range(2):
        value = engine.range("sum(requests_total)", START - 200 * SECOND, START, 100 * SECOND).value
        assert isinstance(value, Matrix)
        assert value.present.tolist() == [[False, True, True]]
    storage.close()


def test_what_a_deletion_deleted_before_the_disk_refused_the_rest_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage(tmp_path / "data", StorageOptions(), lambda: START)
    engine = Engine(storage, watched=storage)
    query, start, step = "sum(requests_total)", START - 20 * SECOND, 10 * SECOND
    for at_ms in (start, start + step, START):
        storage.append_samples(SERIES[:2], np.full(2, at_ms), np.full(2, at_ms / SECOND))
        if at_ms == start:
            storage.flush()
    engine.range(query, start, START, step)
    monkeypatch.setattr(Tombstones, "add", Mock(side_effect=OSError("no space")))
    with pytest.raises(OSError, match="no space"):
        storage.delete_series(parse_selector('{instance="a"}'), start, START + 1)
    _assert_equal(
        engine.range(query, start, START, step), Engine(storage).range(query, start, START, step), query
    )
    assert sum(block.values.size for block in storage.select([], START, START)) == 1
    storage.close()
