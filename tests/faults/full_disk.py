"""A disk that fills up under the real server, and has room again.

    python tests/faults/full_disk.py --fills 20 --seed 1

Series, alert state and outbox lie on one small tmpfs. While it is full, remote write must answer 503, the
targets page must say why, notifications must arrive, and no file may vanish; with room again, samples must be
taken within ten seconds, without a restart. At the end the server is killed and started again, and the ledger
of what was acknowledged is compared with what it has.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import disk_server
import kill_server
from disk_server import RESUMES_WITHIN_S, Receiver, ServerOnDisk, Writer, main, served, wait_for
from kill_server import SERIES

DISK_BYTES = 12 << 20


class Report(disk_server.Report):
    """What a run found, in words."""

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.times} fills, {self.refused} writes refused, {self.told} notifications"
            f" while full, taken again after at most {self.slowest_s:.1f} s, {self.acknowledged} samples"
            f" acknowledged, {len(self.faults)} faults"
        )


@contextlib.contextmanager
def small_disk(root: Path) -> Iterator[Path]:
    """A mounted tmpfs. Raises PermissionError where this user cannot mount."""
    disk = root / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "backbeat-test", str(disk)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        raise PermissionError(f"this user cannot mount a small disk: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def _fill(disk: Path) -> Path:
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass
    return filler


def _files(data: Path) -> set[Path]:
    kept = (path for path in data.rglob("*") if path.is_file() and not path.name.startswith("state.db-"))
    return {path for path in kept if path.stat().st_size}


def _one_fill(server: ServerOnDisk, disk: Path, write: Writer, number: int, full_s: float) -> list[str]:
    faults = []
    for _ in range(20):
        write()
    before = _files(server.data)
    filler = _fill(disk)
    if not wait_for(lambda: write() == 503):
        faults.append("a full disk did not refuse writes")
    if not wait_for(lambda: "No space left" in server.target()[1]):
        faults.append(f"the targets page does not say why: {server.target()}")
    Receiver.told.clear()
    status = server.push_alert(f"Pushed{number}")
    if not wait_for(lambda: f"Pushed{number}" in Receiver.told):
        faults.append(f"an alert that was sent while the disk was full did not arrive (HTTP {status})")
    time.sleep(full_s)
    if not wait_for(lambda: "Clock" in Receiver.told):
        faults.append("no notification of a rule while the disk was full")
    if set(write.statuses[-1:]) != {503}:
        faults.append(f"answers while full: {write.statuses[-5:]}")
    if gone := before - _files(server.data):
        faults.append(f"vanished: {sorted(map(str, gone))[:3]}")
    filler.unlink()
    return faults


def run(fills: int, seed: int, longest_full_s: float = 4.0) -> Report:
    """Raises PermissionError where this user cannot mount."""
    dice, report = random.Random(seed), Report(seed)
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        disk = stack.enter_context(small_disk(root))
        server = stack.enter_context(served(root, disk))
        write = Writer(server)
        for number in range(fills):
            faults = _one_fill(server, disk, write, number, dice.uniform(0, longest_full_s))
            report.told += len(Receiver.told)
            began = time.monotonic()
            if not wait_for(lambda: write() == 204):
                faults.append("writes are still refused, with room on the disk")
            if not wait_for(lambda: server.target() == ("up", "")):
                faults.append(f"scraping did not resume: {server.target()}")
            report.slowest_s = max(report.slowest_s, time.monotonic() - began)
            faults += write.ledger.judge(kill_server.stored(server, "pushed"))
            report.faults += [f"fill {number}: {fault}" for fault in faults]
            report.times += 1
        server.end()
        server.begin()
        report.faults += write.ledger.judge(kill_server.stored(server, "pushed"))
        report.acknowledged = len([each for each in write.statuses if each == 204]) * SERIES
        report.refused = write.statuses.count(503)
        if report.slowest_s > RESUMES_WITHIN_S:
            report.faults.append(f"resumed after {report.slowest_s:.1f} s")
        said = server.said()
        if (resumed := said.count("the disk takes writes again")) > 2 * fills:
            report.faults.append(f"the log says {resumed} times that the disk takes writes again")
        if "Traceback" in said:
            report.faults.append(f"a full disk is no bug: {said[said.index('Traceback') :][:1500]}")
    return report


if __name__ == "__main__":
    sys.exit(main(run, "fills", 20, __doc__))
