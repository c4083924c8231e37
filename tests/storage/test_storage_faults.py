"""What a disk, a process and a person can do to the files, and what is left then."""

from __future__ import annotations

import errno
import os
import random
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
import torture
from storage_model import Samples, as_samples

from backbeat.model.appender import StorageUnavailable
from backbeat.model.errors import WorldFailure
from backbeat.model.labels import Labels
from backbeat.storage import Storage, StorageOptions, files, open_storage, wal

SERIES = [Labels.of(__name__="m", n=str(number)) for number in range(5)]
NOW_MS = 10**12


def opened(directory: Path, **options: int) -> Storage:
    return open_storage(directory, StorageOptions(**options), lambda: NOW_MS)


def everything(storage: Storage) -> Samples:
    return as_samples(storage.select([], -(2**62), 2**62))


def rows(storage: Storage, first: int, count: int) -> None:
    cohort = storage.cohort("scrape/a")
    columns = cohort.columns(SERIES)
    for number in range(first, first + count):
        cohort.append(number * 1000, columns, np.arange(5.0) + number)


def within(small: Samples, large: Samples) -> bool:
    return all(value == large[series][at] for series, own in small.items() for at, value in own.items())


def count(samples: Samples) -> int:
    return sum(map(len, samples.values()))


@pytest.fixture(autouse=True)
def quick_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def test_a_log_cut_at_any_byte_opens_with_every_whole_row(tmp_path: Path) -> None:
    storage = opened(tmp_path / "whole")
    rows(storage, 1, 6)
    storage.close()
    log = tmp_path / "whole" / "wal" / "00000001.log"
    content, size = log.read_bytes(), 16 + 16 + 40
    assert len(content) == 6 * size
    for length in range(len(content) + 1):
        copy = tmp_path / "copy"
        shutil.copytree(tmp_path / "whole", copy)
        (copy / "wal" / log.name).write_bytes(content[:length])
        storage = opened(copy)
        assert count(everything(storage)) == length // size * 5
        assert storage.replayed.torn_tails == (length % size != 0)
        rows(storage, 7, 1)
        storage.close()
        # The tail was cut and said once; what came after is there.
        storage = opened(copy)
        assert storage.replayed.torn_tails == storage.replayed.damages == 0
        assert count(everything(storage)) == length // size * 5 + 5
        storage.close()
        shutil.rmtree(copy)


def damaged_store(directory: Path) -> Samples:
    """A store with blocks, tombstones, several log segments and definitions; returns what is in it."""
    storage = opened(directory, head_span_ms=20_000, chunk_rows=8, segment_bytes=2_000)
    rows(storage, 1, 30)
    storage.flush()
    storage.delete_series([], 5_000, 6_000)
    rows(storage, 31, 30)
    storage.append_samples(SERIES[:2], np.array([70_000, 70_001]), np.array([1.5, 2.5]))
    storage.flush()
    rows(storage, 80, 40)
    kept = everything(storage)
    storage.close()
    return kept


@pytest.mark.parametrize("kind", ["flip", "truncate"])
def test_damage_anywhere_loses_no_more_than_the_record_or_chunk(tmp_path: Path, kind: str) -> None:
    whole = damaged_store(tmp_path / "whole")
    paths = [
        path.relative_to(tmp_path / "whole")
        for path in sorted((tmp_path / "whole").rglob("*"))
        if path.is_file() and path.stat().st_size
    ]
    assert any("blocks" in str(path) for path in paths)
    rng = random.Random(f"damage {kind}")
    for path in paths:
        for _ in range(6):
            copy = tmp_path / "copy"
            shutil.copytree(tmp_path / "whole", copy)
            content = bytearray((copy / path).read_bytes())
            place = rng.randrange(len(content))
            if kind == "flip":
                content[place] ^= 1 << rng.randrange(8)
            else:
                del content[place:]
            (copy / path).write_bytes(content)
            storage = opened(copy)
            found = everything(storage)
            report = f"{kind} of {path} at {place}"
            if path.name == "tombstones":
                # What was deleted may be back, nothing may be lost.
                assert within(whole, found), report
            else:
                assert within(found, whole), report
            lost = count(whole) - count(found)
            if path.parts[0] == "blocks" and path.name == "chunks":
                assert lost <= 32 * 5, report
            elif path.suffix == ".log" and kind == "flip":
                assert lost <= 10, report
            elif path.suffix != ".log":
                assert lost <= 0, report
            if lost > 0 and kind == "flip":
                assert list((copy / "quarantine").iterdir()), report
            rows(storage, 200, 1)
            storage.close()
            shutil.rmtree(copy)


def test_rows_whose_definitions_are_lost_are_never_taken_for_other_series(tmp_path: Path) -> None:
    storage = opened(tmp_path)
    rows(storage, 1, 3)
    storage.close()
    for path in (tmp_path / "wal").glob("*.definitions*"):
        path.write_bytes(b"")
    for second in (10, 11):
        storage = opened(tmp_path)
        assert storage.replayed.unreadable_rows == 3
        cohort = storage.cohort("other")
        columns = cohort.columns([Labels.of(__name__="other", n=str(number)) for number in range(5)])
        cohort.append(second * 1000, columns, np.arange(5.0))
        storage.close()
    storage = opened(tmp_path)
    found = everything(storage)
    assert {at for own in found.values() for at in own} == {10_000, 11_000}
    storage.close()


def test_kill_at_any_moment_loses_nothing_acknowledged() -> None:
    outcome = torture.torture(kills=20, seed=3)
    assert outcome.wrong == []
    assert outcome.acknowledged > 100


class Disk:
    """A disk that can be made to fail: stands in for os.write or os.fsync."""

    def __init__(self, real: Callable[..., int | None]) -> None:
        self._real = real
        self.error = 0
        self.room = 0
        """bytes that still fit when it fails"""

    def __call__(self, descriptor: int, *content: bytes) -> int | None:
        if not self.error:
            return self._real(descriptor, *content)
        if self.room and content:
            written, self.room = os.pwrite(descriptor, content[0][: self.room], 0), 0
            return written
        raise OSError(self.error, os.strerror(self.error))


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("room", [0, 10])
def test_a_full_disk_refuses_whole_batches_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, room: int
) -> None:
    storage = opened(tmp_path)
    rows(storage, 1, 3)
    disk = Disk(os.write)
    monkeypatch.setattr(os, "write", disk)
    disk.error, disk.room = error, room
    before = everything(storage)
    with pytest.raises(StorageUnavailable, match="retrying later helps"):
        rows(storage, 4, 1)
    with pytest.raises(StorageUnavailable):
        storage.append_samples(SERIES[:1], np.array([9_000]), np.array([1.0]))
    storage.maintain()
    assert storage.unavailable
    assert everything(storage) == before
    disk.error = 0
    storage.maintain()
    assert not storage.unavailable
    rows(storage, 4, 2)
    after = everything(storage)
    assert count(after) == 25
    storage.close()
    storage = opened(tmp_path)
    assert everything(storage) == after
    storage.close()


def test_after_a_failed_fsync_nothing_is_acknowledged_until_all_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = opened(tmp_path, segment_bytes=200)
    rows(storage, 1, 5)
    disk = Disk(lambda descriptor: None)
    monkeypatch.setattr(os, "fsync", disk)
    disk.error = errno.EIO
    storage.sync()
    assert "could not keep" in storage.unavailable
    with pytest.raises(StorageUnavailable):
        rows(storage, 6, 1)
    disk.error = 0
    rows(storage, 6, 1)
    assert not storage.unavailable
    # The pages of the files whose fsync failed are gone; their rows were written again.
    numbers = sorted((tmp_path / "wal").glob("*.log"))
    for path in numbers[:-1]:
        if path.stat().st_size:
            path.write_bytes(b"")
    after = everything(storage)
    storage.close()
    storage = opened(tmp_path)
    assert everything(storage) == after
    assert count(after) == 30
    storage.close()


def test_a_second_fsync_that_succeeds_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As on a disk that fails twice: the kernel drops the pages at a failure, and tells it once."""
    storage = opened(tmp_path)
    syncing, writing = Disk(lambda descriptor: None), Disk(os.write)
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        (real_fsync if stat.S_ISDIR(os.fstat(descriptor).st_mode) else syncing)(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "write", writing)
    rows(storage, 1, 5)
    syncing.error = errno.EIO
    storage.sync()
    syncing.error, writing.error = 0, errno.ENOSPC
    for _ in range(3):
        storage.keep_log()
    # Room again, but the fsync of the new files fails as well: what they hold may be gone, too.
    syncing.error, writing.error = errno.EIO, 0
    storage.keep_log()
    dropped = [path for path in (tmp_path / "wal").iterdir() if path.stat().st_size]
    assert len(dropped) == 6
    syncing.error = 0
    storage.keep_log()
    assert not storage.unavailable
    assert len([line for line in caplog.messages if "samples are refused" in line]) == 3
    for path in dropped:
        path.write_bytes(b"")
    before = everything(storage)
    storage.close()
    storage = opened(tmp_path)
    assert everything(storage) == before
    assert count(before) == 25
    storage.close()


def test_what_waits_for_a_slow_fsync_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = opened(tmp_path)
    monkeypatch.setattr(wal, "_MOST_UNSYNCED_BYTES", 500)
    began, may_end = Event(), Event()

    def slow_fsync(descriptor: int) -> None:
        began.set()
        assert may_end.wait(30)

    monkeypatch.setattr(os, "fsync", slow_fsync)
    rows(storage, 1, 3)
    syncing = Thread(target=storage.sync)
    syncing.start()
    assert began.wait(30)
    with pytest.raises(StorageUnavailable, match=r"the disk is slow, .* retrying later helps"):
        rows(storage, 4, 100)
    may_end.set()
    syncing.join()
    kept = everything(storage)
    newest = max(at for own in kept.values() for at in own) // 1000
    rows(storage, newest + 1, 20)
    assert count(everything(storage)) == count(kept) + 100
    storage.close()


def test_fsync_always_refuses_what_it_could_not_make_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = opened(tmp_path, fsync_interval_ms=0)
    rows(storage, 1, 1)
    disk = Disk(lambda descriptor: None)
    monkeypatch.setattr(os, "fsync", disk)
    disk.error = errno.EIO
    with pytest.raises(StorageUnavailable):
        rows(storage, 2, 1)
    disk.error = 0
    rows(storage, 3, 1)
    assert count(everything(storage)) == 10
    storage.close()


def test_a_second_process_is_told_who_holds_the_directory(tmp_path: Path) -> None:
    storage = opened(tmp_path)
    with pytest.raises(WorldFailure, match=f"in use by process {os.getpid()}; stop that process or choose"):
        opened(tmp_path)
    storage.close()
    opened(tmp_path).close()


def test_a_directory_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorldFailure, match="cannot write there"):
        opened(tmp_path / "file" / "data")


def test_a_failed_cut_keeps_everything_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = opened(tmp_path)
    rows(storage, 1, 30)
    before = everything(storage)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "no space")))
        with pytest.raises(OSError, match="no space"):
            storage.flush()
    assert everything(storage) == before
    assert not list((tmp_path / "blocks").iterdir())
    storage.flush()
    assert everything(storage) == before
    assert storage.stats().blocks == 1
    storage.close()


def test_a_disk_with_room_for_a_few_bytes_is_still_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = opened(tmp_path)
    rows(storage, 1, 1)
    real, room = os.write, [0]

    def write(descriptor: int, content: bytes) -> int:
        if len(content) > room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, content)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(StorageUnavailable):
        rows(storage, 2, 1)
    room[0] = 4096
    storage.maintain()
    assert storage.unavailable
    with pytest.raises(StorageUnavailable):
        rows(storage, 2, 1)
    room[0] = 1 << 20
    storage.maintain()
    assert not storage.unavailable
    rows(storage, 2, 1)
    before = everything(storage)
    storage.close()
    storage = opened(tmp_path)
    assert everything(storage) == before
    storage.close()


@pytest.mark.parametrize("error", [errno.EMFILE, errno.EIO])
def test_a_block_that_cannot_be_read_at_the_moment_is_not_taken_for_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    storage = opened(tmp_path)
    rows(storage, 1, 10)
    storage.flush()
    before = everything(storage)
    storage.close()
    storage = opened(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda _: (_ for _ in ()).throw(OSError(error, os.strerror(error))))
        with pytest.raises(WorldFailure, match="cannot be read"):
            everything(storage)
    assert everything(storage) == before
    assert not (tmp_path / "quarantine").exists()
    storage.close()


def test_a_merge_keeps_a_block_whose_bytes_the_disk_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = opened(tmp_path)
    rows(storage, 1, 10)
    storage.flush()
    storage.delete_series([], 1_000, 1_000)
    storage.close()
    storage = opened(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "I/O error")))
        storage.clean_tombstones()
    storage.close()
    kept = list((tmp_path / "quarantine").glob("block-*/chunks"))
    assert len(kept) == 1
    assert kept[0].stat().st_size


@pytest.mark.parametrize(
    ("kind", "warns"), [("nfs4", True), ("cifs", True), ("ext4", False), ("overlay", False)]
)
def test_a_directory_on_the_network_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str, warns: bool
) -> None:
    directory = tmp_path / "with a blank"
    directory.mkdir()
    mounts = [("/", "ext4"), (str(directory).replace(" ", r"\040"), kind), ("/elsewhere", "nfs")]
    table = tmp_path / "mounts"
    table.write_text("".join(f"device {place} {each} rw,noatime 0 0\n" for place, each in mounts))
    monkeypatch.setattr(files, "_MOUNTS", table)
    opened(directory).close()
    assert ("is on a file system of the network" in caplog.text) == warns
