"""Which of the named time intervals hold a moment. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from backbeat.config.alertmanager import TimeInterval
from backbeat.config.interval_clock import contains


def names_containing(
    names: Iterable[str], intervals: Mapping[str, Sequence[TimeInterval]], now_ms: int
) -> tuple[str, ...]:
    """Those of the named intervals that hold the moment. The configuration guarantees that names exist."""
    return tuple(name for name in names if any(contains(each, now_ms) for each in intervals[name]))
