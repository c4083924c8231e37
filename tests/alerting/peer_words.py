"""Words that timelines have in common: receivers, time intervals, inhibition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

TOKYO = ZoneInfo("Asia/Tokyo")
ALL_DAY = [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]
LONG_AGO = [{"years": ["2000:2001"]}]


def hooks(*own: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"hook": list(own) or [{}]}


def around_now(zone: ZoneInfo) -> list[dict[str, Any]]:
    """Two hours before and after the present, as that zone's clocks show them; over midnight as well."""
    now = datetime.now(zone)
    begin, end = now - timedelta(hours=2), now + timedelta(hours=2)
    span = {"start_time": f"{begin:%H:%M}", "end_time": f"{end:%H:%M}"}
    if begin.date() == end.date():
        return [span]
    first, last = {**span, "end_time": "24:00"}, {**span, "start_time": "00:00"}
    return [each for each in (first, last) if each["start_time"] != each["end_time"]]


def only_today(shift_days: int = 0) -> list[dict[str, Any]]:
    day = datetime.now(UTC) + timedelta(days=shift_days)
    return [{"weekdays": [f"{day:%A}".lower()], "months": [str(day.month)], "years": [str(day.year)]}]


def inhibits(name: str, source: Sequence[str], target: Sequence[str], equal: Sequence[str]) -> dict[str, Any]:
    own = f'scenario="{name}"'
    return {
        "source_matchers": [own, *source],
        "target_matchers": [own, *target],
        "equal": list(equal),
    }


CRITICAL, WARNING = {"severity": "critical"}, {"severity": "warning"}
UP = {"signal": "up"}


def by_severity(name: str, equal: Sequence[str] = ("signal",)) -> list[dict[str, Any]]:
    return [inhibits(name, ['severity="critical"'], ['severity="warning"'], equal)]
