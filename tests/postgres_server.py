"""New databases of the PostgreSQL that the tests start."""

from __future__ import annotations

from itertools import count

import psycopg

_numbers = count(1)


def new_database(socket: str) -> str:
    name = f"state{next(_numbers)}"
    with psycopg.connect(host=socket, user="backbeat", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    return f"postgresql://backbeat@/{name}?host={socket}"
