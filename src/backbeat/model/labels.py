"""Label sets: the identity of a series, a target or an alert."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

METRIC_NAME = "__name__"
LEGACY_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
LEGACY_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


class Labels(tuple[tuple[str, str], ...]):
    """An immutable label set: (name, value) pairs sorted by name, without empty values.

    A tuple underneath, so hashing, equality and ordering run in C. Build it with `Labels.of`;
    the bare constructor trusts its caller that the pairs are sorted, unique and non-empty.
    """

    __slots__ = ()

    @classmethod
    def of(cls, source: Mapping[str, str] | Iterable[tuple[str, str]] = (), /, **more: str) -> Labels:
        """Sort and normalise; an empty value means the label is absent, a later pair wins."""
        pairs = dict(source)
        pairs.update(more)
        if all(pairs.values()):
            return cls(sorted(pairs.items()))
        return cls(sorted((name, value) for name, value in pairs.items() if value))

    def get(self, name: str, default: str = "") -> str:
        """The label's value, or `default` where it is absent."""
        for own, value in self:
            if own == name:
                return value
        return default

    @property
    def metric(self) -> str:
        """The metric name, or an empty string."""
        return self.get(METRIC_NAME)

    def names(self) -> Iterator[str]:
        return (name for name, _ in self)

    def keep(self, names: Iterable[str]) -> Labels:
        """Only the named labels."""
        wanted = frozenset(names)
        return Labels(pair for pair in self if pair[0] in wanted)

    def drop(self, *names: str) -> Labels:
        """All but the named labels."""
        return Labels(pair for pair in self if pair[0] not in names)

    def set(self, more: Mapping[str, str]) -> Labels:
        """With the given labels added or replaced; an empty value removes one."""
        return Labels.of({**dict(self), **more})

    def without_metric(self) -> Labels:
        return Labels(pair for pair in self if pair[0] != METRIC_NAME)

    def as_dict(self) -> dict[str, str]:
        return dict(self)

    def __str__(self) -> str:
        metric = self.metric
        named = ", ".join(
            f"{quote_label_name(name)}={quote(value)}" for name, value in self if name != METRIC_NAME
        )
        if metric and LEGACY_METRIC_NAME.fullmatch(metric):
            return f"{metric}{{{named}}}" if named else metric
        if metric:
            return "{" + quote(metric) + (", " + named if named else "") + "}"
        return f"{{{named}}}"

    __repr__ = __str__


NO_LABELS = Labels()


def quote(text: str) -> str:
    """Quote as Go's %q does for label values: double quotes, with escapes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r") + '"'


def quote_label_name(name: str) -> str:
    return name if LEGACY_LABEL_NAME.fullmatch(name) else quote(name)
