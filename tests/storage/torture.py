"""kill -9 at random moments: `python tests/storage/torture.py --kills 1000 --seed 1`.

A child appends, maintains, cuts, merges, deletes and forgets by retention, and notes in a ledger what it
begins and what was acknowledged. It is killed at a random moment; then the store is opened and compared with
the ledger: every acknowledged sample younger than the retention is there once, no deleted one is back, and
nothing is there that was never sent. What the child does is a function of seed and step, so a failure can be
replayed by its seed. A kill needs no disk, so that the files are in memory where the system has such a place.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from msgspec import Struct, field

from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.storage import Storage, StorageOptions, open_storage

KILLS_PER_DIRECTORY = 10
RETENTION_MS = 200_000
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
OPTIONS = StorageOptions(
    head_span_ms=40_000,
    cut_delay_ms=20_000,
    chunk_rows=12,
    segment_bytes=40_000,
    compaction_spans=(120_000, 480_000),
    retention_time_ms=RETENTION_MS,
)
Sample = tuple[Labels, int, float]


class Step(Struct, frozen=True):
    """One thing the child does. Samples are what it sends, matchers and range what it deletes."""

    kind: str
    cohort: str = ""
    samples: list[Sample] = field(default_factory=list)
    matchers: tuple[Matcher, ...] = ()
    start_ms: int = 0
    end_ms: int = 0


def step_of(seed: int, number: int) -> Step:
    rng = random.Random(f"{seed}/{number}")
    at = number * 1000
    kind = rng.choices(
        ["row", "samples", "maintain", "flush", "delete", "definitions"], [55, 25, 12, 3, 3, 2]
    )[0]
    if kind == "row":
        cohort = rng.choice("ab")
        # Slowly changing series, now and then one missing: churn.
        series = [n for n in range(number // 50, number // 50 + 20) if rng.random() > 0.05]
        return Step(
            kind, cohort, [(name(cohort, n), at, rng.choice([rng.random(), float(number)])) for n in series]
        )
    if kind == "samples":
        numbers = rng.sample(range(30), rng.randint(1, 10))
        return Step(kind, samples=[(name("remote", n), at + n % 3, rng.random()) for n in numbers])
    if kind == "delete":
        start = rng.randint(max(0, at - 100_000), at)
        matchers = (Matcher("n", MatchOp.REGEX, f".*{rng.randint(0, 9)}"),)
        return Step(kind, matchers=matchers, start_ms=start, end_ms=start + rng.randint(0, 20_000))
    return Step(kind)


def name(source: str, number: int) -> Labels:
    return Labels.of(__name__="torture", source=source, n=str(number))


def run_child(directory: Path, ledger: int, seed: int, first: int) -> None:
    """Work until killed."""
    clock = [10**12]

    def now() -> int:
        clock[0] += 6_000
        return clock[0]

    storage = open_storage(directory, OPTIONS, now)
    for number in range(first, sys.maxsize):
        step = step_of(seed, number)
        os.write(ledger, f"b {number}\n".encode())
        perform(storage, step)
        os.write(ledger, f"a {number}\n".encode())


def perform(storage: Storage, step: Step) -> None:
    series = [each[0] for each in step.samples]
    times = np.array([each[1] for each in step.samples], np.int64)
    values = np.array([each[2] for each in step.samples])
    if step.kind == "row" and len(series):
        cohort = storage.cohort(step.cohort)
        appended = cohort.append(int(times[0]), cohort.columns(series), values)
        assert appended.stored == len(series), appended
    elif step.kind == "samples":
        appended = storage.append_samples(series, times, values)
        assert appended.stored == len(series), appended
    elif step.kind == "maintain":
        storage.maintain()
    elif step.kind == "flush":
        storage.flush()
    elif step.kind == "delete":
        storage.delete_series(step.matchers, step.start_ms, step.end_ms)
    elif step.kind == "definitions":
        storage._keeper.rewrite_definitions()


class Expectation(Struct):
    """What the ledger says must be there, and what may be."""

    must: dict[tuple[Labels, int], float] = field(default_factory=dict)
    may: dict[tuple[Labels, int], float] = field(default_factory=dict)
    """of steps that were begun and not acknowledged, or deleted by such"""
    newest_ms: int = 0
    """of all that was sent; what is older than this by the retention need not be there any more"""
    retained: int = 0
    """samples that retention has taken"""

    def acknowledge(self, step: Step) -> None:
        self._note(step)
        for series, at, value in step.samples:
            self.must[series, at] = value
        self._delete(step, self.must)
        self._delete(step, self.may)

    def leave_open(self, step: Step) -> None:
        self._note(step)
        for series, at, value in step.samples:
            self.may[series, at] = value
        self.may.update(self._delete(step, self.must))

    def forget(self, found: dict[tuple[Labels, int], float]) -> None:
        """What retention took must not come back."""
        past = self.newest_ms - RETENTION_MS
        gone = [place for place in self.must if place[1] < past and place not in found]
        for place in gone:
            del self.must[place]
        self.retained += len(gone)

    def _note(self, step: Step) -> None:
        self.newest_ms = max([self.newest_ms, *(at for _, at, _ in step.samples)])

    @staticmethod
    def _delete(step: Step, samples: dict[tuple[Labels, int], float]) -> dict[tuple[Labels, int], float]:
        if step.kind != "delete":
            return {}
        gone = {
            place: value
            for place, value in samples.items()
            if step.start_ms <= place[1] <= step.end_ms
            and all(matcher.accepts(place[0]) for matcher in step.matchers)
        }
        for place in gone:
            del samples[place]
        return gone


def check(storage: Storage, expected: Expectation) -> list[str]:
    """Lines that say what is lost, doubled or invented."""
    found: dict[tuple[Labels, int], float] = {}
    wrong = []
    for block in storage.select([], -(2**62), 2**62):
        for row, series in enumerate(block.labels):
            for column, at in enumerate(block.times.tolist()):
                if block.present is None or block.present[row, column]:
                    if (series, at) in found:
                        wrong.append(f"doubled: {series} at {at}")
                    found[series, at] = float(block.values[row, column])
    expected.forget(found)
    wrong += [f"lost: {place}" for place, value in expected.must.items() if found.get(place) != value]
    wrong += [
        f"invented: {place}"
        for place, value in found.items()
        if place not in expected.must and expected.may.get(place) != value
    ]
    # Whether an open step took effect is settled now.
    for place, value in expected.may.items():
        if place in found:
            expected.must[place] = value
    expected.may.clear()
    return wrong


class Outcome(Struct):
    """What a run counted."""

    kills: int = 0
    acknowledged: int = 0
    retained: int = 0
    blocks: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.acknowledged} samples acknowledged, {self.blocks} blocks seen,"
            f" {self.retained} samples past their retention, {len(self.wrong)} lost, doubled or strange"
        )


def torture(kills: int, seed: int) -> Outcome:
    """Kill that often, and compare after each kill."""
    outcome = Outcome()
    wrong = outcome.wrong
    rng = random.Random(seed)
    for life in range(0, kills, KILLS_PER_DIRECTORY):
        directory = Path(tempfile.mkdtemp(prefix="backbeat-torture-", dir=IN_MEMORY))
        own_seed = seed * 1_000_003 + life
        ledger_path = directory / "ledger"
        expected, first = Expectation(), 0
        seen: set[str] = set()
        for _ in range(min(KILLS_PER_DIRECTORY, kills - life)):
            read_from = ledger_path.stat().st_size if ledger_path.exists() else 0
            child = os.fork()
            if child == 0:
                descriptor = os.open(ledger_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                status = 1
                try:
                    run_child(directory / "data", descriptor, own_seed, first)
                finally:
                    os._exit(status)
            time.sleep(0.02 + rng.random() * 0.4)
            os.kill(child, signal.SIGKILL)
            if not os.WIFSIGNALED(os.waitpid(child, 0)[1]):
                wrong.append(f"seed {own_seed}: the child failed by itself")
            text = ledger_path.read_text()[read_from:] if ledger_path.exists() else ""
            begun, done = [], set()
            for line in text.splitlines():
                if line.startswith("b "):
                    begun.append(int(line[2:]))
                else:
                    done.add(int(line[2:]))
            for number in begun:
                step = step_of(own_seed, number)
                if number in done:
                    expected.acknowledge(step)
                    outcome.acknowledged += len(step.samples)
                else:
                    expected.leave_open(step)
                first = number + 1
            outcome.kills += 1
            try:
                storage = open_storage(directory / "data", OPTIONS, lambda: 10**12)
            except Exception as error:
                wrong.append(f"seed {own_seed}, before step {first}: did not open: {error!r}")
                break
            seen |= {block.meta.id for block in storage._blocks.blocks}
            wrong += [f"seed {own_seed}, before step {first}: {line}" for line in check(storage, expected)]
            storage.close()
        outcome.blocks += len(seen)
        outcome.retained += expected.retained
        shutil.rmtree(directory)
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    outcome = torture(arguments.kills, arguments.seed)
    print("\n".join(outcome.wrong[:20]))
    print(f"seed {arguments.seed}: {outcome}")
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
