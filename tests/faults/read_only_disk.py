"""A file system that Linux itself makes read-only under the real server, as after an error on the disk.

    python tests/faults/read_only_disk.py --times 20 --seed 1

Everything lies on a small ext4 of its own in a file. An error is reported to it while samples come in; from
then on Linux answers every change with EROFS. Such a file system cannot be made writable under a process that
uses it, so at the end the server is killed, the file system is checked and mounted again, and the ledger is
compared with what a server started on it has (`bad_disk.py` has a read-only disk that comes back by itself).
What was not synced when the error came is lost, as in a power cut, so it runs with `fsync_interval: 0s`.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import disk_server
import kill_server
from disk_server import Receiver, ServerOnDisk, Writer, main, served, wait_for
from kill_server import SERIES

DISK_BYTES = 64 << 20
MOST_LINES = 30
"""of the log, about one outage"""


class Report(disk_server.Report):
    """What a run found, in words."""

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.times} times read-only, {self.refused} writes refused, {self.told}"
            f" notifications meanwhile, {self.acknowledged} samples acknowledged, {len(self.faults)} faults"
        )


class Disk:
    """An ext4 in a file. Raises FileNotFoundError without its tools."""

    def __init__(self, root: Path) -> None:
        self.image, self.path = root / "image", root / "disk"
        self.path.mkdir()
        for tool in ("mkfs.ext4", "e2fsck"):
            if not shutil.which(tool):
                raise FileNotFoundError(f"no {tool}")
        with self.image.open("wb") as file:
            os.truncate(file.fileno(), DISK_BYTES)
        _run("mkfs.ext4", "-q", str(self.image))

    @contextlib.contextmanager
    def mounted(self) -> Iterator[Path]:
        """The switch that reports an error to it. Raises PermissionError where this user cannot mount."""
        try:
            _run("mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.path))
        except subprocess.CalledProcessError as refusal:
            raise PermissionError(f"this user cannot mount an ext4: {refusal.stderr.strip()}") from refusal
        try:
            device = _run("findmnt", "-no", "SOURCE", str(self.path)).strip()
            yield Path("/sys/fs/ext4") / Path(device).name / "trigger_fs_error"
        finally:
            _run("umount", str(self.path))

    def check(self) -> None:
        """Mend it, as its owner would. Raises CalledProcessError when it is past that."""
        checked = subprocess.run(
            ["e2fsck", "-fy", str(self.image)], capture_output=True, text=True, check=False
        )
        assert checked.returncode <= 1, checked.stdout


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _while_read_only(server: ServerOnDisk, write: Writer, number: int, lasts_s: float) -> Iterator[str]:
    if not wait_for(lambda: write() == 503):
        yield "a read-only disk did not refuse writes"
    if not wait_for(lambda: "Read-only" in server.target()[1]):
        yield f"the targets page does not say why: {server.target()}"
    Receiver.told.clear()
    server.push_alert(f"Pushed{number}")
    if not wait_for(lambda: f"Pushed{number}" in Receiver.told):
        yield "an alert that was sent to a read-only disk did not arrive"
    if not wait_for(lambda: "Clock" in Receiver.told):
        yield "no notification of a rule on a read-only disk"
    time.sleep(lasts_s)
    if write() != 503:
        yield "samples were acknowledged on a read-only disk"


@contextlib.contextmanager
def _served(root: Path, disk: Disk) -> Iterator[ServerOnDisk]:
    with (
        tempfile.TemporaryDirectory(dir=root) as own,
        served(Path(own), disk.path, fsync_interval="0s") as server,
    ):
        yield server


def run(times: int, seed: int, longest_s: float = 3.0) -> Report:
    """Raises PermissionError, FileNotFoundError where this machine or user cannot make such a disk."""
    dice, report = random.Random(seed), Report(seed)
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        disk = Disk(root)
        write: Writer | None = None
        for number in range(times):
            found = []
            with disk.mounted() as break_it, _served(root, disk) as server:
                write = write or Writer(server)
                write.server = server
                for _ in range(dice.randrange(20, 60)):
                    write()
                break_it.write_text("1")
                found += _while_read_only(server, write, number, dice.uniform(0, longest_s))
                report.told += len(Receiver.told)
                said = server.said()
            disk.check()
            with disk.mounted(), _served(root, disk) as server:
                found += write.ledger.judge(kill_server.stored(server, "pushed"))
            if (lines := said.count("Read-only file system")) > MOST_LINES:
                found.append(f"the log has {lines} lines about it")
            if "Traceback" in said:
                found.append(f"a read-only disk is no bug: {said[said.index('Traceback') :][:1500]}")
            report.faults += [f"time {number}: {each}" for each in found]
            report.acknowledged = write.statuses.count(204) * SERIES
            report.refused = write.statuses.count(503)
            report.times += 1
    return report


if __name__ == "__main__":
    sys.exit(main(run, "times", 20, __doc__))
