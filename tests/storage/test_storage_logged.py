"""After a start, rows are read where the log has them, until upkeep compresses them."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from storage_model import Samples, as_samples

from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.storage import Storage, StorageOptions, open_storage, replay
from backbeat.storage.logged import content_of

NOW_MS = 10**9
SERIES = [Labels.of(__name__="m", n=str(number)) for number in range(12)]


def opened(directory: Path) -> Storage:
    # A file holds about ten rows, a chunk eight.
    return open_storage(directory, StorageOptions(chunk_rows=8, segment_bytes=1_000), lambda: NOW_MS)


def everything(storage: Storage) -> Samples:
    return as_samples(storage.select([], 0, NOW_MS))


def write_rows(
    storage: Storage, name: str, series: list[Labels], first: int, count: int, step: int = 1
) -> None:
    cohort = storage.cohort(name)
    columns = cohort.columns(series)
    for at in range(first, first + step * count, step):
        values = np.arange(len(series), dtype=np.float64) + 100 * at
        assert cohort.append(at, columns, values).stored == len(series)


def some_store(directory: Path, seed: int) -> Samples:
    """Cohorts side by side, with rows of one and of many times, of all and of some of their series."""
    rng = random.Random(seed)
    storage = opened(directory)
    for at in range(10, 400, 10):
        write_rows(storage, "a", SERIES[:5], at, 1)
        chosen = rng.sample(SERIES[5:10], rng.choice([5, 5, 5, 2]))
        write_rows(storage, "b", chosen, at + rng.randrange(5), 1)
        if rng.random() < 0.2:
            times = np.array([at, at + 1, at + 2] * 2)
            storage.append_samples(sorted(SERIES[10:] * 3), times, np.arange(6.0) * at)
    if seed % 2:
        storage.delete_series([Matcher("n", MatchOp.EQUAL, "3")], 100, 170)
        write_rows(storage, "a", SERIES[:5], 1000, 3)
    found = everything(storage)
    storage.close()
    return found


@pytest.mark.parametrize("seed", range(8))
def test_all_rows_are_read_from_the_log_and_from_what_upkeep_makes_of_it(tmp_path: Path, seed: int) -> None:
    whole = some_store(tmp_path, seed)
    storage = opened(tmp_path)
    assert everything(storage) == whole
    storage.compress()
    assert everything(storage) == whole
    storage.close()
    storage = opened(tmp_path)
    rng = random.Random(seed)
    for _ in range(20):
        start, end = sorted(rng.sample(range(400), 2))
        chosen = rng.sample(SERIES, 3)
        wanted = "|".join(dict(labels)["n"] for labels in chosen)
        found = as_samples(storage.select([Matcher("n", MatchOp.REGEX, wanted)], start, end))
        expected = {
            labels: {at: value for at, value in whole[labels].items() if start <= at <= end}
            for labels in chosen
            if labels in whole
        }
        assert found == {labels: own for labels, own in expected.items() if own}
    storage.close()


@pytest.mark.parametrize("seed", range(4))
def test_rows_of_the_log_can_be_deleted_and_moved_to_blocks(tmp_path: Path, seed: int) -> None:
    whole = some_store(tmp_path, seed)
    storage = opened(tmp_path)
    storage.delete_series([Matcher("n", MatchOp.EQUAL, "2")], 50, 200)
    kept = {
        labels: {at: value for at, value in own.items() if labels != SERIES[2] or not 50 <= at <= 200}
        for labels, own in whole.items()
    }
    assert everything(storage) == kept
    write_rows(storage, "a", SERIES[:5], 2000, 20)
    before = everything(storage)
    storage.flush()
    assert everything(storage) == before
    storage.close()
    storage = opened(tmp_path)
    assert storage.stats().samples_in_memory == 0
    assert everything(storage) == before
    storage.close()


def test_files_of_the_log_may_go_while_their_rows_are_read(tmp_path: Path) -> None:
    whole = some_store(tmp_path, 0)
    storage = opened(tmp_path)
    for path in (tmp_path / "wal").glob("*.log"):
        path.unlink()
    assert everything(storage) == whole
    storage.close()


def test_of_very_many_files_only_some_are_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = some_store(tmp_path, 0)
    monkeypatch.setattr(replay, "MOST_MAPPED", 3)
    storage = opened(tmp_path)
    assert storage.replayed.segments > 5
    assert everything(storage) == whole
    storage.close()


def test_cohorts_with_series_in_common(tmp_path: Path) -> None:
    storage = opened(tmp_path)
    for at in range(10, 500, 20):
        write_rows(storage, "a", SERIES[:5], at, 1)
        write_rows(storage, "b", SERIES[3:8], at + 10, 1)
    whole = everything(storage)
    storage.close()
    storage = opened(tmp_path)
    assert everything(storage) == whole
    write_rows(storage, "a", SERIES[:5], 1000, 1)
    assert (
        storage.cohort("b")
        .append(1000, storage.cohort("b").columns([SERIES[3]]), np.array([100003.0]))
        .duplicate
    )
    storage.close()


def test_a_file_that_cannot_be_mapped_is_read(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert content_of(tmp_path / "empty") == b""
    (tmp_path / "some").write_bytes(b"some")
    assert content_of(tmp_path / "some") == content_of(tmp_path / "some", is_mapped=False) == b"some"
    with pytest.raises(OSError, match="directory"):
        content_of(tmp_path)
