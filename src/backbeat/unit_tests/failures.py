"""What a test expected and did not find, told so that it can be mended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec import Struct

from backbeat.model.errors import Position

Expected = TypeVar("Expected")
Found = TypeVar("Found")


class Failure(Struct, frozen=True):
    """One expectation that was not met.

    title:   what was tested, and when
    missing: expected, and not there; extra: there, and not expected; each as lines of text
    """

    at: Position
    title: str
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()


def unmatched(
    expected: Sequence[Expected], found: Sequence[Found], same: Callable[[Expected, Found], bool]
) -> tuple[list[Expected], list[Found]]:
    """What is only expected, and what is only found; one of each goes with one of the other."""
    missing: list[Expected] = []
    extra = list(found)
    for one in expected:
        place = next((place for place, two in enumerate(extra) if same(one, two)), -1)
        if place < 0:
            missing.append(one)
        else:
            del extra[place]
    return missing, extra
