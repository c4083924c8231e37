"""Bit flips and truncations over every file of a data directory.

    python tests/faults/damage.py --cases 10000 --seed 1

A store with blocks, tombstones, several log segments and definitions is damaged in one place and opened. The
ledger knows which samples lie in the record or page that was hit: all others must be there, none may be
invented, what was lost must have been said, and the damaged bytes must still be somewhere. Every case is a
function of seed and number.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from msgspec import Struct, field

from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.storage import Storage, StorageOptions, open_storage
from backbeat.storage.block_index import PAGE_SERIES, BlockIndex
from backbeat.storage.records import HEADER, Kind, Record, scan

NOW_MS = 10**12
OPTIONS = StorageOptions(head_span_ms=20_000, chunk_rows=8, segment_bytes=1_500, retention_time_ms=0)
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
REOPEN_EVERY = 10
Sample = tuple[Labels, int]
Samples = dict[Sample, float]


class Unit(Struct, frozen=True):
    """Bytes [start, end) of a file that share a checksum, and the samples that go with them."""

    start: int
    end: int
    samples: frozenset[Sample]


class Whole(Struct):
    """The store before the damage."""

    directory: Path
    samples: Samples
    deleted: Samples
    units: dict[Path, list[Unit]]
    """by path below the directory; a file that is not here is one unit, and has a copy or is not needed"""

    def files(self) -> list[Path]:
        paths = [path for path in sorted(self.directory.rglob("*")) if path.is_file() and path.stat().st_size]
        return [path.relative_to(self.directory) for path in paths]


class Report(Struct):
    """What a run of damages found."""

    seed: int
    cases: int = 0
    costly: int = 0
    """cases that cost samples"""
    lost: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} in {kind}" for kind, count in self.kinds.most_common())
        return (
            f"seed {self.seed}: {self.cases} damages ({kinds}); {self.costly} cost {self.lost} samples,"
            f" none outside the damaged record or page: {len(self.faults)} faults"
        )


def name(source: str, number: int) -> Labels:
    return Labels.of(__name__="damaged", source=source, n=str(number))


def rows(storage: Storage, source: str, series: int, seconds: range) -> None:
    cohort = storage.cohort(source)
    columns = cohort.columns([name(source, number) for number in range(series)])
    for second in seconds:
        cohort.append(second * 1000, columns, np.sqrt(np.arange(series) + float(second)))


def opened(directory: Path) -> Storage:
    return open_storage(directory, OPTIONS, lambda: NOW_MS)


def everything(storage: Storage) -> Samples:
    found: Samples = {}
    for block in storage.select([], -(2**62), 2**62):
        times = block.times.tolist()
        for row, series in enumerate(block.labels):
            values = block.values[row].tolist()
            present = [True] * len(times) if block.present is None else block.present[row].tolist()
            for at, value, is_there in zip(times, values, present, strict=True):
                if is_there:
                    assert (series, at) not in found, f"doubled: {series} at {at}"
                    found[series, at] = value
    return found


def build(directory: Path) -> Whole:
    """Two blocks, one of them with tombstones, a log of several segments, and deletions in it."""
    storage = opened(directory)
    rows(storage, "wide", PAGE_SERIES + 6, range(1, 6))
    rows(storage, "scrape", 5, range(10, 30))
    storage.flush()
    rows(storage, "scrape", 5, range(31, 55))
    storage.append_samples([name("remote", n) for n in range(2)], np.array([60_000, 60_001]), np.arange(2.0))
    storage.flush()
    rows(storage, "scrape", 5, range(80, 150))
    for number in range(3):
        times = np.array([171_000 + number * 10, 171_001 + number * 10])
        storage.append_samples([name("remote", n) for n in range(2)], times, np.arange(2.0))
    before = everything(storage)
    storage.delete_series([Matcher("n", MatchOp.EQUAL, "1")], 15_000, 17_000)
    storage.delete_series([Matcher("n", MatchOp.EQUAL, "2")], 90_000, 95_000)
    samples = everything(storage)
    storage.close()
    opened(directory).close()
    deleted = {place: value for place, value in before.items() if place not in samples}
    assert deleted
    whole = Whole(directory, samples, deleted, {})
    for path in whole.files():
        if path.parts[0] == "wal":
            whole.units[path] = list(_records(directory / path, samples))
        elif path.name == "chunks":
            whole.units[path] = list(_pages(directory / path, samples))
    assert sum(path.suffix == ".log" for path in whole.units) > 2
    return whole


def times_of(rows: memoryview) -> set[int]:
    """Of a record's rows."""
    count = int.from_bytes(rows[4:8], "little")
    return set(np.frombuffer(rows, np.int64, count, 8).tolist())


def _records(path: Path, samples: Samples) -> Iterator[Unit]:
    for item in scan(path.read_bytes()):
        assert isinstance(item, Record)
        times = times_of(item.payload) if item.kind == Kind.ROWS else set()
        end = item.offset + HEADER.size + len(item.payload) + (-len(item.payload) % 8)
        yield Unit(item.offset, end, frozenset(place for place in samples if place[1] in times))


def _pages(path: Path, samples: Samples) -> Iterator[Unit]:
    index = BlockIndex.from_bytes(path.with_name("index").read_bytes())
    for number in range(len(index.chunks["cohort"])):
        chunk = {column: int(values[number]) for column, values in index.chunks.items()}
        every = range(chunk["first_series"], chunk["first_series"] + chunk["series_count"])

        def held(series: range, low: int = chunk["min_ms"], high: int = chunk["max_ms"]) -> frozenset[Sample]:
            labels = set(index.labels(list(series)))
            return frozenset(place for place in samples if place[0] in labels and low <= place[1] <= high)

        head = chunk["head_offset"]
        yield Unit(head, head + chunk["times_length"] + chunk["mask_length"], held(every))
        for page, first in enumerate(range(every.start, every.stop, PAGE_SERIES), chunk["first_page"]):
            offset = int(index.page_offsets[page])
            series = range(first, min(first + PAGE_SERIES, every.stop))
            yield Unit(offset, offset + int(index.page_lengths[page]), held(series))


class _Said(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


def damage(whole: Whole, copy: Path, seed: int, number: int, said: _Said, report: Report) -> list[str]:
    """One case; returns what is wrong."""
    dice = random.Random(f"{seed}/{number}")
    path = dice.choice(whole.files())
    content = bytearray((whole.directory / path).read_bytes())
    place = dice.randrange(len(content))
    is_flip = dice.random() < 0.8
    report.kinds[_kind(path)] += 1
    shutil.copytree(whole.directory, copy)
    units = whole.units.get(path, [])
    if is_flip:
        content[place] ^= 1 << dice.randrange(8)
        hit = [unit for unit in units if unit.start <= place < unit.end]
    else:
        del content[place:]
        hit = [unit for unit in units if unit.end > place]
    (copy / path).write_bytes(content)
    at_risk = frozenset[Sample]().union(*(unit.samples for unit in hit))
    said.count = 0
    storage = opened(copy)
    found = everything(storage)
    lost = whole.samples.keys() - found.keys()
    faults = [f"lost {each}" for each in lost - at_risk]
    allowed = whole.samples | (whole.deleted if path.name == "tombstones" or path.suffix == ".log" else {})
    faults += [f"invented {each}" for each, value in found.items() if allowed.get(each) != value]
    counted = storage.stats().quarantined + storage.replayed.torn_tails + storage.replayed.damages
    if lost:
        report.costly += 1
        report.lost += len(lost)
        # A log that ends sooner, between two records, looks like one that never held more.
        is_seamless = not is_flip and any(unit.start == place for unit in hit)
        if not is_seamless and not (said.count and counted):
            faults.append("samples are lost and nothing was said")
    if is_flip and path.name != "lock":
        end = min([place + 8] + [unit.end for unit in hit])
        if not _is_somewhere(bytes(content[place:end]), copy, path):
            faults.append("the damaged bytes are gone")
    rows(storage, "scrape", 5, range(200, 201))
    storage.close()
    if number % REOPEN_EVERY == 0:
        storage = opened(copy)
        again = everything(storage)
        if {place: value for place, value in again.items() if place[1] < 200_000} != found:
            faults.append("another open gives other samples")
        if len(again) != len(found) + 5:
            faults.append("what was appended after the damage is not there")
        storage.close()
    shutil.rmtree(copy)
    what = "flip" if is_flip else "truncation"
    return [f"case {number}, {what} of {path} at {place}: {fault}" for fault in faults]


def _is_somewhere(content: bytes, copy: Path, path: Path) -> bool:
    places = [copy / path, *(copy / "quarantine").rglob("*")]
    return any(content in each.read_bytes() for each in places if each.is_file())


def _kind(path: Path) -> str:
    if path.parts[0] == "wal":
        return f"the log's {path.suffix[1:]}"
    return path.name


def run(cases: int, seed: int, first: int = 0) -> Report:
    """Damage that often."""
    report = Report(seed)
    said = _Said()
    log = logging.getLogger("backbeat.storage")
    log.addHandler(said)
    log.propagate = False
    try:
        with tempfile.TemporaryDirectory(prefix="backbeat-damage-", dir=IN_MEMORY) as root:
            whole = build(Path(root) / "whole")
            for number in range(first, first + cases):
                report.cases += 1
                try:
                    report.faults += damage(whole, Path(root) / f"copy{number}", seed, number, said, report)
                except Exception as error:
                    report.faults.append(f"case {number}: {error!r}")
    finally:
        log.removeHandler(said)
        log.propagate = True
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first case, to replay one")
    arguments = parser.parse_args()
    report = run(arguments.cases, arguments.seed, arguments.first)
    print("\n".join(report.faults[:20]))
    print(report)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
