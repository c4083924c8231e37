"""All blocks of a data directory: opened, served, replaced, deleted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import TypeVar

import numpy as np

from backbeat.model.errors import WorldFailure
from backbeat.model.matchers import Matcher
from backbeat.storage.assemble import Part
from backbeat.storage.block import Block, UnreadableBlock
from backbeat.storage.files import Quarantine, make_directory, remove_directory, remove_leftovers
from backbeat.storage.keys import Keys
from backbeat.storage.tombstones import Tombstone

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
NEVER_MS = -(2**63)
_INDEX_BUDGET_BYTES = 256 << 20


class BlockStore:
    """The set of blocks; readers get a list that stays valid whatever happens meanwhile."""

    def __init__(self, directory: Path, quarantine: Quarantine) -> None:
        """Raises OSError."""
        self.directory = directory
        self.quarantine = quarantine
        self._blocks: tuple[Block, ...] = ()
        self._used: dict[int, Block] = {}
        """blocks whose index may be in memory, the latest used last"""
        self._lock = Lock()
        self.version = 0
        """changes whenever blocks serve other samples than before"""
        self.newest_ms = NEVER_MS
        self.oldest_ms = 2**63 - 1
        make_directory(directory)
        remove_leftovers(directory)
        self._open_all()

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self._blocks

    @property
    def samples(self) -> int:
        return sum(block.meta.samples for block in self._blocks)

    def parts(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> dict[str, list[Part]]:
        """What blocks hold of the series that all matchers accept, in [start_ms, end_ms]."""
        return self._gather(start_ms, end_ms, lambda block: block.parts(matchers, start_ms, end_ms))

    def parts_of_keys(self, keys: Keys, start_ms: int, end_ms: int) -> dict[str, list[Part]]:
        return self._gather(start_ms, end_ms, lambda block: block.parts_of_keys(keys, start_ms, end_ms))

    def replace(self, gone: Iterable[Block], path: Path | None) -> None:
        """Serve the block at `path` instead of those, and delete them."""
        doomed = set(gone)
        fresh = [Block(path, self.quarantine)] if path is not None else []
        self._change(doomed, fresh)
        for block in doomed:
            try:
                if block.has_unread_bytes:
                    self.quarantine.move(block.path, f"{block.path}: the disk refused to read parts of it")
                else:
                    remove_directory(block.path)
            except OSError as error:
                log.warning("%s: could not be deleted: %s; the next start will", block.path, error)

    def delete(self, keys: Keys, start_ms: int, end_ms: int) -> None:
        """Tombstones for these series. Raises OSError."""
        try:
            for block in self.overlapping(start_ms, end_ms):
                present = keys[np.isin(keys, block.index().keys)]
                if len(present):
                    block.tombstones.add(Tombstone(start_ms, end_ms, present))
        finally:
            self._change((), ())

    def overlapping(self, start_ms: int, end_ms: int) -> list[Block]:
        return [
            block for block in self._blocks if block.meta.min_ms <= end_ms and block.meta.max_ms >= start_ms
        ]

    def ask(self, start_ms: int, end_ms: int, question: Callable[[Block], Answer]) -> list[Answer]:
        """Ask every block that overlaps [start_ms, end_ms]; one that is damaged as a whole is set aside.

        Raises WorldFailure where the system lets nobody read at the moment.
        """
        answers: list[Answer] = []
        for block in self.overlapping(start_ms, end_ms):
            try:
                answers.append(question(block))
            except (UnreadableBlock, OSError) as error:
                if block not in self._blocks:
                    # It was merged or deleted meanwhile: ask those that are there now.
                    return self.ask(start_ms, end_ms, question)
                if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
                    raise WorldFailure(
                        f"{block.path}: cannot be read ({error.strerror}); asking again later may help"
                    ) from error
                self._change((block,), ())
                self._set_aside(block.path, error)
                continue
            self._note_use(block)
        return answers

    def _gather(
        self, start_ms: int, end_ms: int, question: Callable[[Block], dict[str, list[Part]]]
    ) -> dict[str, list[Part]]:
        result: dict[str, list[Part]] = {}
        for found in self.ask(start_ms, end_ms, question):
            for cohort, parts in found.items():
                result.setdefault(cohort, []).extend(parts)
        return result

    def _note_use(self, block: Block) -> None:
        with self._lock:
            self._used.pop(block.number, None)
            self._used[block.number] = block
            total, crowd = 0, []
            for each in reversed(self._used.values()):
                total += each.index_bytes
                if total > _INDEX_BUDGET_BYTES and each is not block:
                    crowd.append(each)
            for each in crowd:
                del self._used[each.number]
        for each in crowd:
            each.forget_index()

    def _open_all(self) -> None:
        found: list[Block] = []
        for path in sorted(self.directory.iterdir()):
            if not path.is_dir():
                continue
            try:
                found.append(Block(path, self.quarantine))
            except (UnreadableBlock, FileNotFoundError) as error:
                self._set_aside(path, error)
            except OSError as error:
                self.quarantine.count += 1
                log.error("%s: %s; the block stays and is not served until the next start", path, error)
        replaced = {parent for block in found for parent in block.meta.parents}
        for block in found:
            # A crash came between writing a merged block and deleting what it was made of.
            if block.meta.id in replaced:
                remove_directory(block.path)
        self._change((), [block for block in found if block.meta.id not in replaced])

    def _set_aside(self, path: Path, error: Exception) -> None:
        """Move a block that cannot be read at all out of the way, whole."""
        self.quarantine.move(path, f"{error}; the block is not served")

    def _change(self, gone: Collection[Block], fresh: Sequence[Block]) -> None:
        """Serve other blocks, or other samples of the same ones. A query that finds damage does this too."""
        with self._lock:
            blocks = [*(block for block in self._blocks if block not in gone), *fresh]
            self._blocks = tuple(sorted(blocks, key=lambda block: (block.meta.min_ms, block.name)))
            self.version += 1
            self.newest_ms = max((block.meta.max_ms for block in blocks), default=NEVER_MS)
            self.oldest_ms = min((block.meta.min_ms for block in blocks), default=2**63 - 1)
            alive = {block.number for block in blocks}
            self._used = {number: block for number, block in self._used.items() if number in alive}
