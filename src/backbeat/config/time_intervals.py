"""Time intervals of alertmanager.yml: fields, their own little syntaxes, and the typed value."""

from __future__ import annotations

import os
import re

from msgspec import Struct

from backbeat.config.alertmanager import TimeInterval, TimeRange
from backbeat.config.kinds import TEXT, text_of
from backbeat.config.nodes import Node
from backbeat.config.schema import INVALID, Invalid, ListOf, Reading, Section, StructOf, quoted

WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")


class TimeOfDay:
    """HH:MM as minutes of the day; 24:00 is the end of it."""

    empty = None

    def read(self, node: Node, path: str, reading: Reading) -> int | Invalid:
        text = text_of(node, path, reading, "a time such as 09:00")
        if not isinstance(text, str):
            return text
        if not _TIME.fullmatch(text):
            return reading.wrong(node, path, "a time such as 09:00 or 24:00, with two digits each")
        hours, minutes = text.split(":")
        return int(hours) * 60 + int(minutes)


class Span(Struct, frozen=True):
    """One value or an inclusive range `from:to` of numbers or names."""

    expected: str
    names: tuple[str, ...] = ()
    first: int = 0
    lowest: int = -(2**62)
    highest: int = 2**62
    numbers: bool = True
    from_end: bool = False
    """negative numbers count from the end, 0 is nothing"""
    wraps: bool = False
    """a range may begin after its end, and then goes on over the end of the week"""

    empty = None

    def read(self, node: Node, path: str, reading: Reading) -> tuple[int, int] | Invalid:
        text = text_of(node, path, reading, self.expected)
        if not isinstance(text, str):
            return text
        parts = [self._member(part) for part in text.lower().split(":")]
        if len(parts) > 2 or None in parts:
            return reading.wrong(node, path, self.expected)
        begin, end = parts[0], parts[-1]
        assert begin is not None
        assert end is not None
        for each in (begin, end):
            if not self.lowest <= each <= self.highest or (self.from_end and each == 0):
                return reading.wrong(node, path, f"{self.expected}: {each} is out of range")
        if self.from_end and begin < 0 < end:
            reading.error(
                node, path, f"found {quoted(text)}: the end must be negative if the start is negative"
            )
            return INVALID
        # Months have 28 days at least, so this much is certain.
        low, high = ((28 + each if self.from_end and each < 0 else each) for each in (begin, end))
        if low > high and not self.wraps:
            reading.error(node, path, f"found {quoted(text)}: the end comes before the start")
            return INVALID
        return begin, end

    def _member(self, text: str) -> int | None:
        if text in self.names:
            return self.names.index(text) + self.first
        return int(text) if self.numbers and _INTEGER.fullmatch(text) else None


class Location:
    """An IANA time zone."""

    empty = "UTC"

    def read(self, node: Node, path: str, reading: Reading) -> str | Invalid:
        text = text_of(node, path, reading, "a time zone such as Europe/Berlin")
        if not isinstance(text, str):
            return text
        if text in ("", "UTC"):
            return "UTC"
        if text == "Local":
            return _local_zone()
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            ZoneInfo(text)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return reading.wrong(node, path, "a time zone such as Europe/Berlin or UTC")
        return text


def _local_zone() -> str:
    """The machine's own time zone, as /etc/localtime names it."""
    _, _, name = os.path.realpath("/etc/localtime").partition("/zoneinfo/")
    return name or "UTC"


def _check_range(section: Section) -> None:
    start, end = section.get("start_time"), section.get("end_time")
    if (start is None and "start_time" not in section.broken) or (
        end is None and "end_time" not in section.broken
    ):
        section.error("", "both start and end times must be provided (start_time, end_time)")
    elif start is not None and end is not None and start >= end:
        section.error("end_time", "start time cannot be equal or greater than end time")


INTERVAL = StructOf(
    "a time interval",
    {
        "times": ListOf(
            StructOf("a range of times", {"start_time": TimeOfDay(), "end_time": TimeOfDay()}, _check_range),
            "both start and end times must be provided",
        ),
        "weekdays": ListOf(
            Span(
                "a weekday such as monday, or a range such as monday:friday",
                WEEKDAYS,
                numbers=False,
                wraps=True,
            ),
            "expected a weekday such as monday",
        ),
        "days_of_month": ListOf(
            Span("a day such as 1, -1 or 1:5", lowest=-31, highest=31, from_end=True),
            "expected a day such as 1",
        ),
        "months": ListOf(
            Span("a month such as january, 1 or 1:3", MONTHS, first=1, lowest=1, highest=12),
            "expected a month such as january",
        ),
        "years": ListOf(Span("a year such as 2030, or 2030:2032"), "expected a year such as 2030"),
        "location": Location(),
    },
)


def _check_named(section: Section) -> None:
    if not section.has("name"):
        section.error("name", "missing name in time interval")


NAMED_INTERVAL = StructOf(
    "a named time interval",
    {"name": TEXT, "time_intervals": ListOf(INTERVAL)},
    _check_named,
    instead=dict.fromkeys(INTERVAL.fields, "it belongs to an entry under `time_intervals`"),
)


def time_interval(section: Section) -> TimeInterval:
    """The typed value of an interval that was read without mistakes."""
    return TimeInterval(
        times=tuple(
            TimeRange(each.get("start_time"), each.get("end_time")) for each in section.sections("times")
        ),
        weekdays=section.get("weekdays") or (),
        days_of_month=section.get("days_of_month") or (),
        months=section.get("months") or (),
        years=section.get("years") or (),
        location=section.get("location") or "UTC",
    )
