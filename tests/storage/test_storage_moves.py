"""A question that comes while samples move from memory to a block finds each of them once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from storage_model import Samples, as_samples

from backbeat.model.errors import WorldFailure
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.storage import Storage, StorageOptions, open_storage

GAPPED, WHOLE = Labels.of(__name__="m", n="gapped"), Labels.of(__name__="m", n="whole")
ROWS = 6


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    opened = open_storage(tmp_path, StorageOptions(), lambda: 1_000)
    yield opened
    opened.close()


def _append(storage: Storage, first: int) -> None:
    """A cohort with a gap, which no sheet takes, and one without."""
    gapped, whole = storage.cohort("scrape/gapped"), storage.cohort("scrape/whole")
    for number in range(first, first + ROWS):
        gapped.append(
            number, gapped.columns([GAPPED, WHOLE] if number % 2 else [GAPPED]), np.ones(1 + number % 2)
        )
        whole.append(number, whole.columns([Labels.of(__name__="m", n="alone")]), np.ones(1))


def _before(storage: Storage, look: str, monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Have something happen just before the selector takes one of its looks at memory."""
    head = storage._head
    real = getattr(head, look)

    def first_act(*arguments: Any) -> Any:
        act()
        return real(*arguments)

    monkeypatch.setattr(head, look, first_act)


@pytest.mark.parametrize("look", ["matched", "look", "parts"])
@pytest.mark.parametrize("is_known", [False, True], ids=["asked first", "asked again"])
def test_a_cut_between_any_two_looks_hides_nothing(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, look: str, is_known: bool
) -> None:
    _append(storage, 1)
    if is_known:
        storage.select([], 0, 2**60)
        _append(storage, 1 + ROWS)
    rows = ROWS * (2 if is_known else 1)
    moves = iter([storage.flush])
    _before(storage, look, monkeypatch, lambda: next(moves, lambda: None)())
    found = as_samples(storage.select([], 0, 2**60))
    assert {labels: len(own) for labels, own in found.items()} == {
        GAPPED: rows,
        WHOLE: rows // 2,
        Labels.of(__name__="m", n="alone"): rows,
    }


def test_cuts_that_never_end_hide_nothing(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    written = 0

    def append_and_cut() -> None:
        nonlocal written
        _append(storage, 1 + written)
        written += ROWS
        storage.flush()

    _before(storage, "look", monkeypatch, append_and_cut)
    append_and_cut()
    found = as_samples(storage.select([], 0, 2**60))
    assert len(found[GAPPED]) == written


def _ask_and_change(storage: Storage) -> Samples:
    """Have a selection kept, and the blocks changed so that it is renewed; returns what it finds then."""
    _append(storage, 1)
    storage.flush()
    _append(storage, 1 + ROWS)
    whole = as_samples(storage.select([], 0, 2**60))
    storage.delete_series([Matcher("n", MatchOp.EQUAL, "gapped")], ROWS, ROWS)
    del whole[GAPPED][ROWS]
    return whole


def test_a_query_that_failed_half_way_leaves_nothing_half_behind(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _ask_and_change(storage)
    with monkeypatch.context() as broken:
        broken.setattr(storage._blocks, "parts", Mock(side_effect=WorldFailure("no descriptor is free")))
        with pytest.raises(WorldFailure):
            storage.select([], 0, 2**60)
    assert as_samples(storage.select([], 0, 2**60)) == whole


def test_a_query_that_waited_for_one_that_was_too_large_finds_everything(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _ask_and_change(storage)
    selector = storage._selector
    waiting = selector._kept_of(())
    with monkeypatch.context() as small:
        small.setattr(selector, "_largest", 10)
        assert as_samples(storage.select([], 0, 2**60)) == whole
    monkeypatch.setattr(selector, "_kept_of", lambda wanted: waiting)
    assert as_samples(storage.select([], 0, 2**60)) == whole
