"""How the series of two vectors find each other: on, ignoring, group_left, group_right, fill.

In:  two Vectors. Out: `Pairs`, both sides' values row by row, and the labels of each result.
Every pair of series that could ever meet is a row; at which steps they meet is its presence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from backbeat.model.arrays import Bools, Float64s, Int64s
from backbeat.model.labels import Labels
from backbeat.promql.ast import Binary, Cardinality, VectorMatching
from backbeat.promql.evaluation import fail
from backbeat.promql.kernels.presence import both
from backbeat.promql.label_lists import LabelLists
from backbeat.promql.sets import present_by_signature, signatures
from backbeat.promql.vector import METADATA_LABELS, Vector, in_braces

_CHANGES_METRIC = frozenset(("+", "-", "*", "/", "%", "^", "atan2"))


class Pairs(Struct, frozen=True):
    """left, right: (pairs, steps) operands; present: where both are there; differ: no labels are alike."""

    labels: Sequence[Labels]
    left: Float64s
    right: Float64s
    present: Bools
    differ: bool = False


class _Partners(Struct, frozen=True):
    """Series of two sides where each matches at most one of the other, or of the one side.

    many, one: (pairs,) their series, None for all of them as they stand; labels: (pairs,), no two alike
    """

    many: Int64s | None
    one: Int64s | None
    labels: Sequence[Labels]


class _Side(Struct, frozen=True):
    vector: Vector
    codes: Int64s
    fill: float | None
    name: str


class _Rows(Struct, frozen=True):
    """Rows of the result: which series of the many side and of the one side, -1 where it is filled."""

    many: Int64s
    one: Int64s
    present: Bools


def match_vectors(
    node: Binary, left: Vector, right: Vector, lists: LabelLists, *, delayed_names: bool
) -> Pairs:
    matching = node.matching or VectorMatching()
    swapped = matching.cardinality is Cardinality.ONE_TO_MANY
    drops = node.op in _CHANGES_METRIC or (node.return_bool and not delayed_names)
    sides = (right, left) if swapped else (left, right)
    partners = lists.derive(
        ("partners", matching, drops),
        (sides[0].labels, sides[1].labels),
        lambda: _partners(sides[0].labels, sides[1].labels, matching, drops, lists),
    )
    if partners is not None:
        pairs = _of_partners(partners, *sides)
        return Pairs(pairs.labels, pairs.right, pairs.left, pairs.present, True) if swapped else pairs
    (left_codes, right_codes), count = signatures((left.labels, right.labels), matching, lists)
    # As in Prometheus 3.14, fill_left fills the many side, even with group_right, and fill_right the other.
    if swapped:
        many = _Side(right, right_codes, matching.fill_left, "right")
        one = _Side(left, left_codes, matching.fill_right, "left")
    else:
        many = _Side(left, left_codes, matching.fill_left, "left")
        one = _Side(right, right_codes, matching.fill_right, "right")
    duplicate = _duplicate(many, one, matching, count)
    if duplicate is not None:
        step, message = duplicate
        if step:
            # Another mistake at an earlier step is told instead.
            match_vectors(node, left.until(step), right.until(step), lists, delayed_names=delayed_names)
        raise fail(message)
    rows = _pair(many, one, count)
    labels = [
        _result_labels(
            _labels_of(many, i, one, j, matching), _labels_of(one, j, many, i, matching), matching, drops
        )
        for i, j in zip(rows.many.tolist(), rows.one.tolist(), strict=True)
    ]
    _check_unique(rows, labels, many.codes, one.codes, matching)
    operands = _operand(many, rows.many), _operand(one, rows.one)
    if swapped:
        operands = operands[1], operands[0]
    return Pairs(labels, operands[0], operands[1], rows.present)


def _partners(
    many: Sequence[Labels],
    one: Sequence[Labels],
    matching: VectorMatching,
    drops: bool,
    lists: LabelLists,
) -> _Partners | None:
    """None where it depends on the steps who meets whom, or whether that is allowed."""
    (many_codes, one_codes), count = signatures((many, one), matching, lists)
    is_filled = matching.fill_left is not None or matching.fill_right is not None
    if is_filled or len(np.unique(one_codes)) < len(one_codes):
        return None
    row_of = np.full(count, -1)
    row_of[one_codes] = np.arange(len(one_codes))
    rows = row_of[many_codes]
    left = np.flatnonzero(rows >= 0)
    right = rows[left]
    if matching.cardinality is Cardinality.ONE_TO_ONE and len(np.unique(right)) < len(right):
        return None
    labels = [
        _result_labels(many[i], one[j], matching, drops)
        for i, j in zip(left.tolist(), right.tolist(), strict=True)
    ]
    if len(set(labels)) < len(labels):
        return None
    return _Partners(_unless_all(left, len(many)), _unless_all(right, len(one)), labels)


def _unless_all(index: Int64s, count: int) -> Int64s | None:
    return None if len(index) == count and bool((index == np.arange(count)).all()) else index


def _of_partners(partners: _Partners, many: Vector, one: Vector) -> Pairs:
    left, right = _rows(partners.many, many), _rows(partners.one, one)
    return Pairs(partners.labels, left.values, right.values, both(left.present, right.present), True)


def _rows(index: Int64s | None, side: Vector) -> Vector:
    return side if index is None else Vector((), side.values[index], side.present[index])


def _operand(side: _Side, index: Int64s) -> Float64s:
    count = len(index)
    if count == len(side.vector.labels) and bool((index == np.arange(count)).all()):
        return side.vector.values
    if not side.vector.labels:
        return np.full((count, side.vector.values.shape[1]), side.fill if side.fill is not None else np.nan)
    values = side.vector.values.take(index, axis=0, mode="clip")
    if side.fill is not None:
        values[index < 0] = side.fill
    return values


def _pair(many: _Side, one: _Side, count: int) -> _Rows:
    """All pairs of equal signature that meet at some step, in the many side's order, then the filled ones."""
    order = np.argsort(one.codes, kind="stable")
    sizes = np.bincount(one.codes, minlength=count)
    begins = np.cumsum(sizes) - sizes
    partners = sizes[many.codes]
    left = np.repeat(np.arange(len(many.codes)), partners)
    within = np.arange(len(left)) - np.repeat(np.cumsum(partners) - partners, partners)
    right = order[np.repeat(begins[many.codes], partners) + within]
    both = many.vector.present[left] & one.vector.present[right]
    found = [(left, right, both)]
    if one.fill is not None:
        there = present_by_signature(one.codes, one.vector.present, count)[many.codes]
        rows = np.arange(len(many.codes))
        found.append((rows, np.full(len(rows), -1), many.vector.present & ~there))
    if many.fill is not None:
        there = present_by_signature(many.codes, many.vector.present, count)[one.codes]
        rows = np.arange(len(one.codes))
        found.append((np.full(len(rows), -1), rows, one.vector.present & ~there))
    lefts, rights, present = (np.concatenate([part[i] for part in found]) for i in range(3))
    used = present.any(axis=1)
    if used.all():
        return _Rows(lefts, rights, present)
    return _Rows(lefts[used], rights[used], present[used])


def _labels_of(side: _Side, row: int, other: _Side, other_row: int, matching: VectorMatching) -> Labels:
    """A series' labels; a filled one has those that the two sides match by."""
    if row >= 0:
        return side.vector.labels[row]
    labels = other.vector.labels[other_row]
    return labels.keep(matching.labels) if matching.on else labels.drop("__name__", *matching.labels)


def _result_labels(many: Labels, one: Labels, matching: VectorMatching, drops_metadata: bool) -> Labels:
    result = many.drop(*METADATA_LABELS) if drops_metadata else many
    if matching.cardinality is Cardinality.ONE_TO_ONE:
        result = result.keep(matching.labels) if matching.on else result.drop(*matching.labels)
    if matching.include:
        result = result.set({name: one.get(name) for name in matching.include})
    return result


def _duplicate(many: _Side, one: _Side, matching: VectorMatching, count: int) -> tuple[int, str] | None:
    """The first step at which the one side has two series of a signature, and what is wrong with that."""
    if len(one.codes) == len(np.unique(one.codes)):
        return None
    present = one.vector.present
    if many.fill is None and one.fill is None:
        present = present & many.vector.present.any(axis=0)
    meeting = np.zeros((count, present.shape[1]), np.int64)
    np.add.at(meeting, one.codes, present)
    if meeting.max(initial=0) <= 1:
        return None
    step, code = (int(found[0]) for found in np.nonzero(meeting.T > 1))
    rows = np.flatnonzero((one.codes == code) & present[:, step])[:2]
    first, second = sorted(in_braces(one.vector.labels[row]) for row in rows.tolist())
    labels = one.vector.labels[int(rows[1])]
    group = labels.keep(matching.labels) if matching.on else labels.drop("__name__", *matching.labels)
    return step, (
        f"found duplicate series for the match group {in_braces(group)} on the {one.name} hand-side of the "
        f"operation: [{first}, {second}];many-to-many matching not allowed: "
        "matching labels must be unique on one side"
    )


def _check_unique(
    rows: _Rows, labels: Sequence[Labels], many_codes: Int64s, one_codes: Int64s, matching: VectorMatching
) -> None:
    """No two series of a result may be the same, not even where a comparison would drop them."""
    signature = np.where(
        rows.many >= 0,
        many_codes.take(rows.many, mode="clip") if len(many_codes) else -1,
        one_codes.take(rows.one, mode="clip") if len(one_codes) else -1,
    )
    if matching.cardinality is Cardinality.ONE_TO_ONE:
        codes = signature
        message = (
            "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
        )
    else:
        numbers: dict[tuple[int, Labels], int] = {}
        keys = zip(signature.tolist(), labels, strict=True)
        codes = np.fromiter((numbers.setdefault(key, len(numbers)) for key in keys), np.int64, len(labels))
        message = "multiple matches for labels: grouping labels must ensure unique matches"
    if len(codes) == 0 or len(np.unique(codes)) == len(codes):
        return
    meeting = np.zeros((int(codes.max()) + 1, rows.present.shape[1]), np.int64)
    np.add.at(meeting, codes, rows.present)
    if meeting.max(initial=0) > 1:
        raise fail(message)
