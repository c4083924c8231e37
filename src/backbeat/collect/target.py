"""Targets: what a discovery found, after relabelling, and what the targets page says of it.

In:  discovered label sets and the scrape configuration of their job.
Out: `Target`s with a URL, or the word why there is none.
Pure: no clock, no I/O.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from urllib.parse import urlencode

from msgspec import Struct

from backbeat.collect.relabel import Relabeler
from backbeat.config.prometheus import ScrapeConfig, TargetGroup
from backbeat.model.durations import format_duration, parse_duration
from backbeat.model.errors import DurationError
from backbeat.model.labels import Labels

ADDRESS, SCHEME, METRICS_PATH = "__address__", "__scheme__", "__metrics_path__"
UNIX_SOCKET = "__unix_socket__"
INTERVAL, TIMEOUT, PARAM = "__scrape_interval__", "__scrape_timeout__", "__param_"


class TargetError(ValueError):
    """A discovered label set that makes no target."""


class Target(Struct, frozen=True):
    """One thing to scrape. Equal targets are scraped once."""

    pool: str
    labels: Labels
    url: str
    interval_ms: int
    timeout_ms: int
    discovered: Labels
    unix_socket: str = ""
    """the path of a socket that leads there; empty: the URL's host does"""

    @property
    def key(self) -> str:
        """What stays the same over a reload: the stored labels, the URL and a socket."""
        through = (self.unix_socket,) if self.unix_socket else ()
        told = repr((self.pool, tuple(self.labels), self.url, *through)).encode()
        return hashlib.blake2b(told, digest_size=8).hexdigest()

    @property
    def cohort(self) -> str:
        """The cohort that holds its series; the same after a restart."""
        return f"scrape/{self.labels.get('job')}/{self.labels.get('instance')}/{self.key}"

    @property
    def offset(self) -> float:
        """Where in its interval it is scraped, in [0, 1): targets spread evenly, and keep their place."""
        return int(self.key, 16) / 2**64


class TargetStatus(Struct, frozen=True):
    """A target as /api/v1/targets shows it."""

    discovered_labels: Labels
    labels: Labels
    scrape_pool: str
    scrape_url: str
    global_url: str
    health: str
    """up, down, or unknown before the first scrape"""
    last_error: str
    last_scrape_ms: int
    """0 before the first scrape"""
    last_scrape_duration_s: float
    interval_ms: int
    timeout_ms: int


class DroppedTarget(Struct, frozen=True):
    """A discovered label set that relabelling dropped."""

    discovered_labels: Labels
    scrape_pool: str


class ResolvedTargets(Struct, frozen=True):
    """What became of a job's discovered label sets."""

    targets: tuple[Target, ...]
    dropped: tuple[DroppedTarget, ...]
    errors: tuple[str, ...]


def resolve(config: ScrapeConfig, groups: Sequence[TargetGroup]) -> ResolvedTargets:
    """Make the targets of a job out of its discovered groups."""
    relabel = Relabeler(config.relabel_configs)
    targets: dict[str, Target] = {}
    dropped: list[DroppedTarget] = []
    errors: list[str] = []
    for group in groups:
        for address in group.targets:
            discovered = _discovered(config, group, address)
            labels = discovered.as_dict()
            if not relabel.apply(labels):
                dropped.append(DroppedTarget(discovered, config.job_name))
                continue
            try:
                target = _target(config, discovered, labels)
            except TargetError as error:
                errors.append(f"{config.job_name}: {discovered}: {error}")
            else:
                targets.setdefault(target.key, target)
    return ResolvedTargets(tuple(targets.values()), tuple(dropped), tuple(errors))


def _discovered(config: ScrapeConfig, group: TargetGroup, address: str) -> Labels:
    """A discovered target's labels, with the job's settings where it has none of its own."""
    own = {ADDRESS: address, **group.labels.as_dict()}
    defaults = {
        "job": config.job_name,
        INTERVAL: format_duration(config.scrape_interval_ms),
        TIMEOUT: format_duration(config.scrape_timeout_ms),
        METRICS_PATH: config.metrics_path,
        SCHEME: config.scheme,
    }
    for name, values in config.params:
        if values:
            defaults[PARAM + name] = values[0]
    return Labels.of({name: own.get(name) or value for name, value in {**defaults, **own}.items()})


def _target(config: ScrapeConfig, discovered: Labels, labels: dict[str, str]) -> Target:
    address = labels.get(ADDRESS, "")
    if not address:
        raise TargetError("no address: __address__ is empty after relabelling")
    if "/" in address:
        raise TargetError(f"address {address!r} holds a path; set metrics_path and scheme instead")
    interval_ms, timeout_ms = _duration(labels, INTERVAL), _duration(labels, TIMEOUT)
    if timeout_ms > interval_ms:
        raise TargetError(f"scrape timeout {labels[TIMEOUT]} is longer than the interval {labels[INTERVAL]}")
    labels.setdefault("instance", address)
    public = Labels.of({name: value for name, value in labels.items() if not name.startswith("__")})
    url, through = _url(config, labels), labels.get(UNIX_SOCKET, "")
    return Target(config.job_name, public, url, interval_ms, timeout_ms, discovered, through)


def _duration(labels: dict[str, str], name: str) -> int:
    try:
        ms = parse_duration(labels.get(name, ""))
    except DurationError as error:
        raise TargetError(f"{name}: {error}") from error
    if ms == 0:
        raise TargetError(f"{name} is 0, expected a duration such as 30s")
    return ms


def _url(config: ScrapeConfig, labels: dict[str, str]) -> str:
    params = {name: list(values) for name, values in config.params}
    for name, value in labels.items():
        if name.startswith(PARAM):
            params[name.removeprefix(PARAM)] = [value, *params.get(name.removeprefix(PARAM), [])[1:]]
    path = labels.get(METRICS_PATH, "")
    if not path.startswith("/"):
        path = "/" + path
    url = f"{labels.get(SCHEME, 'http')}://{labels[ADDRESS]}{path}"
    query = urlencode(sorted(params.items()), doseq=True)
    return url + ("&" if "?" in path else "?") + query if query else url
