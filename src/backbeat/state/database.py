"""The open database: one engine, one thread that talks to it, every call durable before it returns."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import StaticPool

from backbeat.model.errors import BackbeatError, WorldFailure
from backbeat.state.exclusive import InUse, one_at_a_time
from backbeat.state.rows import READERS, DamagedRow
from backbeat.state.salvage import check, mended, salvage, set_aside, tells_damage
from backbeat.state.schema import migrate

T = TypeVar("T")
_BUSY_TIMEOUT_S = 10
_log = logging.getLogger(__name__)


class StateError(BackbeatError):
    """The state cannot be opened as configured."""


class State:
    """Access to the tables. `run` takes a function of `state.store` (or several) as one transaction."""

    def __init__(self, engine: Engine, shown_as: str, file: Path | None = None) -> None:
        """file: where SQLite keeps it; None for a server's database, which mends itself."""
        self._engine = engine
        self._file = file
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="state")
        self.shown_as = shown_as
        self.damages = 0
        """how often the file was damaged, and what could be read of it put into a new one"""

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
            try:
                with self._engine.begin() as connection:
                    return work(connection)
            except (DBAPIError, DamagedRow) as failure:
                if self._file is None or not tells_damage(failure):
                    raise
                self.mend(self._file, failure)
                with self._engine.begin() as connection:
                    return work(connection)
        except (DBAPIError, DamagedRow, InUse, OSError) as failure:
            raise WorldFailure(
                f"{self.shown_as}: the state could not be read or written: "
                f"{getattr(failure, 'orig', failure)}; it is tried again with the next change"
            ) from failure

    def mend(self, file: Path, damage: Exception) -> None:
        """Go on with a new file that holds what can be read of the old one. Raises OSError, DBAPIError."""
        self._engine.dispose()
        fresh = mended(file)
        fresh.unlink(missing_ok=True)
        with _closing(_engine(make_url(f"sqlite:///{fresh}"))) as engine, engine.begin() as connection:
            migrate(connection, self.shown_as)
            saved = salvage(file, connection)
        kept = set_aside(file)
        fresh.rename(file)
        self.damages += 1
        _log.error(
            "%s is damaged (%s): it was moved to %s, nothing of it is deleted; what could be read is in use"
            " again: %s. Look over the silences; rules and other senders tell their alerts again",
            file,
            getattr(damage, "orig", damage),
            kept,
            ", ".join(f"{saved[table.name]} of {table.name}" for table in READERS),
        )
        self._engine = _engine(make_url(f"sqlite:///{file}"))

    async def close(self) -> None:
        """Finish what was submitted and close the database."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._engine.dispose)
        self._thread.shutdown(wait=False)


def open_state(target: str | os.PathLike[str]) -> State:
    """Open the state at a path (SQLite) or a SQLAlchemy URL, and bring its schema up to date.

    A damaged SQLite file is set aside and what it still tells is kept. Raises StateError or SchemaError,
    whose message an operator can act upon.
    """
    text = os.fspath(target)
    if "://" not in text:
        return _open_file(Path(text))
    try:
        url = make_url(text)
    except ArgumentError:
        raise StateError(
            "state: found a text that is no database URL, expected e.g. postgresql://…"
        ) from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    shown_as = url.render_as_string(hide_password=True)
    with _refusals(shown_as):
        engine = _engine(url)
        with _or_dispose(engine), engine.begin() as connection:
            migrate(connection, shown_as)
    return State(engine, shown_as)


def _open_file(path: Path) -> State:
    shown_as = str(path)
    with _refusals(shown_as):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if mended(path).exists() and not path.exists():
            # The process ended between the two moves.
            mended(path).rename(path)
        engine = _engine(make_url(f"sqlite:///{path}"))
        state = State(engine, shown_as, path)
        with _or_dispose(engine):
            try:
                with engine.begin() as connection:
                    migrate(connection, shown_as)
                    check(connection)
            except (DBAPIError, DamagedRow) as failure:
                if not tells_damage(failure, at_start=True):
                    raise
                state.mend(path, failure)
    return state


@contextmanager
def _or_dispose(engine: Engine) -> Iterator[None]:
    try:
        yield
    except BaseException:
        engine.dispose()
        raise


@contextmanager
def _closing(engine: Engine) -> Iterator[Engine]:
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _refusals(shown_as: str) -> Iterator[None]:
    """What keeps a database from being opened, as StateError."""
    try:
        yield
    except (DBAPIError, OSError) as failure:
        raise StateError(
            f"{shown_as}: the state cannot be opened: {getattr(failure, 'orig', failure)}; "
            "check that it exists and may be written"
        ) from failure
    except InUse as taken:
        raise StateError(f"{shown_as}: {taken}") from taken
    except ModuleNotFoundError as missing:
        raise StateError(
            f"{shown_as}: the database driver {missing.name} is not installed; "
            'for PostgreSQL: pip install "backbeat[postgres]"'
        ) from missing
    except NoSuchModuleError:
        kind = make_url(shown_as).get_backend_name()
        raise StateError(
            f"{shown_as}: found a database of kind {kind}, expected sqlite or postgresql"
        ) from None


def _engine(url: Any) -> Engine:
    if url.get_backend_name() != "sqlite":
        return one_at_a_time(url)
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
