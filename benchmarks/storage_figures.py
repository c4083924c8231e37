"""Figures of the storage alone: `python -m benchmarks.storage_figures`.

Appending rows of 2,000 columns; bytes a sample of 2,040 random-walk counters scraped every 15 s with jitter
for 12 h, after compaction; selecting 2,000 series over 1 h and 12 h, cold and warm; replaying the log.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.model.samples import SampleBlock
from backbeat.storage import Storage, StorageOptions, open_storage

START_MS = 1_700_006_400_000
HOUR_MS = 3_600_000
EVERYTHING = [Matcher("__name__", MatchOp.EQUAL, "http_request_duration_seconds_bucket")]
Result = TypeVar("Result")


def timed(work: Callable[[], Result], repeat: int = 1) -> tuple[float, Result]:
    """Median seconds, and the last result."""
    took = []
    for _ in range(repeat):
        begin = time.perf_counter()
        result = work()
        took.append(time.perf_counter() - begin)
    return float(np.median(took)), result


def scraped(count: int, samples: int, seed: int = 1) -> tuple[list[Labels], np.ndarray, np.ndarray]:
    """Counters whose rates wander: (series, times, rows of samples)."""
    rng = np.random.default_rng(seed)
    names = [f"/api/route/{number}" for number in range(count // 17)]
    series = [
        Labels.of(__name__=EVERYTHING[0].value, route=name, le=str(le), job="app", instance="a:1")
        for name in names
        for le in range(17)
    ]
    rates = rng.exponential(20, len(series))
    walk = np.abs(1 + 0.3 * np.cumsum(rng.normal(0, 0.05, (samples, len(series))), axis=0))
    rows = np.cumsum(rng.poisson(rates * walk), axis=0).astype(np.float64)
    times = START_MS + 15_000 * np.arange(samples) + rng.integers(-40, 40, samples)
    return series, times, rows


def fill(storage: Storage, series: list[Labels], times: np.ndarray, rows: np.ndarray) -> float:
    """Seconds spent in append alone, maintaining between rows as a server does."""
    cohort = storage.cohort("scrape/app/a:1")
    columns = cohort.columns(series)
    spent = 0.0
    for number, at in enumerate(times.tolist()):
        begin = time.perf_counter()
        cohort.append(at, columns, rows[number])
        spent += time.perf_counter() - begin
        if number % 120 == 119:
            storage.maintain()
    return spent


def select_figures(storage: Storage, where: str, end: int) -> None:
    for hours in (1, 12):

        def select(start: int = end - hours * HOUR_MS) -> list[SampleBlock]:
            return storage.select(EVERYTHING, start, end)

        cold, _ = timed(select)
        warm, blocks = timed(select, 5)
        cells = sum(block.values.size for block in blocks)
        print(
            f"select {hours} h from {where}, {cells} samples: cold {cold * 1e3:.1f}, warm {warm * 1e3:.1f} ms"
        )


def one_wide_cohort(directory: Path) -> None:
    series, times, rows = scraped(2040, 2880)
    clock = iter(range(int(times[-1]), 2**62, 10_000))
    storage = open_storage(directory, StorageOptions(), lambda: next(clock))
    spent = fill(storage, series, times, rows)
    print(f"append: {spent / len(times) * 1e6:.0f} us a row, {spent / rows.size * 1e9:.0f} ns a sample")
    select_figures(storage, "memory and blocks", int(times[-1]))
    storage.close()
    took, storage = timed(lambda: open_storage(directory, StorageOptions(), lambda: next(clock)))
    print(f"open: {took:.2f} s, {storage.replayed.samples} samples from the log")
    took, _ = timed(storage.flush)
    storage._keeper._cut_through = 2**62  # the day is not over, but its blocks may be merged
    while storage._keeper.compact():
        pass
    stats = storage.stats()
    disk = stats.block_bytes + stats.log_bytes
    print(f"flush: {took:.1f} s; {stats.blocks} blocks, {disk / rows.size:.3f} bytes a sample, log included")
    storage._selector._kept.clear()
    select_figures(storage, "blocks", int(times[-1]))
    for block in storage.select(EVERYTHING, 0, 2**62):
        places = [series.index(labels) for labels in block.labels]
        assert np.array_equal(block.values, rows.T[places])
    storage.close()


def many_small_cohorts(directory: Path) -> None:
    """1,000 targets of 50 series, 1 h at 15 s."""
    storage = open_storage(directory, StorageOptions(), lambda: 2**50)
    rng = np.random.default_rng(2)
    targets = []
    for target in range(1000):
        cohort = storage.cohort(f"scrape/job/{target}")
        own = [Labels.of(__name__=f"m{n}", job=f"job{target % 10}", instance=str(target)) for n in range(50)]
        targets.append((cohort, cohort.columns(own)))
    spent = 0.0
    for step in range(240):
        rows = rng.poisson(5, (1000, 50)).astype(np.float64)
        begin = time.perf_counter()
        for number, (cohort, columns) in enumerate(targets):
            cohort.append(START_MS + 15_000 * step + number, columns, rows[number])
        spent += time.perf_counter() - begin
        if step % 60 == 59:
            storage.maintain()
    print(f"small cohorts: {spent / 240_000 * 1e6:.1f} us a row of 50")
    matchers = [Matcher("__name__", MatchOp.EQUAL, "m7")]
    took, blocks = timed(lambda: storage.select(matchers, START_MS, 2**62), 5)
    print(f"small cohorts: one series of each of {len(blocks)}, 1 h: {took * 1e3:.1f} ms")
    storage.close()
    took, storage = timed(lambda: open_storage(directory, StorageOptions(), lambda: 2**50))
    print(f"small cohorts: open {took:.2f} s for {storage.replayed.samples} samples in rows of 50")
    storage.close()


def main() -> None:
    for work in (one_wide_cohort, many_small_cohorts):
        with tempfile.TemporaryDirectory() as name:
            work(Path(name))


if __name__ == "__main__":
    main()
