"""Selecting samples: what changes no more is put together once and kept, what still grows is added.

In:  matchers and a time range. Out: sample blocks, each series in one.
A dashboard and a rule ask for the same series again and again, a little later each time. What blocks and
sealed chunks hold of them is decoded and laid side by side when it is first asked for (*settled*), and stays
within a budget of bytes; a query then takes a slice of it and adds the open chunk. A selection too large to
be kept is read piece by piece every time.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backbeat.model.arrays import Bools, Float64s, Int32s, Int64s
from backbeat.model.cache import ByteCache
from backbeat.model.matchers import Matcher
from backbeat.model.samples import SampleBlock
from backbeat.storage.assemble import Part, assemble, keys_in_several, stitched
from backbeat.storage.block_store import BlockStore
from backbeat.storage.chunks import Source
from backbeat.storage.cohort import times_within
from backbeat.storage.head import Head, Look, Placed, parts_of, rows_of
from backbeat.storage.keys import Keys

_FOREVER = 2**63 - 1
_SLACK_MS = 30 * 60_000
"""A first read begins at a multiple of this, so that a slightly earlier start needs no second one."""


class SettledSource:
    """A `Source` over samples that lie side by side already."""

    def __init__(self, block: SampleBlock) -> None:
        self.times: Int64s = block.times
        self.rows: Int32s = np.arange(len(block.labels), dtype=np.int32)
        self._values = block.values
        self._present = block.present

    def read(self, rows: Int32s, first: int, last: int) -> tuple[Float64s, Bools | None]:
        values = self._values if rows is self.rows else self._values[rows]
        return values[:, first:last], self.presence(rows, first, last)

    def presence(self, rows: Int32s | None, first: int, last: int) -> Bools | None:
        if self._present is None:
            return None
        present = self._present if rows is None or rows is self.rows else self._present[rows]
        cells: Bools = present[:, first:last]
        return None if cells.all() else cells


@dataclass(frozen=True, slots=True)
class _Settled:
    """One cohort's samples from `from_ms` on, as they were at `version`."""

    version: int
    placed: Placed | None
    from_ms: int
    parts: tuple[Part, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Selection:
    """What is kept for one list of matchers."""

    blocks_version: int
    blocks_from_ms: int
    blocks: Mapping[str, _Settled]
    memory: Mapping[str, _Settled]
    placed: Sequence[Placed]
    several: Keys
    """series that are in several cohorts"""
    uniform: frozenset[str]
    """cohorts whose every part holds all of the placed series, in their order"""

    @property
    def size_bytes(self) -> int:
        kept = sum(each.size_bytes for share in (self.blocks, self.memory) for each in share.values())
        return 1000 + kept


_NOTHING_YET = _Selection(-1, _FOREVER, {}, {}, (), np.empty(0, np.uint64), frozenset())


class Selector:
    """Reads samples from memory and blocks; any thread may ask."""

    def __init__(self, head: Head, blocks: BlockStore, cache_bytes: int) -> None:
        self._head = head
        self._blocks = blocks
        self._kept: ByteCache[_Selection] = ByteCache(cache_bytes)
        self._largest = cache_bytes // 4

    def parts(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> dict[str, list[Part]]:
        """Where the samples in [start_ms, end_ms] are, by cohort; nothing is read yet."""
        # Memory first: what a cut moves to a block meanwhile is then seen twice, which is merged, not missed.
        result = self._head.parts(self._head.matched(matchers), start_ms, end_ms)
        for cohort, parts in self._blocks.parts(matchers, start_ms, end_ms).items():
            result.setdefault(cohort, []).extend(parts)
        return result

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[SampleBlock]:
        """Samples in [start_ms, end_ms] of every series that all matchers accept, each in one block."""
        wanted = tuple(matchers)
        placed = self._head.matched(wanted)
        looks = self._head.look(placed)
        kept = self._kept.get(wanted) or _NOTHING_YET
        renewed = self._renewed(kept, wanted, placed, looks, start_ms)
        if renewed is None:
            return assemble(self.parts(wanted, start_ms, end_ms))
        if renewed is not kept:
            self._kept.put(wanted, renewed, renewed.size_bytes)
        return _read(renewed, looks, start_ms, end_ms)

    def stamp(self, matchers: Sequence[Matcher]) -> Hashable:
        """Changes when the samples that a select finds may have changed."""
        placed = self._head.matched(matchers)
        with self._head.lock:
            changes = tuple([each.cohort.changes for each in placed])
        return self._head.table.generation, self._blocks.version, changes

    def _renewed(
        self,
        kept: _Selection,
        wanted: tuple[Matcher, ...],
        placed: Sequence[Placed],
        looks: Sequence[Look],
        start_ms: int,
    ) -> _Selection | None:
        """What is kept, made to reach from `start_ms` to now; None: it is too large to keep."""
        from_ms = start_ms // _SLACK_MS * _SLACK_MS
        version, newest_ms = self._blocks.version, self._blocks.newest_ms
        blocks, blocks_from_ms = kept.blocks, kept.blocks_from_ms
        room = self._largest
        if start_ms <= newest_ms and (kept.blocks_version != version or kept.blocks_from_ms > start_ms):
            found = self._blocks.parts(wanted, from_ms, _FOREVER)
            room -= sum(_size(parts) for parts in found.values())
            if room < 0:
                return None
            blocks_from_ms = from_ms
            blocks = {name: _settle(name, version, None, from_ms, parts) for name, parts in found.items()}
        elif start_ms > newest_ms and kept.blocks_version != version:
            blocks, blocks_from_ms = {}, _FOREVER
        memory = self._memory(kept, looks, start_ms, from_ms, room)
        if memory is None:
            return None
        if blocks is kept.blocks and memory is kept.memory and placed is kept.placed:
            return kept if kept.blocks_version == version else replace(kept, blocks_version=version)
        several = _several(blocks, placed)
        uniform = (
            ()
            if len(several)
            else (
                each.cohort.name
                for each in placed
                if _holds_all(blocks.get(each.cohort.name), each)
                and _holds_all(memory.get(each.cohort.name), each)
            )
        )
        return _Selection(version, blocks_from_ms, blocks, memory, placed, several, frozenset(uniform))

    def _memory(
        self, kept: _Selection, looks: Sequence[Look], start_ms: int, from_ms: int, room: int
    ) -> Mapping[str, _Settled] | None:
        """The cohorts' sealed chunks, those that changed put together anew."""
        changed: dict[str, _Settled] = {}
        names = set()
        for look in looks:
            if not look.sealed:
                continue
            placed, name = look.placed, look.placed.cohort.name
            names.add(name)
            old = kept.memory.get(name)
            if (
                old is not None
                and old.version == look.version
                and old.from_ms <= start_ms
                and (old.placed is placed or _same_series(old.placed, placed))
            ):
                continue
            found = parts_of([(placed, look.sealed)], from_ms, _FOREVER).get(name, [])
            room -= _size(found)
            if room < 0:
                return None
            changed[name] = _settle(name, look.version, placed, from_ms, found)
        if not changed and len(names) == len(kept.memory):
            return kept.memory
        return {name: each for name, each in kept.memory.items() if name in names} | changed


def _read(kept: _Selection, looks: Sequence[Look], start_ms: int, end_ms: int) -> list[SampleBlock]:
    done: list[SampleBlock] = []
    straight: set[str] = set()
    parts: dict[str, list[Part]] = {}
    for look in looks:
        name = look.placed.cohort.name
        pieces = _pieces(kept, look, start_ms, end_ms) if name in kept.uniform else None
        if pieces is not None:
            straight.add(name)
            done += [_joined(look.placed, pieces)] if pieces else []
            continue
        if name in kept.memory:
            _add(parts, name, kept.memory[name].parts, start_ms, end_ms)
        if look.open is not None:
            for own in parts_of([(look.placed, (look.open,))], start_ms, end_ms).values():
                parts.setdefault(name, []).extend(own)
    for name, settled in kept.blocks.items():
        if name not in straight:
            _add(parts, name, settled.parts, start_ms, end_ms)
    return done + assemble(parts, kept.several) if parts else done


def _settle(name: str, version: int, placed: Placed | None, from_ms: int, found: Sequence[Part]) -> _Settled:
    parts = []
    for each in stitched({name: found}):
        source = SettledSource(each.block)
        parts.append(Part(each.keys, each.block.labels, source, source.rows, 0, len(source.times)))
    return _Settled(version, placed, from_ms, tuple(parts), _size(parts))


def _size(parts: Sequence[Part]) -> int:
    return sum(9 * len(part.rows) * (part.last - part.first) + 8 * (part.last - part.first) for part in parts)


def _same_series(one: Placed | None, two: Placed) -> bool:
    return one is not None and one.cohort is two.cohort and np.array_equal(one.keys, two.keys)


def _several(blocks: Mapping[str, _Settled], placed: Sequence[Placed]) -> Keys:
    by_cohort: dict[str, list[Keys]] = {
        name: [part.keys for part in settled.parts] for name, settled in blocks.items()
    }
    for each in placed:
        by_cohort.setdefault(each.cohort.name, []).append(each.keys)
    return keys_in_several(by_cohort.values())


def _holds_all(settled: _Settled | None, placed: Placed) -> bool:
    if settled is None or not settled.parts:
        return True
    part = settled.parts[0]
    if len(settled.parts) > 1 or len(part.keys) != len(placed.keys):
        return False
    return (
        bool((part.keys == placed.keys).all())
        and part.source.presence(None, 0, len(part.source.times)) is None
    )


_Piece = tuple[Source, Int32s, int, int]
"""a source, its rows, and [first, last) of its samples"""


def _pieces(kept: _Selection, look: Look, start_ms: int, end_ms: int) -> list[_Piece] | None:
    """What holds a uniform cohort's samples, one after the other; None: it is not as simple as that."""
    name, placed, after = look.placed.cohort.name, look.placed, -_FOREVER
    sources: list[tuple[Source, Int32s]] = [
        (part.source, part.rows)
        for settled in (kept.blocks.get(name), kept.memory.get(name))
        if settled is not None
        for part in settled.parts
    ]
    if look.open is not None:
        rows = rows_of(look.open.columns, placed.columns) if look.open.is_plain else None
        if rows is None:
            return None
        sources.append((look.open, rows))
    pieces: list[_Piece] = []
    for source, rows in sources:
        times = source.times
        if times[0] <= after:
            return None
        after = times[-1]
        if times[0] <= end_ms and after >= start_ms:
            first, last = times_within(times, start_ms, end_ms)
            if first < last:
                pieces.append((source, rows, first, last))
    return pieces


def _joined(placed: Placed, pieces: Sequence[_Piece]) -> SampleBlock:
    """Pieces without a gap, side by side."""
    if len(pieces) == 1:
        source, rows, first, last = pieces[0]
        values = np.ascontiguousarray(source.read(rows, first, last)[0])
        return SampleBlock(placed.labels, source.times[first:last], values, None)
    times = np.concatenate([source.times[first:last] for source, _, first, last in pieces])
    values = np.empty((len(placed.keys), len(times)))
    at = 0
    for source, rows, first, last in pieces:
        end = at + last - first
        values[:, at:end] = source.read(rows, first, last)[0]
        at = end
    return SampleBlock(placed.labels, times, values, None)


def _add(
    parts: dict[str, list[Part]], name: str, settled: Sequence[Part], start_ms: int, end_ms: int
) -> None:
    """The samples in [start_ms, end_ms] of what is settled."""
    for part in settled:
        times = part.source.times
        if times[0] > end_ms or times[-1] < start_ms:
            continue
        first, last = times_within(times, start_ms, end_ms)
        if first < last:
            own = Part(part.keys, part.labels, part.source, part.rows, first, last)
            parts.setdefault(name, []).append(own)
