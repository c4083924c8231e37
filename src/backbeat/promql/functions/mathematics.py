"""abs, round, clamp, sin, ...: functions of each sample's value alone; and scalar, vector, absent, pi."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from backbeat.model.arrays import Bools, Float64s
from backbeat.model.labels import NO_LABELS
from backbeat.promql.ast import Call
from backbeat.promql.evaluation import Evaluation, Operator, unwrapped
from backbeat.promql.range_vectors import absent_labels
from backbeat.promql.vector import Grid, Vector, constant

_OF_VALUE: Mapping[str, Callable[[Float64s], Float64s]] = {
    "abs": np.abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "deg": lambda values: values * (180 / np.pi),
    "exp": np.exp,
    "floor": np.floor,
    "ln": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "rad": lambda values: values * (np.pi / 180),
    "sgn": lambda values: np.where(values > 0, 1.0, np.where(values < 0, -1.0, values)),
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
    "tanh": np.tanh,
}
_OF_HISTOGRAMS = ("histogram_avg", "histogram_count", "histogram_stddev", "histogram_stdvar", "histogram_sum")
"""Functions of native histograms alone: floats give nothing."""


def smaller(one: Float64s, two: Float64s) -> Float64s:
    """Go's math.Min: NaN wins over everything but -Inf."""
    return np.where((one == -np.inf) | (two == -np.inf), -np.inf, np.minimum(one, two))


def larger(one: Float64s, two: Float64s) -> Float64s:
    """Go's math.Max: NaN wins over everything but +Inf."""
    return np.where((one == np.inf) | (two == np.inf), np.inf, np.maximum(one, two))


def _renamed(ev: Evaluation, vector: Vector, values: Float64s) -> Vector:
    return ev.without_names(Vector(vector.labels, values, vector.present, vector.nameless))


def _of_value(function: Callable[[Float64s], Float64s]) -> Operator:
    def apply(ev: Evaluation, node: Call, grid: Grid) -> Vector:
        vector = ev.vector(node.args[0], grid)
        return _renamed(ev, vector, function(vector.values))

    return apply


def _round(ev: Evaluation, node: Call, grid: Grid) -> Vector:
    vector = ev.vector(node.args[0], grid)
    nearest = ev.scalar(node.args[1], grid) if len(node.args) > 1 else np.ones(grid.size)
    inverse = 1.0 / nearest
    return _renamed(ev, vector, np.floor(vector.values * inverse + 0.5) / inverse)


def _clamp(ev: Evaluation, node: Call, grid: Grid) -> Vector:
    vector = ev.vector(node.args[0], grid)
    bounds = [ev.scalar(arg, grid) for arg in node.args[1:]]
    lowest = np.full(grid.size, -np.inf) if node.function == "clamp_max" else bounds[0]
    highest = np.full(grid.size, np.inf) if node.function == "clamp_min" else bounds[-1]
    values = larger(lowest, smaller(highest, vector.values))
    present = vector.present & ~(highest < lowest)
    return ev.without_names(Vector(vector.labels, values, present, vector.nameless).without_empty())


def _scalar(ev: Evaluation, node: Call, grid: Grid) -> Float64s:
    vector = ev.vector(node.args[0], grid)
    only = vector.present.sum(axis=0) == 1
    values = np.where(vector.present, vector.values, 0.0).sum(axis=0)
    return np.where(only, values, np.nan)


def _vector(ev: Evaluation, node: Call, grid: Grid) -> Vector:
    return constant(NO_LABELS, ev.scalar(node.args[0], grid))


def _absent(ev: Evaluation, node: Call, grid: Grid) -> Vector:
    present: Bools = np.any(ev.vector(node.args[0], grid).present, axis=0)
    labels = absent_labels(unwrapped(node.args[0]))
    return constant(labels, np.ones(grid.size), ~present).without_empty()


def _of_two(function: Callable[[Float64s, Float64s], Float64s]) -> Operator:
    return lambda ev, node, grid: function(ev.scalar(node.args[0], grid), ev.scalar(node.args[1], grid))


def _pi(ev: Evaluation, node: Call, grid: Grid) -> Float64s:
    return np.full(grid.size, np.pi)


def _nothing(ev: Evaluation, node: Call, grid: Grid) -> Vector:
    return ev.vector(node.args[0], grid).rows(np.zeros(0, np.int64))


MATH_FUNCTIONS: Mapping[str, Operator] = {
    **{name: _of_value(function) for name, function in _OF_VALUE.items()},
    **dict.fromkeys(("clamp", "clamp_min", "clamp_max"), _clamp),
    **dict.fromkeys(_OF_HISTOGRAMS, _nothing),
    "absent": _absent,
    "max_of": _of_two(larger),
    "min_of": _of_two(smaller),
    "pi": _pi,
    "round": _round,
    "scalar": _scalar,
    "vector": _vector,
}
