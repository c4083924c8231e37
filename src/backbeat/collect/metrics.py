"""Collecting's own metrics, under Prometheus's names where it has one."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from backbeat.model.appender import Appended


class CollectMetrics:
    """What the scrape loops and the receivers count; register one with the registry of /metrics."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        self.pools = gauge("prometheus_target_scrape_pools", "Scrape pools of the current configuration.")
        self.pool_targets = gauge(
            "prometheus_target_scrape_pool_targets", "Targets of a scrape pool.", "scrape_job"
        )
        self.pool_syncs = counter(
            "prometheus_target_scrape_pool_sync", "Times a pool's targets were put in place.", "scrape_job"
        )
        self.over_target_limit = counter(
            "prometheus_target_scrape_pool_exceeded_target_limit", "Pools that had more targets than allowed."
        )
        scrapes = counter("backbeat_scrapes", "Scrapes, by outcome.", "outcome")
        self.scrapes_succeeded, self.scrapes_failed = scrapes.labels("success"), scrapes.labels("failure")
        self.samples = counter("backbeat_scrape_samples_appended", "Samples that scrapes brought to storage.")
        self.over_sample_limit = counter(
            "prometheus_target_scrapes_exceeded_sample_limit", "Scrapes that had more samples than allowed."
        )
        self.over_body_limit = counter(
            "prometheus_target_scrapes_exceeded_body_size_limit", "Scrapes with a body larger than allowed."
        )
        self.over_label_limit = counter(
            "backbeat_target_scrapes_exceeded_label_limit", "Scrapes with more or longer labels than allowed."
        )
        self.duplicate = counter(
            "prometheus_target_scrapes_sample_duplicate_timestamp",
            "Samples refused because their series has another value at that time.",
        )
        self.out_of_order = counter(
            "prometheus_target_scrapes_sample_out_of_order", "Samples refused because they came too late."
        )
        self.out_of_bounds = counter(
            "prometheus_target_scrapes_sample_out_of_bounds",
            "Samples refused because they lie too far in the future.",
        )
        self.storage_refusals = counter(
            "backbeat_scrape_storage_refusals", "Scrapes whose samples storage could not take."
        )
        self.crashes = counter("backbeat_scrape_loop_crashes", "Scrape loops that failed and were restarted.")
        self.sd_targets = gauge(
            "prometheus_sd_discovered_targets", "Targets that discovery found.", "name", "config"
        )
        self.sd_file_errors = counter(
            "prometheus_sd_file_read_errors", "Target files that could not be read."
        )
        self.received = counter(
            "prometheus_remote_storage_samples_in", "Samples that came in over remote write and were stored."
        )
        self.receive_refused = counter(
            "backbeat_remote_write_requests_refused", "Remote-write requests that were refused.", "code"
        )

    def count_refused(self, appended: Appended) -> None:
        """Count what storage did not take of a scrape."""
        if appended.conflicting:
            self.duplicate.inc(appended.conflicting)
        if appended.out_of_order:
            self.out_of_order.inc(appended.out_of_order)
        if appended.too_far_ahead:
            self.out_of_bounds.inc(appended.too_far_ahead)
