"""Blocks over time: cutting, merging, retention, churn, snapshots, figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from storage_model import Samples, as_samples

from backbeat.model.appender import Exemplar
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.storage import Storage, StorageOptions, open_storage

HOUR_MS = 3_600_000
START_MS = 1_699_920_000_000  # midnight UTC


class Clock:
    def __init__(self) -> None:
        self.ms = START_MS

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(directory: Path, clock: Clock, **options: int) -> Storage:
    return open_storage(directory, StorageOptions(**options), clock)


def everything(storage: Storage) -> Samples:
    return as_samples(storage.select([], 0, 2**62))


def series(number: int, **labels: str) -> Labels:
    return Labels.of(labels, __name__="m", n=str(number))


def run_hours(storage: Storage, clock: Clock, hours: int, *, churn: bool = False) -> None:
    """Scrapes once a minute, with upkeep every ten."""
    cohort = storage.cohort("scrape/a")
    for minute in range(hours * 60):
        clock.ms += 60_000
        first = minute * 2 if churn else 0
        columns = cohort.columns([series(number) for number in range(first, first + 20)])
        cohort.append(clock.ms, columns, np.arange(20.0) + minute)
        if minute % 10 == 9:
            storage.maintain()


def test_blocks_are_cut_at_even_hours_and_merged_by_the_day(tmp_path: Path, clock: Clock) -> None:
    storage = opened(tmp_path, clock)
    run_hours(storage, clock, 9)
    names = sorted(path.name for path in (tmp_path / "blocks").iterdir())
    assert names == [
        f"{START_MS + first * HOUR_MS}-{START_MS + last * HOUR_MS}" for first, last in [(0, 6), (6, 8)]
    ]
    assert storage.stats().samples == 9 * 60 * 20
    run_hours(storage, clock, 20)
    assert f"{START_MS}-{START_MS + 24 * HOUR_MS}" in {path.name for path in (tmp_path / "blocks").iterdir()}
    (block,) = storage.select([], 0, 2**62)
    assert block.values.shape == (20, 29 * 60)
    assert block.present is None
    storage.close()


def test_the_log_holds_only_what_is_not_in_blocks(tmp_path: Path, clock: Clock) -> None:
    storage = opened(tmp_path, clock)
    run_hours(storage, clock, 9)
    before = everything(storage)
    storage.close()
    storage = opened(tmp_path, clock)
    assert storage.replayed.samples <= 3 * 60 * 20 + 20
    assert everything(storage) == before
    storage.close()


def test_series_that_came_and_went_leave_memory(tmp_path: Path, clock: Clock) -> None:
    storage = opened(tmp_path, clock)
    run_hours(storage, clock, 12, churn=True)
    stats = storage.stats()
    assert stats.series_in_memory < 4 * 60 * 2 + 40
    found = everything(storage)
    assert len(found) == 12 * 60 * 2 + 18
    assert sum(map(len, found.values())) == stats.samples == 12 * 60 * 20
    # Matrices are not filled with the absence of series that lived for ten minutes.
    cells = sum(block.values.size for block in storage.select([], 0, 2**62))
    assert cells < 6 * stats.samples
    storage.close()


def test_a_column_that_was_forgotten_comes_back_as_itself(tmp_path: Path, clock: Clock) -> None:
    storage = opened(tmp_path, clock)
    cohort = storage.cohort("scrape/a")
    both, one = cohort.columns([series(0), series(1)]), cohort.columns([series(0)])
    clock.ms += 1
    cohort.append(clock.ms, both, np.array([1.0, 2.0]))
    for _ in range(6):
        clock.ms += HOUR_MS
        cohort.append(clock.ms, one, np.array([3.0]))
        storage.maintain()
    assert storage.stats().series_in_memory == 1
    clock.ms += 1
    cohort.append(clock.ms, both, np.array([4.0, 5.0]))
    for _ in range(2):
        (found,) = storage.select([Matcher("n", MatchOp.EQUAL, "1")], 0, 2**62)
        assert found.values.tolist() == [[2.0, 5.0]]
        storage.close()
        storage = opened(tmp_path, clock)
    storage.close()


def test_retention_counts_back_from_the_newest_sample(tmp_path: Path, clock: Clock) -> None:
    storage = opened(tmp_path, clock, retention_time_ms=6 * HOUR_MS)
    # Long ago by the clock, and yet kept: nothing newer is there.
    storage.append_samples([series(0)] * 3, np.array([0, 1000, 2000]), np.arange(3.0))
    storage.maintain()
    assert storage.stats().samples == 3
    storage.append_samples([series(0)], np.array([20 * HOUR_MS]), np.ones(1))
    for _ in range(3):
        clock.ms += 60_000
        storage.maintain()
    assert everything(storage) == {series(0): {20 * HOUR_MS: int(np.ones(1).view("u8")[0])}}
    storage.close()


def test_retention_by_size_deletes_the_oldest_blocks(tmp_path: Path, clock: Clock) -> None:
    storage = opened(tmp_path, clock, compaction_spans=())  # type: ignore[arg-type]
    run_hours(storage, clock, 12)
    size = storage.stats().block_bytes + storage.stats().log_bytes
    storage.close()
    storage = opened(tmp_path, clock, retention_size_bytes=size - 1, compaction_spans=())  # type: ignore[arg-type]
    newest = storage.stats().max_ms
    clock.ms += 60_000
    storage.maintain()
    stats = storage.stats()
    assert stats.min_ms == START_MS + 2 * HOUR_MS
    assert stats.max_ms == newest
    storage.close()


def test_a_snapshot_opens_as_a_store_of_its_own(tmp_path: Path, clock: Clock) -> None:
    storage = opened(tmp_path / "data", clock)
    run_hours(storage, clock, 5)
    storage.snapshot(tmp_path / "copy")
    before = everything(storage)
    run_hours(storage, clock, 1)
    storage.close()
    copy = opened(tmp_path / "copy", clock)
    assert everything(copy) == before
    assert copy.verify() == []
    copy.close()


def test_a_clock_that_steps_refuses_no_sample_in_order(tmp_path: Path, clock: Clock) -> None:
    storage = opened(tmp_path, clock)
    run_hours(storage, clock, 4)
    clock.ms -= HOUR_MS
    storage.maintain()
    # What is stored is further ahead than any sample may be: it is no measure of what is late.
    assert storage.append_samples([series(0)], np.array([clock.ms + 1]), np.ones(1)).stored == 1
    assert storage.append_samples([series(99)], np.array([clock.ms + 1]), np.ones(1)).stored == 1
    clock.ms += 25 * HOUR_MS
    run_hours(storage, clock, 1)
    clock.ms -= 24 * HOUR_MS
    assert storage.append_samples([series(98)], np.array([clock.ms + HOUR_MS]), np.ones(1)).too_far_ahead == 1
    storage.close()


def test_samples_of_a_sender_find_the_same_cohort_again(tmp_path: Path, clock: Clock) -> None:
    storage = opened(tmp_path, clock)
    senders = {1: [series(n, job="a") for n in range(50)], 2: [series(n, job="b") for n in range(30)]}
    for step in range(20):
        both = [
            (labels, clock.ms + 1000 * step + offset) for offset, own in senders.items() for labels in own
        ]
        storage.append_samples([b[0] for b in both], np.array([b[1] for b in both]), np.ones(len(both)))
    blocks = storage.select([], 0, 2**62)
    assert sorted(block.values.shape for block in blocks) == [(30, 20), (50, 20)]
    assert all(block.present is None for block in blocks)
    storage.close()


def test_a_series_in_two_cohorts_is_one_series(tmp_path: Path, clock: Clock) -> None:
    storage = opened(tmp_path, clock)
    for number, name in enumerate(["a", "b", "a"]):
        cohort = storage.cohort(name)
        own = [series(0), series(1 if name == "a" else 2)]
        cohort.append(clock.ms + number, cohort.columns(own), np.array([number, 10.0 + number]))
    found = everything(storage)
    assert list(found[series(0)]) == [clock.ms, clock.ms + 1, clock.ms + 2]
    assert len(found) == 3
    storage.close()


def test_figures_name_the_labels_with_most_series(tmp_path: Path, clock: Clock) -> None:
    storage = opened(tmp_path, clock)
    own = [series(n, job="x" if n % 4 else "y") for n in range(8)]
    storage.append_samples(own, np.full(8, clock.ms), np.ones(8))
    stats = storage.stats()
    assert stats.label_value_counts == (("n", 8), ("job", 2), ("__name__", 1))
    assert stats.label_pairs[:2] == (("__name__=m", 8), ("job=x", 6))
    assert stats.metric_names == (("m", 8),)
    assert (stats.min_ms, stats.max_ms, stats.samples) == (clock.ms, clock.ms, 8)
    storage.close()


def test_exemplars_are_kept_in_a_ring(tmp_path: Path, clock: Clock) -> None:
    storage = opened(tmp_path, clock, max_exemplars=3)
    given = [Exemplar(series(n), Labels.of(trace_id=str(n)), 1.0, clock.ms + n) for n in range(5)]
    storage.append_exemplars(given)
    assert storage.exemplars([], 0, 2**62) == given[2:]
    assert storage.exemplars([Matcher("n", MatchOp.EQUAL, "3")], 0, 2**62) == [given[3]]
    assert storage.exemplars([], 0, clock.ms + 2) == [given[2]]
    storage.close()


@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize("op", list(MatchOp))
@pytest.mark.parametrize(
    "pattern",
    ["", "a", "a|b", "(a|ab)", "a.*", "a.+", ".*", ".+", "a|", "x|y", "a\\.b", "(?i)A", "[ab]", "þ|a"],
)
def test_matching_agrees_with_the_matcher(
    tmp_path: Path, clock: Clock, flushed: bool, op: MatchOp, pattern: str
) -> None:
    values = ["", "a", "b", "ab", "a.b", "a\nb", "aXb", "þ", "A"]
    own = [Labels.of(__name__="m", l=value, n=str(n)) for n, value in enumerate(values)]
    storage = opened(tmp_path, clock)
    storage.append_samples(own, np.full(len(own), clock.ms), np.ones(len(own)))
    if flushed:
        storage.flush()
    matchers = [Matcher("__name__", MatchOp.EQUAL, "m"), Matcher("l", op, pattern)]
    expected = sorted(labels for labels in own if matchers[1].accepts(labels))
    assert storage.series(matchers, 0, 2**62) == expected
    assert storage.label_values("n", matchers, 0, 2**62) == sorted(labels.get("n") for labels in expected)
    storage.close()


def test_a_forgotten_cohorts_rows_are_never_taken_for_another_cohorts(tmp_path: Path, clock: Clock) -> None:
    options = {"head_span_ms": 4_000, "cut_delay_ms": 2_000, "retention_time_ms": 0}
    clock.ms = 20_000
    storage = opened(tmp_path, clock, **options)
    first, second = series(1), series(2)
    storage.append_samples([first, first], np.array([0, 6_000]), np.array([1.0, 2.0]))
    storage.delete_series((), 6_000, 6_000)
    clock.ms += 700_000
    storage.maintain()
    storage._keeper.rewrite_definitions()
    storage.close()
    storage = opened(tmp_path, clock, **options)
    storage.append_samples([second], np.array([21_000]), np.array([3.0]))
    storage.close()
    storage = opened(tmp_path, clock, **options)
    found = everything(storage)
    storage.close()
    assert {str(labels): list(samples) for labels, samples in found.items()} == {
        str(first): [0],
        str(second): [21_000],
    }


def test_a_target_that_was_away_is_read_whole_after_a_restart(tmp_path: Path, clock: Clock) -> None:
    one, two = series(1), series(2)
    storage = opened(tmp_path, clock)
    before = storage.cohort("scrape/a")
    before.append(START_MS - 3000, before.columns([one]), np.ones(1))
    before.close()
    storage.flush()
    again = storage.cohort("scrape/a")
    again.append(START_MS - 2000, again.columns([one, two])[:1], np.ones(1))
    storage.close()
    storage = opened(tmp_path, clock)
    assert len(storage._head.cohorts) == 1, "what was forgotten stays forgotten"
    everything(storage)
    again = storage.cohort("scrape/a")
    again.append(START_MS - 1000, again.columns([one, two]), np.ones(2))
    times = {labels: sorted(own) for labels, own in everything(storage).items()}
    assert times == {one: [START_MS - 3000, START_MS - 2000, START_MS - 1000], two: [START_MS - 1000]}
    storage.close()
