"""Answers given lately: who asks the very same while it holds gets the same bytes.

Two people look at one dashboard, or one person opens it twice within a step: nothing is computed or written.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from msgspec import Struct
from starlette.responses import Response

from backbeat.model.cache import ByteCache

_BUDGET_BYTES = 16 << 20


class _Given(Struct, frozen=True):
    response: Response
    holds: Callable[[], bool]


class Given:
    """Responses by what was asked; what does not hold any more is as if it had never been given."""

    def __init__(self) -> None:
        self._known: ByteCache[_Given] = ByteCache(_BUDGET_BYTES)

    def get(self, asked: Hashable) -> Response | None:
        given = self._known.get(asked)
        if given is None:
            return None
        if given.holds():
            return given.response
        self._known.forget(asked)
        return None

    def keep(self, asked: Hashable, response: Response, holds: Callable[[], bool]) -> None:
        """holds: whether the same would be answered now."""
        self._known.put(asked, _Given(response, holds), len(response.body) + 2000)
