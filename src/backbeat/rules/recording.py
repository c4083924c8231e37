"""A recording rule: its expression's result under a new name.

In:  the vector of the expression.
Out: the same values with the rule's name and labels, to the group's writer.
Pure: no clock, no I/O.
"""

from __future__ import annotations

from backbeat.config.prometheus import Rule
from backbeat.model.labels import METRIC_NAME, Labels
from backbeat.rules.vector import RuleError, Vector


class RecordingRule:
    """Keeps the renamed label sets of the last evaluation, since they are usually the same again."""

    kind = "recording"

    def __init__(self, spec: Rule, group_labels: Labels) -> None:
        self.spec = spec
        self.labels = group_labels.set(dict(spec.labels))
        self._added = {**self.labels.as_dict(), METRIC_NAME: spec.record}
        self._renamed: dict[Labels, Labels] = {}

    def record(self, vector: Vector, limit: int) -> Vector:
        """Raises RuleError where two series become one, or more than `limit` (0: any number) come."""
        known = self._renamed
        self._renamed = {labels: known.get(labels) or labels.set(self._added) for labels in vector.labels}
        renamed = list(self._renamed.values())
        if len(set(renamed)) < len(vector.labels):
            raise RuleError("vector contains metrics with the same labelset after applying rule labels")
        if 0 < limit < len(renamed):
            raise RuleError(f"exceeded limit of {limit} with {len(renamed)} series")
        return Vector(renamed, vector.values)
