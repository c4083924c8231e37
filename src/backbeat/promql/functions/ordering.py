"""sort, sort_desc, sort_by_label, sort_by_label_desc: the order of an instant query's result."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cmp_to_key

import numpy as np

from backbeat.model.labels import Labels
from backbeat.promql.ast import Call
from backbeat.promql.evaluation import Evaluation, Operator
from backbeat.promql.vector import Grid, Vector

_CHUNKS = re.compile(r"(\d+|\D+)", re.ASCII)


def natural_less(one: str, two: str) -> bool:
    """Whether `one` comes first when numbers inside texts count as numbers: x2 before x10."""
    first, second = _CHUNKS.findall(one), _CHUNKS.findall(two)
    for place, (a, b) in enumerate(zip(first, second, strict=False)):
        if a == b:
            continue
        if not (a[0].isdigit() and b[0].isdigit()):
            return bool(a < b)
        number_a, number_b = int(a), int(b)
        if number_a == number_b:
            # Equal numbers: the shorter text is first, but only what follows decides unless both end here.
            if place == len(first) - 1 or place == len(second) - 1:
                return len(a) < len(b)
            continue
        return number_a < number_b
    return len(first) < len(second)


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

    def compare(one: Labels, two: Labels) -> int:
        for name in names:
            a, b = one.get(name), two.get(name)
            if a != b:
                return -1 if natural_less(a, b) else 1
        return (one > two) - (one < two)

    keys = [cmp_to_key(compare)(labels) for labels in vector.labels]
    descending = node.function == "sort_by_label_desc"
    order = sorted(range(len(keys)), key=keys.__getitem__, reverse=descending)
    return vector.rows(np.array(order, np.int64))


SORT_FUNCTIONS: Mapping[str, Operator] = {
    "sort": _sorted_by_value,
    "sort_by_label": _sorted_by_label,
    "sort_by_label_desc": _sorted_by_label,
    "sort_desc": _sorted_by_value,
}
