"""Numbers for people: 1.5k, 2Mi, 3h 5m 0s, 12.5%."""

from __future__ import annotations

import math

from backbeat.templating.functions.checks import number, takes
from backbeat.templating.goprint import four_digits
from backbeat.templating.gotime import Time


@takes(number)
def humanize(value: float) -> str:
    """Metric prefixes."""
    if value == 0 or not math.isfinite(value):
        return four_digits(value)
    return _large(value, 1000, "kMGTPEZY") if abs(value) >= 1 else _small(value)


@takes(number)
def humanize_1024(value: float) -> str:
    """Binary prefixes."""
    if abs(value) <= 1 or not math.isfinite(value):
        return four_digits(value)
    text = _large(value, 1024, "kMGTPEZY")
    return text + "i" if text[-1].isalpha() else text


def _large(value: float, base: int, prefixes: str) -> str:
    prefix = ""
    for one in prefixes:
        if abs(value) < base:
            break
        prefix = one
        value /= base
    return four_digits(value) + prefix


def _small(value: float) -> str:
    prefix = ""
    for one in "munpfazy":
        if abs(value) >= 1:
            break
        prefix = one
        value *= 1000
    return four_digits(value) + prefix


@takes(number)
def humanize_duration(value: float) -> str:
    if not math.isfinite(value):
        return four_digits(value)
    if value == 0:
        return "0s"
    if abs(value) < 1:
        return _small(value) + "s"
    sign, value = ("-", -value) if value < 0 else ("", value)
    minutes, seconds = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    return f"{sign}{minutes}m {seconds}s" if minutes else f"{sign}{four_digits(value)}s"


@takes(number)
def humanize_percentage(value: float) -> str:
    return four_digits(value * 100) + "%"


@takes(number)
def humanize_timestamp(value: float) -> str:
    return Time.of_seconds(value).text() if math.isfinite(value) else four_digits(value)
