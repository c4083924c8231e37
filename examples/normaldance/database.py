"""The service's database: tracks and users in SQLite, by SQLAlchemy.

Functions here block; the service calls them on worker threads.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    bindparam,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    text,
    update,
)

from backbeat_instrument import Metrics
from backbeat_instrument.sqlalchemy import instrument_engine

from .faults import Faults

TRACKS = 400
USERS = 250
POPULARITY = 1.2
"""how steeply plays fall from one track to the next, as a power of the rank"""
_KEPT_UPLOADS = 500
_SLOW_S = 1.8
_LIKES = 20
_WORDS = (
    "silent",
    "neon",
    "golden",
    "broken",
    "velvet",
    "paper",
    "northern",
    "liquid",
    "crystal",
    "midnight",
)
_NOUNS = ("river", "city", "heart", "signal", "garden", "mirror", "summer", "ocean", "shadow")

_schema = MetaData()
tracks = Table(
    "tracks",
    _schema,
    Column("id", Integer, primary_key=True),
    Column("title", String, nullable=False, index=True),
    Column("artist", String, nullable=False, index=True),
    Column("seconds", Integer, nullable=False),
    Column("plays", Integer, nullable=False, default=0),
    Column("uploaded_by", Integer, nullable=True),
)
users = Table(
    "users",
    _schema,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
)
likes = Table(
    "likes",
    _schema,
    Column("user_id", Integer, primary_key=True),
    Column("track_id", Integer, primary_key=True),
)

Row = dict[str, Any]


class Database:
    """Opens (and at first fills) the database under `data_dir`."""

    def __init__(self, data_dir: Path, metrics: Metrics, faults: Faults) -> None:
        self._faults = faults
        self._engine = create_engine(
            f"sqlite:///{data_dir / 'normaldance.sqlite'}", pool_size=10, max_overflow=20, pool_timeout=10
        )
        _prepare_connections(self._engine)
        _schema.create_all(self._engine)
        self._seed()
        instrument_engine(self._engine, metrics)

    def close(self) -> None:
        self._engine.dispose()

    def track(self, track_id: int) -> Row | None:
        found = self._read(select(tracks).where(tracks.c.id == track_id))
        return found[0] if found else None

    def most_played(self, limit: int) -> Sequence[Row]:
        return self._read(select(tracks).order_by(tracks.c.plays.desc(), tracks.c.id).limit(limit))

    def search(self, words: str, limit: int) -> Sequence[Row]:
        wanted = func.lower(tracks.c.title).contains(words.lower(), autoescape=True)
        return self._read(select(tracks).where(wanted).order_by(tracks.c.title).limit(limit))

    def by_artist(self, artist: str) -> Sequence[Row]:
        return self._read(select(tracks).where(tracks.c.artist == artist).order_by(tracks.c.title).limit(50))

    def liked_by(self, user_id: int) -> Sequence[Row]:
        mine = select(tracks).join(likes, likes.c.track_id == tracks.c.id).where(likes.c.user_id == user_id)
        return self._read(mine.order_by(tracks.c.title))

    def user(self, user_id: int) -> Row | None:
        found = self._read(select(users).where(users.c.id == user_id))
        return found[0] if found else None

    def add_user(self, name: str) -> int:
        with self._engine.begin() as connection:
            added = connection.execute(insert(users).values(name=name).returning(users.c.id))
            return int(added.scalar_one())

    def add_plays(self, plays: Mapping[int, int]) -> None:
        counted = [{"track": track_id, "count": count} for track_id, count in plays.items()]
        played = update(tracks).where(tracks.c.id == bindparam("track"))
        with self._engine.begin() as connection:
            connection.execute(played.values(plays=tracks.c.plays + bindparam("count")), counted)

    def add_track(self, title: str, artist: str, seconds: int, uploaded_by: int) -> int:
        """Add an uploaded track; the oldest uploads beyond about 500 go, so that a long demo stays small."""
        with self._engine.begin() as connection:
            values = {"title": title, "artist": artist, "seconds": seconds, "uploaded_by": uploaded_by}
            track_id: int = connection.execute(
                insert(tracks).values(**values).returning(tracks.c.id)
            ).scalar_one()
            if track_id % 50 == 0:
                too_old = tracks.c.id <= track_id - _KEPT_UPLOADS
                connection.execute(delete(tracks).where(tracks.c.uploaded_by.is_not(None), too_old))
        return track_id

    def _read(self, statement: Select[Any]) -> Sequence[Row]:
        if self._faults.is_on("slow_database"):
            # A subquery of its own is evaluated once a statement, not once a row.
            statement = statement.where(text(f"(SELECT wait_s({_SLOW_S})) = 0"))
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def _seed(self) -> None:
        chance = random.Random(2025)  # noqa: S311 (the same songs every time; nothing secret)
        with self._engine.begin() as connection:
            if connection.execute(select(func.count()).select_from(tracks)).scalar_one():
                return
            connection.execute(insert(tracks), [_made_up_track(chance, rank + 1) for rank in range(TRACKS)])
            everybody = range(1, USERS + 1)
            connection.execute(insert(users), [{"name": f"listener {i}"} for i in everybody])
            liked = ((i, t) for i in everybody for t in chance.sample(range(1, TRACKS + 1), _LIKES))
            connection.execute(insert(likes), [{"user_id": i, "track_id": t} for i, t in liked])


def _made_up_track(chance: random.Random, rank: int) -> Row:
    return {
        "title": f"{chance.choice(_WORDS)} {chance.choice(_NOUNS)} {chance.randint(1, 99)}",
        "artist": f"The {chance.choice(_WORDS).title()} {chance.choice(_NOUNS).title()}s",
        "seconds": chance.randint(120, 320),
        "plays": int(20_000 / rank**POPULARITY),
    }


def _prepare_connections(engine: Engine) -> None:
    def wait_s(seconds: float) -> int:
        time.sleep(seconds)
        return 0

    @event.listens_for(engine, "connect")
    def prepare(dbapi_connection: Any, _record: Any) -> None:
        dbapi_connection.create_function("wait_s", 1, wait_s)
        dbapi_connection.execute("PRAGMA journal_mode=WAL")
        dbapi_connection.execute("PRAGMA synchronous=NORMAL")
