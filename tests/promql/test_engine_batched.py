"""Very many series are aggregated some at a time, and the answers are those of all together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from backbeat.model.labels import Labels
from backbeat.model.results import Answer, Matrix, QueryError
from backbeat.model.samples import STALE
from backbeat.promql import batched, slicing
from backbeat.promql.engine import Engine
from backbeat.storage import Storage, StorageOptions, open_storage, selecting

START, STEP, ROWS = 10_000_000, 15_000, 60
END = START + STEP * ROWS
TARGETS, SERIES = 6, 5


@pytest.fixture(autouse=True)
def little_is_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched, "MANY_SAMPLES", 1)
    monkeypatch.setattr(slicing, "SLICE_SAMPLES", 1 << 11)
    monkeypatch.setattr(selecting, "_BATCH", 300)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    """Targets with series alike, some with gaps, that come and go; nothing of them can be kept."""
    storage = open_storage(tmp_path, StorageOptions(cache_bytes=1), lambda: END)
    rng = np.random.default_rng(3)
    values = np.cumsum(rng.integers(0, 9, (ROWS, TARGETS, 3 * SERIES)), axis=0).astype(float)
    values[:, :, SERIES : 2 * SERIES] -= 250.0  # gauges below and above zero
    values[20:24, 1, :] = STALE
    values[30:33, 2, 1::4] = np.nan
    values[40:, 3, 3] = np.inf
    names = ("requests_total", "balance", "queue_length")
    for target in range(TARGETS):
        cohort = storage.cohort(f"scrape/{target}")
        columns = cohort.columns(
            [
                Labels.of(__name__=name, instance=str(target), route=f"/{row % (2 + target)}", row=str(row))
                for name in names
                for row in range(SERIES)
            ]
        )
        for row in range(8 * target, ROWS):
            there = rng.random(len(columns)) < (0.7 if target == 4 else 1.0)
            cohort.append(START + row * STEP + target, columns[there], values[row, target, there])
    yield storage
    storage.close()


def ask(engine: Engine, query: str) -> Answer:
    return engine.range(query, START - 5 * STEP, END, STEP, anew=True)


@pytest.mark.parametrize("op", ["sum", "count", "min", "max", "group", "avg", "stddev", "topk"])
@pytest.mark.parametrize(
    "of",
    [
        "requests_total",
        "balance",
        'queue_length{instance=~"[1-4]"}',
        "rate(requests_total[1m])",
        "delta(balance[2m])",
        "quantile_over_time(0.5, queue_length[1m])",
        "quantile_over_time(scalar(count(balance)) / 30, queue_length[1m])",
        "nothing",
        "rate(nothing[1m])",
    ],
)
def test_batches_give_what_all_series_give(storage: Storage, op: str, of: str) -> None:
    in_batches, at_once = Engine(storage, watched=storage), Engine(storage)
    for by in ("", "by (route)", "without (row, instance)"):
        query = f"{op} {by} (2, {of})" if op == "topk" else f"{op} {by} ({of})"
        ask(in_batches, query)  # learns how many there are
        found, expected = ask(in_batches, query).value, ask(at_once, query).value
        assert isinstance(found, Matrix)
        assert isinstance(expected, Matrix)
        assert list(found.labels) == list(expected.labels)
        np.testing.assert_array_equal(found.present, expected.present)
        there = expected.present
        np.testing.assert_allclose(found.values[there], expected.values[there], rtol=1e-12)


def test_series_that_differ_in_their_names_alone_are_refused_in_batches_too(storage: Storage) -> None:
    engine = Engine(storage, watched=storage)
    query = 'sum(rate({__name__=~"requests_total|queue_length"}[1m]))'
    for _ in range(2):
        with pytest.raises(QueryError, match="same labelset"):
            ask(engine, query)


def test_batches_are_not_in_memory_together(storage: Storage) -> None:
    engine, query = Engine(storage, watched=storage), "sum(rate(requests_total[1m]))"
    ask(engine, query)
    in_batches, at_once = ask(engine, query), ask(Engine(storage), query)
    assert in_batches.peak_samples < at_once.peak_samples / 2
    assert in_batches.series_touched == at_once.series_touched
    assert in_batches.samples_read == at_once.samples_read


def test_what_cancels_between_batches_leaves_its_digits(storage: Storage) -> None:
    for number, value in enumerate((1e16, 1.0, -1e16)):
        cohort = storage.cohort(f"other/{number}")
        columns = cohort.columns([Labels.of(__name__="m", own=f"{number}/{row}") for row in range(100)])
        values = np.zeros(100)
        values[0] = value
        for row in range(ROWS):
            cohort.append(START + row * STEP, columns, values)
    engine = Engine(storage, watched=storage)
    ask(engine, "sum(m)")
    value = ask(engine, "sum(m)").value
    assert isinstance(value, Matrix)
    assert set(value.values[value.present].tolist()) == {1.0}
