"""From the labels a target exposes to the labels of the stored series.

In:  metric name and label pairs as exposed (`collect.exposition`).
Out: `Labels`, joined with the target's and relabelled; None where a step drops the series.
Pure: no clock, no I/O. Asked once per new series, not once per sample.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from backbeat.collect.relabel import LabelDict, Relabeler
from backbeat.model.labels import METRIC_NAME, Labels

DEFAULT_LABELS = 40
DEFAULT_NAME_BYTES = 256
DEFAULT_VALUE_BYTES = 4096


class LabelLimitExceeded(ValueError):
    """A series with more or longer labels than the limits allow; the whole scrape fails."""


class LabelLimits(Struct, frozen=True):
    """How many labels a series may have, the metric name included, and how long they may be."""

    labels: int = DEFAULT_LABELS
    name_bytes: int = DEFAULT_NAME_BYTES
    value_bytes: int = DEFAULT_VALUE_BYTES

    def check(self, labels: Labels) -> None:
        """Raises LabelLimitExceeded, which names the series and what is too much."""
        if len(labels) > self.labels:
            raise LabelLimitExceeded(
                f"series {_short(labels.metric)} has {len(labels)} labels, the limit is {self.labels}"
            )
        names, values = zip(*labels, strict=True)
        # A character has at most four bytes, so most texts need no encoding to be known as short.
        if max(map(len, names)) * 4 > self.name_bytes or max(map(len, values)) * 4 > self.value_bytes:
            self._check_bytes(labels)

    def _check_bytes(self, labels: Labels) -> None:
        for name, value in labels:
            if len(name.encode()) > self.name_bytes:
                raise LabelLimitExceeded(
                    f"label name {_short(name)} of {_short(labels.metric)} is longer than "
                    f"{self.name_bytes} bytes"
                )
            if len(value.encode()) > self.value_bytes:
                raise LabelLimitExceeded(
                    f"value of label {_short(name)} of {_short(labels.metric)} is longer than "
                    f"{self.value_bytes} bytes"
                )


class SeriesIdentity(Struct, frozen=True):
    """How the exposed series of one target become stored series."""

    target: Labels
    honor_labels: bool = False
    relabel: Relabeler | None = None
    limits: LabelLimits = LabelLimits()

    def of(self, name: str, pairs: Iterable[tuple[str, str]]) -> Labels | None:
        """The stored series' labels; None: metric relabelling drops it.

        Raises LabelLimitExceeded, and ValueError where no metric name is left.
        """
        labels: LabelDict = dict(pairs)
        labels[METRIC_NAME] = name
        if self.honor_labels:
            # An exposed empty label counts as present: it keeps the target's label away.
            for own, value in self.target:
                labels.setdefault(own, value)
        else:
            self._override(labels)
        if "" in labels.values():
            labels = {own: value for own, value in labels.items() if value}
        if self.relabel and (not self.relabel.apply(labels) or not labels):
            return None
        if METRIC_NAME not in labels:
            raise ValueError(f"metric relabelling leaves no metric name on {_short(name)}")
        stored = Labels(sorted(labels.items()))
        self.limits.check(stored)
        return stored

    def _override(self, labels: LabelDict) -> None:
        """The target's labels win; what the series had under their names moves to exported_<name>."""
        conflicts = []
        for own, value in self.target:
            if exposed := labels.get(own, ""):
                conflicts.append((own, exposed))
            labels[own] = value
        for own, exposed in sorted(conflicts, key=lambda conflict: len(conflict[0])):
            free = "exported_" + own
            while labels.get(free):
                free = "exported_" + free
            labels[free] = exposed

    def report(self, metric: str) -> Labels:
        """The labels of a series that Backbeat itself writes about the target, such as `up`."""
        return self.target.set({METRIC_NAME: metric})


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:80] + "…"
