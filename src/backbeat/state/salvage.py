"""A damaged SQLite file: how it is recognised, set aside, and what is read out of it.

The file is moved to `quarantine/` beside it and never changed again; a copy is read row by row, from both
ends of each table, as far as SQLite can follow. A row that is no record any more is left where it is.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, Table, insert, select
from sqlalchemy.exc import DBAPIError

from backbeat.state import tables
from backbeat.state.rows import READERS, DamagedRow

SIDE_FILES = ("-wal", "-shm", "-journal")
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_ODD = frozenset(
    {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_MISMATCH}
)
"""what a statement that is right says of a schema that is not"""
_ROWS_AT_ONCE = 1_000
# Of the file's header, what is the same in every file of ours: https://www.sqlite.org/fileformat.html
_CONSTANT = ((0, b"SQLite format 3\0\x10\0\2\2\0\x40\x20\x20"), (44, b"\0\0\0\4"), (56, b"\0\0\0\1"))


def tells_damage(error: Exception, *, at_start: bool = False) -> bool:
    """Whether a failure means that the file's bytes are wrong, and not the disk, a lock or the program.

    at_start: the statements are those of migration and check, which a sound file understands.
    """
    if isinstance(error, DamagedRow):
        return True
    if not isinstance(error, DBAPIError) or not isinstance(error.orig, sqlite3.Error):
        return False
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is None:
        return "decode to UTF-8" in str(error.orig)
    return code & 0xFF in (_DAMAGED | _ODD if at_start else _DAMAGED)


def check(connection: Connection) -> None:
    """Read all that alerting needs at its start. Raises DamagedRow, DBAPIError.

    The history may hold millions of rows: its damages are found, and mended, when it is read or written.
    """
    for table, reader in READERS.items():
        if table is tables.alert_events:
            continue
        for found in connection.exec_driver_sql(f"PRAGMA integrity_check('{table.name}')").scalars():
            if found != "ok":
                raise DamagedRow(str(found))
        for row in connection.execute(select(table)):
            reader(row)


def mended(path: Path) -> Path:
    """Where the new file is written until it is whole."""
    return path.with_name(path.name + ".mended")


def set_aside(path: Path) -> Path:
    """Move the file and what SQLite keeps beside it to a new directory in quarantine. Raises OSError."""
    stem = f"{path.name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    target, number = path.parent / "quarantine" / stem, 1
    while target.exists():
        number += 1
        target = target.with_name(f"{stem}.{number}")
    target.mkdir(parents=True, mode=0o700)
    for suffix in ("", *SIDE_FILES):
        own = path.with_name(path.name + suffix)
        if own.exists():
            own.rename(target / own.name)
    return target / path.name


def salvage(damaged: Path, connection: Connection) -> Counter[str]:
    """Copy into empty tables every row that can still be read; returns rows by table. Raises OSError."""
    saved: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(dir=damaged.parent, prefix="reading-") as directory:
        copy = Path(directory) / damaged.name
        for suffix in ("", *SIDE_FILES[::2]):
            own = damaged.with_name(damaged.name + suffix)
            if own.exists():
                shutil.copyfile(own, copy.with_name(own.name))
        _mend_header(copy)
        with closing(sqlite3.connect(copy)) as source:
            source.text_factory = bytes
            for table in READERS:
                rows = _readable(source, table)
                while several := list(islice(rows, _ROWS_AT_ONCE)):
                    # A damaged index may show a row twice.
                    connection.execute(insert(table).prefix_with("OR IGNORE"), several)
                    saved[table.name] += len(several)
    return saved


def _mend_header(path: Path) -> None:
    with path.open("r+b") as file:
        if os.fstat(file.fileno()).st_size < 100:
            return
        for place, content in _CONSTANT:
            file.seek(place)
            file.write(content)


def _readable(source: sqlite3.Connection, table: Table) -> Iterator[dict[str, Any]]:
    """The sound rows from the first on, and where one cannot be passed, from the last back to it."""
    columns = ", ".join(_columns(source, table))
    last = -(2**63)
    for direction in ("ASC", "DESC"):
        try:
            # Otherwise one damaged entry of the schema hides every table.
            source.execute("PRAGMA writable_schema=ON")
            query = f'SELECT rowid, {columns} FROM "{table.name}" WHERE rowid > ? ORDER BY rowid {direction}'  # noqa: S608
            for number, *values in source.execute(query, (last,)):
                row = _sound(table, values)
                if row is not None:
                    yield row
                if direction == "ASC":
                    last = number
            return
        except sqlite3.Error:
            continue


def _columns(source: sqlite3.Connection, table: Table) -> Iterator[str]:
    """What to ask for each column; of one that an older file has not got, its default."""
    try:
        rows = source.execute(f"PRAGMA table_info({table.name})").fetchall()
        known = {bytes(name).decode("utf-8", "replace") for _, name, *_ in rows}
    except sqlite3.Error:
        known = set()
    for column in table.columns:
        default = getattr(column.server_default, "arg", None)
        is_newer = known and column.name not in known and default is not None
        yield f"'{default}'" if is_newer else f'"{column.name}"'


def _sound(table: Table, values: list[Any]) -> dict[str, Any] | None:
    row: dict[str, Any] = {}
    try:
        for column, value in zip(table.columns, values, strict=True):
            if isinstance(value, bytes):
                value = value.decode()
            row[column.name] = bool(value) if column.type.python_type is bool and value in (0, 1) else value
        READERS[table](SimpleNamespace(**row))
    except (DamagedRow, UnicodeDecodeError):
        return None
    return row
