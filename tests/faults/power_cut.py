"""Power cuts at random calls to the disk, under appends, cuts, merges, deletions and retention.

    python tests/faults/power_cut.py --cuts 500 --seed 1 --fsync always
    python tests/faults/power_cut.py --cuts 500 --seed 1 --fsync 1s

What the store does is a function of seed and step, as in `storage/torture.py`; a step takes a tenth of a
second of a clock of its own, and the log is fsynced as the server does it. After each cut the store is opened
on what a disk may have left. With `always`, each acknowledged sample must be there, with `1s`, each that is
older than a second; and nothing twice, strange, or back from the dead.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).parent.parent / "storage"))

from power import Power, PowerCut
from torture import IN_MEMORY, OPTIONS, Expectation, Step, check, perform, step_of

from backbeat.storage import Storage, StorageOptions, open_storage

CUTS_PER_DIRECTORY = 10
MOST_CALLS = 600
STEP_MS = 100


class Report(Struct):
    """What a run of cuts found."""

    seed: int
    fsync_ms: int
    cuts: int = 0
    acknowledged: int = 0
    lost: int = 0
    """acknowledged samples within the last `fsync_ms`"""
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        within = f", {self.lost} lost of the last {self.fsync_ms} ms" if self.fsync_ms else ""
        return (
            f"seed {self.seed}: {self.cuts} power cuts, {self.acknowledged} samples acknowledged{within},"
            f" {len(self.faults)} lost, doubled or strange"
        )


class Life:
    """One store from its opening to the cut."""

    def __init__(self, directory: Path, options: StorageOptions, seed: int, start_ms: int) -> None:
        self._directory = directory
        self._options = options
        self._seed = seed
        self.now_ms = start_ms
        self.begun: list[tuple[int, Step]] = []
        """(when it was acknowledged, or -1), in order"""
        self.storage: Storage | None = None

    def live(self, first: int) -> None:
        """Work until the power is cut. Raises PowerCut."""
        self.storage = open_storage(self._directory, self._options, lambda: self.now_ms)
        synced_ms = self.now_ms
        for number in range(first, sys.maxsize):
            step = step_of(self._seed, number)
            self.begun.append((-1, step))
            if step.kind == "maintain":
                self.storage._keeper._checked_at = -(10**9)
            perform(self.storage, step)
            self.begun[-1] = (self.now_ms, step)
            self.now_ms += STEP_MS
            if self.now_ms - synced_ms >= self._options.fsync_interval_ms:
                synced_ms = self.now_ms
                self.storage.sync()

    def let_go(self) -> None:
        """Close what the dead process had open; nothing reaches the disk any more."""
        if self.storage is not None:
            wal = self.storage._head.wal
            for file in [*wal._files(), *wal._closing]:
                os.close(file.descriptor)
            self.storage._lock.release()


def one_directory(root: Path, options: StorageOptions, seed: int, cuts: int, report: Report) -> None:
    """Several cuts of one store, each after the other."""
    dice = random.Random(f"power {seed}")
    expected, number, start_ms = Expectation(), 0, 10**12
    directory = root / "0"
    directory.mkdir()
    for cut in range(cuts):
        life, power = Life(directory, options, seed, start_ms), Power(directory, dice)
        power.cut_after = dice.randint(1, MOST_CALLS)
        with power.on():
            with contextlib.suppress(PowerCut):
                life.live(number)
            life.let_go()
        number, start_ms = number + len(life.begun), life.now_ms
        for acknowledged_ms, step in life.begun:
            is_acknowledged = acknowledged_ms >= 0
            age_ms = life.now_ms - acknowledged_ms
            is_safe = is_acknowledged and (not report.fsync_ms or age_ms > report.fsync_ms)
            (expected.acknowledge if is_safe else expected.leave_open)(step)
            report.acknowledged += len(step.samples) * is_acknowledged
        at_risk = len(expected.may)
        directory = root / str(cut + 1)
        power.leftovers(directory)
        shutil.rmtree(root / str(cut))
        place = f"seed {seed}, cut {cut}, before step {number}"
        try:
            storage = open_storage(directory, options, lambda: start_ms)  # noqa: B023
        except Exception as error:
            report.faults.append(f"{place}: did not open: {error!r}")
            return
        before = len(expected.must)
        report.faults += [f"{place}: {line}" for line in check(storage, expected)]
        if options.fsync_interval_ms:
            report.lost += at_risk - (len(expected.must) - before)
        storage.close()
        report.cuts += 1


def run(cuts: int, seed: int, fsync_ms: int) -> Report:
    report = Report(seed, fsync_ms)
    options = replace(OPTIONS, fsync_interval_ms=fsync_ms)
    for life in range(0, cuts, CUTS_PER_DIRECTORY):
        with tempfile.TemporaryDirectory(dir=IN_MEMORY) as root:
            own = min(CUTS_PER_DIRECTORY, cuts - life)
            one_directory(Path(root), options, seed * 1_000_003 + life, own, report)
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fsync", choices=["always", "1s"], default="always")
    arguments = parser.parse_args()
    logging.disable(logging.ERROR)
    report = run(arguments.cuts, arguments.seed, {"always": 0, "1s": 1000}[arguments.fsync])
    print("\n".join(report.faults[:20]))
    print(report)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
