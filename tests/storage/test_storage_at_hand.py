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


def test_many_series_are_not_at_hand(storage: Storage) -> None:
    write(storage, 1000)
    assert len(storage.series(MATCHERS, *LAST_HOUR)) == 1000
    assert storage.series_at_hand(MATCHERS, *LAST_HOUR) is None
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
