"""One Backbeat at a time on one PostgreSQL database, as on one data directory.

Each keeps silences, acknowledgements and groups in its own memory, and reads the database at its start only:
two of them would tell everything twice and not know of each other's silences. So the connection through which
the state is written holds an advisory lock, and there is no second connection.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event

from backbeat.model.errors import BackbeatError

_LOCK = 0x6261636B62656174
"""the bytes of "backbeat"; PostgreSQL tells locks of different databases apart by itself"""
_WHO = """
    SELECT application_name, backend_start FROM pg_stat_activity JOIN pg_locks USING (pid)
    WHERE locktype = 'advisory' AND granted AND pg_locks.database = (
        SELECT oid FROM pg_database WHERE datname = current_database()
    ) AND (classid::bigint << 32 | objid::bigint) = %s
"""


class InUse(BackbeatError):
    """Another Backbeat has the database."""


def one_at_a_time(url: URL) -> Engine:
    """An engine with one connection that holds the lock; a connection that is made anew takes it again.

    Its connections raise InUse where another program has the lock.
    """
    name = f"backbeat {os.getpid()} on {socket.gethostname()}"
    engine = create_engine(
        url, pool_size=1, max_overflow=0, pool_pre_ping=True, connect_args={"application_name": name}
    )

    @event.listens_for(engine, "connect")
    def lock(connection: Any, _: Any) -> None:
        with connection.cursor() as cursor:
            (taken,) = cursor.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone()
            holder = None if taken else cursor.execute(_WHO, (_LOCK,)).fetchone()
        connection.rollback()
        if not taken:
            connection.close()
            raise InUse(_words(holder))

    return engine


def _words(holder: tuple[Any, Any] | None) -> str:
    who = (
        f"another Backbeat ({holder[0]}, since {holder[1]:%Y-%m-%d %H:%M:%S})"
        if holder
        else "another Backbeat"
    )
    return f"{who} keeps its state in this database; give each a database of its own, or stop the other"
