"""A disk that is read-only or slow for a while under the real server, and file descriptors that run out.

    python tests/faults/bad_disk.py --times 10 --seed 1

Linux remounts nothing read-only while a file on it is open for writing, so the server is started with a small
library before the C library's own (`bad_disk.c`, needs a C compiler), which answers as such a disk does:
EROFS for every change below the data directory, or five seconds for every fsync. The ledger of what was
acknowledged is the judge, as in `full_disk.py`.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
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


class Report(disk_server.Report):
    """What a run found, in words."""

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.times} times each read-only, slow, and without descriptors,"
            f" {self.refused} writes refused, {self.told} notifications meanwhile, all well again after"
            f" at most {self.slowest_s:.1f} s, {self.acknowledged} samples acknowledged,"
            f" {len(self.faults)} faults"
        )


class Stage:
    """The server, its disk's mode, and a sender."""

    def __init__(self, server: ServerOnDisk, mode: Path) -> None:
        self.server = server
        self.write = Writer(server)
        self._mode = mode
        self._pushed = 0

    def be(self, mode: str) -> None:
        with self._mode.open("r+b") as file:
            file.write(mode.encode())

    def is_syncing(self) -> bool:
        """Whether a slow fsync is under way."""
        return self._mode.read_bytes()[1] > 0

    def push_alert(self) -> str:
        self._pushed += 1
        name = f"Pushed{self._pushed}"
        self.server.push_alert(name)
        return name

    def is_well(self) -> bool:
        return self.write() == 204 and self.server.target() == ("up", "")


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """Raises FileNotFoundError where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        raise FileNotFoundError("no C compiler")
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        library, mode, disk = root / "bad_disk.so", root / "mode", root / "disk"
        source = Path(__file__).with_suffix(".c")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        mode.write_bytes(b"w\0")
        disk.mkdir()
        environment = {
            "LD_PRELOAD": str(library),
            "BAD_DISK": str(disk / "data"),
            "BAD_DISK_MODE": str(mode),
        }
        server = stack.enter_context(served(root, disk, environment))
        yield Stage(server, mode)


def read_only(on: Stage, lasts_s: float) -> Iterator[str]:
    """Faults of a disk that takes no change, and the notifications that arrive meanwhile."""
    on.be("r")
    if not wait_for(lambda: on.write() == 503):
        yield "a read-only disk did not refuse writes"
    if not wait_for(lambda: "Read-only" in on.server.target()[1]):
        yield f"the targets page does not say why: {on.server.target()}"
    Receiver.told.clear()
    name = on.push_alert()
    if not wait_for(lambda: name in Receiver.told):
        yield "an alert that was sent to a read-only disk did not arrive"
    if not wait_for(lambda: "Clock" in Receiver.told):
        yield "no notification of a rule on a read-only disk"
    time.sleep(lasts_s)
    if on.write() != 503:
        yield "samples were acknowledged on a read-only disk"


def slow(on: Stage, lasts_s: float) -> Iterator[str]:
    """Faults of a disk that needs five seconds for every fsync."""
    on.be("s")
    Receiver.told.clear()
    name = on.push_alert()

    def is_taken_meanwhile() -> bool:
        return on.is_syncing() and on.write() == 204 and on.is_syncing()

    if not wait_for(is_taken_meanwhile):
        yield f"no sample was taken during a slow fsync: {on.write.statuses[-5:]}"
    time.sleep(lasts_s)
    if not wait_for(lambda: on.server.target() == ("up", "")):
        yield f"scraping stops on a slow disk: {on.server.target()}"
    if not wait_for(lambda: name in Receiver.told):
        yield "an alert did not arrive from a slow disk"


def without_descriptors(on: Stage, lasts_s: float) -> Iterator[str]:
    """Faults of a server that may open no more files and connections."""
    process = on.server.server.pid
    limits = resource.prlimit(process, resource.RLIMIT_NOFILE)
    in_use = len(os.listdir(f"/proc/{process}/fd"))
    resource.prlimit(process, resource.RLIMIT_NOFILE, (in_use // 2, limits[1]))
    Receiver.told.clear()
    time.sleep(2 + lasts_s)
    resource.prlimit(process, resource.RLIMIT_NOFILE, limits)
    if not wait_for(lambda: on.server._is_ready()):
        yield "the server does not answer again"
    if on.server.server.poll() is not None:
        yield "the server ended"
    name = on.push_alert()
    if not wait_for(lambda: name in Receiver.told):
        yield "an alert did not arrive after descriptors were free again"


def run(times: int, seed: int, longest_s: float = 3.0) -> Report:
    """Raises FileNotFoundError where there is no C compiler."""
    dice, report = random.Random(seed), Report(seed)
    with stage() as on:
        for number in range(times):
            for fault in (read_only, slow, without_descriptors):
                assert wait_for(on.is_well)
                found = list(fault(on, dice.uniform(0, longest_s)))
                report.told += len(Receiver.told)
                began = time.monotonic()
                on.be("w")
                if not wait_for(on.is_well):
                    found.append(f"not well again: {on.server.target()}")
                report.slowest_s = max(report.slowest_s, time.monotonic() - began)
                found += on.write.ledger.judge(kill_server.stored(on.server, "pushed"))
                report.faults += [f"{fault.__name__} {number}: {each}" for each in found]
            report.times += 1
        on.server.end()
        on.server.begin()
        report.faults += on.write.ledger.judge(kill_server.stored(on.server, "pushed"))
        statuses = on.write.statuses
        report.acknowledged, report.refused = statuses.count(204) * SERIES, statuses.count(503)
        if report.slowest_s > RESUMES_WITHIN_S:
            report.faults.append(f"resumed after {report.slowest_s:.1f} s")
        said = on.server.said()
        if "Traceback" in said:
            report.faults.append(f"a bad disk is no bug: {said[said.index('Traceback') :][:1500]}")
    return report


if __name__ == "__main__":
    sys.exit(main(run, "times", 10, __doc__))
