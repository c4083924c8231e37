"""Long work on the event loop in short pieces, so that nobody else waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")
_PIECE_S = 0.01


async def unhurried(items: Iterable[T]) -> list[T]:
    """The items of an iterable that works for each; others have their turn every few milliseconds."""
    found: list[T] = []
    began = time.monotonic()
    for item in items:
        found.append(item)
        if time.monotonic() - began > _PIECE_S:
            await asyncio.sleep(0)
            began = time.monotonic()
    return found
