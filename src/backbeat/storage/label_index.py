"""Names and values of labels, from the indexes alone: no sample is looked at.

As in Prometheus, the time range chooses blocks, and memory as a whole; a series that ended within a block
that the range touches still counts.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

from backbeat.model.cache import ByteCache
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher
from backbeat.storage.block_index import BlockIndex
from backbeat.storage.block_store import BlockStore
from backbeat.storage.head import Head

_KNOWN_BYTES = 16 << 20
_TEXT_BYTES = 100


class LabelIndex:
    """The labels of memory and blocks together; any thread may ask."""

    def __init__(self, head: Head, blocks: BlockStore) -> None:
        self._head = head
        self._blocks = blocks
        self._known: ByteCache[list[str]] = ByteCache(_KNOWN_BYTES)
        """sorted lists by all that they follow from"""

    def names(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str]:
        """Names of labels that series have which all matchers accept, sorted."""
        if not matchers:
            return self._sorted("", start_ms, end_ms, self._head.table.names, BlockIndex.names)

        def of(found: Iterable[Labels]) -> Iterable[str]:
            return {name for labels in found for name, _ in labels}

        return self._of_series("", matchers, start_ms, end_ms, of)

    def values(self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[str]:
        """Values that those series have of the label, sorted."""
        if not matchers:
            return self._sorted(
                name,
                start_ms,
                end_ms,
                lambda: self._head.table.values(name),
                lambda index: index.values(name),
            )

        def of(found: Iterable[Labels]) -> Iterable[str]:
            return {value for labels in found for own, value in labels if own == name}

        return self._of_series(name, matchers, start_ms, end_ms, of)

    def _of_series(
        self,
        name: str,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        of: Callable[[Iterable[Labels]], Iterable[str]],
    ) -> list[str]:
        return self._sorted(
            (name, *matchers),
            start_ms,
            end_ms,
            lambda: of(labels for placed in self._head.matched(matchers) for labels in placed.labels),
            lambda index: of(index.labels(index.match(matchers).tolist())),
        )

    def _sorted(
        self,
        what: Hashable,
        start_ms: int,
        end_ms: int,
        in_memory: Callable[[], Iterable[str]],
        in_block: Callable[[BlockIndex], Iterable[str]],
    ) -> list[str]:
        """what: names the question, for it has the same answer while no series comes or goes."""
        oldest_ms = self._head.oldest_ms()
        has_memory = oldest_ms is not None and oldest_ms <= end_ms and self._head.newest_ms >= start_ms
        asked = tuple([block.number for block in self._blocks.overlapping(start_ms, end_ms)])
        key = (what, has_memory, self._head.table.generation, self._blocks.version, asked)
        known = self._known.get(key)
        if known is None:
            found = set(in_memory()) if has_memory else set()
            for names in self._blocks.ask(start_ms, end_ms, lambda block: in_block(block.index())):
                found.update(names)
            known = sorted(found)
            self._known.put(key, known, 200 + _TEXT_BYTES * len(known))
        return known
