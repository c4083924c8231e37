"""The values that operators pass to one another: a vector, or a number, at every step of a grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from msgspec import Struct

from backbeat.model.arrays import Bools, Float64s, Int64s
from backbeat.model.labels import Labels, quote, quote_label_name
from backbeat.model.results import QueryError
from backbeat.promql.kernels.presence import count_present, is_everywhere

METADATA_LABELS = ("__name__", "__type__", "__unit__")
"""What an operator that makes another kind of value takes away."""
SAME_LABELSET = "vector cannot contain metrics with the same labelset"


class Grid(Struct, frozen=True):
    """The steps of an evaluation: start, start + step, ... not beyond end."""

    start_ms: int
    end_ms: int
    step_ms: int

    @property
    def size(self) -> int:
        return (self.end_ms - self.start_ms) // self.step_ms + 1 if self.end_ms >= self.start_ms else 0

    @property
    def steps(self) -> Int64s:
        """Shared: not to be written to."""
        return _steps(self)

    def part(self, steps: slice) -> Grid:
        """Some of the steps."""
        return Grid(
            self.start_ms + steps.start * self.step_ms,
            self.start_ms + (steps.stop - 1) * self.step_ms,
            self.step_ms,
        )

    @property
    def first(self) -> Grid:
        return Grid(self.start_ms, self.start_ms, self.step_ms)


@lru_cache(maxsize=256)
def _steps(grid: Grid) -> Int64s:
    steps: Int64s = np.arange(grid.size, dtype=np.int64)
    steps *= grid.step_ms
    steps += grid.start_ms
    steps.flags.writeable = False
    return steps


class Vector(Struct, frozen=True):
    """Series over a grid.

    labels:  (series,)
    values:  (series, steps); meaningless where not present
    present: (series, steps)
    nameless: (series,) whose metadata labels go at the end of the query, where that is delayed
    """

    labels: Sequence[Labels]
    values: Float64s
    present: Bools
    nameless: Bools | None = None

    @property
    def samples(self) -> int:
        return count_present(self.present)

    def rows(self, index: Int64s | Bools) -> Vector:
        """Only these series, in this order."""
        chosen = np.flatnonzero(index) if index.dtype == np.bool_ else index
        return Vector(
            [self.labels[row] for row in chosen.tolist()],
            self.values[chosen],
            self.present[chosen],
            None if self.nameless is None else self.nameless[chosen],
        )

    def without_empty(self) -> Vector:
        """Series without a sample at any step are no series of the result."""
        present = self.present
        if is_everywhere(present[:, -1:]) and present.shape[1]:
            return self  # nearly always so
        used: Bools = np.any(present, axis=1)
        return self if used.all() else self.rows(used)

    def until(self, step: int) -> Vector:
        """The steps before that one."""
        return Vector(self.labels, self.values[:, :step], self.present[:, :step], self.nameless)

    def named(self, labels: Sequence[Labels]) -> Vector:
        return Vector(labels, self.values, self.present, self.nameless)


def empty_vector(steps: int) -> Vector:
    return Vector((), np.zeros((0, steps)), np.zeros((0, steps), bool))


def constant(labels: Labels, values: Float64s, present: Bools | None = None) -> Vector:
    """One series; values: (steps,)."""
    there = np.ones(len(values), bool) if present is None else present
    return Vector([labels], values[np.newaxis, :], there[np.newaxis, :])


def without_metadata(labels: Labels) -> Labels:
    """Without metric name, type and unit."""
    if not labels:
        return labels
    if labels[0][0] == "__name__" and (len(labels) == 1 or labels[1][0] > "__unit__"):
        return Labels(labels[1:])  # nearly always so
    return labels.drop(*METADATA_LABELS)


def drop_names(vector: Vector, *, delayed: bool) -> Vector:
    """What every operator does whose result is no longer the metric: now, or as a mark for later."""
    if delayed:
        return Vector(vector.labels, vector.values, vector.present, np.ones(len(vector.labels), bool))
    return vector.named([without_metadata(own) for own in vector.labels])


def in_braces(labels: Labels) -> str:
    """As Prometheus prints label sets in messages: the name is a label like any other."""
    pairs = (f"{quote_label_name(name)}={quote(value)}" for name, value in labels)
    return "{" + ", ".join(pairs) + "}"


def remove_marked_names(vector: Vector) -> Vector:
    """The end of a query with delayed name removal."""
    if vector.nameless is None:
        return vector
    labels = [
        without_metadata(own) if drop else own
        for own, drop in zip(vector.labels, vector.nameless.tolist(), strict=True)
    ]
    return merged(Vector(labels, vector.values, vector.present))


def merged(vector: Vector) -> Vector:
    """Join series of equal labels that never have a sample at the same step; raises where they do."""
    first: dict[Labels, int] = {}
    codes = np.fromiter((first.setdefault(own, len(first)) for own in vector.labels), np.int64)
    if len(first) == len(vector.labels):
        return vector
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    present = vector.present[order]
    if int(np.add.reduceat(present, starts, axis=0, dtype=np.int64).max(initial=0)) > 1:
        raise QueryError(SAME_LABELSET)
    values = np.add.reduceat(np.where(present, vector.values[order], -0.0), starts, axis=0)
    return Vector(
        list(first),
        values,
        np.logical_or.reduceat(present, starts, axis=0),
        None if vector.nameless is None else vector.nameless[order][starts],
    )


def join(vectors: Iterable[Vector], steps: int) -> Vector:
    """One vector's series after another's."""
    parts = [vector for vector in vectors if vector.labels]
    if len(parts) <= 1:
        return parts[0] if parts else empty_vector(steps)
    marked = any(part.nameless is not None for part in parts)
    unmarked = [np.zeros(len(part.labels), bool) for part in parts]
    return Vector(
        [labels for part in parts for labels in part.labels],
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.present for part in parts]),
        np.concatenate(
            [
                mark if part.nameless is None else part.nameless
                for part, mark in zip(parts, unmarked, strict=True)
            ]
        )
        if marked
        else None,
    )


def side_by_side(parts: Sequence[Vector]) -> Vector:
    """Vectors over one piece of a grid after another as one; series may differ. None has marks on names."""
    if all(part.labels == parts[0].labels for part in parts[1:]):
        return Vector(
            parts[0].labels,
            np.concatenate([part.values for part in parts], axis=1),
            np.concatenate([part.present for part in parts], axis=1),
        )
    rows = {
        labels: row for row, labels in enumerate(dict.fromkeys(own for part in parts for own in part.labels))
    }
    shape = (len(rows), sum(part.values.shape[1] for part in parts))
    values, present = np.zeros(shape), np.zeros(shape, bool)
    begin = 0
    for part in parts:
        steps = slice(begin, begin + part.values.shape[1])
        index = [rows[labels] for labels in part.labels]
        values[index, steps], present[index, steps] = part.values, part.present
        begin = steps.stop
    return Vector(list(rows), values, present)
