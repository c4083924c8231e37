"""The fields of prometheus.yml (Prometheus 3.16), and the rules that one section alone can break.

What sections say together (defaults from `global`, names used twice) is checked in `prometheus_rules`.
"""

from __future__ import annotations

import re

from backbeat.config.discovery_fields import DISCOVERY_FIELDS, static_targets
from backbeat.config.http_fields import HTTP_FIELDS, TLS_CONFIG, check_http
from backbeat.config.kinds import (
    COUNT,
    DURATION,
    FLAG,
    INTEGER,
    LOG_LEVEL,
    NUMBER,
    SIZE,
    TEXT,
    OneOf,
    texts,
)
from backbeat.config.relabel_fields import relabel_list
from backbeat.config.remote_fields import REMOTE_READ, REMOTE_WRITE, SIGV4, check_headers
from backbeat.config.schema import Kind, ListOf, MapOf, Section, StructOf, quoted

PROTOCOLS = (
    "OpenMetricsText0.0.1",
    "OpenMetricsText1.0.0",
    "OpenMetricsText2.0.0",
    "PrometheusProto",
    "PrometheusText0.0.4",
    "PrometheusText1.0.0",
)
_UNREADABLE = ("OpenMetricsText2.0.0",)
"""which Prometheus reads only with a feature flag"""
_LIMITS_OF_QUERIES = {
    "query_max_series": "`query_max_samples` in backbeat.yml limits what a query may hold",
    "query_max_samples_read": "`query_max_samples` in backbeat.yml limits what a query may hold",
    "query_max_duration": "`query_timeout` in backbeat.yml limits how long a query may take",
}
ESCAPING = ("allow-utf-8", "underscores", "dots", "values")
_PATH_PATTERN = re.compile(r"[^*]*(\*[^/]*)?")

_LIMITS: dict[str, Kind] = {
    "body_size_limit": SIZE,
    **dict.fromkeys(
        (
            "sample_limit",
            "target_limit",
            "label_limit",
            "label_name_length_limit",
            "label_value_length_limit",
            "keep_dropped_targets",
        ),
        COUNT,
    ),
}
_SCRAPE_SHARED: dict[str, Kind] = {
    **_LIMITS,
    "scrape_interval": DURATION,
    "scrape_timeout": DURATION,
    "scrape_protocols": ListOf(TEXT, what="a list of scrape protocols"),
    "scrape_failure_log_file": TEXT,
    "metric_name_validation_scheme": OneOf(("", "legacy", "utf8"), what="a validation scheme"),
    "metric_name_escaping_scheme": TEXT,
    **dict.fromkeys(
        (
            "scrape_native_histograms",
            "convert_classic_histograms_to_nhcb",
            "always_scrape_classic_histograms",
            "extra_scrape_metrics",
        ),
        FLAG,
    ),
}


def check_protocols(section: Section) -> None:
    """scrape_protocols: known names, each once, at least one."""
    names = section.get("scrape_protocols")
    if names is None or "scrape_protocols" not in section.keys:
        return
    nodes = section.item_nodes("scrape_protocols")
    if not nodes and names == ():
        from backbeat.config.nodes import is_null

        if not is_null(section.at("scrape_protocols")):
            section.error("scrape_protocols", "scrape_protocols cannot be empty")
    seen: set[str] = set()
    for index, name in enumerate(names):
        path = f"{section.field('scrape_protocols')}[{index}]"
        if name not in PROTOCOLS:
            expected = ", ".join(PROTOCOLS)
            section.reading.error(
                nodes[index], path, f"unknown scrape protocol {quoted(name)}, supported: {expected}"
            )
        elif name.lower() in seen:
            section.reading.error(nodes[index], path, f"duplicated protocol {name} in scrape_protocols")
        elif name in _UNREADABLE:
            section.reading.warn(
                nodes[index], path, f"{name} is not yet supported: targets are not asked for it"
            )
        seen.add(name.lower())


def _check_global(section: Section) -> None:
    check_protocols(section)
    for name, instead in _LIMITS_OF_QUERIES.items():
        if section.get(name):
            section.warn(
                name, f"has no effect, as in Prometheus without --enable-feature=query-cost; {instead}"
            )


GLOBAL = StructOf(
    "global",
    {
        **_SCRAPE_SHARED,
        "evaluation_interval": DURATION,
        "rule_query_offset": DURATION,
        "query_log_file": TEXT,
        "query_max_series": COUNT,
        "query_max_samples_read": COUNT,
        "query_max_duration": DURATION,
        "external_labels": MapOf(TEXT, what="a mapping of label names to values"),
    },
    _check_global,
    instead={
        "interval": "did you mean `scrape_interval` or `evaluation_interval`?",
        "labels": "did you mean `external_labels`?",
    },
)


def check_targets(section: Section, *, always: bool = False) -> None:
    """Addresses are host:port; only a relabelling step may make one out of something else."""
    if section.has("relabel_configs") and not always:
        return
    for node, path, address in static_targets(section):
        if "/" in address:
            hint = "; write host:port, and the path in `metrics_path`" if "://" in address else ""
            section.reading.error(node, path, f"{quoted(address)} is not a valid hostname{hint}")


def _check_scrape(section: Section) -> None:
    if not section.has("job_name"):
        section.error("job_name", "job_name is empty")
    check_http(section)
    check_targets(section)
    check_protocols(section)
    fallback = section.get("fallback_scrape_protocol")
    if fallback and fallback not in PROTOCOLS:
        section.error(
            "fallback_scrape_protocol",
            f"invalid fallback_scrape_protocol: unknown scrape protocol {quoted(fallback)}, "
            f"supported: {', '.join(PROTOCOLS)}",
        )


SCRAPE = StructOf(
    "a scrape config",
    {
        **_SCRAPE_SHARED,
        **HTTP_FIELDS,
        **DISCOVERY_FIELDS,
        "job_name": TEXT,
        **dict.fromkeys(
            ("honor_labels", "honor_timestamps", "track_timestamps_staleness", "enable_compression"), FLAG
        ),
        "params": MapOf(texts(), what="a mapping of parameter names to lists of values"),
        "fallback_scrape_protocol": TEXT,
        "metrics_path": TEXT,
        "scheme": TEXT,
        "native_histogram_bucket_limit": COUNT,
        "native_histogram_min_bucket_factor": NUMBER,
        "relabel_configs": relabel_list("target relabeling rule in scrape config"),
        "metric_relabel_configs": relabel_list("metric relabeling rule in scrape config"),
    },
    _check_scrape,
    instead={
        "targets": "targets belong under `static_configs`, as `- targets: [host:port]`",
        "job": "did you mean `job_name`?",
        "name": "did you mean `job_name`?",
        "path": "did you mean `metrics_path`?",
        "interval": "did you mean `scrape_interval`?",
        "timeout": "did you mean `scrape_timeout`?",
        "labels": "labels belong to a target group under `static_configs`",
        "insecure_skip_verify": "it belongs under `tls_config`",
        "username": "it belongs under `basic_auth`",
        "password": "it belongs under `basic_auth`",
    },
)
SCRAPE_LIST = ListOf(SCRAPE, "empty or null scrape config section", "a list of scrape configs")


def _check_alertmanagers(section: Section) -> None:
    check_http(section)
    for name in ("basic_auth", "authorization", "oauth2"):
        if section.get(name) is not None and section.get("sigv4") is not None:
            section.error(
                "sigv4", "at most one of basic_auth, authorization, oauth2, & sigv4 must be configured"
            )
    check_targets(section)


ALERTMANAGERS = StructOf(
    "an alertmanager config",
    {
        **HTTP_FIELDS,
        **DISCOVERY_FIELDS,
        "sigv4": SIGV4,
        "scheme": TEXT,
        "path_prefix": TEXT,
        "timeout": DURATION,
        "api_version": OneOf(("v2",), what="an Alertmanager API version"),
        "relabel_configs": relabel_list("Alertmanager target relabeling rule"),
        "alert_relabel_configs": relabel_list("Alertmanager alert relabeling rule"),
    },
    _check_alertmanagers,
    instead={"targets": "targets belong under `static_configs`, as `- targets: [host:port]`"},
)


def _check_retention(section: Section) -> None:
    if section.get("size", 0) < 0:
        section.error("size", "'storage.tsdb.retention.size' must be greater than or equal to 0")
    percentage = section.get("percentage", 0.0)
    if not 0 <= percentage <= 100:
        section.error("percentage", "'storage.tsdb.retention.percentage' must be in the range [0, 100]")


STORAGE = StructOf(
    "storage",
    {
        "tsdb": StructOf(
            "tsdb",
            {
                "out_of_order_time_window": DURATION,
                "stale_series_compaction_threshold": NUMBER,
                "chunk_encoding": StructOf(
                    "chunk_encoding", {"floats": OneOf(("", "xor", "xor2"), what="no value or an encoding")}
                ),
                "retention": StructOf(
                    "retention", {"time": DURATION, "size": SIZE, "percentage": NUMBER}, _check_retention
                ),
            },
        ),
        "exemplars": StructOf("exemplars", {"max_exemplars": INTEGER}),
    },
)


def check_tracing(section: Section) -> None:
    """An endpoint, and a compression that exists."""
    if not section.has("endpoint"):
        section.error("endpoint", "tracing endpoint must be set")
    compression = section.get("compression", "")
    if compression and compression != "gzip":
        section.error(
            "compression", f"invalid compression type {quoted(compression)} provided, valid options: gzip"
        )


def _check_own_tracing(section: Section) -> None:
    check_tracing(section)
    check_headers(section, "configuration is not yet supported here")


TRACING_FIELDS: dict[str, Kind] = {
    "client_type": OneOf(("http", "grpc"), what="a tracing client type"),
    "endpoint": TEXT,
    "sampling_fraction": NUMBER,
    "insecure": FLAG,
    "tls_config": TLS_CONFIG,
    "headers": MapOf(TEXT),
    "compression": TEXT,
    "timeout": DURATION,
}


def _check_otlp(section: Section) -> None:
    if section.has("promote_all_resource_attributes"):
        if section.has("promote_resource_attributes"):
            section.error(
                "promote_resource_attributes",
                "'promote_all_resource_attributes' and 'promote_resource_attributes' cannot be configured "
                "simultaneously",
            )
        _check_attributes(section, "ignore_resource_attributes")
        return
    if section.has("ignore_resource_attributes"):
        section.error(
            "ignore_resource_attributes",
            "'ignore_resource_attributes' cannot be configured unless 'promote_all_resource_attributes' "
            "is true",
        )
    _check_attributes(section, "promote_resource_attributes")


def _check_attributes(section: Section, name: str) -> None:
    seen: set[str] = set()
    nodes = section.item_nodes(name)
    for index, text in enumerate(section.get(name) or ()):
        path, attribute = f"{section.field(name)}[{index}]", text.strip()
        if not attribute:
            section.reading.error(nodes[index], path, f"invalid '{name}': empty OTel resource attribute")
        elif attribute in seen:
            section.reading.error(
                nodes[index],
                path,
                f"invalid '{name}': duplicated OTel resource attribute {quoted(attribute)}",
            )
        seen.add(attribute)


OTLP = StructOf(
    "otlp",
    {
        "promote_resource_attributes": texts(),
        "ignore_resource_attributes": texts(),
        "translation_strategy": OneOf(
            (
                "",
                "UnderscoreEscapingWithSuffixes",
                "UnderscoreEscapingWithoutSuffixes",
                "NoUTF8EscapingWithSuffixes",
                "NoTranslation",
            ),
            what="an OTLP translation strategy",
        ),
        **dict.fromkeys(
            (
                "promote_all_resource_attributes",
                "keep_identifying_resource_attributes",
                "convert_histograms_to_nhcb",
                "promote_scope_metadata",
                "label_name_underscore_sanitization",
                "label_name_preserve_multiple_underscores",
            ),
            FLAG,
        ),
    },
    _check_otlp,
)


def check_patterns(section: Section, name: str, what: str) -> None:
    """Globs may hold * in their last part only."""
    nodes = section.item_nodes(name)
    for index, pattern in enumerate(section.get(name) or ()):
        if not _PATH_PATTERN.fullmatch(pattern):
            path = f"{section.field(name)}[{index}]"
            section.reading.error(
                nodes[index],
                path,
                f"invalid {what} path {quoted(pattern)}: * is allowed in the last part only",
            )


PROMETHEUS = StructOf(
    "prometheus.yml",
    {
        "global": GLOBAL,
        "runtime": StructOf("runtime", {"gogc": INTEGER, "log_level": LOG_LEVEL}),
        "alerting": StructOf(
            "alerting",
            {
                "alert_relabel_configs": relabel_list("alert relabeling rule"),
                "alertmanagers": ListOf(ALERTMANAGERS, "empty or null Alertmanager section"),
            },
        ),
        "rule_files": texts(),
        "scrape_config_files": texts(),
        "scrape_configs": SCRAPE_LIST,
        "storage": STORAGE,
        "tracing": StructOf("tracing", TRACING_FIELDS, _check_own_tracing),
        "remote_write": ListOf(REMOTE_WRITE, "empty or null remote write config section"),
        "remote_read": ListOf(REMOTE_READ, "empty or null remote read config section"),
        "otlp": OTLP,
    },
    instead={
        "groups": "rule groups belong in a rule file that `rule_files` names",
        "rules": "rules belong in a rule file that `rule_files` names",
        "scrape_interval": "it belongs under `global`",
        "evaluation_interval": "it belongs under `global`",
        "scrape_timeout": "it belongs under `global`",
        "external_labels": "it belongs under `global`",
        "alertmanagers": "it belongs under `alerting`",
        "job_name": "it belongs to an entry of `scrape_configs`",
        "static_configs": "it belongs to an entry of `scrape_configs`",
        "route": "it belongs in alertmanager.yml",
        "receivers": "it belongs in alertmanager.yml",
    },
)
SCRAPE_FILE = StructOf("a scrape config file", {"scrape_configs": SCRAPE_LIST})
