"""After a start, series whose labels nobody asked for yet are as known as any."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from storage_model import as_samples

from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.storage import Storage, StorageOptions, open_storage

NOW_MS = 10**9
COUNT = 200
SERIES = [Labels.of(__name__="m", n=str(number)) for number in range(COUNT)]
EVERYTHING = [Matcher("__name__", MatchOp.EQUAL, "m")]


def opened(directory: Path) -> Storage:
    return open_storage(directory, StorageOptions(), lambda: NOW_MS)


def write(storage: Storage, name: str, series: list[Labels], at_ms: int) -> list[int]:
    """A row of a cohort whose values are their places; returns the columns."""
    cohort = storage.cohort(name)
    columns = cohort.columns(series)
    cohort.append(at_ms, columns, np.arange(len(series), dtype=np.float64))
    return columns.tolist()


def samples(storage: Storage) -> dict[Labels, dict[int, float]]:
    found = as_samples(storage.select(EVERYTHING, 0, NOW_MS))
    return {
        labels: {at: float(np.uint64(bits).view(np.float64)) for at, bits in own.items()}
        for labels, own in found.items()
    }


@pytest.mark.parametrize("few", [pytest.param(3, id="few"), pytest.param(COUNT, id="many")])
def test_a_source_goes_on_in_its_columns(tmp_path: Path, few: int) -> None:
    storage = opened(tmp_path)
    before = write(storage, "a", SERIES, 1000)
    storage.close()
    storage = opened(tmp_path)
    assert storage.health().series == COUNT
    assert write(storage, "a", SERIES[:few], 2000) == before[:few]
    new = Labels.of(__name__="m", n="new")
    assert write(storage, "a", [new, SERIES[7]], 3000) == [COUNT, before[7]]
    assert storage.health().series == COUNT + 1
    found = samples(storage)
    assert found.keys() == {*SERIES, new}
    assert found[SERIES[2]] == {1000: 2.0, 2000: 2.0}
    assert found[SERIES[7]][3000] == 1.0
    assert found[new] == {3000: 0.0}
    storage.close()


def test_series_of_several_cohorts_are_found_once(tmp_path: Path) -> None:
    storage = opened(tmp_path)
    write(storage, "a", SERIES[:10], 1000)
    write(storage, "b", SERIES[5:20], 2000)
    write(storage, "c", SERIES[20:], 3000)
    storage.close()
    storage = opened(tmp_path)
    assert storage.health().series == COUNT
    found = samples(storage)
    assert found.keys() == set(SERIES)
    assert found[SERIES[6]] == {1000: 6.0, 2000: 1.0}
    storage.close()


def test_all_who_ask_first_get_the_whole_answer(tmp_path: Path) -> None:
    storage = opened(tmp_path)
    for cohort in range(20):
        write(storage, str(cohort), [each.set({"c": str(cohort)}) for each in SERIES], 1000)
    storage.close()
    storage = opened(tmp_path)
    together = Barrier(4)

    def ask(_: int) -> tuple[int, int, int]:
        together.wait()
        values = storage.label_values("c", [], 0, NOW_MS)
        return len(values), len(storage.series(EVERYTHING, 0, NOW_MS)), storage.health().series

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(ask, range(4))) == {(20, 20 * COUNT, 20 * COUNT)}
    storage.close()


def test_a_forgotten_series_that_is_asked_for_twice_at_once_has_one_column(tmp_path: Path) -> None:
    storage = opened(tmp_path)
    cohort = storage.cohort("a")
    before = cohort.columns(SERIES[:3]).tolist()
    cohort.append(1000, np.array(before[:1], np.int32), np.zeros(1))
    storage.flush()
    assert storage.health().series == 0
    assert cohort.columns([SERIES[0], SERIES[1], SERIES[0]]).tolist() == [before[0], before[1], before[0]]
    assert storage.health().series == 2
    storage.close()
