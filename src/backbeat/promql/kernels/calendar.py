"""UTC calendar fields of seconds since the epoch, any shape; NaN and what no calendar reaches give NaN."""

from __future__ import annotations

import numpy as np

from backbeat.promql.kernels.arrays import Float64s, Int64s

_LIMIT_S = 2.0**53


def _seconds(values: Float64s) -> tuple[Int64s, Float64s]:
    """Whole seconds, truncated as Go does, and NaN where there are none."""
    usable = np.abs(values) < _LIMIT_S
    return np.where(usable, values, 0.0).astype(np.int64), np.where(usable, 0.0, np.nan)


def _days(values: Float64s) -> tuple[np.ndarray, Float64s]:
    seconds, missing = _seconds(values)
    return (seconds // 86_400).astype("datetime64[D]"), missing


def minute(values: Float64s) -> Float64s:
    seconds, missing = _seconds(values)
    return seconds // 60 % 60 + missing


def hour(values: Float64s) -> Float64s:
    seconds, missing = _seconds(values)
    return seconds // 3600 % 24 + missing


def day_of_week(values: Float64s) -> Float64s:
    """0 is Sunday; the epoch was a Thursday."""
    seconds, missing = _seconds(values)
    return (seconds // 86_400 + 4) % 7 + missing


def day_of_month(values: Float64s) -> Float64s:
    days, missing = _days(values)
    since: Int64s = (days - days.astype("datetime64[M]")).astype(np.int64)
    return since + 1 + missing


def day_of_year(values: Float64s) -> Float64s:
    days, missing = _days(values)
    since: Int64s = (days - days.astype("datetime64[Y]")).astype(np.int64)
    return since + 1 + missing


def days_in_month(values: Float64s) -> Float64s:
    days, missing = _days(values)
    month = days.astype("datetime64[M]")
    length = (month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")
    days_long: Int64s = length.astype(np.int64)
    return days_long + missing


def month(values: Float64s) -> Float64s:
    days, missing = _days(values)
    return days.astype("datetime64[M]").astype(np.int64) % 12 + 1 + missing


def year(values: Float64s) -> Float64s:
    days, missing = _days(values)
    return days.astype("datetime64[Y]").astype(np.int64) + 1970 + missing
