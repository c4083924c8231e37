"""What a rule's expression returned: one value for each label set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from backbeat.model.arrays import Float64s
from backbeat.model.errors import BackbeatError
from backbeat.model.labels import NO_LABELS, Labels
from backbeat.model.results import Matrix, Querier, Scalar


class RuleError(BackbeatError):
    """A rule whose result cannot be used; shown on the rule, the group goes on."""


class Vector(Struct, frozen=True):
    """labels: (series,); values: (series,)."""

    labels: Sequence[Labels]
    values: Float64s


EMPTY = Vector((), np.empty(0))


async def ask(querier: Querier, expr: str, at_ms: int) -> Vector:
    """Evaluate at one moment; a scalar is a vector of one without labels. Raises QueryError, RuleError."""
    value = (await querier.instant(expr, at_ms)).value
    if isinstance(value, Scalar):
        return Vector((NO_LABELS,), value.values[-1:])
    if not isinstance(value, Matrix):
        raise RuleError("rule result is not a vector or scalar")
    if not len(value.labels):
        return EMPTY
    here = value.present[:, -1]
    if here.all():
        return Vector(value.labels, value.values[:, -1])
    kept = np.flatnonzero(here).tolist()
    return Vector([value.labels[index] for index in kept], value.values[kept, -1])
