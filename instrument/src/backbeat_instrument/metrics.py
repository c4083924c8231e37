"""The metric contract: one object that holds every metric under the name that dashboards and alerts read.

In:  calls of the application, of the ASGI middleware and of the SQLAlchemy hooks.
Out: samples in a prometheus-client registry, to `exposition`.
Labels are bounded: what an attacker or a bug could invent without end is counted as `other`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from backbeat_instrument.buckets import DB_QUERY_SECONDS, HTTP_REQUEST_SECONDS, UPLOAD_SECONDS
from backbeat_instrument.users import RecentUsers

OTHER = "other"
_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"}
)


class BoundedNames:
    """Lets the first `limit` different names through and turns every later one into `other`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._names: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, name: str) -> str:
        if name in self._names:
            return name
        with self._lock:
            if len(self._names) >= self._limit:
                return OTHER
            self._names.add(name)
            return name


class Metrics:
    """Every metric of the contract, in one registry. Make one for an application and share it.

    registry:        where the metrics live; prometheus-client's own by default
    max_routes:      different route templates that become a label value of their own
    max_features:    the same for features
    user_window_s:   how long a user counts as active after the last `user_seen`
    """

    def __init__(
        self,
        registry: CollectorRegistry = REGISTRY,
        *,
        max_routes: int = 200,
        max_features: int = 50,
        user_window_s: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.registry = registry
        self._route_name = BoundedNames(max_routes)
        self._feature_name = BoundedNames(max_features)
        self._users = RecentUsers(clock, user_window_s)
        self._clock = clock
        self._define_technical(registry)
        self._define_business(registry)

    def _define_technical(self, registry: CollectorRegistry) -> None:
        self.http_requests = Counter(
            "http_requests_total",
            "HTTP requests answered, by method, route template and status code.",
            ("method", "route", "status"),
            registry=registry,
        )
        self.http_request_duration = Histogram(
            "http_request_duration_seconds",
            "Time from the request to the first byte of its answer.",
            ("method", "route"),
            buckets=HTTP_REQUEST_SECONDS,
            registry=registry,
        )
        self.db_query_duration = Histogram(
            "db_query_duration_seconds",
            "Time the database took for a statement, by its kind.",
            ("operation",),
            buckets=DB_QUERY_SECONDS,
            registry=registry,
        )
        self.db_connections = _gauge("db_connections", "Database connections in use.", registry)
        self.db_connections_max = _gauge("db_connections_max", "Connections the pools may hold.", registry)
        self.cache_hits = Counter("cache_hits_total", "Cache lookups that found a value.", registry=registry)
        self.cache_misses = Counter("cache_misses_total", "Cache lookups that found none.", registry=registry)
        self.cache_evictions = Counter(
            "cache_evictions_total", "Cache entries dropped to make room or for their age.", registry=registry
        )
        self.api_rate_limited = Counter(
            "api_rate_limited_total",
            "Requests refused because their client sent too many.",
            registry=registry,
        )

    def _define_business(self, registry: CollectorRegistry) -> None:
        self.audio_streams = Counter("audio_streams_total", "Audio streams begun.", registry=registry)
        self.audio_stream_errors = Counter(
            "audio_stream_errors_total", "Audio streams that broke off by our fault.", registry=registry
        )
        self.upload_duration = Histogram(
            "upload_duration_seconds",
            "Time from the first byte of an upload until it is stored.",
            buckets=UPLOAD_SECONDS,
            registry=registry,
        )
        self.upload_errors = Counter("upload_errors_total", "Uploads that failed.", registry=registry)
        self.ws_connections = Counter(
            "ws_connections_total", "WebSocket connections that clients asked for.", registry=registry
        )
        self.ws_connection_errors = Counter(
            "ws_connection_errors_total",
            "WebSocket connections refused or ended by an error.",
            registry=registry,
        )
        self.ws_connections_active = _gauge(
            "ws_connections_active", "WebSocket connections open now.", registry
        )
        self.active_users = _gauge("active_users", "Different users of the last minutes.", registry)
        if not _is_multiprocess():
            self.active_users.set_function(self._users.count)
        self.feature_used_counter = Counter(
            "feature_used_total", "Uses of a feature of the application.", ("feature",), registry=registry
        )
        self.user_registrations = Counter(
            "user_registrations_total", "Users who registered.", registry=registry
        )
        self.user_logins = Counter("user_logins_total", "Users who signed in.", registry=registry)

    # HTTP

    def http_request(self, method: str, route: str, status: int, first_byte_s: float) -> None:
        """Count one answered request. `route` is a template such as /tracks/{id}, never a path."""
        method = method if method in _METHODS else OTHER
        route = self._route_name(route)
        self.http_requests.labels(method, route, str(status)).inc()
        self.http_request_duration.labels(method, route).observe(first_byte_s)

    def rate_limited(self) -> None:
        self.api_rate_limited.inc()

    # cache

    def cache_hit(self, count: int = 1) -> None:
        self.cache_hits.inc(count)

    def cache_miss(self, count: int = 1) -> None:
        self.cache_misses.inc(count)

    def cache_evicted(self, count: int = 1) -> None:
        self.cache_evictions.inc(count)

    # streams and uploads

    @contextmanager
    def audio_stream(self) -> Iterator[None]:
        """Count a stream, and its error if an `Exception` escapes. A listener who leaves is no error."""
        self.audio_streams.inc()
        try:
            yield
        except OSError as gone:
            if not _is_client_gone(gone):
                self.audio_stream_errors.inc()
            raise
        except Exception:
            self.audio_stream_errors.inc()
            raise

    @contextmanager
    def upload(self) -> Iterator[None]:
        """Time an upload. A failed one counts as an error, and its time is not observed."""
        start = self._clock()
        try:
            yield
        except Exception:
            self.upload_errors.inc()
            raise
        self.upload_duration.observe(self._clock() - start)

    # WebSockets; the middleware calls these

    def ws_requested(self) -> None:
        self.ws_connections.inc()

    def ws_opened(self) -> None:
        self.ws_connections_active.inc()

    def ws_closed(self) -> None:
        self.ws_connections_active.dec()

    def ws_failed(self) -> None:
        self.ws_connection_errors.inc()

    # people

    def user_seen(self, user: Hashable) -> None:
        """Note that this user did something now."""
        self._users.seen(user)
        if _is_multiprocess():
            self.active_users.set(self._users.count())

    def feature_used(self, feature: str) -> None:
        self.feature_used_counter.labels(self._feature_name(feature)).inc()

    def user_registered(self) -> None:
        self.user_registrations.inc()

    def user_logged_in(self) -> None:
        self.user_logins.inc()


def _gauge(name: str, documentation: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(name, documentation, registry=registry, multiprocess_mode="livesum")


def _is_multiprocess() -> bool:
    return "PROMETHEUS_MULTIPROC_DIR" in os.environ


def _is_client_gone(error: OSError) -> bool:
    return isinstance(error, (BrokenPipeError, ConnectionResetError, ConnectionAbortedError))
