"""Typed settings of prometheus.yml and of the rule files.

Attribute names are the YAML field names; durations carry the suffix `_ms` and are int milliseconds.
Decoding and validation live beside this (`config.load`); these are plain values.
"""

from __future__ import annotations

from msgspec import Struct, field

from backbeat.config.http_client import HTTPClient
from backbeat.model.errors import Position
from backbeat.model.labels import NO_LABELS, Labels

DEFAULT_RELABEL_REGEX = "(.*)"


class RelabelConfig(Struct, frozen=True):
    """One relabelling step; `action` is lower case."""

    action: str = "replace"
    source_labels: tuple[str, ...] = ()
    separator: str = ";"
    regex: str = DEFAULT_RELABEL_REGEX
    modulus: int = 0
    target_label: str = ""
    replacement: str = "$1"


class TargetGroup(Struct, frozen=True):
    """Targets that share labels, from static_configs or a discovery."""

    targets: tuple[str, ...]
    labels: Labels = NO_LABELS
    source: str = ""


class FileSD(Struct, frozen=True):
    files: tuple[str, ...]
    refresh_interval_ms: int = 300_000


class Discovery(Struct, frozen=True):
    """Where targets come from. `unsupported` names kinds that are valid but that Backbeat cannot do yet."""

    static_configs: tuple[TargetGroup, ...] = ()
    file_sd_configs: tuple[FileSD, ...] = ()
    unsupported: tuple[str, ...] = ()


class ScrapeConfig(Struct, frozen=True):
    job_name: str
    discovery: Discovery = field(default_factory=Discovery)
    scrape_interval_ms: int = 60_000
    scrape_timeout_ms: int = 10_000
    metrics_path: str = "/metrics"
    scheme: str = "http"
    params: tuple[tuple[str, tuple[str, ...]], ...] = ()
    honor_labels: bool = False
    honor_timestamps: bool = True
    track_timestamps_staleness: bool = False
    enable_compression: bool = True
    http: HTTPClient = field(default_factory=HTTPClient)
    relabel_configs: tuple[RelabelConfig, ...] = ()
    metric_relabel_configs: tuple[RelabelConfig, ...] = ()
    body_size_limit: int = 0
    """bytes decoded; 0 means Backbeat's own limit (16 MiB)"""
    sample_limit: int = 0
    """samples after metric relabelling; 0 means Backbeat's own limit (50,000)"""
    target_limit: int = 0
    label_limit: int = 0
    label_name_length_limit: int = 0
    label_value_length_limit: int = 0
    scrape_protocols: tuple[str, ...] = ()
    fallback_scrape_protocol: str = ""
    host_collector: bool = False
    """True for the built-in host collector, which has no URL (from backbeat.yml)"""


class AlertmanagerTargets(Struct, frozen=True):
    """One entry of `alerting.alertmanagers`: external Alertmanagers that also get our alerts."""

    discovery: Discovery = field(default_factory=Discovery)
    scheme: str = "http"
    path_prefix: str = ""
    timeout_ms: int = 10_000
    api_version: str = "v2"
    http: HTTPClient = field(default_factory=HTTPClient)
    relabel_configs: tuple[RelabelConfig, ...] = ()
    alert_relabel_configs: tuple[RelabelConfig, ...] = ()


class Rule(Struct, frozen=True):
    """A recording rule (`record` set) or an alerting rule (`alert` set)."""

    expr: str
    at: Position
    expr_at: Position
    record: str = ""
    alert: str = ""
    for_ms: int = 0
    keep_firing_for_ms: int = 0
    labels: Labels = NO_LABELS
    annotations: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return self.alert or self.record


class RuleGroup(Struct, frozen=True):
    name: str
    file: str
    rules: tuple[Rule, ...]
    interval_ms: int = 0
    """0: the global evaluation_interval"""
    limit: int = 0
    query_offset_ms: int = 0
    labels: Labels = NO_LABELS


class StorageSettings(Struct, frozen=True):
    out_of_order_time_window_ms: int = 0
    max_exemplars: int = 100_000
    retention_time_ms: int = 0
    """0: not set in the file"""
    retention_size_bytes: int = 0
    retention_percent: float = 0.0
    """of the disk that holds the data directory; above 0 it counts instead of the size"""


class PrometheusConfig(Struct, frozen=True):
    """prometheus.yml with the rule files that it names."""

    path: str
    text: str
    """the file as read, with secrets masked, for /api/v1/status/config"""
    scrape_interval_ms: int = 60_000
    scrape_timeout_ms: int = 10_000
    evaluation_interval_ms: int = 60_000
    rule_query_offset_ms: int = 0
    external_labels: Labels = NO_LABELS
    scrape_configs: tuple[ScrapeConfig, ...] = ()
    pools: tuple[str, ...] = ()
    """of each scrape config what is in force, as YAML with secrets masked"""
    alertmanagers: tuple[AlertmanagerTargets, ...] = ()
    alert_relabel_configs: tuple[RelabelConfig, ...] = ()
    rule_groups: tuple[RuleGroup, ...] = ()
    storage: StorageSettings = field(default_factory=StorageSettings)
    log_level: str = ""
    """debug, info, warn or error; empty: as the command line says"""
