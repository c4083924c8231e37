"""Time intervals: whether a moment lies in one, in the interval's own time zone.

Pure. Wall-clock fields are compared, so an interval follows daylight saving: an hour that the clocks skip is
never in it, one that they repeat is in it twice.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from backbeat.config.alertmanager import TimeInterval


def contains(interval: TimeInterval, now_ms: int) -> bool:
    """Whether every field that the interval sets accepts the moment."""
    at = datetime.fromtimestamp(now_ms / 1000, _zone(interval.location))
    minute = at.hour * 60 + at.minute
    if interval.times and not any(span.start_minute <= minute < span.end_minute for span in interval.times):
        return False
    if interval.days_of_month and not _in_days(interval.days_of_month, at):
        return False
    sunday_first = (at.weekday() + 1) % 7
    return (
        _in(interval.months, at.month)
        and (not interval.weekdays or any(_on_day(each, sunday_first) for each in interval.weekdays))
        and _in(interval.years, at.year)
    )


@lru_cache(maxsize=128)
def _zone(location: str) -> ZoneInfo:
    return ZoneInfo(location or "UTC")


def _in(ranges: Sequence[tuple[int, int]], value: int) -> bool:
    return not ranges or any(low <= value <= high for low, high in ranges)


def _on_day(range_: tuple[int, int], day: int) -> bool:
    """friday:monday goes over the end of the week."""
    begin, end = range_
    return begin <= day <= end if begin <= end else day >= begin or day <= end


def _in_days(ranges: Sequence[tuple[int, int]], at: datetime) -> bool:
    last = calendar.monthrange(at.year, at.month)[1]
    for begin, end in ranges:
        low = begin if begin >= 0 else last + begin + 1
        high = end if end >= 0 else last + end + 1
        if low <= last and low <= at.day <= min(high, last):
            return True
    return False
