"""What one thread does just between two steps of another loses, hides and invents nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from storage_model import as_samples

from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.storage import Storage, StorageOptions, cutting, open_storage, wal
from backbeat.storage.block import UnreadableBlock
from backbeat.storage.chunks import OpenChunk
from backbeat.storage.cutting import forget_idle_series

ONE, TWO, THREE = (Labels.of(__name__="m", n=each) for each in ("one", "two", "three"))
NOW_MS = 10**9


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return open_storage(tmp_path / "data", StorageOptions(out_of_order_window_ms=NOW_MS), lambda: NOW_MS)


def elsewhere(act: Callable[[], None]) -> None:
    """Have another thread do something, and wait for it."""
    thread = Thread(target=act)
    thread.start()
    thread.join()


def append(storage: Storage, series: Labels, at_ms: int, value: float) -> None:
    assert storage.append_samples([series], np.array([at_ms]), np.array([value])).stored == 1


def test_what_is_defined_while_definitions_are_written_is_written_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = wal.WriteAheadLog(tmp_path, 1, sync_always=False, segment_bytes=1 << 20)
    real, others = wal.LogFile.write, [b"second"]

    def write(file: wal.LogFile, content: bytes) -> None:
        real(file, content)
        if others:
            elsewhere(lambda: log.define(others.pop()))

    monkeypatch.setattr(wal.LogFile, "write", write)
    log.define(b"first")
    log.append(b"")
    log.append(b"")
    log.close()
    files = wal.definition_files(tmp_path)
    assert [path.read_bytes() for path in files] == [b"firstsecond"] * 2


def test_a_cell_that_is_filled_while_it_is_read_is_no_sample_yet() -> None:
    chunk = OpenChunk(4, 2)
    chunk.values[:] = -1.0  # what was in this memory before
    chunk.add_slots(np.array([0, 1], np.int32))
    chunk.append_row(1000, np.array([0], np.int32), np.array([5.0]))
    view = chunk.view()
    values = view._values

    class Slow:
        def __getitem__(self, rows: Any) -> Any:
            found = values[rows].copy()
            if not filled:
                filled.append(True)
                chunk.put_row(1000, np.array([1], np.int32), np.array([7.0]))
            return found

    filled: list[bool] = []
    view._values = Slow()  # type: ignore[assignment]
    read, present = view.read(np.array([0, 1], np.int32), 0, 1)
    assert present is not None
    assert read[present].tolist() == [5.0]
    read, present = view.read(np.array([0, 1], np.int32), 0, 1)
    assert present is None
    assert read.tolist() == [[5.0], [7.0]]


def test_a_late_sample_that_comes_while_idle_series_are_forgotten_keeps_its_series(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for series in (ONE, TWO, THREE):
        append(storage, series, 5000, 1.0)
    storage._keeper.cut(0, 5001)
    for series in (ONE, TWO):
        append(storage, series, 6000, 2.0)
    # Both are idle once this is cut, and have a late sample when the first of them was forgotten.
    monkeypatch.setattr(cutting, "_FORGET_AT_ONCE", 1)
    real, late = storage._head.table.retire, [True]

    def retire(numbers: list[int]) -> None:
        real(numbers)
        if late and late.pop():
            append(storage, ONE, 100, 3.0)
            append(storage, TWO, 100, 4.0)

    monkeypatch.setattr(storage._head.table, "retire", retire)
    storage._keeper.cut(5001, 6001)
    assert not late
    expected = {ONE: {100: 3.0, 5000: 1.0, 6000: 2.0}, TWO: {100: 4.0, 5000: 1.0, 6000: 2.0}}
    for _ in range(2):
        found = storage.select([Matcher("n", MatchOp.NOT_EQUAL, "three")], 0, NOW_MS)
        assert {
            labels: dict(zip(block.times.tolist(), values.tolist(), strict=True))
            for block in found
            for labels, values in zip(block.labels, block.values, strict=True)
        } == expected
        assert set(as_samples(storage.select([], 0, 200))) == {ONE, TWO}
        storage.flush()
    assert forget_idle_series(storage._head) == 0
    storage.close()


def test_a_block_whose_index_is_forgotten_meanwhile_is_read_all_the_same(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(storage, ONE, 1000, 1.0)
    storage.flush()
    (block,) = storage._blocks.blocks

    class Forgetful(dict[int, Any]):
        """Is emptied by another thread after each entry."""

        def __setitem__(self, key: int, value: Any) -> None:
            super().__setitem__(key, value)
            elsewhere(block.forget_index)

    monkeypatch.setattr(block, "_chunks", Forgetful())
    assert list(as_samples(storage.select([], 0, NOW_MS))) == [ONE]
    storage.close()


def test_a_block_that_is_set_aside_takes_no_other_with_it(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(storage, ONE, 1000, 1.0)
    storage.flush()
    append(storage, TWO, 2000, 2.0)
    (damaged,) = storage._blocks.blocks
    lock, cuts = storage._blocks._lock, [storage.flush]

    class Meanwhile:
        """The lock of the blocks, which another thread gets first."""

        def __enter__(self) -> None:
            while cuts:
                elsewhere(cuts.pop())
            lock.acquire()

        def __exit__(self, *error: object) -> None:
            lock.release()

    def parts(*asked: Any) -> Any:
        monkeypatch.setattr(storage._blocks, "_lock", Meanwhile())
        raise UnreadableBlock(damaged.path)

    monkeypatch.setattr(damaged, "parts", parts)
    for _ in range(2):
        assert list(as_samples(storage.select([], 0, NOW_MS))) == [TWO]
    assert not cuts
    storage.close()
