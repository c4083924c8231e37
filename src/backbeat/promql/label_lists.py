"""What follows from a list of label sets: its groups, its names taken away. Found once a list.

Storage gives the same lists, the very objects, query after query while no series comes or goes. To group ten
thousand label sets costs more than to sum their samples, so what was derived from a list is kept with it.
What is derived is a list again, and the same one the next time: a whole query finds its labels here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from threading import Lock
from typing import Any, TypeVar

from backbeat.model.labels import Labels

Result = TypeVar("Result")
_MOST_LABELS = 1_000_000
_MOST_LISTS = 4096


class LabelLists:
    """Derivations by the identity of the lists that they were made from. Thread-safe."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, tuple[Sequence[Sequence[Labels]], Any]] = OrderedDict()
        self._labels = 0
        self._lock = Lock()

    def derive(
        self, what: Hashable, sources: Sequence[Sequence[Labels]], compute: Callable[[], Result]
    ) -> Result:
        """What `compute` makes of the sources, which must not change afterwards; `what` names it."""
        # The entry holds its sources, so their ids are theirs for as long as it is here.
        key = (what, *map(id, sources))
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
                known: Result = found[1]
                return known
        result = compute()
        size = sum(map(len, sources))
        if size <= _MOST_LABELS // 4:
            with self._lock:
                if key not in self._known:
                    self._labels += size
                self._known[key] = (sources, result)
                while self._labels > _MOST_LABELS or len(self._known) > _MOST_LISTS:
                    _, (gone, _) = self._known.popitem(last=False)
                    self._labels -= sum(map(len, gone))
        return result


def label_order(labels: Sequence[Labels]) -> list[int]:
    """The index of the first, the second, ... by their labels."""
    return sorted(range(len(labels)), key=labels.__getitem__)
