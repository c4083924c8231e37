"""The store's own metrics, under Prometheus's names where it has one; register `StorageCollector`."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from backbeat.storage.storage import Storage


class StorageCollector(Collector):
    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def collect(self) -> Iterator[Metric]:
        health = self._storage.health()
        for name, text, gauge in (
            (
                "backbeat_storage_unavailable",
                "Whether samples are refused at the moment.",
                health.unavailable,
            ),
            ("prometheus_tsdb_head_series", "Series in memory.", health.series),
            ("prometheus_tsdb_blocks_loaded", "Blocks that are served.", health.blocks),
        ):
            yield GaugeMetricFamily(name, text, float(gauge))
        for name, text, count in (
            (
                "backbeat_storage_damages",
                "Damaged places since the start; see quarantine/.",
                health.damages,
            ),
            ("backbeat_storage_torn_tails", "Log files that a crash left half written.", health.torn_tails),
            ("backbeat_storage_write_failures", "Writes that the disk refused.", health.write_failures),
            ("backbeat_storage_fsync_failures", "Fsyncs that failed.", health.sync_failures),
            ("prometheus_tsdb_compactions", "Merges of blocks.", health.compactions),
            (
                "prometheus_tsdb_compactions_failed",
                "Upkeep that failed and was tried again.",
                health.failures,
            ),
        ):
            yield CounterMetricFamily(name, text, count)
