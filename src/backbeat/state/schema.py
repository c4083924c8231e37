"""Brings a database to the schema of this program, or refuses it with a clear word.

Alembic is imported only when a migration is pending, so an ordinary start does not pay for it.
"""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from backbeat.model.errors import BackbeatError
from backbeat.state.rows import DamagedRow

NEWEST_REVISION = "0003"
_MIGRATION_LOCK = 0x6261636B62656174
_VERSIONS = Path(__file__).parent / "migrations" / "versions"


class SchemaError(BackbeatError):
    """The database's schema is not one that this program can use."""


def current_revision(connection: Connection) -> str | None:
    """The revision that the database says it has; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return None if row is None else str(row[0])


def migrate(connection: Connection, shown_as: str) -> None:
    """Apply pending migrations in the connection's transaction. Raises SchemaError for a newer schema."""
    if connection.dialect.name == "postgresql":
        # Of several that start at once, one migrates and the others wait for it.
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
    found = current_revision(connection)
    if found == NEWEST_REVISION:
        _note_again(connection)
        return
    if found is not None and found not in _known_revisions():
        if connection.dialect.name == "sqlite" and (noted := _noted(connection)) in _known_revisions():
            raise DamagedRow(f"the schema is {found} in one place and {noted} in another")
        raise SchemaError(
            f"{shown_as}: found schema {found}, expected {NEWEST_REVISION} or older: "
            "a newer Backbeat wrote it; run that version, or restore the state from a backup"
        )
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    _note_again(connection)


def _noted(connection: Connection) -> str:
    """The revision once more, in the file's header: one damaged digit must not look like a newer schema."""
    return f"{connection.exec_driver_sql('PRAGMA user_version').scalar():04}"


def _note_again(connection: Connection) -> None:
    if connection.dialect.name == "sqlite" and _noted(connection) != NEWEST_REVISION:
        connection.exec_driver_sql(f"PRAGMA user_version = {int(NEWEST_REVISION)}")


def _known_revisions() -> set[str]:
    names = (re.match(r"(\d{4})_", path.name) for path in _VERSIONS.glob("*.py"))
    return {match[1] for match in names if match}
