"""What the sections of prometheus.yml say together, and the typed value of a file without mistakes.

In:  the section of prometheus.yml and those of its scrape_config_files.
Out: findings on names used twice, timeouts longer than intervals, schemes that conflict; `PrometheusConfig`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from backbeat.config.discovery_fields import discovery, static_targets, warn_unsupported
from backbeat.config.http_fields import http_client
from backbeat.config.kinds import is_label_name
from backbeat.config.pools import pool_text
from backbeat.config.prometheus import (
    AlertmanagerTargets,
    PrometheusConfig,
    RuleGroup,
    ScrapeConfig,
    StorageSettings,
)
from backbeat.config.prometheus_fields import ESCAPING, check_patterns, check_targets
from backbeat.config.relabel_fields import check_steps, relabel_configs
from backbeat.config.schema import Section, duplicates, quoted
from backbeat.model.durations import format_duration
from backbeat.model.labels import Labels

_MINUTE = 60_000
_OTHER_PORTS = {
    "5432": ("PostgreSQL", "its exporter, e.g. postgres-exporter:9187"),
    "6379": ("Redis", "its exporter, e.g. redis-exporter:9121"),
    "3306": ("MySQL", "its exporter, e.g. mysqld-exporter:9104"),
    "27017": ("MongoDB", "its exporter, e.g. mongodb-exporter:9216"),
    "11211": ("Memcached", "its exporter, e.g. memcached-exporter:9150"),
    "9092": ("Kafka", "its exporter, e.g. kafka-exporter:9308"),
    "5672": ("RabbitMQ", "its metrics at port 15692"),
}
_DROPPING = frozenset(("keep", "drop", "keepequal", "dropequal"))
# os.Expand: $name, ${name}, and $ before one special character.
_REFERENCE = re.compile(r"\$(?:\{([^}]*)\}|([A-Za-z_][A-Za-z0-9_]*|[*#$@!?\-0-9]))")


class Defaults(Struct, frozen=True):
    """What a scrape config takes from `global`."""

    section: Section | None
    interval_ms: int = _MINUTE
    timeout_ms: int = 10_000
    legacy: bool = False

    def get(self, name: str, default: object = None) -> object:
        return default if self.section is None else self.section.get(name, default)


def defaults_of(section: Section) -> Defaults:
    """The global section with its own defaults filled in."""
    own = section.get("global")
    if own is None:
        return Defaults(None)
    interval = own.get("scrape_interval") or _MINUTE
    return Defaults(
        own,
        interval_ms=interval,
        timeout_ms=own.get("scrape_timeout") or min(10_000, interval),
        legacy=own.get("metric_name_validation_scheme") == "legacy",
    )


def check_prometheus(section: Section) -> None:
    """Everything that needs more than one section of the main file."""
    defaults = defaults_of(section)
    if defaults.section is not None:
        _check_global(defaults.section, defaults)
    check_patterns(section, "rule_files", "rule file")
    check_patterns(section, "scrape_config_files", "scrape config file")
    check_scrapes(section.sections("scrape_configs"), defaults)
    _check_alerting(section.get("alerting"), legacy=defaults.legacy)
    for name, what in (("remote_write", "write"), ("remote_read", "read")):
        remotes = section.sections(name)
        _check_unique(
            ((each.get("name", ""), each) for each in remotes), "name", f"remote {what} configs with job name"
        )
        if remotes:
            section.warn(name, f"{name} is read but not yet supported: nothing is sent to or read from there")
        for each in remotes:
            check_steps(each, "write_relabel_configs", legacy=defaults.legacy)
    if section.has("tracing"):
        section.warn("tracing", "tracing is read but not supported: no traces are sent")
    _check_otlp(section.get("otlp"), legacy=defaults.legacy)


def _check_global(section: Section, defaults: Defaults) -> None:
    _check_timeout(section, defaults.interval_ms, "global scrape timeout greater than scrape interval")
    node = section.at("external_labels")
    for name, _ in section.get("external_labels") or ():
        if not is_label_name(name, legacy=defaults.legacy):
            path = f"{section.field('external_labels')}.{name}"
            section.reading.error(node, path, f"{quoted(name)} is not a valid label name")


def _check_timeout(section: Section, interval_ms: int, message: str) -> None:
    timeout = section.get("scrape_timeout") or 0
    if timeout > interval_ms and "scrape_interval" not in section.broken:
        found, most = format_duration(timeout), format_duration(interval_ms)
        section.error("scrape_timeout", f"{message}: found {found}, expected at most {most}")


def check_scrapes(sections: Iterable[Section], defaults: Defaults, taken: Iterable[Section] = ()) -> None:
    """Rules between scrape configs and the global section; `taken` holds jobs of the main file."""
    sections = list(sections)
    for section in sections:
        interval = section.get("scrape_interval") or defaults.interval_ms
        _check_timeout(section, interval, "scrape timeout greater than scrape interval")
        legacy = _check_names(section, defaults)
        check_steps(section, "relabel_configs", legacy=legacy)
        check_steps(section, "metric_relabel_configs", legacy=legacy)
        _check_kept_targets(section)
        _warn_of_ports(section)
        warn_unsupported(section)
    jobs = ((each.get("job_name", ""), each) for each in (*taken, *sections))
    _check_unique(jobs, "job_name", "scrape configs with job name")


def _check_unique(named: Iterable[tuple[str, Section]], field: str, what: str) -> None:
    for name, first, later in duplicates(named):
        place = "" if first.reading.path == later.reading.path else f" of {first.reading.path}"
        line = first.at(field).line
        later.error(
            field, f"found multiple {what} {quoted(name)}; the first one stands on line {line}{place}"
        )


def _check_names(section: Section, defaults: Defaults) -> bool:
    """The schemes of metric names; returns whether names are limited to the legacy characters."""
    own = section.get("metric_name_validation_scheme", "")
    legacy = own == "legacy" if own else defaults.legacy
    inherited = str(defaults.get("metric_name_escaping_scheme", "") or "")
    if inherited and inherited not in ESCAPING and defaults.section is not None:
        expected = ", ".join(ESCAPING)
        defaults.section.error(
            "metric_name_escaping_scheme", f"found {quoted(inherited)}, expected one of {expected}"
        )
        return legacy
    inherited = inherited or ("underscores" if defaults.legacy else "allow-utf-8")
    escaping = section.get("metric_name_escaping_scheme", "")
    if not escaping:
        escaping = inherited if not own else "underscores" if legacy else "allow-utf-8"
    if escaping not in ESCAPING:
        section.error(
            "metric_name_escaping_scheme", f"found {quoted(escaping)}, expected one of {', '.join(ESCAPING)}"
        )
    elif escaping == "allow-utf-8" and legacy:
        message = "utf8 metric names requested but validation scheme is not set to UTF8"
        place = section
        field = "metric_name_escaping_scheme"
        if field not in section.keys and defaults.section is not None:
            place = defaults.section
        place.error(field, message)
    return legacy


def _check_kept_targets(section: Section) -> None:
    """An address that is no host:port must be rewritten by a step; say so where none can."""
    steps = section.sections("relabel_configs")
    if not steps or len(steps) != len(section.get("relabel_configs") or ()):
        return
    if any(step.get("action", "replace") in _DROPPING or _may_write_address(step) for step in steps):
        return
    check_targets(section, always=True)


def _may_write_address(step: Section) -> bool:
    target = step.get("target_label", "")
    return step.get("action") == "labelmap" or target == "__address__" or "$" in target


def _warn_of_ports(section: Section) -> None:
    """Say where a target is a server that does not speak HTTP at that port."""
    if section.has("relabel_configs"):
        return
    for node, path, address in static_targets(section):
        known = _OTHER_PORTS.get(address.rpartition(":")[2])
        if known is not None:
            server, instead = known
            message = (
                f"{quoted(address)} is the port of {server} itself, which serves no metrics; scrape {instead}"
            )
            section.reading.warn(node, path, message)


def _check_alerting(section: Section | None, *, legacy: bool) -> None:
    if section is None:
        return
    check_steps(section, "alert_relabel_configs", legacy=legacy)
    for each in section.sections("alertmanagers"):
        check_steps(each, "relabel_configs", legacy=legacy)
        check_steps(each, "alert_relabel_configs", legacy=legacy)
        _check_kept_targets(each)
        warn_unsupported(each)


def _check_otlp(section: Section | None, *, legacy: bool) -> None:
    strategy = section.get("translation_strategy", "") if section is not None else ""
    if section is not None and legacy and strategy in ("NoTranslation", "NoUTF8EscapingWithSuffixes"):
        section.error(
            "translation_strategy",
            f"OTLP translation strategy {quoted(strategy)} is not allowed when UTF8 is disabled",
        )


def prometheus_config(
    section: Section, files: Sequence[Section], groups: tuple[RuleGroup, ...], text: str
) -> PrometheusConfig:
    """The typed value; `files` are the sections of scrape_config_files."""
    defaults = defaults_of(section)
    alerting = section.get("alerting")
    scrapes = [
        *section.sections("scrape_configs"),
        *(each for file in files for each in file.sections("scrape_configs")),
    ]
    configs = tuple(scrape_config(each, defaults) for each in scrapes)
    return PrometheusConfig(
        path=section.reading.path,
        text=text,
        scrape_interval_ms=defaults.interval_ms,
        scrape_timeout_ms=defaults.timeout_ms,
        evaluation_interval_ms=_int(defaults.get("evaluation_interval")) or _MINUTE,
        rule_query_offset_ms=_int(defaults.get("rule_query_offset")),
        external_labels=_external_labels(defaults),
        scrape_configs=configs,
        pools=tuple(map(pool_text, configs, scrapes)),
        alertmanagers=_alertmanagers(alerting),
        alert_relabel_configs=relabel_configs(alerting, "alert_relabel_configs") if alerting else (),
        rule_groups=groups,
        storage=_storage(section.get("storage")),
        log_level=runtime.get("log_level", "") if (runtime := section.get("runtime")) else "",
    )


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0


def _external_labels(defaults: Defaults) -> Labels:
    if defaults.section is None:
        return Labels()
    section, found = defaults.section, {}
    for name, value in section.get("external_labels") or ():
        found[name] = _expanded(value, name, section)
    return Labels.of(found)


def _expanded(value: str, label: str, section: Section) -> str:
    def replace(match: re.Match[str]) -> str:
        name = match[1] if match[1] is not None else match[2]
        if name == "$":
            return "$"
        text = section.reading.environment.get(name, "")
        if not text:
            path = f"{section.field('external_labels')}.{label}"
            section.reading.warn(
                section.at("external_labels"), path, f"the environment variable {name} is empty"
            )
        return text

    return _REFERENCE.sub(replace, value)


def scrape_config(section: Section, defaults: Defaults) -> ScrapeConfig:
    """The typed value of one scrape config."""
    interval = section.get("scrape_interval") or defaults.interval_ms

    def limit(name: str) -> int:
        return max(section.get(name) or _int(defaults.get(name)), 0)

    return ScrapeConfig(
        job_name=section.get("job_name", ""),
        discovery=discovery(section),
        scrape_interval_ms=interval,
        scrape_timeout_ms=section.get("scrape_timeout") or min(defaults.timeout_ms, interval),
        metrics_path=section.get("metrics_path") or "/metrics",
        scheme=section.get("scheme") or "http",
        params=section.get("params") or (),
        honor_labels=section.get("honor_labels", False),
        honor_timestamps=section.get("honor_timestamps", True),
        track_timestamps_staleness=section.get("track_timestamps_staleness", False),
        enable_compression=section.get("enable_compression", True),
        http=http_client(section),
        relabel_configs=relabel_configs(section, "relabel_configs"),
        metric_relabel_configs=relabel_configs(section, "metric_relabel_configs"),
        body_size_limit=limit("body_size_limit"),
        sample_limit=limit("sample_limit"),
        target_limit=limit("target_limit"),
        label_limit=limit("label_limit"),
        label_name_length_limit=limit("label_name_length_limit"),
        label_value_length_limit=limit("label_value_length_limit"),
        scrape_protocols=section.get("scrape_protocols") or _protocols(defaults),
        fallback_scrape_protocol=section.get("fallback_scrape_protocol", ""),
    )


def _protocols(defaults: Defaults) -> tuple[str, ...]:
    found = defaults.get("scrape_protocols")
    return found if isinstance(found, tuple) else ()


def _alertmanagers(alerting: Section | None) -> tuple[AlertmanagerTargets, ...]:
    if alerting is None:
        return ()
    return tuple(
        AlertmanagerTargets(
            discovery=discovery(each),
            scheme=each.get("scheme") or "http",
            path_prefix=each.get("path_prefix", ""),
            timeout_ms=each.get("timeout") or 10_000,
            api_version=each.get("api_version") or "v2",
            http=http_client(each),
            relabel_configs=relabel_configs(each, "relabel_configs"),
            alert_relabel_configs=relabel_configs(each, "alert_relabel_configs"),
        )
        for each in alerting.sections("alertmanagers")
    )


def _storage(section: Section | None) -> StorageSettings:
    if section is None:
        return StorageSettings()
    tsdb, exemplars = section.get("tsdb"), section.get("exemplars")
    retention = tsdb.get("retention") if tsdb else None
    return StorageSettings(
        out_of_order_time_window_ms=tsdb.get("out_of_order_time_window", 0) if tsdb else 0,
        max_exemplars=max(0, exemplars.get("max_exemplars", 0)) if exemplars else 100_000,
        retention_time_ms=retention.get("time", 0) if retention else 0,
        retention_size_bytes=retention.get("size", 0) if retention else 0,
        retention_percent=retention.get("percentage", 0.0) if retention else 0.0,
    )
