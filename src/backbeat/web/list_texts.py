"""Lists of texts and label sets as JSON.

In:  what a Querier found.
Out: its text. Storage gives the very same list again while its answer holds, and that was written already.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from backbeat.model.cache import ByteCache
from backbeat.model.labels import Labels

_TEXT_BYTES = 8 << 20

Listed = Sequence[str] | Sequence[Labels]


class ListTexts:
    """The texts of lists that were written lately; a list that was given must not be changed."""

    def __init__(self) -> None:
        self._known: ByteCache[tuple[Listed, bytes]] = ByteCache(_TEXT_BYTES)
        """by identity; with the list, so that no other takes its place"""

    def is_known(self, values: Listed) -> bool:
        return self._known.get(id(values)) is not None

    def text(self, values: Listed) -> bytes:
        """Any thread may ask."""
        known = self._known.get(id(values))
        if known is not None:
            return known[1]
        text = orjson.dumps([each if isinstance(each, str) else dict(each) for each in values])
        self._known.put(id(values), (values, text), len(text) + 8 * len(values) + 200)
        return text
