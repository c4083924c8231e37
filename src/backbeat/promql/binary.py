"""Binary and unary operators: arithmetic and comparisons between numbers, vectors, and both.

In:  two values over the same grid. Out: one. How series find each other is `promql.matching`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from backbeat.model.arrays import Bools, Float64s
from backbeat.promql.ast import Binary, Paren, Unary, VectorMatching
from backbeat.promql.evaluation import Evaluation, Value
from backbeat.promql.matching import match_vectors
from backbeat.promql.sets import set_operator
from backbeat.promql.vector import Grid, Vector, merged

ARITHMETIC: Mapping[str, Callable[[Float64s, Float64s], Float64s]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": lambda base, exponent: _power(base, exponent),
    "atan2": np.arctan2,
}
COMPARISONS: Mapping[str, Callable[[Float64s, Float64s], Bools]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
_HISTOGRAM_ONLY = ("</", ">/")
"""Trimming operators of native histograms; floats have nothing to trim."""


def _power(base: Float64s, exponent: Float64s) -> Float64s:
    # As IEEE 754 and Go have it: -1 to the power of an infinity is 1.
    return np.where((base == -1) & np.isinf(exponent), 1.0, np.power(base, exponent))


def binary(ev: Evaluation, node: Binary, grid: Grid) -> Value:
    left, right = ev.value(node.left, grid), ev.value(node.right, grid)
    if isinstance(left, Vector) and isinstance(right, Vector):
        if node.op in ("and", "or", "unless"):
            return set_operator(node.op, left, right, node.matching or VectorMatching(), ev.lists)
        if node.op in _HISTOGRAM_ONLY:
            return _nothing_to_trim(ev, node, left)
        return _between_vectors(ev, node, left, right)
    if isinstance(left, Vector):
        assert not isinstance(right, Vector)
        return _with_number(ev, node, left, right, swapped=False)
    if isinstance(right, Vector):
        return _with_number(ev, node, right, left, swapped=True)
    if node.op in COMPARISONS:
        return COMPARISONS[node.op](left, right).astype(np.float64)
    return ARITHMETIC[node.op](left, right)


def _nothing_to_trim(ev: Evaluation, node: Binary, vector: Vector) -> Vector:
    if vector.labels:
        ev.notes.incompatible_types(node.op, node.span)
    return Vector((), vector.values[:0], vector.present[:0])


def _with_number(ev: Evaluation, node: Binary, vector: Vector, number: Float64s, *, swapped: bool) -> Vector:
    if node.op in _HISTOGRAM_ONLY:
        return _nothing_to_trim(ev, node, vector)
    one, two = (number, vector.values) if swapped else (vector.values, number)
    if node.op in COMPARISONS:
        holds = COMPARISONS[node.op](one, two)
        if not node.return_bool:
            return Vector(
                vector.labels, vector.values, vector.present & holds, vector.nameless
            ).without_empty()
        values = holds.astype(np.float64)
    else:
        values = ARITHMETIC[node.op](one, two)
    changed = Vector(vector.labels, values, vector.present, vector.nameless)
    return ev.without_names(changed)


def _between_vectors(ev: Evaluation, node: Binary, left: Vector, right: Vector) -> Vector:
    pairs = match_vectors(node, left, right, ev.lists, delayed_names=ev.dialect.delayed_name_removal)
    if node.op in COMPARISONS:
        holds = COMPARISONS[node.op](pairs.left, pairs.right)
        if node.return_bool:
            values, present = holds.astype(np.float64), pairs.present
        else:
            values, present = pairs.left, pairs.present & holds
    else:
        values, present = ARITHMETIC[node.op](pairs.left, pairs.right), pairs.present
    nameless = (
        np.ones(len(pairs.labels), bool) if node.return_bool and ev.dialect.delayed_name_removal else None
    )
    result = Vector(pairs.labels, values, present, nameless).without_empty()
    return result if pairs.differ else merged(result)


def unary(ev: Evaluation, node: Unary, grid: Grid) -> Value:
    value = ev.value(node.expr, grid)
    if node.op == "+":
        return value
    if not isinstance(value, Vector):
        return -value
    return ev.without_names(Vector(value.labels, -value.values, value.present, value.nameless))


def paren(ev: Evaluation, node: Paren, grid: Grid) -> Value:
    return ev.value(node.expr, grid)
