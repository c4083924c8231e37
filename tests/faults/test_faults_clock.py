"""A clock that is set back an hour and forward a day under the store and the scrape loop; a new time zone."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from backbeat.collect.ticks import ticks
from backbeat.model.labels import Labels
from backbeat.storage import Storage, StorageOptions, open_storage

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
# Not onto moments that have samples already.
BACK_MS = HOUR_MS + 7_001
START_MS = 1_700_000_000_000
SERIES = [Labels.of(__name__="m", n=str(number)) for number in range(5)]
OPTIONS = StorageOptions(head_span_ms=600_000, cut_delay_ms=300_000, compaction_spans=(1_800_000,))


class Clock:
    """The machine's clock, which somebody sets; `steady_s` is the one that nobody can."""

    def __init__(self) -> None:
        self.steady_s = 0.0
        self.offset_ms = 0

    def now(self) -> int:
        return START_MS + self.offset_ms + int(self.steady_s * 1000)

    def monotonic(self) -> float:
        return self.steady_s

    async def sleep(self, seconds: float) -> None:
        self.steady_s += seconds


def stored(storage: Storage) -> dict[tuple[Labels, int], float]:
    found = {}
    for block in storage.select([], -(2**62), 2**62):
        for row, series in enumerate(block.labels):
            for column, at in enumerate(block.times.tolist()):
                if block.present is None or block.present[row, column]:
                    assert (series, at) not in found, "doubled"
                    found[series, at] = float(block.values[row, column])
    return found


@pytest.mark.parametrize("jumps", [(-BACK_MS,), (DAY_MS,), (DAY_MS, -DAY_MS), (-BACK_MS, BACK_MS)])
async def test_scraping_goes_on_and_nothing_is_lost_when_the_clock_is_set(
    tmp_path: Path, jumps: tuple[int, ...]
) -> None:
    clock, ledger = Clock(), dict[tuple[Labels, int], float]()
    storage = open_storage(tmp_path, OPTIONS, clock.now)
    cohort = storage.cohort("scrape")
    columns, count, taken_after = cohort.columns(SERIES), 0, [0] * (len(jumps) + 1)
    yielded_s: list[float] = []
    async for at in ticks(15_000, 0.3, clock.now, sleep=clock.sleep, monotonic=clock.monotonic):
        yielded_s.append(clock.steady_s)
        stage = min(count // 300, len(jumps))
        values = np.arange(5.0) + count
        if cohort.append(at, columns, values).stored == len(SERIES):
            ledger.update(
                {(series, at): value for series, value in zip(SERIES, values.tolist(), strict=True)}
            )
            taken_after[stage] += 1
        storage.maintain()
        count += 1
        if count % 300 == 0 and count // 300 <= len(jumps):
            clock.offset_ms += jumps[count // 300 - 1]
        if count == 300 * (len(jumps) + 2):
            break
    assert max(after - before for before, after in pairwise(yielded_s)) <= 15
    assert stored(storage) == ledger
    storage.close()
    storage = open_storage(tmp_path, OPTIONS, clock.now)
    assert stored(storage) == ledger
    fresh = [Labels.of(__name__="new", n=str(number)) for number in range(3)]
    assert storage.append_samples(fresh, np.full(3, clock.now()), np.arange(3.0)).stored == 3
    far = np.full(3, clock.now() + HOUR_MS)
    refused = storage.append_samples(fresh, far, np.arange(3.0))
    assert (refused.stored, refused.too_far_ahead) == (0, 3)
    storage.close()
    # A series whose newest sample is further ahead than the limit for the future goes on at once; within
    # that limit (ten minutes) the order counts again.
    in_the_last_minutes = 10 * 60 // 15
    assert min(taken_after) >= 300 - in_the_last_minutes
    assert sum(taken_after) >= 300 * (len(jumps) + 2) - in_the_last_minutes


ZONED = """
import sys, time
from pathlib import Path
import numpy as np
from backbeat.model.labels import Labels
from backbeat.storage import StorageOptions, open_storage
storage = open_storage(Path(sys.argv[1]), StorageOptions(head_span_ms=60_000, cut_delay_ms=0), lambda: 10**12)
first = int(sys.argv[2])
series = [Labels.of(__name__="m")] * 50
times = np.arange(first, first + 50) * 10_000
stored = storage.append_samples(series, times, np.arange(50.0) + first).stored
storage.maintain()
found = storage.select([], 0, 10**12)
print(time.strftime("%Z"), stored, sum(len(block.times) for block in found), float(found[0].values.sum()))
"""


def test_a_changed_time_zone_changes_nothing(tmp_path: Path) -> None:
    total = 0.0
    for number, zone in enumerate(["UTC", "Asia/Kolkata", "America/St_Johns", "Pacific/Kiritimati"]):
        first = number * 50
        total += sum(first + each for each in range(50))
        said = subprocess.run(
            [sys.executable, "-c", ZONED, str(tmp_path), str(first)],
            env={**os.environ, "TZ": zone},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        assert said[1:] == ["50", str(first + 50), str(total)]
