"""Aggregations of very many series, some series at a time.

In:  what is read, and how to aggregate what was read. Out: the same Vector as of all series together.
A batch's samples stay in the processor's cache until its groups are made, and neither all samples nor the
results of all series are ever in memory at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from backbeat.model.arrays import Bools, Float64s, Int64s
from backbeat.model.labels import METRIC_NAME, Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.model.samples import SampleBlock, Sheet
from backbeat.promql.ast import Aggregate, Call, MatrixSelector, NumberLiteral
from backbeat.promql.evaluation import Evaluation, unwrapped
from backbeat.promql.limits import Densities
from backbeat.promql.queryable import Queryable
from backbeat.promql.vector import Grid, Vector, empty_vector

MANY_SAMPLES = 1 << 23
"""from which reading in batches is worth its while"""
_FOLDS: Mapping[str, np.ufunc] = {
    "count": np.add,
    "group": np.fmax,
    "max": np.fmax,
    "min": np.fmin,
    "sum": np.add,
}
"""how what a group has of one batch is joined with what it has of another"""


def is_foldable(ev: Evaluation, node: Aggregate, matchers: Sequence[Matcher]) -> bool:
    """Whether series can be aggregated batch by batch: none of them depends on another."""
    expr = unwrapped(node.expr)
    arguments = expr.args if isinstance(expr, Call) else ()
    return (
        node.op in _FOLDS
        and not ev.dialect.delayed_name_removal
        # Of several metrics, two series may be the same without their names, and that is refused.
        and any(each.name == METRIC_NAME and each.op is MatchOp.EQUAL and each.value for each in matchers)
        and all(isinstance(unwrapped(each), MatrixSelector | NumberLiteral) for each in arguments)
    )


def in_batches(
    ev: Evaluation,
    op: str,
    matchers: tuple[Matcher, ...],
    grid: Grid,
    reach_ms: int,
    compute: Callable[[], Vector],
) -> Vector | None:
    """The aggregation at a grid's steps.

    reach_ms: how much is read before a step
    compute:  aggregates what the evaluation's queryable gives
    returns:  None where there are not so many samples, or where sums are below zero: of those, digits that
              cancel have to be seen together
    """
    density, store = ev.densities.get(matchers), ev.batches
    if store is None or density is None or density * (grid.end_ms - grid.start_ms + reach_ms) < MANY_SAMPLES:
        return None
    whole, densities, held = ev.queryable, ev.densities, ev.budget.held
    total = _Total(_FOLDS[op], grid.size)
    handed = _Handed(whole)
    # What a batch has is not what the selector has.
    ev.queryable, ev.densities = handed, Densities()
    ev.densities.learn(matchers, density)
    try:
        for batch in store.read_in_batches(matchers, grid.start_ms - reach_ms + 1, grid.end_ms):
            handed.batch = batch
            part = compute()
            if op == "sum" and bool((part.values < 0)[part.present].any()):
                return None
            total.add(part)
            ev.budget.release_to(held)
    finally:
        ev.queryable, ev.densities = whole, densities
    return total.vector()


class _Handed:
    """A queryable that gives what it was handed."""

    def __init__(self, whole: Queryable) -> None:
        self._whole = whole
        self.series, self.label_names, self.label_values = whole.series, whole.label_names, whole.label_values
        self.batch: Sequence[SampleBlock | Sheet] = ()

    def read(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[SampleBlock | Sheet]:
        return self.batch


class _Total:
    """Groups as far as they are known, in order of appearance."""

    def __init__(self, operation: np.ufunc, steps: int) -> None:
        self._operation = operation
        self._rows: dict[Labels, int] = {}
        self._values: Float64s = np.empty((0, steps))
        self._present: Bools = np.empty((0, steps), bool)

    def add(self, part: Vector) -> None:
        fresh = [labels for labels in part.labels if labels not in self._rows]
        if fresh:
            self._rows |= {labels: row for row, labels in enumerate(fresh, len(self._rows))}
            room = (len(fresh), self._values.shape[1])
            self._values = np.concatenate((self._values, np.zeros(room)))
            self._present = np.concatenate((self._present, np.zeros(room, bool)))
        rows: Int64s = np.array([self._rows[labels] for labels in part.labels], np.int64)
        values, present = self._values[rows], self._present[rows]
        joined = self._operation(values, part.values)
        self._values[rows] = np.where(present & part.present, joined, np.where(present, values, part.values))
        self._present[rows] = present | part.present

    def vector(self) -> Vector:
        if not self._rows:
            return empty_vector(self._values.shape[1])
        return Vector(list(self._rows), self._values, self._present)
