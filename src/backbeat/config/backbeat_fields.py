"""Backbeat's own backbeat.yml. In: its nodes. Out: a `BackbeatConfig`."""

from __future__ import annotations

from backbeat.config.backbeat import BackbeatConfig
from backbeat.config.kinds import DURATION, FLAG, INTEGER, SIZE, Url, texts
from backbeat.config.schema import Section, StructOf
from backbeat.config.secret_kinds import SECRET


def _check_backbeat(section: Section) -> None:
    for name in (
        "query_timeout",
        "lookback_delta",
        "query_max_concurrency",
        "query_max_samples",
        "retention_time",
        "alert_history",
    ):
        if name in section.keys and section.get(name, 1) <= 0:
            section.error(name, "found 0 or less, expected more than 0")
    if section.get("retention_size", 0) < 0:
        section.error("retention_size", "found less than 0, expected a size such as 10GB, or 0 for no limit")


_MILLISECONDS = (
    "fsync_interval",
    "retention_time",
    "host_interval",
    "query_timeout",
    "lookback_delta",
    "alert_history",
    "silence_warning",
)
_PLAIN = (
    "external_url",
    "host_collector",
    "own_alerts",
    "query_max_concurrency",
    "query_max_samples",
    "enable_lifecycle_api",
    "enable_admin_api",
    "enable_remote_write_receiver",
    "allow_unauthenticated",
)
BACKBEAT = StructOf(
    "backbeat.yml",
    {
        **dict.fromkeys(_MILLISECONDS, DURATION),
        "external_url": Url(http=True),
        "retention_size": SIZE,
        "query_max_concurrency": INTEGER,
        "query_max_samples": INTEGER,
        **dict.fromkeys(
            (
                "host_collector",
                "own_alerts",
                "enable_lifecycle_api",
                "enable_admin_api",
                "enable_remote_write_receiver",
                "allow_unauthenticated",
            ),
            FLAG,
        ),
        "allowed_hosts": texts(),
        "state": SECRET,
    },
    _check_backbeat,
    instead={
        "database_url": "it is called `state`",
        "retention": "did you mean `retention_time` or `retention_size`?",
        "global": "it belongs in prometheus.yml",
        "scrape_configs": "it belongs in prometheus.yml",
        "basic_auth_users": "it belongs in web.yml",
    },
)


def backbeat_config(section: Section) -> BackbeatConfig:
    """The typed value of a backbeat.yml without mistakes; what it leaves out has its default."""
    given = {name for name, value in section.values.items() if value not in (None, "", ())}
    fields = {f"{name}_ms": section.get(name) for name in _MILLISECONDS if name in given}
    fields |= {name: section.get(name) for name in _PLAIN if name in given}
    if "retention_size" in given:
        fields["retention_size_bytes"] = section.get("retention_size")
    if "allowed_hosts" in given:
        fields["allowed_hosts"] = section.get("allowed_hosts")
    if database := section.get("state"):
        fields["state"] = database.reveal()
    return BackbeatConfig(**fields)
