"""sort, sort_desc, sort_by_label, sort_by_label_desc: the order of an instant query's result."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cmp_to_key

import numpy as np

from backbeat.model.labels import Labels
from backbeat.promql.ast import Call
from backbeat.promql.evaluation import Evaluation, Operator
from backbeat.promql.vector import Grid, Vector

_CHUNKS = re.compile(r"(\d+|\D+)", re.ASCII)
_FEW = 12
"""Go sorts so many by insertion"""


def natural_less(one: str, two: str) -> bool:
    """Whether `one` comes first when numbers inside texts count as numbers: x2 before x10.

    As Prometheus has it, which makes no order of everything: nothing comes after an empty text, nor before
    it, and of 1 and 01 each comes before the other.
    """
    first, second = _CHUNKS.findall(one), _CHUNKS.findall(two)
    for place, (a, b) in enumerate(zip(first, second, strict=False)):
        numbers = _numbers(a, b)
        if a != b and (numbers is None or numbers[0] != numbers[1]):
            return bool(a < b) if numbers is None else numbers[0] < numbers[1]
        if place == len(first) - 1:
            return True
    return False


def _numbers(one: str, two: str) -> tuple[int, int] | None:
    """Both chunks as numbers of 64 bits, where they are."""
    if not (one[0].isdigit() and two[0].isdigit()) or max(len(one), len(two)) > 4300:
        return None
    first, second = int(one), int(two)
    return (first, second) if max(first, second) < 2**63 else None


def in_order(labels: Sequence[Labels], compare: Callable[[Labels, Labels], int]) -> list[int]:
    """Sorted places; few are sorted by insertion, which decides where the comparison contradicts itself."""
    order = list(range(len(labels)))
    if len(order) > _FEW:
        key = cmp_to_key(compare)
        return sorted(order, key=lambda place: key(labels[place]))
    for end in order[1:]:
        at = end
        while at and compare(labels[order[at]], labels[order[at - 1]]) < 0:
            order[at - 1], order[at] = order[at], order[at - 1]
            at -= 1
    return order


def _sorted_by_value(ev: Evaluation, node: Call, grid: Grid) -> Vector:
    vector = ev.vector(node.args[0], grid)
    if grid.end_ms != grid.start_ms:
        ev.notes.sort_in_range_query(node.span)
        return vector
    values = vector.values[:, 0]
    keys = np.where(np.isnan(values), np.inf, values if node.function == "sort" else -values)
    return vector.rows(np.lexsort((keys, np.isnan(values))))


def _sorted_by_label(ev: Evaluation, node: Call, grid: Grid) -> Vector:
    vector = ev.vector(node.args[0], grid)
    if grid.end_ms != grid.start_ms:
        ev.notes.sort_in_range_query(node.span)
        return vector
    names = [ev.text(arg) for arg in node.args[1:]]

    sign = -1 if node.function == "sort_by_label_desc" else 1

    def compare(one: Labels, two: Labels) -> int:
        for name in names:
            a, b = one.get(name), two.get(name)
            if a != b:
                return -sign if natural_less(a, b) else sign
        return sign * ((one > two) - (one < two))

    return vector.rows(np.array(in_order(vector.labels, compare), np.int64))


SORT_FUNCTIONS: Mapping[str, Operator] = {
    "sort": _sorted_by_value,
    "sort_by_label": _sorted_by_label,
    "sort_by_label_desc": _sorted_by_label,
    "sort_desc": _sorted_by_value,
}
