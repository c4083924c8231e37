"""The open database: one engine, one thread that talks to it, every call durable before it returns."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import StaticPool

from backbeat.model.errors import BackbeatError, WorldFailure
from backbeat.state.schema import migrate

T = TypeVar("T")
_BUSY_TIMEOUT_S = 10


class StateError(BackbeatError):
    """The state cannot be opened as configured."""


class State:
    """Access to the tables. `run` takes a function of `state.store` (or several) as one transaction."""

    def __init__(self, engine: Engine, shown_as: str) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="state")
        self.shown_as = shown_as

    def submit(self, work: Callable[[Connection], T]) -> asyncio.Future[T]:
        """Queue one transaction; calls are carried out in the order in which they were submitted."""
        return asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work)

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Carry out one transaction on the state's thread; durable when this returns.

        Raises WorldFailure when the database does not take it (disk full, read-only, gone).
        """
        return await self.submit(work)

    def _transact(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except DBAPIError as failure:
            raise WorldFailure(
                f"{self.shown_as}: the state could not be read or written: {failure.orig}; "
                "it is tried again with the next change"
            ) from failure

    async def close(self) -> None:
        """Finish what was submitted and close the database."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._engine.dispose)
        self._thread.shutdown(wait=False)


def open_state(target: str | os.PathLike[str]) -> State:
    """Open the state at a path (SQLite) or a SQLAlchemy URL, and bring its schema up to date.

    Raises StateError or SchemaError, whose message an operator can act upon.
    """
    text = os.fspath(target)
    if "://" in text:
        try:
            url = make_url(text)
        except ArgumentError:
            raise StateError(
                "state: found a text that is no database URL, expected e.g. postgresql://…"
            ) from None
        if url.drivername in ("postgresql", "postgres"):
            url = url.set(drivername="postgresql+psycopg")
        shown_as = url.render_as_string(hide_password=True)
    else:
        Path(text).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        url = make_url(f"sqlite:///{text}")
        shown_as = text
    try:
        engine = _engine(url)
        with ExitStack() as on_failure:
            on_failure.callback(engine.dispose)
            with engine.begin() as connection:
                migrate(connection, shown_as)
            on_failure.pop_all()
    except DBAPIError as failure:
        raise StateError(
            f"{shown_as}: the state cannot be opened: {failure.orig}; check that it exists and may be written"
        ) from failure
    except ModuleNotFoundError as missing:
        raise StateError(
            f"{shown_as}: the database driver {missing.name} is not installed; "
            'for PostgreSQL: pip install "backbeat[postgres]"'
        ) from missing
    except NoSuchModuleError:
        raise StateError(
            f"{shown_as}: found a database of kind {url.get_backend_name()}, expected sqlite or postgresql"
        ) from None
    return State(engine, shown_as)


def _engine(url: Any) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_size=1, max_overflow=1, pool_pre_ping=True)
    engine = create_engine(
        url,
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "timeout": _BUSY_TIMEOUT_S},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # The driver must not begin transactions on its own: DDL would then escape them.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
