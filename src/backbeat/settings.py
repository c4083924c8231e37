"""The configuration as a server runs by it: read with every parser, refused where it would be dangerous.

In: a directory. Out: a Config, and what of it the store is opened with.
"""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from backbeat.config.backbeat import Config
from backbeat.config.load import load_config
from backbeat.config.pools import pool_text
from backbeat.config.prometheus import ScrapeConfig
from backbeat.config.web import VERIFIED_CLIENTS
from backbeat.model.errors import BackbeatError
from backbeat.model.hosts import is_loopback
from backbeat.promql.parser import parse
from backbeat.storage import StorageOptions
from backbeat.templating import Template
from backbeat.templating.functions import alertmanager_functions, prometheus_functions

log = logging.getLogger("backbeat")


class NotStarted(BackbeatError):
    """Backbeat cannot start here; the message says what to do."""


def refuse_open_doors(config: Config, host: str) -> None:
    """Raises NotStarted for an address that others reach while nobody has to say who they are."""
    web = config.web
    knows_clients = web is not None and web.tls is not None and web.tls.client_auth_type == VERIFIED_CLIENTS
    open_to_all = not (web and web.users) and not knows_clients and not config.backbeat.allow_unauthenticated
    if not is_loopback(host) and open_to_all:
        raise NotStarted(
            f"refusing to listen on {host} without authentication; add basic_auth_users to web.yml,"
            " or listen on 127.0.0.1, or set allow_unauthenticated: true in backbeat.yml"
        )


def read_config(directory: Path) -> Config:
    """Everything in the directory with all its expressions and templates parsed. Raises ConfigErrors."""
    of_rules, of_messages = prometheus_functions(), alertmanager_functions()
    variables = ("labels", "externalLabels", "externalURL", "value")
    return load_config(
        directory,
        parse,
        partial(Template.parse, functions=of_rules, variables=variables),
        partial(Template.parse, functions=of_messages),
        is_to_run=True,
    )


def with_host_collector(config: Config) -> Config:
    """Add this machine as the target of job `node`, unless it is switched off or the job exists."""
    prometheus, own = config.prometheus, config.backbeat
    taken = any(each.job_name == "node" for each in prometheus.scrape_configs)
    if taken or not own.host_collector:
        return config
    interval = own.host_interval_ms or prometheus.scrape_interval_ms
    timeout = min(prometheus.scrape_timeout_ms, interval)
    host = ScrapeConfig("node", scrape_interval_ms=interval, scrape_timeout_ms=timeout, host_collector=True)
    scrapes, pools = (*prometheus.scrape_configs, host), (*prometheus.pools, pool_text(host))
    return replace(config, prometheus=replace(prometheus, scrape_configs=scrapes, pools=pools))


def storage_options(config: Config) -> StorageOptions:
    """backbeat.yml's settings; prometheus.yml's storage section wins where it says something."""
    own, said = config.backbeat, config.prometheus.storage
    return StorageOptions(
        fsync_interval_ms=own.fsync_interval_ms,
        retention_time_ms=said.retention_time_ms or own.retention_time_ms,
        retention_size_bytes=said.retention_size_bytes or own.retention_size_bytes,
        retention_percent=said.retention_percent,
        out_of_order_window_ms=said.out_of_order_time_window_ms,
        max_exemplars=said.max_exemplars,
    )


def say_warnings(config: Config) -> None:
    for warning in config.warnings:
        log.warning("%s", warning)
