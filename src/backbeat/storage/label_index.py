"""Names and values of labels, from the indexes alone: no sample is looked at.

As in Prometheus, the time range chooses blocks, and memory as a whole; a series that ended within a block
that the range touches still counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from backbeat.model.cache import ByteCache
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher
from backbeat.storage.block_index import BlockIndex
from backbeat.storage.block_store import BlockStore
from backbeat.storage.head import Head

_KNOWN_BYTES = 16 << 20
_TEXT_BYTES = 100


class _Key(NamedTuple):
    """A question, and all that its answer follows from: it holds while no series comes or goes."""

    name: str
    matchers: tuple[Matcher, ...]
    has_memory: bool
    series_generation: int
    blocks_version: int
    blocks: tuple[int, ...]


class LabelIndex:
    """The labels of memory and blocks together; any thread may ask."""

    def __init__(self, head: Head, blocks: BlockStore) -> None:
        self._head = head
        self._blocks = blocks
        self._known: ByteCache[list[str]] = ByteCache(_KNOWN_BYTES)
        """sorted lists by all that they follow from"""

    def at_hand(self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str] | None:
        """What `values` would give (`names`, where the name is empty), if that is known; else None."""
        return self._known.get(self._key(name, matchers, start_ms, end_ms))

    def names(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str]:
        """Names of labels that series have which all matchers accept, sorted."""

        def of(found: Iterable[Labels]) -> Iterable[str]:
            return {name for labels in found for name, _ in labels}

        key = self._key("", matchers, start_ms, end_ms)
        if not matchers:
            return self._sorted(key, start_ms, end_ms, self._head.table.names, BlockIndex.names)
        return self._of_series(key, start_ms, end_ms, of)

    def values(self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str]:
        """Values that those series have of the label, sorted."""

        def of(found: Iterable[Labels]) -> Iterable[str]:
            return {value for labels in found for own, value in labels if own == name}

        key = self._key(name, matchers, start_ms, end_ms)
        if not matchers:
            return self._sorted(
                key,
                start_ms,
                end_ms,
                lambda: self._head.table.values(name),
                lambda index: index.values(name),
            )
        return self._of_series(key, start_ms, end_ms, of)

    def _key(self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> _Key:
        return _Key(
            name,
            tuple(matchers),
            self._head.newest_ms >= start_ms and self._head.begins_by(end_ms),
            self._head.table.generation,
            self._blocks.version,
            tuple([block.number for block in self._blocks.overlapping(start_ms, end_ms)]),
        )

    def _of_series(
        self, key: _Key, start_ms: int, end_ms: int, of: Callable[[Iterable[Labels]], Iterable[str]]
    ) -> list[str]:
        return self._sorted(
            key,
            start_ms,
            end_ms,
            lambda: of(labels for placed in self._head.matched(key.matchers) for labels in placed.labels),
            lambda index: of(index.labels(index.match(key.matchers).tolist())),
        )

    def _sorted(
        self,
        key: _Key,
        start_ms: int,
        end_ms: int,
        in_memory: Callable[[], Iterable[str]],
        in_block: Callable[[BlockIndex], Iterable[str]],
    ) -> list[str]:
        known = self._known.get(key)
        if known is None:
            found = set(in_memory()) if key.has_memory else set()
            for names in self._blocks.ask(start_ms, end_ms, lambda block: in_block(block.index())):
                found.update(names)
            known = sorted(found)
            self._known.put(key, known, 200 + _TEXT_BYTES * len(known))
        return known
