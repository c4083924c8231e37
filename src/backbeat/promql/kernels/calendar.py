"""UTC calendar fields of seconds since the epoch, any shape.

Every number has them, as in Prometheus: seconds are 64-bit integers there, with the smallest one for NaN,
infinities and what is too large, and before the year -292277022399 the calendar starts over at its end.
"""

from __future__ import annotations

import numpy as np

from backbeat.promql.kernels.arrays import Float64s, Int64s

_DAY_S = 86_400
_EPOCH_DAY = 730_692_556 * 146_097 + 306 + 719_162
"""the day of 1970-01-01, counted from the first one that Go's clock knows"""


def _seconds(values: Float64s) -> np.ndarray:
    """Whole seconds since that first day, truncated; uint64, which wraps around."""
    fits = (values >= -(2.0**63)) & (values < 2.0**63)
    since_epoch = np.where(fits, values, -(2.0**63)).astype(np.int64)
    return since_epoch.view(np.uint64) + np.uint64(_EPOCH_DAY * _DAY_S)


def _days(values: Float64s) -> np.ndarray:
    days: Int64s = (_seconds(values) // np.uint64(_DAY_S)).astype(np.int64) - _EPOCH_DAY
    return days.astype("datetime64[D]")


def minute(values: Float64s) -> Float64s:
    return (_seconds(values) // np.uint64(60) % np.uint64(60)).astype(np.float64)


def hour(values: Float64s) -> Float64s:
    return (_seconds(values) // np.uint64(3600) % np.uint64(24)).astype(np.float64)


def day_of_week(values: Float64s) -> Float64s:
    """0 is Sunday; the epoch was a Thursday."""
    days: Int64s = _days(values).astype(np.int64)
    return ((days + 4) % 7).astype(np.float64)


def day_of_month(values: Float64s) -> Float64s:
    days = _days(values)
    since: Int64s = (days - days.astype("datetime64[M]")).astype(np.int64)
    return (since + 1).astype(np.float64)


def day_of_year(values: Float64s) -> Float64s:
    days = _days(values)
    since: Int64s = (days - days.astype("datetime64[Y]")).astype(np.int64)
    return (since + 1).astype(np.float64)


def days_in_month(values: Float64s) -> Float64s:
    month = _days(values).astype("datetime64[M]")
    length = (month + 1).astype("datetime64[D]") - month.astype("datetime64[D]")
    days: Int64s = length.astype(np.int64)
    return days.astype(np.float64)


def month(values: Float64s) -> Float64s:
    months: Int64s = _days(values).astype("datetime64[M]").astype(np.int64)
    return (months % 12 + 1).astype(np.float64)


def year(values: Float64s) -> Float64s:
    years: Int64s = _days(values).astype("datetime64[Y]").astype(np.int64)
    return (years + 1970).astype(np.float64)
