"""Which of many matcher sets accept a label set, without asking each: an index on their equality matchers.

Pure. Routes, silences and inhibition rules are mostly `name="value"`, so a look-up by value leaves few
candidates even among hundreds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from backbeat.model.matchers import Matcher, MatchOp

T = TypeVar("T")


def accepts_all(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether every matcher accepts; an absent label counts as empty. No matchers accept everything."""
    return all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)


class MatcherIndex(Generic[T]):
    """Items with their matchers, found again by label set in the order in which they were added."""

    def __init__(self, items: Iterable[tuple[T, Sequence[Matcher]]] = ()) -> None:
        self._added = 0
        self._by_value: dict[str, dict[str, dict[int, tuple[T, Sequence[Matcher]]]]] = {}
        self._others: dict[int, tuple[T, Sequence[Matcher]]] = {}
        for item, matchers in items:
            self.add(item, matchers)

    def add(self, item: T, matchers: Sequence[Matcher]) -> int:
        """Returns the number under which `discard` knows the item."""
        self._added += 1
        self._bucket(matchers)[self._added] = (item, matchers)
        return self._added

    def discard(self, number: int, matchers: Sequence[Matcher]) -> None:
        """Take an item out, given its number and its matchers."""
        self._bucket(matchers).pop(number, None)

    def accepting(self, labels: Mapping[str, str]) -> list[T]:
        """The items whose matchers all accept these labels."""
        found = list(self._others.items())
        for name, buckets in self._by_value.items():
            bucket = buckets.get(labels.get(name, ""))
            if bucket:
                found.extend(bucket.items())
        found.sort(key=lambda numbered: numbered[0])
        return [item for _, (item, matchers) in found if accepts_all(matchers, labels)]

    def _bucket(self, matchers: Sequence[Matcher]) -> dict[int, tuple[T, Sequence[Matcher]]]:
        for matcher in matchers:
            if matcher.op is MatchOp.EQUAL and matcher.value:
                return self._by_value.setdefault(matcher.name, {}).setdefault(matcher.value, {})
        return self._others
