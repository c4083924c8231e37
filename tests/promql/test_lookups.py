"""Series, label names and values: what is known is answered at once, all else is looked for in a thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.promql.engine import Engine
from backbeat.promql.local import FEW_FOUND, FEW_SELECTORS, LocalQuerier

LABELS = [Labels.of(__name__="m", n=str(number)) for number in range(3)]
ONE, TWO, OTHER = ([Matcher("n", MatchOp.EQUAL, value)] for value in ("1", "2", "3"))


class Store:
    """Finds what it was given for a matcher's value; `known` is at hand."""

    def __init__(self, known: dict[str, list[Any]]) -> None:
        self._known = known
        self.looked: list[str] = []

    def series_at_hand(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Any] | None:
        return self._known.get(matchers[0].value if matchers else "")

    def labels_at_hand(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[Any] | None:
        return self.series_at_hand(matchers, start_ms, end_ms)

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Any]:
        assert threading.current_thread() is not threading.main_thread()
        self.looked.append(matchers[0].value if matchers else "")
        return ["found"]

    label_names = series

    def label_values(self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Any]:
        return self.series(matchers, start_ms, end_ms)


def querier(store: Any) -> LocalQuerier:
    return LocalQuerier(Engine(store), lookups=store)


async def test_what_is_known_is_not_looked_for() -> None:
    store = Store({"1": LABELS[:2], "2": LABELS[1:]})
    one = querier(store)
    assert await one.series([ONE, TWO], 0, 1) == LABELS
    assert await one.series([ONE, TWO], 0, 1, limit=2) == LABELS[:2]
    store = Store({"": ["a", "b"]})
    one = querier(store)
    assert await one.label_names([], 0, 1) == ["a", "b"]
    assert await one.label_values("n", [], 0, 1, limit=1) == ["a"]
    assert store.looked == []


async def test_a_list_that_is_known_is_given_as_it_is() -> None:
    many = [str(number) for number in range(FEW_FOUND + 1)]
    one = querier(Store({"": many}))
    assert await one.label_values("n", [], 0, 1) is many
    assert await one.label_values("n", [], 0, 1, limit=2) == many[:2]


async def test_what_is_not_known_gets_a_thread() -> None:
    store = Store({"1": ["a"], "many": ["x"] * (FEW_FOUND + 1)})
    one = querier(store)
    assert await one.series([ONE, OTHER], 0, 1) == ["found"]
    assert await one.label_names([], 0, 1) == ["found"]
    assert await one.label_values("n", [OTHER], 0, 1) == ["found"]
    many = [Matcher("n", MatchOp.EQUAL, "many")]
    assert await one.label_names([many, ONE], 0, 1) == ["found"]
    assert await one.label_names([ONE] * (FEW_SELECTORS + 1), 0, 1) == ["found"]
    assert store.looked == ["1", "3", "", "3", "many", "1", *"1" * (FEW_SELECTORS + 1)]
    one.close()
