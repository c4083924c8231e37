"""The series that memory knows: labels, key, newest sample, place, and postings by label value.

A series' number (`id`) is an index into the arrays here and is reused after the series was retired, so it
never leaves memory; on disk a series is its labels, between arrays it is its key.
Postings are sorted int32 arrays of ids per (label, value). Changes happen under the head's lock; `match`
runs without it, on copies, and starts over when series were retired meanwhile. What a start reads from the
log gets labels and postings later, with the first question or the first upkeep: a server is ready sooner.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from threading import Lock

import numpy as np

from backbeat.model.arrays import Bools, Int32s, Int64s
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher
from backbeat.storage.keys import Keys, find_sorted, key_of
from backbeat.storage.matching import accepted_values, refused_values
from backbeat.storage.records import Columns

NEVER = -(2**63)
"""time of the newest sample of a series without any"""


class SeriesTable:
    """Numbered series with an inverted index."""

    def __init__(self) -> None:
        self._labels: list[Labels | None] = []
        self.generation = 0
        """changes with every new or retired series"""
        self.retirements = 0
        self._by_labels: dict[Labels, int] = {}
        self.keys: Keys = np.empty(1024, np.uint64)
        self.newest: Int64s = np.empty(1024, np.int64)
        """time of the newest sample that this process knows of; blocks may hold newer ones"""
        self.blocks_asked: Bools = np.empty(1024, np.bool_)
        """whether `newest` takes the blocks into account"""
        self.place_cohort: Int32s = np.empty(1024, np.int32)
        self.place_column: Int32s = np.empty(1024, np.int32)
        self.home_cohort: Int32s = np.empty(1024, np.int32)
        """the cohort that takes this series' samples with times of their own; -1: none yet"""
        self.home_column: Int32s = np.empty(1024, np.int32)
        self.more_places: dict[int, list[tuple[int, int]]] = {}
        self._known_postings: dict[str, dict[str, array[int]]] = {}
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {}
        self._free: list[int] = []
        self._unread: list[tuple[Int32s, Columns]] = []
        """numbers of series whose labels nobody wanted to know yet"""
        self._unread_count = 0
        self._unread_index: tuple[int, Keys, Int32s] | None = None
        self._reading = Lock()

    def __len__(self) -> int:
        return len(self._by_labels) + self._unread_count

    @property
    def labels(self) -> list[Labels | None]:
        """(series,) by number; None: retired"""
        self.read_labels()
        return self._labels

    @property
    def by_labels(self) -> dict[Labels, int]:
        self.read_labels()
        return self._by_labels

    @property
    def _postings(self) -> dict[str, dict[str, array[int]]]:
        self.read_labels()
        return self._known_postings

    def numbers_of(self, series: Sequence[Labels]) -> list[int]:
        """The numbers of series, -1 for those that are not known, without reading the labels of others."""
        unread = self._unread
        known = self._by_labels.get
        numbers = [known(labels, -1) for labels in series]
        if unread and -1 in numbers:
            keys, unread_numbers = self._unread_keys(unread)
            asked = [place for place, number in enumerate(numbers) if number < 0]
            wanted: Keys = np.array([key_of(series[place]) for place in asked], np.uint64)
            for place, found in zip(asked, find_sorted(keys, wanted).tolist(), strict=True):
                if found >= 0:
                    numbers[place] = int(unread_numbers[found])
        return numbers

    def index_unread(self) -> None:
        """Sort the keys of unread series now, and not when someone asks for the number of one."""
        if self._unread:
            self._unread_keys(self._unread)

    def _unread_keys(self, unread: Sequence[tuple[Int32s, Columns]]) -> tuple[Keys, Int32s]:
        """Of unread series, sorted, and the numbers of these."""
        index = self._unread_index
        if index is None or index[0] != len(unread):
            numbers = np.concatenate([numbers for numbers, _ in unread])
            order = np.argsort(self.keys[numbers])
            index = self._unread_index = len(unread), self.keys[numbers][order], numbers[order]
        return index[1:]

    def read_labels(self) -> None:
        """Make the labels and postings of all series of `add_all`; any thread may, and others wait for it."""
        if not self._unread:
            return
        with self._reading:
            for numbers, columns in self._unread:
                self._read(numbers, columns)
                self._unread_count -= len(numbers)
            self._unread, self._unread_index = [], None

    def add(self, labels: Labels, key: int | None = None) -> int:
        """The number of the series, given now if it is new; key: where it is known."""
        known = self.by_labels.get(labels)
        if known is not None:
            return known
        own = Labels([self._pairs.setdefault(pair, pair) for pair in labels])
        if self._free:
            number = self._free.pop()
            self.labels[number] = own
        else:
            number = len(self.labels)
            self.labels.append(own)
            if number == len(self.keys):
                self._grow()
        self.keys[number] = key_of(own) if key is None else key
        self.newest[number] = NEVER
        self.blocks_asked[number] = False
        self.place_cohort[number] = self.place_column[number] = -1
        self.home_cohort[number] = self.home_column[number] = -1
        self.by_labels[own] = number
        self._post(own, number)
        self.generation += 1
        return number

    def add_all(self, columns: Columns) -> range:
        """The numbers of series that are all new, as the caller knows; their labels are read when needed.

        Before any other thread is here, and before any series was retired.
        """
        first, count = len(self._labels), len(columns.keys)
        while first + count > len(self.keys):
            self._grow()
        own = slice(first, first + count)
        self._labels += [None] * count
        self.keys[own] = columns.keys
        self.newest[own], self.blocks_asked[own] = NEVER, False
        for places in (self.place_cohort, self.place_column, self.home_cohort, self.home_column):
            places[own] = -1
        self._unread.append((np.arange(first, first + count, dtype=np.int32), columns))
        self._unread_count += count
        self.generation += 1
        return range(first, first + count)

    def _read(self, numbers: Int32s, columns: Columns) -> None:
        shared = [self._pairs.setdefault(pair, pair) for pair in columns.pairs()]
        series = columns.labels(shared)
        first, count = int(numbers[0]), len(numbers)
        self._labels[first : first + count] = series
        self._by_labels.update(zip(series, range(first, first + count), strict=True))
        order = np.argsort(columns.refs, kind="stable")
        members = np.repeat(numbers, columns.sizes)[order].tobytes()
        ends = (4 * np.cumsum(np.bincount(columns.refs, minlength=len(shared)))).tolist()
        for (name, value), begin, end in zip(shared, [0, *ends], ends, strict=False):
            postings = self._known_postings.setdefault(name, {}).setdefault(value, array("i"))
            postings.frombytes(members[begin:end])

    def add_place(self, number: int, cohort: int, column: int) -> None:
        """Note that the series is this column of that cohort."""
        if self.place_cohort[number] < 0:
            self.place_cohort[number] = cohort
            self.place_column[number] = column
        else:
            self.more_places.setdefault(number, []).append((cohort, column))
        self.generation += 1

    def places(self, number: int) -> list[tuple[int, int]]:
        """Every (cohort, column) of the series."""
        if self.place_cohort[number] < 0:
            return []
        first = (int(self.place_cohort[number]), int(self.place_column[number]))
        return [first, *self.more_places.get(number, ())]

    def remove_places(self, numbers: Sequence[int], cohort: int) -> None:
        """Forget that the series are in this cohort, which is gone."""
        self.generation += 1
        for number in numbers:
            kept = [place for place in self.places(number) if place[0] != cohort]
            self.more_places.pop(number, None)
            self.place_cohort[number], self.place_column[number] = kept[0] if kept else (-1, -1)
            if len(kept) > 1:
                self.more_places[number] = kept[1:]
            if self.home_cohort[number] == cohort:
                self.home_cohort[number] = self.home_column[number] = -1

    def retire(self, numbers: Sequence[int]) -> None:
        """Forget series that have no samples in memory any more."""
        gone: set[tuple[str, str]] = set()
        self.retirements += 1
        self.generation += 1
        for number in numbers:
            labels = self.labels[number]
            assert labels is not None
            del self.by_labels[labels]
            self.labels[number] = None
            self.more_places.pop(number, None)
            gone.update(labels)
        is_gone = np.zeros(len(self.labels), np.bool_)
        is_gone[numbers] = True
        for pair in gone:
            self._unpost(pair, is_gone)
        self.retirements += 1
        self._free.extend(numbers)

    def match(self, matchers: Sequence[Matcher]) -> Int32s:
        """Numbers of the series that all matchers accept, sorted."""
        while True:
            before = self.retirements
            found = self._match(matchers)
            if before == self.retirements and before % 2 == 0:
                return found

    def names(self) -> list[str]:
        return list(self._postings)

    def values(self, name: str) -> list[str]:
        return list(self._postings.get(name, ()))

    def value_counts(self, name: str) -> dict[str, int]:
        """How many series have each value of the label."""
        return {value: len(members) for value, members in list(self._postings.get(name, {}).items())}

    def everyone(self) -> Int32s:
        return np.sort(np.fromiter(self.by_labels.copy().values(), np.int32))

    def _match(self, matchers: Sequence[Matcher]) -> Int32s:
        wanted: list[Int32s] = []
        unwanted: list[Int32s] = []
        for matcher in matchers:
            postings = self._postings.get(matcher.name, {})
            if matcher.matches_empty:
                unwanted.append(_union(postings, refused_values(matcher, postings)))
            else:
                found = _union(postings, accepted_values(matcher, postings))
                if not len(found):
                    return found
                wanted.append(found)
        wanted.sort(key=len)
        result = wanted[0] if wanted else self.everyone()
        for members in wanted[1:]:
            result = result[find_sorted(members, result) >= 0]
        for members in unwanted:
            if len(members):
                result = result[find_sorted(members, result) < 0]
        return result

    def _post(self, labels: Labels, number: int) -> None:
        for name, value in labels:
            members = self._postings.setdefault(name, {}).setdefault(value, array("i"))
            if not members or members[-1] < number:
                members.append(number)
            else:
                members.insert(bisect_left(members, number), number)

    def _unpost(self, pair: tuple[str, str], is_gone: Bools) -> None:
        name, value = pair
        postings = self._postings[name]
        own = _as_array(postings[value])
        kept = own[~is_gone[own]]
        if len(kept):
            postings[value] = array("i", kept.tobytes())
            return
        del postings[value]
        self._pairs.pop(pair, None)
        if not postings:
            del self._postings[name]

    def _grow(self) -> None:
        places = ("place_cohort", "place_column", "home_cohort", "home_column")
        for name in ("keys", "newest", "blocks_asked", *places):
            old = getattr(self, name)
            new = np.empty(2 * len(old), old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)


def _as_array(members: array[int]) -> Int32s:
    # A copy: an exported buffer would make a concurrent append fail.
    return np.frombuffer(members.tobytes(), np.int32)


def _union(postings: dict[str, array[int]], values: Iterable[str]) -> Int32s:
    lists = [_as_array(members) for value in values if (members := postings.get(value)) is not None]
    if len(lists) == 1:
        return lists[0]
    return np.sort(np.concatenate(lists)) if lists else np.empty(0, np.int32)
