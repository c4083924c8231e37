"""How old a sample may be when it comes, and how long it stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from backbeat.model.appender import Appended
from backbeat.model.labels import Labels
from backbeat.storage import Storage, StorageOptions, open_storage

HOUR_MS = 3_600_000
NOW_MS = 1_700_000_000_000
FIRST, SECOND = Labels.of(__name__="m", n="1"), Labels.of(__name__="m", n="2")


class Clock:
    def __init__(self) -> None:
        self.ms = NOW_MS

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


def keep_house(storage: Storage, clock: Clock) -> None:
    """All upkeep that is due."""
    for _ in range(20):
        clock.ms += 60_000
        storage.maintain()


def times_of(storage: Storage) -> list[int]:
    blocks = storage.select((), -(2**63), 2**63 - 1)
    return sorted({at for block in blocks for at in block.times.tolist()})


def append(storage: Storage, *times: int, series: Labels = FIRST) -> Appended:
    return storage.append_samples([series] * len(times), np.array(times, np.int64), np.ones(len(times)))


@pytest.mark.parametrize("at", [-(2**62), -(10**15), -1, 0, 1, NOW_MS - 1])
def test_an_empty_store_takes_samples_of_any_age_and_keeps_them(
    tmp_path: Path, clock: Clock, at: int
) -> None:
    storage = open_storage(tmp_path, StorageOptions(), clock)
    assert append(storage, at) == Appended(stored=1)
    keep_house(storage, clock)
    storage.close()
    storage = open_storage(tmp_path, StorageOptions(), clock)
    keep_house(storage, clock)
    storage.flush()
    assert times_of(storage) == [at]
    assert storage.stats().blocks == 1
    storage.close()


def test_a_moment_that_no_window_can_be_counted_from_is_refused(tmp_path: Path, clock: Clock) -> None:
    options = StorageOptions(out_of_order_window_ms=2**60, retention_time_ms=0)
    storage = open_storage(tmp_path, options, clock)
    assert append(storage, -(2**63), -(2**62) - 1, 0, 2**63 - 1) == Appended(
        stored=1, out_of_order=2, too_far_ahead=1
    )
    keep_house(storage, clock)
    storage.flush()
    assert times_of(storage) == [0]
    storage.close()


def test_the_window_counts_back_from_the_newest_sample_of_the_series(tmp_path: Path, clock: Clock) -> None:
    storage = open_storage(tmp_path, StorageOptions(out_of_order_window_ms=HOUR_MS), clock)
    append(storage, NOW_MS)
    assert append(storage, NOW_MS - HOUR_MS) == Appended(stored=1)
    assert append(storage, NOW_MS - HOUR_MS - 1) == Appended(out_of_order=1)
    assert append(storage, NOW_MS - HOUR_MS) == Appended(duplicate=1)
    # Another series has no newest sample yet.
    assert append(storage, NOW_MS - 24 * HOUR_MS, series=SECOND) == Appended(stored=1)
    keep_house(storage, clock)
    storage.flush()
    # The same where the newest sample is in a block.
    assert append(storage, NOW_MS - HOUR_MS + 1) == Appended(stored=1)
    assert append(storage, NOW_MS - HOUR_MS - 1) == Appended(out_of_order=1)
    storage.close()


def test_a_new_window_and_a_new_retention_are_taken_over_while_running(tmp_path: Path, clock: Clock) -> None:
    storage = open_storage(tmp_path, StorageOptions(), clock)
    append(storage, NOW_MS)
    assert append(storage, NOW_MS - 24 * HOUR_MS) == Appended(out_of_order=1)
    storage.apply(replace(StorageOptions(), out_of_order_window_ms=48 * HOUR_MS))
    assert append(storage, NOW_MS - 24 * HOUR_MS) == Appended(stored=1)
    keep_house(storage, clock)
    assert times_of(storage) == [NOW_MS - 24 * HOUR_MS, NOW_MS]
    storage.apply(replace(StorageOptions(), retention_time_ms=12 * HOUR_MS))
    keep_house(storage, clock)
    assert times_of(storage) == [NOW_MS]
    storage.close()


def test_a_share_of_the_disk_counts_instead_of_bytes(tmp_path: Path, clock: Clock) -> None:
    options = StorageOptions(retention_time_ms=0, retention_size_bytes=1, retention_percent=99.0)
    storage = open_storage(tmp_path, options, clock)
    append(storage, NOW_MS - 100 * HOUR_MS, NOW_MS - 50 * HOUR_MS, NOW_MS)
    keep_house(storage, clock)
    assert len(times_of(storage)) == 3
    storage.apply(replace(options, retention_percent=1e-12))
    keep_house(storage, clock)
    assert times_of(storage) == [NOW_MS]
    storage.close()
