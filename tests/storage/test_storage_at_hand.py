"""What is known of label sets without looking: the same as a look finds, and only what is still so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.storage import Storage, StorageOptions, open_storage

NOW_MS = 1_700_000_000_000
LAST_HOUR = (NOW_MS - 3_600_000, NOW_MS)
MATCHERS = (Matcher("__name__", MatchOp.EQUAL, "m"),)


def series(number: int) -> Labels:
    return Labels.of(__name__="m", n=str(number))


def write(storage: Storage, count: int) -> None:
    storage.append_samples(
        [series(number) for number in range(count)], np.full(count, NOW_MS - 1000), np.ones(count)
    )


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    storage = open_storage(tmp_path, StorageOptions(), lambda: NOW_MS)
    write(storage, 3)
    return storage


def test_series_are_at_hand_once_they_were_asked_for(storage: Storage) -> None:
    assert storage.series_at_hand(MATCHERS, *LAST_HOUR) is None
    storage.series(MATCHERS, *LAST_HOUR)
    assert storage.series_at_hand(MATCHERS, *LAST_HOUR) == [series(0), series(1), series(2)]
    assert storage.series_at_hand(MATCHERS, 0, NOW_MS - 2000) == []
    write(storage, 4)
    assert storage.series_at_hand(MATCHERS, *LAST_HOUR) is None
    storage.close()


def test_many_series_are_at_hand_in_every_range_around_a_sample_of_each(storage: Storage) -> None:
    write(storage, 1000)
    found = storage.series(MATCHERS, *LAST_HOUR)
    assert len(found) == 1000
    later = storage.append_samples([series(7)], np.array([NOW_MS]), np.ones(1))
    assert later.stored == 1
    assert storage.series_at_hand(MATCHERS, NOW_MS - 1000, NOW_MS + 5) is found
    assert storage.series_at_hand(MATCHERS, NOW_MS - 999, NOW_MS) is None
    assert storage.series(MATCHERS, NOW_MS - 999, NOW_MS) == [series(7)]
    assert storage.series_at_hand(MATCHERS, NOW_MS - 5000, NOW_MS - 1001) is None
    assert storage.series(MATCHERS, *LAST_HOUR) is found
    storage.close()


def test_series_that_not_all_have_samples_in_a_range_are_not_at_hand_by_it(storage: Storage) -> None:
    write(storage, 1000)
    storage.append_samples([series(number) for number in range(999)], np.full(999, NOW_MS), np.ones(999))
    assert len(storage.series(MATCHERS, NOW_MS, NOW_MS)) == 999
    assert storage.series_at_hand(MATCHERS, *LAST_HOUR) is None
    storage.close()


@pytest.mark.parametrize("in_block", [False, True])
def test_what_was_deleted_is_not_at_hand(storage: Storage, in_block: bool) -> None:
    write(storage, 1000)
    assert len(storage.series(MATCHERS, *LAST_HOUR)) == 1000
    if in_block:
        storage.flush()
    storage.delete_series((Matcher("n", MatchOp.EQUAL, "5"),), *LAST_HOUR)
    assert storage.series_at_hand(MATCHERS, *LAST_HOUR) is None
    assert len(storage.series(MATCHERS, *LAST_HOUR)) == 999
    storage.close()


def test_gaps_of_a_cohort_do_not_pass_for_samples(storage: Storage) -> None:
    cohort = storage.cohort("scrape/a")
    columns = cohort.columns([series(number) for number in range(10, 310)])
    for at, some in ((3000, columns), (2000, columns[:299]), (1000, columns[1:])):
        cohort.append(NOW_MS - at, some, np.ones(len(some)))
    wanted = (Matcher("n", MatchOp.REGEX, "[1-9][0-9]+"),)
    found = storage.series(wanted, NOW_MS - 2500, NOW_MS)
    assert len(found) == 300
    assert storage.series_at_hand(wanted, NOW_MS - 2500, NOW_MS) is found
    assert storage.series_at_hand(wanted, NOW_MS - 1500, NOW_MS) is None
    assert len(storage.series(wanted, NOW_MS - 1500, NOW_MS)) == 299
    assert len(storage.series(wanted, NOW_MS - 2500, NOW_MS - 1500)) == 299
    storage.close()


def test_series_of_blocks_are_not_at_hand(storage: Storage) -> None:
    storage.flush()
    write(storage, 3)
    assert len(storage.series(MATCHERS, *LAST_HOUR)) == 3
    assert storage.series_at_hand(MATCHERS, *LAST_HOUR) is None
    storage.close()


@pytest.mark.parametrize("in_blocks", [False, True])
@pytest.mark.parametrize("matchers", [(), MATCHERS])
def test_labels_are_at_hand_once_they_were_asked_for(
    storage: Storage, matchers: tuple[Matcher, ...], in_blocks: bool
) -> None:
    if in_blocks:
        storage.flush()
    assert storage.labels_at_hand("n", matchers, *LAST_HOUR) is None
    assert storage.labels_at_hand("", matchers, *LAST_HOUR) is None
    assert storage.label_values("n", matchers, *LAST_HOUR) == ["0", "1", "2"]
    assert storage.labels_at_hand("", matchers, *LAST_HOUR) is None
    assert storage.label_names(matchers, *LAST_HOUR) == ["__name__", "n"]
    assert storage.labels_at_hand("n", matchers, *LAST_HOUR) == ["0", "1", "2"]
    assert storage.labels_at_hand("", matchers, *LAST_HOUR) == ["__name__", "n"]
    assert storage.labels_at_hand("n", matchers, 0, 1) is None
    write(storage, 4)
    assert storage.labels_at_hand("n", matchers, *LAST_HOUR) is None
    assert storage.label_values("n", matchers, *LAST_HOUR) == ["0", "1", "2", "3"]
    storage.close()
