"""and, or, unless: which series of one side stay, by what the other side has at each step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backbeat.model.arrays import Bools, Int64s
from backbeat.model.labels import Labels
from backbeat.promql.ast import VectorMatching
from backbeat.promql.kernels.aggregates import Groups
from backbeat.promql.label_lists import LabelLists
from backbeat.promql.vector import Vector, join, merged


def signatures(
    sides: Sequence[Sequence[Labels]], matching: VectorMatching, lists: LabelLists
) -> tuple[list[Int64s], int]:
    """Number the label sets that series match by: a number for each series of each side, and how many."""
    return lists.derive(("signatures", matching), sides, lambda: _numbered(sides, matching))


def _numbered(sides: Sequence[Sequence[Labels]], matching: VectorMatching) -> tuple[list[Int64s], int]:
    numbers: dict[tuple[tuple[str, str], ...], int] = {}
    keep = matching.on
    names = frozenset(matching.labels) if keep else frozenset((*matching.labels, "__name__"))
    codes = []
    for labels in sides:
        own = np.empty(len(labels), np.int64)
        for row, series in enumerate(labels):
            key = tuple([pair for pair in series if (pair[0] in names) is keep])
            own[row] = numbers.setdefault(key, len(numbers))
        codes.append(own)
    return codes, len(numbers)


def present_by_signature(codes: Int64s, present: Bools, count: int) -> Bools:
    """Whether any series of a signature has a sample: (signatures, steps)."""
    out = np.zeros((count, present.shape[1]), bool)
    if len(codes):
        groups = Groups.of(codes)
        of_group = codes[groups.order[groups.starts]]
        out[of_group] = np.logical_or.reduceat(groups.sort(present), groups.starts, axis=0)
    return out


def set_operator(op: str, left: Vector, right: Vector, matching: VectorMatching, lists: LabelLists) -> Vector:
    (left_codes, right_codes), count = signatures((left.labels, right.labels), matching, lists)
    if op == "or":
        taken = present_by_signature(left_codes, left.present, count)
        rest = Vector(right.labels, right.values, right.present & ~taken[right_codes], right.nameless)
        return merged(join((left, rest.without_empty()), left.values.shape[1]))
    there = present_by_signature(right_codes, right.present, count)[left_codes]
    present = left.present & (there if op == "and" else ~there)
    return Vector(left.labels, left.values, present, left.nameless).without_empty()
