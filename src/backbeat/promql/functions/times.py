"""time, timestamp, hour, start, end and the other functions of when."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from backbeat.model.arrays import Float64s
from backbeat.model.labels import NO_LABELS
from backbeat.promql.ast import Call, VectorSelector
from backbeat.promql.evaluation import Evaluation, Operator, unwrapped
from backbeat.promql.instant_vectors import sample_times
from backbeat.promql.kernels import calendar
from backbeat.promql.timing import QUERY_RANGE_FUNCTIONS
from backbeat.promql.vector import Grid, Vector, constant

_FIELDS: Mapping[str, Callable[[Float64s], Float64s]] = {
    "day_of_month": calendar.day_of_month,
    "day_of_week": calendar.day_of_week,
    "day_of_year": calendar.day_of_year,
    "days_in_month": calendar.days_in_month,
    "hour": calendar.hour,
    "minute": calendar.minute,
    "month": calendar.month,
    "year": calendar.year,
}


def _time(ev: Evaluation, node: Call, grid: Grid) -> Float64s:
    return grid.steps / 1000


def _query_number(ev: Evaluation, node: Call, grid: Grid) -> Float64s:
    return np.full(grid.size, ev.timing.query_number(node.function))


def _field(function: Callable[[Float64s], Float64s]) -> Operator:
    def apply(ev: Evaluation, node: Call, grid: Grid) -> Vector:
        if not node.args:
            return constant(NO_LABELS, function(grid.steps / 1000))
        vector = ev.vector(node.args[0], grid)
        return ev.without_names(
            Vector(vector.labels, function(vector.values), vector.present, vector.nameless)
        )

    return apply


def _timestamp(ev: Evaluation, node: Call, grid: Grid) -> Vector:
    """A selector's own sample times; the evaluation's time for anything computed."""
    argument = unwrapped(node.args[0])
    if isinstance(argument, VectorSelector):
        when = ev.timing.of(argument)
        # As in Prometheus, an offset beside @ moves what is read, and not the moment that is looked at.
        return ev.without_names(sample_times(ev, argument, grid, when, seen_from_ms=when.at_ms))
    vector = ev.vector(argument, grid)
    values = np.broadcast_to(grid.steps / 1000, vector.values.shape)
    return ev.without_names(Vector(vector.labels, values, vector.present, vector.nameless))


def _start_timestamp(ev: Evaluation, node: Call, grid: Grid) -> Vector:
    """Nothing: samples are stored without the time at which their counter began."""
    return ev.vector(node.args[0], grid).rows(np.zeros(0, np.int64))


TIME_FUNCTIONS: Mapping[str, Operator] = {
    **{name: _field(function) for name, function in _FIELDS.items()},
    **dict.fromkeys(QUERY_RANGE_FUNCTIONS, _query_number),
    "start_timestamp": _start_timestamp,
    "time": _time,
    "timestamp": _timestamp,
}
