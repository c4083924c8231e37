"""One query under way: its settings, its budget, and the walk over its tree.

Every operator is a function (evaluation, node, grid) -> value, registered by node type in `promql.engine`;
it asks for its arguments with `value`, `vector` and `scalar`, and computes all steps of the grid at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct, field

from backbeat.model import gotext
from backbeat.model.arrays import Float64s, Int64s
from backbeat.model.labels import Labels
from backbeat.model.results import QueryError
from backbeat.promql.ast import Expr, Paren, StringLiteral
from backbeat.promql.frames import Frames
from backbeat.promql.label_lists import LabelLists
from backbeat.promql.limits import Budget, Deadline, Densities, Dialect, Limits
from backbeat.promql.notes import NoteTaker
from backbeat.promql.queryable import Queryable, Watched
from backbeat.promql.remembered import Named, Remembered
from backbeat.promql.timing import FixedTime, Timing
from backbeat.promql.vector import Grid, Vector, drop_names, empty_vector, merged

Value = Vector | Float64s
Operator = Callable[["Evaluation", Any, Grid], Value]


def unwrapped(expr: Expr) -> Expr:
    """Without parentheses around it."""
    while isinstance(expr, Paren):
        expr = expr.expr
    return expr


class Evaluation(Struct):
    """The state of one query; used by one thread."""

    queryable: Queryable
    timing: Timing
    limits: Limits
    dialect: Dialect
    deadline: Deadline
    notes: NoteTaker
    operators: Mapping[type, Operator]
    lookback_ms: int
    oldest_ms: Callable[[], int]
    """no sample is older, now: an older one may come before what is remembered is marked"""
    densities: Densities
    frames: Frames
    lists: LabelLists
    names: Mapping[int, Named]
    """ids of nodes whose results may be kept"""
    remembered: Remembered | None
    """None: everything is computed"""
    batches: Watched | None
    """reads very many series a few at a time; None: all that is read, is read by `queryable`"""
    budget: Budget
    done: dict[tuple[str, Grid], Vector] = field(default_factory=dict)
    """named nodes that this query computed already"""

    def value(self, expr: Expr, grid: Grid) -> Value:
        """Evaluate at every step; what cannot change from step to step only once."""
        self.deadline.check()
        if grid.end_ms > grid.start_ms and self.timing.runs_once(expr):
            return self._spread(self.value(expr, grid.first), grid.size)
        held = self.budget.held
        if grid.size == 0:
            return empty_vector(0)
        named = self.names.get(id(expr))
        if named is not None:
            result: Value = self._named(named, expr, grid)
        else:
            result = self.operators[type(expr)](self, expr, grid)
        self.budget.release_to(held)
        self.budget.hold(result.samples if isinstance(result, Vector) else len(result))
        return result

    def _named(self, named: Named, expr: Expr, grid: Grid) -> Vector:
        """An aggregation that this query may hold more than once, and that others may have asked for."""

        def compute(piece: Grid) -> tuple[Vector, bool]:
            noted = self.notes.count
            result = self.operators[type(expr)](self, expr, piece)
            assert isinstance(result, Vector), expr
            # Notes name places in this query's text, so a result with notes is not for others.
            return result, self.notes.count == noted and result.nameless is None

        if self.remembered is not None:
            ask = self.remembered.range if grid.size > 1 else self.remembered.instant
            return ask(named, grid, self.lookback_ms, compute)
        done = self.done.get((named.text, grid))
        if done is None:
            done, may_keep = compute(grid)
            if may_keep:
                self.done[named.text, grid] = done
        return done

    def vector(self, expr: Expr, grid: Grid) -> Vector:
        result = self.value(expr, grid)
        assert isinstance(result, Vector), expr
        return result

    def scalar(self, expr: Expr, grid: Grid) -> Float64s:
        """(steps,)"""
        result = self.value(expr, grid)
        assert not isinstance(result, Vector), expr
        return result

    def text(self, expr: Expr) -> str:
        literal = unwrapped(expr)
        assert isinstance(literal, StringLiteral), expr
        return literal.value

    def _spread(self, value: Value, steps: int) -> Value:
        if not isinstance(value, Vector):
            return np.broadcast_to(value, (steps,))
        shape = (len(value.labels), steps)
        self.budget.hold(value.samples * (steps - 1))
        return Vector(
            value.labels,
            np.broadcast_to(value.values, shape),
            np.broadcast_to(value.present, shape),
            value.nameless,
        )

    def moments(self, when: FixedTime, grid: Grid) -> Int64s:
        """When a selector looks at its data: the steps or its @, less its offset; (steps,) ms, ascending."""
        steps = grid.steps if when.at_ms is None else np.full(grid.size, when.at_ms, np.int64)
        return steps - when.offset_ms if when.offset_ms else steps

    def without_names(self, vector: Vector) -> Vector:
        """Take metric names away, now or later.

        Series that become the same are joined where they never meet at a step, or refused.
        """
        if self.dialect.delayed_name_removal:
            return drop_names(vector, delayed=True)

        def find() -> tuple[Sequence[Labels], bool]:
            bare = drop_names(vector, delayed=False).labels
            return bare, len(set(bare)) == len(bare)

        nameless, differ = self.lists.derive("nameless", (vector.labels,), find)
        if differ:
            return vector.named(nameless)
        return merged(vector.named(nameless))


def fail(message: str) -> QueryError:
    return QueryError(gotext.readable(message))
