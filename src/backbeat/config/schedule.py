"""Schedules outside of files: time intervals of alertmanager.yml as JSON, as a recurring silence has them.

In:  a JSON list as it would stand under `time_intervals`.
Out: typed intervals, and back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from backbeat.config.alertmanager import TimeInterval
from backbeat.config.findings import ConfigErrors, Findings
from backbeat.config.schema import ListOf, Reading
from backbeat.config.time_intervals import INTERVAL, MONTHS, WEEKDAYS, time_interval
from backbeat.config.yaml_reader import parse
from backbeat.model.errors import BackbeatError

_SCHEDULE = ListOf(INTERVAL, "expected a list of time intervals")


class InvalidSchedule(BackbeatError):
    """A schedule that cannot be read; the message says where and what would be right."""


def schedule_from(text: str) -> tuple[TimeInterval, ...]:
    """Read `[{"weekdays": ["saturday"], "times": [{"start_time": "02:00", "end_time": "04:00"}]}]`.

    Raises InvalidSchedule. An empty text is no schedule at all.
    """
    if not text:
        return ()
    findings = Findings()
    document = parse(text.encode(), "schedule", findings)
    try:
        findings.raise_errors()
        assert document is not None
        if document.root is None:
            return ()
        reading = Reading(path="schedule", directory=Path(), findings=findings, environment={}, text=text)
        sections = _SCHEDULE.read(document.root, "schedule", reading)
        findings.raise_errors()
    except ConfigErrors as errors:
        raise InvalidSchedule("; ".join(f"{e.at.field}: {e.message}" for e in errors.errors)) from None
    return tuple(time_interval(section) for section in sections)


def schedule_fields(schedule: Iterable[TimeInterval]) -> list[dict[str, Any]]:
    """The JSON of `schedule_from`, without the fields that are left open."""
    return [_fields(interval) for interval in schedule]


def schedule_text(schedule: Iterable[TimeInterval]) -> str:
    """What `schedule_from` reads; empty where there is none."""
    fields = schedule_fields(schedule)
    return orjson.dumps(fields).decode() if fields else ""


def _fields(interval: TimeInterval) -> dict[str, Any]:
    own: dict[str, Any] = {
        "times": [
            {"start_time": _time(span.start_minute), "end_time": _time(span.end_minute)}
            for span in interval.times
        ],
        "weekdays": _ranges(interval.weekdays, WEEKDAYS),
        "days_of_month": _ranges(interval.days_of_month),
        "months": _ranges(interval.months, ("", *MONTHS)),
        "years": _ranges(interval.years),
    }
    found = {name: value for name, value in own.items() if value}
    return found if interval.location in ("", "UTC") else {**found, "location": interval.location}


def _time(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _ranges(ranges: Sequence[tuple[int, int]], names: Sequence[str] = ()) -> list[str]:
    def said(value: int) -> str:
        return names[value] if names else str(value)

    return [said(low) if low == high else f"{said(low)}:{said(high)}" for low, high in ranges]
