"""Moments and durations in templates, with Go's methods and Go's layouts (`2006-01-02 15:04:05`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from backbeat.templating.errors import FunctionFailure
from backbeat.templating.goprint import seconds_text
from backbeat.templating.values import Method, Record

RFC3339 = "2006-01-02T15:04:05Z07:00"
_STRING = "2006-01-02 15:04:05.999999999 -0700 MST"
_LAYOUT = re.compile(
    r"January|Jan|Monday|Mon|MST|2006|Z07:00|Z0700|-07:00|-0700|-07|002|01|02|03|04|05|06|__2|_2|15|PM|pm"
    r"|[.,]0+(?!\d)|[.,]9+(?!\d)|1|2|3|4|5"
)
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October")
MONTHS = (*_MONTHS, "November", "December")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def zone(name: str) -> tzinfo:
    """An IANA zone; empty and UTC are UTC. Raises FunctionFailure."""
    if name in ("", "UTC", "Local"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise FunctionFailure(f"unknown time zone {name}") from None


class Duration(Record):
    """Go's time.Duration."""

    __slots__ = ("seconds",)
    go_type = "time.Duration"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def text(self) -> str:
        return seconds_text(self.seconds)

    def json(self) -> object:
        return round(self.seconds * 1e9)

    def methods(self) -> Mapping[str, Method]:
        return {
            "Seconds": lambda: self.seconds,
            "Minutes": lambda: self.seconds / 60,
            "Hours": lambda: self.seconds / 3600,
            "Milliseconds": lambda: int(self.seconds * 1000),
            "String": self.text,
            "Round": lambda unit: Duration(round(self.seconds / _seconds(unit)) * _seconds(unit)),
            "Truncate": lambda unit: Duration(int(self.seconds / _seconds(unit)) * _seconds(unit)),
        }


def _seconds(unit: object) -> float:
    """A duration argument; a plain number counts nanoseconds, as in Go."""
    if isinstance(unit, Duration) and unit.seconds > 0:
        return unit.seconds
    if isinstance(unit, int | float) and unit > 0:
        return unit / 1e9
    raise FunctionFailure("expected a duration above zero")


class Time(Record):
    """Go's time.Time, to the microsecond."""

    __slots__ = ("moment",)
    go_type = "time.Time"

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    @classmethod
    def of_ms(cls, ms: int) -> Time:
        """Milliseconds since the epoch, in UTC. Raises FunctionFailure outside the years 1 to 9999."""
        try:
            return cls(_EPOCH + timedelta(milliseconds=ms))
        except OverflowError:
            raise FunctionFailure(f"{ms} ms since the epoch is outside of the calendar") from None

    @classmethod
    def of_seconds(cls, seconds: float) -> Time:
        try:
            return cls(_EPOCH + timedelta(seconds=seconds))
        except (OverflowError, ValueError):
            raise FunctionFailure(f"{seconds:g} s since the epoch is outside of the calendar") from None

    def text(self) -> str:
        return format_time(self.moment, _STRING)

    def json(self) -> object:
        return format_time(self.moment, "2006-01-02T15:04:05.999999999Z07:00")

    def since(self, other: Time) -> Duration:
        return Duration((self.moment - other.moment).total_seconds())

    def in_zone(self, place: tzinfo) -> Time:
        try:
            return Time(self.moment.astimezone(place))
        except OverflowError:
            raise FunctionFailure("the time is outside of the calendar") from None

    def shifted(self, seconds: float) -> Time:
        try:
            return Time(self.moment + timedelta(seconds=seconds))
        except OverflowError:
            raise FunctionFailure("the time is outside of the calendar") from None

    def methods(self) -> Mapping[str, Method]:
        moment = self.moment
        return {
            "Format": lambda layout: format_time(moment, _layout(layout)),
            "Unix": lambda: int(moment.timestamp()),
            "UnixMilli": lambda: round(moment.timestamp() * 1000),
            "UTC": lambda: self.in_zone(UTC),
            "Local": lambda: self.in_zone(UTC),
            "Year": lambda: moment.year,
            "Month": lambda: MONTHS[moment.month - 1],
            "Day": lambda: moment.day,
            "YearDay": lambda: moment.timetuple().tm_yday,
            "Hour": lambda: moment.hour,
            "Minute": lambda: moment.minute,
            "Second": lambda: moment.second,
            "Weekday": lambda: DAYS[moment.weekday()],
            "IsZero": lambda: moment.year == 1,
            "Sub": lambda other: self.since(_time(other)),
            "Add": lambda other: self.shifted(
                other.seconds if isinstance(other, Duration) else _seconds(other)
            ),
            "Before": lambda other: moment < _time(other).moment,
            "After": lambda other: moment > _time(other).moment,
            "Equal": lambda other: moment == _time(other).moment,
            "String": self.text,
        }


def _time(value: object) -> Time:
    if not isinstance(value, Time):
        raise FunctionFailure("expected a time")
    return value


def _layout(value: object) -> str:
    if not isinstance(value, str):
        raise FunctionFailure("a time is formatted by a layout such as 2006-01-02 15:04:05")
    return value


def _offset(moment: datetime, form: str) -> str:
    minutes = round((moment.utcoffset() or timedelta()).total_seconds() / 60)
    if form.startswith("Z") and minutes == 0:
        return "Z"
    hours, rest = divmod(abs(minutes), 60)
    colon = ":" if ":" in form else ""
    tail = "" if form == "-07" else f"{colon}{rest:02d}"
    return f"{'-' if minutes < 0 else '+'}{hours:02d}{tail}"


def _fraction(moment: datetime, form: str) -> str:
    digits = f"{moment.microsecond:06d}000000"[: min(len(form) - 1, 9)].ljust(len(form) - 1, "0")
    if form[1] == "9":
        digits = digits.rstrip("0")
        return form[0] + digits if digits else ""
    return form[0] + digits


_PARTS: Mapping[str, Callable[[datetime], str]] = {
    "January": lambda at: MONTHS[at.month - 1],
    "Jan": lambda at: MONTHS[at.month - 1][:3],
    "01": lambda at: f"{at.month:02d}",
    "1": lambda at: str(at.month),
    "Monday": lambda at: DAYS[at.weekday()],
    "Mon": lambda at: DAYS[at.weekday()][:3],
    "2": lambda at: str(at.day),
    "_2": lambda at: f"{at.day:2d}",
    "02": lambda at: f"{at.day:02d}",
    "002": lambda at: f"{at.timetuple().tm_yday:03d}",
    "__2": lambda at: f"{at.timetuple().tm_yday:3d}",
    "15": lambda at: f"{at.hour:02d}",
    "3": lambda at: str(at.hour % 12 or 12),
    "03": lambda at: f"{at.hour % 12 or 12:02d}",
    "4": lambda at: str(at.minute),
    "04": lambda at: f"{at.minute:02d}",
    "5": lambda at: str(at.second),
    "05": lambda at: f"{at.second:02d}",
    "2006": lambda at: f"{at.year:04d}",
    "06": lambda at: f"{at.year % 100:02d}",
    "PM": lambda at: "PM" if at.hour >= 12 else "AM",
    "pm": lambda at: "pm" if at.hour >= 12 else "am",
    "MST": lambda at: at.tzname() or "UTC",
}


def format_time(moment: datetime, layout: str) -> str:
    """A moment in Go's layout language, in which the reference time is spelled out."""

    def part(match: re.Match[str]) -> str:
        form = match.group()
        if form in _PARTS:
            return _PARTS[form](moment)
        return _fraction(moment, form) if form[0] in ".," else _offset(moment, form)

    return _LAYOUT.sub(part, layout)


_READ = {
    "January": "(?P<B>" + "|".join(MONTHS) + ")",
    "Jan": "(?P<b>" + "|".join(month[:3] for month in MONTHS) + ")",
    "Monday": "(?:" + "|".join(DAYS) + ")",
    "Mon": "(?:" + "|".join(day[:3] for day in DAYS) + ")",
    "01": r"(?P<m>\d{2})",
    "1": r"(?P<m>\d{1,2})",
    "02": r"(?P<d>\d{2})",
    "2": r"(?P<d>\d{1,2})",
    "_2": r" ?(?P<d>\d{1,2})",
    "15": r"(?P<H>\d{1,2})",
    "03": r"(?P<I>\d{2})",
    "3": r"(?P<I>\d{1,2})",
    "04": r"(?P<M>\d{2})",
    "4": r"(?P<M>\d{1,2})",
    "05": r"(?P<S>\d{2}(?:[.,]\d{1,9})?)",
    "5": r"(?P<S>\d{1,2}(?:[.,]\d{1,9})?)",
    "2006": r"(?P<Y>\d{4})",
    "06": r"(?P<y>\d{2})",
    "PM": "(?P<p>AM|PM)",
    "pm": "(?P<p>am|pm)",
    "MST": "(?:UTC|GMT|[A-Z]{3,4})",
}


def parse_time(layout: str, text: str) -> Time:
    """Read a time by its layout, in UTC where the layout has no offset. Raises FunctionFailure."""
    pattern, at = "", 0
    for match in _LAYOUT.finditer(layout):
        pattern += re.escape(layout[at : match.start()])
        at = match.end()
        form = match.group()
        fraction_or_offset = r"(?:[.,]\d+)?" if form[0] in ".," else r"(?P<z>Z|[+-]\d{2}:?(?:\d{2})?)"
        pattern += _READ.get(form, fraction_or_offset)
    try:
        found = re.fullmatch(pattern + re.escape(layout[at:]), text)
    except re.error:
        raise FunctionFailure(f"layout {layout!r} names a part of the time twice") from None
    if found is None:
        raise FunctionFailure(f"cannot parse {text!r} as {layout!r}")
    try:
        return Time(_assemble({key: value for key, value in found.groupdict().items() if value}))
    except (ValueError, OverflowError):
        raise FunctionFailure(f"cannot parse {text!r}: out of range") from None


def _assemble(parts: Mapping[str, str]) -> datetime:
    month = int(parts.get("m", "1"))
    name = parts.get("B", parts.get("b", ""))
    if name:
        month = 1 + next(index for index, one in enumerate(MONTHS) if one.startswith(name[:3]))
    year = int(parts.get("Y", "1"))
    if "y" in parts:
        year = int(parts["y"]) + (1900 if int(parts["y"]) >= 69 else 2000)
    hour = int(parts.get("H", parts.get("I", "0")))
    if parts.get("p", "").upper() == "PM" and hour < 12:
        hour += 12
    elif parts.get("p", "").upper() == "AM" and hour == 12:
        hour = 0
    second, _, fraction = parts.get("S", "0").replace(",", ".").partition(".")
    micro = int(fraction[:6].ljust(6, "0")) if fraction else 0
    day = int(parts.get("d", "1"))
    place: tzinfo = UTC
    offset = parts.get("z", "Z").replace(":", "")
    if offset != "Z":
        minutes = int(offset[1:3]) * 60 + int(offset[3:5] or "0")
        place = timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))
    return datetime(year, month, day, hour, int(parts.get("M", "0")), int(second), micro, place)
