"""What the storage holds, in numbers: for `backbeat storage stats` and the status pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from backbeat.model.labels import Labels
from backbeat.storage.series_table import SeriesTable


class StorageStats(Struct, frozen=True):
    """A moment's figures. Times are ms, None where there is no sample."""

    series_in_memory: int
    samples_in_memory: int
    samples_in_blocks: int
    blocks: int
    block_bytes: int
    log_bytes: int
    memory_chunk_bytes: int
    min_ms: int | None
    max_ms: int | None
    quarantined: int
    """damaged places found since the start"""
    label_names: tuple[tuple[str, int], ...] = ()
    """label names by how many series in memory have them, most first"""
    label_value_counts: tuple[tuple[str, int], ...] = ()
    """label names by how many values they have, most first"""
    metric_names: tuple[tuple[str, int], ...] = ()
    """metric names by how many series they have, most first"""
    label_pairs: tuple[tuple[str, int], ...] = ()
    """`name=value` by how many series have it, most first"""

    @property
    def samples(self) -> int:
        return self.samples_in_memory + self.samples_in_blocks

    @property
    def bytes_per_sample(self) -> float:
        """Of blocks, index included; 0 where there are none."""
        return self.block_bytes / self.samples_in_blocks if self.samples_in_blocks else 0.0


class Health(Struct, frozen=True):
    """How the store does, at no cost."""

    unavailable: bool
    series: int
    blocks: int
    damages: int
    torn_tails: int
    write_failures: int
    sync_failures: int
    compactions: int
    failures: int


class Cardinality(Struct, frozen=True):
    """The four tables above."""

    label_names: tuple[tuple[str, int], ...]
    label_value_counts: tuple[tuple[str, int], ...]
    metric_names: tuple[tuple[str, int], ...]
    label_pairs: tuple[tuple[str, int], ...]


def cardinality(table: SeriesTable, limit: int) -> Cardinality:
    """Which names and values the series in memory are many of."""
    return _ranked({name: table.value_counts(name) for name in table.names()}, limit)


def cardinality_of(series: Iterable[Labels], limit: int) -> Cardinality:
    """The same for any series."""
    counts: dict[str, dict[str, int]] = {}
    for labels in series:
        for name, value in labels:
            values = counts.setdefault(name, {})
            values[value] = values.get(value, 0) + 1
    return _ranked(counts, limit)


def _ranked(counts: Mapping[str, Mapping[str, int]], limit: int) -> Cardinality:
    pairs = {f"{name}={value}": count for name, values in counts.items() for value, count in values.items()}
    return Cardinality(
        _top({name: sum(values.values()) for name, values in counts.items()}, limit),
        _top({name: len(values) for name, values in counts.items()}, limit),
        _top(counts.get("__name__", {}), limit),
        _top(pairs, limit),
    )


def _top(counts: Mapping[str, int], limit: int) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:limit])
