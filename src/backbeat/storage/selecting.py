"""Selecting samples: what was asked for is kept side by side, and new rows are added to it.

In:  matchers and a time range. Out: a sheet and sample blocks, each series in one of them.
A dashboard and a rule ask for the same series again and again, a little later each time. Cohorts without gaps
are therefore kept in a sheet (`storage.sheets`), which grows with them and which a query looks into without
copying anything. Of all others, what blocks and sealed chunks hold is decoded and laid side by side once
(*settled*); a query takes a slice of it and adds the open chunk. All of it stays within a budget of bytes; a
selection too large to be kept is read piece by piece every time.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from threading import Lock

import numpy as np
from msgspec import Struct

from backbeat.model.arrays import Bools, Float64s, Int32s, Int64s
from backbeat.model.cache import ByteCache
from backbeat.model.matchers import Matcher
from backbeat.model.samples import SampleBlock, Sheet
from backbeat.storage.assemble import Part, assemble, keys_in_several, stitched
from backbeat.storage.block_store import BlockStore
from backbeat.storage.cohort import times_within
from backbeat.storage.head import Head, Look, Placed, parts_of
from backbeat.storage.keys import Keys
from backbeat.storage.sheets import Arrival, GrowingSheet

_FOREVER = 2**63 - 1
_SLACK_MS = 30 * 60_000
"""A first read begins at a multiple of this, so that a slightly earlier start needs no second one."""
_MOST_LOOKS = 3
_BATCH = 1 << 19
"""samples that are read at a time and stay in a processor's cache"""
_FEW_COHORTS = 64
"""of which taking over the newest rows takes no time worth speaking of"""


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


class _Settled(Struct, frozen=True):
    """One cohort's samples as they were at `version`."""

    version: int
    placed: Placed | None
    parts: tuple[Part, ...]
    size_bytes: int


class _Kept:
    """What is kept for one list of matchers; everything is used under its lock."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.blocks_version = -1
        self.from_ms = _FOREVER
        self.placed: Sequence[Placed] = ()
        self.several: Keys = np.empty(0, np.uint64)
        """series that are in several cohorts"""
        self.sheet = GrowingSheet()
        self.blocks: dict[str, _Settled] = {}
        self.memory: Mapping[str, _Settled] = {}
        self.accounted_bytes = 0
        """what the cache takes it to need"""

    def begin_anew(self, blocks_version: int, from_ms: int) -> None:
        self.blocks_version, self.from_ms = blocks_version, from_ms
        self.sheet, self.blocks, self.memory = GrowingSheet(), {}, {}

    def forget(self) -> None:
        """Nothing is kept: what is half renewed would be taken for whole by the next who gets the lock."""
        self.begin_anew(-1, _FOREVER)

    @property
    def size_bytes(self) -> int:
        settled = [each.size_bytes for share in (self.blocks, self.memory) for each in share.values()]
        return 1000 + sum(settled) + self.sheet.size_bytes


class _TooLarge(Exception):
    """A selection does not fit into what may be kept of it."""


class Selector:
    """Reads samples from memory and blocks; any thread may ask."""

    def __init__(self, head: Head, blocks: BlockStore, cache_bytes: int) -> None:
        self._head = head
        self._blocks = blocks
        self._kept: ByteCache[_Kept] = ByteCache(cache_bytes, largest_bytes=cache_bytes // 2)
        self._largest = cache_bytes // 2
        self._lock = Lock()

    def parts(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> dict[str, list[Part]]:
        """Where the samples in [start_ms, end_ms] are, by cohort; nothing is read yet."""
        # Memory first: what a cut moves to a block meanwhile is then seen twice, which is merged, not missed.
        result = self._head.parts(self._head.matched(matchers), start_ms, end_ms)
        for cohort, parts in self._blocks.parts(matchers, start_ms, end_ms).items():
            result.setdefault(cohort, []).extend(parts)
        return result

    def read(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[SampleBlock | Sheet]:
        """Samples in [start_ms, end_ms] of every series that all matchers accept, each in one place."""
        wanted = tuple(matchers)
        found = self._read_kept(wanted, start_ms, end_ms)
        return list(assemble(self.parts(wanted, start_ms, end_ms))) if found is None else found

    def read_in_batches(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> Iterator[list[SampleBlock | Sheet]]:
        """The same, a few series at a time where it is too much to be kept."""
        wanted = tuple(matchers)
        found = self._read_kept(wanted, start_ms, end_ms)
        if found is not None:
            yield found
            return
        batch: list[SampleBlock | Sheet] = []
        samples = 0
        for each in stitched(self.parts(wanted, start_ms, end_ms)):
            batch.append(each.block)
            samples += each.block.values.size
            if samples >= _BATCH:
                yield batch
                batch, samples = [], 0
        if batch:
            yield batch

    def _read_kept(
        self, wanted: tuple[Matcher, ...], start_ms: int, end_ms: int
    ) -> list[SampleBlock | Sheet] | None:
        """From what is kept, which is renewed; None where it is too large, or not of one moment."""
        kept = self._kept.get(wanted) or self._kept_of(wanted)
        with kept.lock:
            try:
                looks = self._renew_as_of_one_moment(kept, wanted, start_ms)
            except _TooLarge:
                self._kept.forget(wanted)
                kept.forget()
                looks = None
            except BaseException:
                kept.forget()
                raise
            if looks is None:
                return None
            if (size := kept.size_bytes) != kept.accounted_bytes:
                self._kept.put(wanted, kept, size)
                kept.accounted_bytes = size
            sheet = kept.sheet.sheet(start_ms, end_ms)
            parts = _other_parts(kept, looks, start_ms, end_ms) if looks or kept.blocks else {}
            several = kept.several
        found: list[SampleBlock | Sheet] = [sheet] if len(sheet.times) else []
        return [*found, *assemble(parts, several)] if parts else found

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[SampleBlock]:
        """The same, all of it in blocks."""
        blocks: list[SampleBlock] = []
        for one in self.read(matchers, start_ms, end_ms):
            blocks += one.blocks() if isinstance(one, Sheet) else [one]
        return blocks

    def at_hand(self, matchers: Sequence[Matcher], start_ms: int) -> int | None:
        """How many series a read gives, if all but its newest rows is in the sheet; else None."""
        wanted = tuple(matchers)
        placed, kept = self._head.matched_before(wanted), self._kept.get(wanted)
        if placed is None or kept is None or placed is not kept.placed or len(placed) > _FEW_COHORTS:
            return None
        if kept.blocks_version != self._blocks.version or kept.from_ms > start_ms or kept.lock.locked():
            return None
        if kept.blocks or len(kept.sheet.members) < len(placed):
            return None
        return sum(len(each.keys) for each in placed)

    def stamp(self, matchers: Sequence[Matcher]) -> Hashable:
        """Changes when the samples that a select finds may have changed."""
        placed = self._head.matched(matchers)
        with self._head.lock:
            changes = tuple([each.cohort.changes for each in placed])
        return self._head.table.generation, self._blocks.version, changes

    def _kept_of(self, wanted: tuple[Matcher, ...]) -> _Kept:
        with self._lock:
            kept = self._kept.get(wanted)
            if kept is None:
                kept = _Kept()
                self._kept.put(wanted, kept, kept.size_bytes)
            return kept

    def _renew_as_of_one_moment(
        self, kept: _Kept, wanted: tuple[Matcher, ...], start_ms: int
    ) -> list[Look] | None:
        """`_renew`, with nothing moved from memory to a block between the looks at either. Raises _TooLarge.

        None: it was moved each time. A block is served before its samples leave memory, so the version tells.
        """
        for _ in range(_MOST_LOOKS):
            looks = self._renew(kept, wanted, start_ms)
            if kept.blocks_version == self._blocks.version:
                return looks
        return None

    def _renew(self, kept: _Kept, wanted: tuple[Matcher, ...], start_ms: int) -> list[Look]:
        """Make what is kept reach from `start_ms` to now; returns the cohorts that are not in the sheet.

        Raises _TooLarge.
        """
        placed, sheet = self._head.matched(wanted), kept.sheet
        if kept.blocks_version != self._blocks.version or kept.from_ms > start_ms:
            kept.begin_anew(self._blocks.version, start_ms // _SLACK_MS * _SLACK_MS)
            sheet = kept.sheet
            self._take_in(kept, wanted, placed, placed)
        elif placed is not kept.placed:
            by_name = {each.cohort.name: each for each in placed}
            sheet.drop(
                [
                    name
                    for name, member in sheet.members.items()
                    if not _same_series(by_name.get(name), member.placed)
                ]
            )
            known = {each.cohort.name for each in kept.placed}
            self._take_in(kept, wanted, placed, [each for each in placed if each.cohort.name not in known])
        with self._head.lock:
            news = sheet.changed()
        if news and (unfit := sheet.follow(news)):
            sheet.drop(unfit)
            self._take_in(kept, wanted, placed, ())
        if sheet.size_bytes > self._largest:
            raise _TooLarge
        if len(sheet.members) == len(placed):
            kept.memory = {}
            return []
        looks = self._head.look([each for each in placed if each.cohort.name not in sheet.members])
        self._settle_memory(kept, looks)
        return looks

    def _take_in(
        self,
        kept: _Kept,
        wanted: tuple[Matcher, ...],
        placed: Sequence[Placed],
        fresh: Sequence[Placed],
    ) -> None:
        """Put fresh cohorts without gaps into the sheet; settle what blocks hold of all that are not in it.

        Raises _TooLarge.
        """
        # Memory first, as in `parts`.
        with self._head.lock:
            for each in fresh:
                each.cohort.expect_after(self._blocks.newest_ms)
            looks = [
                (each, each.cohort.changes, each.cohort.rewrites, each.cohort.chunks()) for each in fresh
            ]
        in_blocks = self._blocks.parts(wanted, kept.from_ms, _FOREVER)
        in_memory = parts_of([(each, chunks) for each, _, _, chunks in looks], kept.from_ms, _FOREVER)
        size = sum(_size(parts) for share in (in_blocks, in_memory) for parts in share.values())
        if size > self._largest:
            raise _TooLarge
        kept.placed = placed
        kept.several = several = _several(in_blocks, placed)
        sheet = kept.sheet
        arrivals = []
        for each, changes, rewrites, _ in looks:
            name = each.cohort.name
            parts = sorted(
                (*in_blocks.get(name, ()), *in_memory.get(name, ())), key=lambda part: int(part.times[0])
            )
            if all(_is_of(part, each) for part in parts) and not _has_any(each, several):
                arrivals.append(Arrival(each, changes, rewrites, parts))
        if arrivals:
            sheet.add(arrivals)
        sheet.drop([name for name, member in sheet.members.items() if _has_any(member.placed, several)])
        kept.blocks = {
            name: kept.blocks.get(name) or _settle(name, kept.blocks_version, None, parts)
            for name, parts in in_blocks.items()
            if name not in sheet.members
        }

    def _settle_memory(self, kept: _Kept, looks: Sequence[Look]) -> None:
        """The sealed chunks of cohorts that are not in the sheet, put together anew where they changed."""
        memory: dict[str, _Settled] = {}
        room = self._largest
        for look in looks:
            if not look.sealed:
                continue
            placed, name = look.placed, look.placed.cohort.name
            old = kept.memory.get(name)
            if (
                old is not None
                and old.version == look.version
                and (old.placed is placed or _same_series(old.placed, placed))
            ):
                memory[name] = old
                continue
            found = parts_of([(placed, look.sealed)], kept.from_ms, _FOREVER).get(name, [])
            room -= _size(found)
            if room < 0:
                raise _TooLarge
            memory[name] = _settle(name, look.version, placed, found)
        kept.memory = memory


def _other_parts(kept: _Kept, looks: Sequence[Look], start_ms: int, end_ms: int) -> dict[str, list[Part]]:
    """The samples in [start_ms, end_ms] of cohorts that are not in the sheet."""
    parts: dict[str, list[Part]] = {}
    for look in looks:
        name = look.placed.cohort.name
        if name in kept.memory:
            _add(parts, name, kept.memory[name].parts, start_ms, end_ms)
        if look.open is not None:
            for own in parts_of([(look.placed, (look.open,))], start_ms, end_ms).values():
                parts.setdefault(name, []).extend(own)
    for name, settled in kept.blocks.items():
        _add(parts, name, settled.parts, start_ms, end_ms)
    return parts


def _settle(name: str, version: int, placed: Placed | None, found: Sequence[Part]) -> _Settled:
    parts = []
    for each in stitched({name: found}):
        source = SettledSource(each.block)
        parts.append(Part(each.keys, each.block.labels, source, source.rows, 0, len(source.times)))
    return _Settled(version, placed, tuple(parts), _size(parts))


def _size(parts: Sequence[Part]) -> int:
    return sum(9 * len(part.rows) * (part.last - part.first) + 8 * (part.last - part.first) for part in parts)


def _same_series(one: Placed | None, two: Placed | None) -> bool:
    return (
        one is not None
        and two is not None
        and one.cohort is two.cohort
        and np.array_equal(one.keys, two.keys)
        and np.array_equal(one.columns, two.columns)
    )


def _is_of(part: Part, placed: Placed) -> bool:
    """Whether the part holds just these series, in whatever order."""
    if len(part.keys) != len(placed.keys):
        return False
    return np.array_equal(part.keys, placed.keys) or np.array_equal(np.sort(part.keys), np.sort(placed.keys))


def _has_any(placed: Placed, several: Keys) -> bool:
    return bool(len(several)) and bool(np.isin(placed.keys, several).any())


def _several(in_blocks: Mapping[str, Sequence[Part]], placed: Sequence[Placed]) -> Keys:
    by_cohort: dict[str, list[Keys]] = {
        name: [part.keys for part in parts] for name, parts in in_blocks.items()
    }
    for each in placed:
        by_cohort.setdefault(each.cohort.name, []).append(each.keys)
    return keys_in_several(by_cohort.values())


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
