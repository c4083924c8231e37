"""SQLAlchemy hooks: how long each statement takes, how many connections are in use.

In:  the events of an `Engine` (for an `AsyncEngine` give its `sync_engine`).
Out: db_query_duration_seconds, db_connections, db_connections_max.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, ExceptionContext
from sqlalchemy.pool import Pool

from backbeat_instrument.metrics import OTHER, Metrics

_OPERATIONS = frozenset({"select", "insert", "update", "delete", "with", "merge", "call"})
_STARTED = "backbeat_instrument_started"


def instrument_engine(engine: Engine, metrics: Metrics, *, max_connections: int | None = None) -> None:
    """Measure every statement and the pool of `engine`.

    max_connections: the limit to compare with; by default what the pool may hold, if it has a limit
    """
    _time_statements(engine, metrics)
    _count_connections(engine.pool, metrics)
    limit = max_connections if max_connections is not None else _pool_limit(engine.pool)
    if limit:
        metrics.db_connections_max.inc(limit)


def _time_statements(engine: Engine, metrics: Metrics) -> None:
    @event.listens_for(engine, "before_cursor_execute")
    def started(connection: Connection, *_: Any) -> None:
        connection.info.setdefault(_STARTED, []).append(time.perf_counter())

    def observe(connection: Connection, statement: str) -> None:
        times = connection.info.get(_STARTED)
        if times:
            elapsed_s = time.perf_counter() - times.pop()
            metrics.db_query_duration.labels(operation(statement)).observe(elapsed_s)

    @event.listens_for(engine, "after_cursor_execute")
    def finished(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        observe(connection, statement)

    @event.listens_for(engine, "handle_error")
    def failed(context: ExceptionContext) -> None:
        # Errors also come from outside a statement (connecting, committing); those have none to time.
        if context.connection is not None and context.statement is not None:
            observe(context.connection, context.statement)


def operation(statement: str) -> str:
    """The kind of a statement as a bounded label value: select, insert, …, other."""
    words = statement.split(None, 1)
    first = words[0].lower() if words else ""
    return first if first in _OPERATIONS else OTHER


def _count_connections(pool: Pool, metrics: Metrics) -> None:
    in_use: set[int] = set()
    lock = threading.Lock()

    def taken(_dbapi: Any, record: Any, _fairy: Any) -> None:
        with lock:
            if id(record) not in in_use:
                in_use.add(id(record))
                metrics.db_connections.inc()

    def given_back(_dbapi: Any, record: Any, *_: Any) -> None:
        # A connection leaves use by check-in, invalidation or detaching, and sometimes by two of them.
        with lock:
            if id(record) in in_use:
                in_use.discard(id(record))
                metrics.db_connections.dec()

    event.listen(pool, "checkout", taken)
    for name in ("checkin", "invalidate", "soft_invalidate", "detach", "close"):
        event.listen(pool, name, given_back)


def _pool_limit(pool: Pool) -> int | None:
    size = getattr(pool, "size", None)
    if size is None:
        return None
    overflow = getattr(pool, "_max_overflow", 0)  # SQLAlchemy has no public name for it
    return None if overflow < 0 else int(size()) + int(overflow)
