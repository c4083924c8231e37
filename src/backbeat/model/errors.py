"""The kinds of mistakes and failures; our own bugs are ordinary exceptions and crash loudly."""

from __future__ import annotations

from msgspec import Struct


class BackbeatError(Exception):
    """Anything that is shown to a person without a traceback."""


class Position(Struct, frozen=True):
    """A place in a file an operator wrote; line and column count from 1."""

    path: str
    line: int
    column: int = 1
    field: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


class RegexError(BackbeatError):
    """A regular expression that RE2 does not accept."""


class DurationError(BackbeatError):
    """A text that is no duration."""


class WorldFailure(BackbeatError):
    """A peer, disk or file failed; the message names it and says whether retrying helps."""
