"""Which of many matcher sets accept a label set, without asking each: an index on their equality matchers.

Pure. Routes, silences and inhibition rules are mostly `name="value"`, so a look-up by value leaves few
candidates even among hundreds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Generic, TypeVar

from backbeat.model.matchers import Matcher, MatchOp

T = TypeVar("T")
_Strings = tuple[str, ...]


def accepts_all(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether every matcher accepts; an absent label counts as empty. No matchers accept everything."""
    return all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)


class MatcherIndex(Generic[T]):
    """Items with their matchers, found again by label set in the order in which they were added.

    Items are kept by the names, then by the values, of their equality matchers. A look-up costs one access
    for each distinct set of names; only the other matchers are left to be asked.
    """

    def __init__(self, items: Iterable[tuple[T, Sequence[Matcher]]] = ()) -> None:
        self._added = 0
        self._by_names: dict[_Strings, dict[_Strings, dict[int, tuple[T, Sequence[Matcher]]]]] = {}
        for item, matchers in items:
            self.add(item, matchers)

    def add(self, item: T, matchers: Sequence[Matcher]) -> int:
        """Returns the number under which `discard` knows the item."""
        self._added += 1
        names, values, others = _split(matchers)
        self._by_names.setdefault(names, {}).setdefault(values, {})[self._added] = (item, others)
        return self._added

    def discard(self, number: int, matchers: Sequence[Matcher]) -> None:
        """Take an item out, given its number and its matchers."""
        names, values, _ = _split(matchers)
        by_values = self._by_names[names]
        del by_values[values][number]
        if not by_values[values]:
            del by_values[values]
        if not by_values:
            del self._by_names[names]

    def accepting(self, labels: Mapping[str, str]) -> list[T]:
        """The items whose matchers all accept these labels."""
        found: list[tuple[int, T]] = []
        for names, by_values in self._by_names.items():
            bucket = by_values.get(tuple(labels.get(name, "") for name in names))
            if bucket:
                found.extend(
                    (number, item)
                    for number, (item, others) in bucket.items()
                    if not others or accepts_all(others, labels)
                )
        found.sort(key=itemgetter(0))
        return [item for _, item in found]


def _split(matchers: Sequence[Matcher]) -> tuple[_Strings, _Strings, list[Matcher]]:
    """Names and values of the equality matchers, and the other matchers."""
    pairs = sorted((m.name, m.value) for m in matchers if m.op is MatchOp.EQUAL)
    others = [m for m in matchers if m.op is not MatchOp.EQUAL]
    return tuple(name for name, _ in pairs), tuple(value for _, value in pairs), others
