"""Typed settings of backbeat.yml, for what the three files cannot say, and the whole configuration."""

from __future__ import annotations

from msgspec import Struct, field
from msgspec.structs import replace

from backbeat.config.alertmanager import AlertmanagerConfig
from backbeat.config.prometheus import PrometheusConfig
from backbeat.config.web import WebConfig


class BackbeatConfig(Struct, frozen=True):
    """backbeat.yml; every field has a default, so the file may be absent."""

    external_url: str = ""
    """how people reach this Backbeat; empty: http://<listen address>"""
    fsync_interval_ms: int = 1000
    """0: fsync at every append"""
    retention_time_ms: int = 15 * 86_400_000
    retention_size_bytes: int = 0
    alert_history_ms: int = 365 * 86_400_000
    """how long the history of alerts is kept"""
    own_alerts: bool = True
    """alerts about what of Backbeat keeps failing, and about silences that end soon"""
    silence_warning_ms: int = 15 * 60_000
    """how long before it ends a silence is warned of; 0: not at all"""
    host_collector: bool = True
    """collect this machine's own CPU, memory, disk, network as job="node" """
    host_interval_ms: int = 0
    """0: the global scrape_interval"""
    query_timeout_ms: int = 120_000
    query_max_concurrency: int = 20
    query_max_samples: int = 50_000_000
    lookback_delta_ms: int = 300_000
    enable_lifecycle_api: bool = True
    enable_admin_api: bool = False
    enable_remote_write_receiver: bool = True
    allowed_hosts: tuple[str, ...] = ()
    allow_unauthenticated: bool = False
    """serve on a non-loopback address without authentication; off unless you know why"""
    state: str = ""
    """`postgresql://…`; empty: SQLite in the data directory"""

    def in_force_beside(self, running: BackbeatConfig) -> tuple[BackbeatConfig, tuple[str, ...]]:
        """These settings as a reload takes them over: what counts from the start only stays as it runs.

        Returns what holds from now on, and the names of those that wait for the next start.
        """
        names = [name for name in _FROM_THE_START if getattr(self, name) != getattr(running, name)]
        held = {name: getattr(running, name) for name in names}
        return replace(self, **held), tuple(name.removesuffix("_ms") for name in names)


_FROM_THE_START = (
    "fsync_interval_ms",
    "query_timeout_ms",
    "query_max_concurrency",
    "query_max_samples",
    "lookback_delta_ms",
    "enable_lifecycle_api",
    "enable_admin_api",
    "enable_remote_write_receiver",
    "state",
)


class Config(Struct, frozen=True):
    """Everything that was read from one configuration directory."""

    directory: str
    prometheus: PrometheusConfig
    alertmanager: AlertmanagerConfig | None
    """None: no alertmanager.yml; alerts are shown but nobody is notified"""
    backbeat: BackbeatConfig = field(default_factory=BackbeatConfig)
    web: WebConfig | None = None
    warnings: tuple[str, ...] = ()
    """what is valid but worth a word, e.g. a discovery that is not supported yet"""
