"""Putting the samples of series together from all the places that hold some of them.

In:  parts: for one source (a chunk in memory or in a block), the matched series and the wanted samples.
Out: sample blocks in which every series occurs once.
The usual case by far is a cohort whose chunks all hold the same series, one after the other in time: its
matrices are laid side by side. All else (series that came and went, samples that arrived late, series in
several cohorts) is grouped by which parts a series is in, and merged by time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from msgspec import Struct

from backbeat.model.arrays import Bools, Float64s, Int32s, Int64s
from backbeat.model.labels import Labels
from backbeat.model.samples import SampleBlock
from backbeat.storage.chunks import Source, read_into
from backbeat.storage.keys import Keys


class Part(Struct, frozen=True):
    """Samples [first, last) of the given rows of one source.

    keys, labels, rows: (series,), aligned
    """

    keys: Keys
    labels: Sequence[Labels]
    source: Source
    rows: Int32s
    first: int
    last: int

    @property
    def times(self) -> Int64s:
        return self.source.times[self.first : self.last]

    def only(self, chosen: Int64s) -> Part:
        labels = self.labels
        return Part(
            self.keys[chosen],
            [labels[each] for each in chosen.tolist()],
            self.source,
            self.rows[chosen],
            self.first,
            self.last,
        )


def assemble(cohorts: Mapping[str, Sequence[Part]], several: Keys | None = None) -> list[SampleBlock]:
    """One or more blocks for each cohort; parts of a cohort may come in any order.

    several: the series that are in several cohorts, where that is known.
    """
    return [each.block for each in stitched(cohorts, several)]


class Stitched(Struct, frozen=True):
    """Samples that lie side by side, with the keys of their series."""

    keys: Keys
    block: SampleBlock


def stitched(cohorts: Mapping[str, Sequence[Part]], several: Keys | None = None) -> Iterator[Stitched]:
    """As `assemble`, with keys, and each read when it is asked for."""
    shared: list[Part] = []
    if several is None:
        several = keys_in_several([[part.keys for part in parts] for parts in cohorts.values()])
    for parts in cohorts.values():
        own: Sequence[Part] = parts
        if len(several):
            own, others = _separate(parts, several)
            shared += others
        yield from _blocks_of(own)
    yield from _blocks_of(shared)


def keys_in_several(cohorts: Collection[Sequence[Keys]]) -> Keys:
    """The keys that more than one cohort has; each cohort: the keys of its parts."""
    if len(cohorts) < 2:
        return np.empty(0, np.uint64)
    everyone = np.sort(np.concatenate([_united(keys) for keys in cohorts]))
    return np.unique(everyone[1:][everyone[1:] == everyone[:-1]])


def _united(keys: Sequence[Keys]) -> Keys:
    if not keys:
        return np.empty(0, np.uint64)
    return keys[0] if _all_equal(keys) else np.unique(np.concatenate(keys))


def _all_equal(keys: Sequence[Keys]) -> bool:
    """Whether all are the same keys in the same order."""
    first = keys[0]
    content: bytes | None = None
    for each in keys[1:]:
        if each is first:
            continue
        content = first.tobytes() if content is None else content
        if each.tobytes() != content:
            return False
    return True


def _separate(parts: Sequence[Part], several: Keys) -> tuple[list[Part], list[Part]]:
    own, others = [], []
    for part in parts:
        is_shared = np.isin(part.keys, several)
        if is_shared.any():
            others.append(part.only(np.flatnonzero(is_shared)))
            if not is_shared.all():
                own.append(part.only(np.flatnonzero(~is_shared)))
        else:
            own.append(part)
    return own, others


def _blocks_of(parts: Sequence[Part]) -> Iterator[Stitched]:
    if not parts:
        return
    groups = [parts] if _all_equal([part.keys for part in parts]) else _by_signature(parts)
    for group in groups:
        block = _stitch(group)
        if block is not None:
            yield block


def _by_signature(parts: Sequence[Part]) -> list[list[Part]]:
    """Group series by which parts they are in, so that each group's parts hold the same series."""
    everyone, places = np.unique(np.concatenate([part.keys for part in parts]), return_inverse=True)
    member = np.zeros((len(everyone), len(parts)), np.bool_)
    at = 0
    for number, part in enumerate(parts):
        member[places[at : at + len(part.keys)], number] = True
        at += len(part.keys)
    signatures, groups = np.unique(np.packbits(member, axis=1), axis=0, return_inverse=True)
    groups = groups.reshape(-1)
    result: list[list[Part]] = [[] for _ in signatures]
    at = 0
    for part in parts:
        own = places[at : at + len(part.keys)]
        at += len(part.keys)
        own_groups = groups[own]
        # By group, then by key, so that all parts of a group list its series in one order.
        order = np.lexsort((own, own_groups))
        bounds = np.flatnonzero(np.diff(own_groups[order], prepend=-1, append=-1))
        for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            result[int(own_groups[order[start]])].append(part.only(order[start:end]))
    return result


def _stitch(parts: Sequence[Part]) -> Stitched | None:
    """Parts that hold the same series in the same order become one block; None if no sample is in it."""
    parts = sorted((part for part in parts if part.last > part.first), key=lambda part: int(part.times[0]))
    if not parts:
        return None
    if len(parts) == 1:
        values, present = parts[0].source.read(parts[0].rows, parts[0].first, parts[0].last)
        return _without_empty(parts[0], parts[0].times, np.ascontiguousarray(values), present)
    times = np.concatenate([part.times for part in parts])
    if (times[1:] > times[:-1]).all():
        values, present = _side_by_side(parts, len(times))
    else:
        times, values, present = _merged(parts, times)
    return _without_empty(parts[0], times, values, present)


def _side_by_side(parts: Sequence[Part], count: int) -> tuple[Float64s, Bools | None]:
    values = np.empty((len(parts[0].rows), count))
    present: Bools | None = None
    at = 0
    for part in parts:
        end = at + part.last - part.first
        mask = read_into(values[:, at:end], part.source, part.rows, part.first, part.last)
        if mask is not None:
            if present is None:
                present = np.ones(values.shape, np.bool_)
            present[:, at:end] = mask
        at = end
    return values, present


def _merged(parts: Sequence[Part], times: Int64s) -> tuple[Int64s, Float64s, Bools | None]:
    """Parts that overlap in time; where two hold the same sample it is one sample."""
    times, places = np.unique(times, return_inverse=True)
    values = np.zeros((len(parts[0].rows), len(times)))
    present = np.zeros(values.shape, np.bool_)
    at = 0
    for part in parts:
        own = places[at : at + part.last - part.first]
        at += part.last - part.first
        read, mask = part.source.read(part.rows, part.first, part.last)
        if mask is None:
            values[:, own] = read
            present[:, own] = True
        else:
            values[:, own] = np.where(mask, read, values[:, own])
            present[:, own] |= mask
    return times, values, None if present.all() else present


def _without_empty(part: Part, times: Int64s, values: Float64s, present: Bools | None) -> Stitched | None:
    """Leave out series without a sample, and moments without any."""
    keys, labels = part.keys, part.labels
    if present is not None:
        series: Bools = np.asarray(present.any(axis=1))
        samples: Bools = np.asarray(present.any(axis=0))
        if not series.any():
            return None
        if not series.all():
            labels = [each for each, has in zip(labels, series.tolist(), strict=True) if has]
            keys, values, present = keys[series], values[series], present[series]
        if not samples.all():
            times, values, present = times[samples], values[:, samples], present[:, samples]
        values, present = np.ascontiguousarray(values), np.ascontiguousarray(present)
        present = None if present.all() else present
    return Stitched(keys, SampleBlock(labels, times, values, present))
