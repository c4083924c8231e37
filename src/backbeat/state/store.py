"""Reads and writes of each table: plain functions over a connection, so that a caller can put several
into one transaction (`State.run`)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect, Table, bindparam, delete, select, update

from backbeat.config.schedule import schedule_text
from backbeat.state import tables
from backbeat.state.codec import labels_text, matchers_text, names_text, notification_text
from backbeat.state.records import (
    Acknowledgement,
    Destination,
    Event,
    EventKind,
    LogEntry,
    Message,
    Silence,
    StoredAlert,
)
from backbeat.state.rows import acknowledgement_of, alert_of, event_of, log_entry_of, message_of, silence_of

_CHUNK = 500


def save_alerts(connection: Connection, alerts: Iterable[StoredAlert]) -> None:
    _upsert(
        connection,
        tables.alerts,
        [
            {
                "fingerprint": each.fingerprint,
                "labels": labels_text(each.alert.labels),
                "annotations": labels_text(each.alert.annotations),
                "starts_at_ms": each.alert.starts_at_ms,
                "ends_at_ms": each.alert.ends_at_ms,
                "updated_at_ms": each.alert.updated_at_ms,
                "generator_url": each.alert.generator_url,
                "by_timeout": each.by_timeout,
            }
            for each in alerts
        ],
    )


def delete_alerts(connection: Connection, fingerprints: Sequence[str]) -> None:
    _delete_by_fingerprint(connection, tables.alerts, fingerprints)


def load_alerts(connection: Connection) -> list[StoredAlert]:
    return [alert_of(row) for row in connection.execute(select(tables.alerts))]


def save_log_entry(connection: Connection, entry: LogEntry) -> None:
    _upsert(
        connection,
        tables.notification_log,
        [
            {
                **_destination_columns(entry.to),
                "firing": names_text(entry.firing),
                "resolved": names_text(entry.resolved),
                "sent_at_ms": entry.sent_at_ms,
                "expires_at_ms": entry.expires_at_ms,
                "remembered": labels_text(entry.remembered),
            }
        ],
    )


def delete_log_entries(connection: Connection, entries: Iterable[Destination]) -> None:
    log = tables.notification_log.c
    for to in entries:
        connection.execute(
            delete(tables.notification_log).where(
                log.group_key == to.group_key, log.receiver == to.receiver, log.integration == to.integration
            )
        )


def load_log(connection: Connection) -> list[LogEntry]:
    return [log_entry_of(row) for row in connection.execute(select(tables.notification_log))]


def save_message(connection: Connection, message: Message) -> None:
    _upsert(
        connection,
        tables.outbox,
        [
            {
                "id": message.id,
                **_destination_columns(message.to),
                "state": message.state.value,
                "idempotency_key": message.notification.idempotency_key,
                "payload": notification_text(message.notification),
                "firing": names_text(message.firing),
                "resolved": names_text(message.resolved),
                "owed": names_text(message.owed),
                "created_at_ms": message.created_at_ms,
                "next_attempt_ms": message.next_attempt_ms,
                "attempts": message.attempts,
                "last_error": message.last_error,
                "log_expires_ms": message.log_expires_ms,
            }
        ],
    )


def save_attempt(connection: Connection, message: Message) -> None:
    """Only what an attempt changes; the payload is not written again."""
    connection.execute(
        update(tables.outbox)
        .where(tables.outbox.c.id == message.id)
        .values(
            state=message.state.value,
            next_attempt_ms=message.next_attempt_ms,
            attempts=message.attempts,
            last_error=message.last_error,
        )
    )


def delete_message(connection: Connection, message_id: str) -> None:
    connection.execute(delete(tables.outbox).where(tables.outbox.c.id == message_id))


def load_messages(connection: Connection) -> list[Message]:
    query = select(tables.outbox).order_by(tables.outbox.c.created_at_ms)
    return [message_of(row) for row in connection.execute(query)]


def save_silence(connection: Connection, silence: Silence) -> None:
    _upsert(
        connection,
        tables.silences,
        [
            {
                "id": silence.id,
                "matchers": matchers_text(silence.matchers),
                "starts_at_ms": silence.starts_at_ms,
                "ends_at_ms": silence.ends_at_ms,
                "updated_at_ms": silence.updated_at_ms,
                "created_by": silence.created_by,
                "comment": silence.comment,
                "annotations": labels_text(silence.annotations),
                "schedule": schedule_text(silence.schedule),
            }
        ],
    )


def delete_silences_ended_before(connection: Connection, before_ms: int) -> None:
    connection.execute(delete(tables.silences).where(tables.silences.c.ends_at_ms < before_ms))


def load_silences(connection: Connection) -> list[Silence]:
    return [silence_of(row) for row in connection.execute(select(tables.silences))]


def save_acknowledgements(connection: Connection, acknowledgements: Iterable[Acknowledgement]) -> None:
    _upsert(
        connection,
        tables.acknowledgements,
        [
            {
                "fingerprint": each.fingerprint,
                "labels": labels_text(each.labels),
                "created_by": each.created_by,
                "comment": each.comment,
                "at_ms": each.at_ms,
            }
            for each in acknowledgements
        ],
    )


def delete_acknowledgements(connection: Connection, fingerprints: Sequence[str]) -> None:
    _delete_by_fingerprint(connection, tables.acknowledgements, fingerprints)


def load_acknowledgements(connection: Connection) -> list[Acknowledgement]:
    return [acknowledgement_of(row) for row in connection.execute(select(tables.acknowledgements))]


def signing_key(connection: Connection, purpose: str) -> bytes:
    """The key for signatures of one purpose: made when it is first asked for, the same ever after."""
    keys = tables.signing_keys
    fresh = {"purpose": purpose, "key": secrets.token_hex(32)}
    connection.execute(_own_insert(connection.dialect, keys).values(fresh).on_conflict_do_nothing())
    return bytes.fromhex(connection.execute(select(keys.c.key).where(keys.c.purpose == purpose)).scalar_one())


def add_events(connection: Connection, events: Sequence[Event]) -> None:
    _execute_many(
        connection,
        "insert",
        tables.alert_events,
        [
            {
                "at_ms": event.at_ms,
                "kind": event.kind.value,
                "fingerprint": event.fingerprint,
                "group_key": event.group_key,
                "receiver": event.receiver,
                "integration": event.integration,
                "reason": event.reason,
                "detail": event.detail,
                "labels": labels_text(event.labels) if event.labels else "",
            }
            for event in events
        ],
    )


def find_events(
    connection: Connection,
    *,
    fingerprint: str = "",
    group_keys: Sequence[str] = (),
    since_ms: int = 0,
    until_ms: int = 0,
    limit: int = 1000,
) -> list[Event]:
    """The newest events that fit, oldest first; with both given, those of the alert or of its groups."""
    column = tables.alert_events.c
    query = select(tables.alert_events).order_by(column.id.desc()).limit(limit)
    if fingerprint and group_keys:
        own, grouped = column.fingerprint == fingerprint, column.group_key.in_(group_keys)
        query = query.where(own | (grouped & (column.fingerprint == "")))
    elif fingerprint:
        query = query.where(column.fingerprint == fingerprint)
    elif group_keys:
        query = query.where(column.group_key.in_(group_keys))
    if since_ms:
        query = query.where(column.at_ms >= since_ms)
    if until_ms:
        query = query.where(column.at_ms < until_ms)
    return [event_of(row) for row in reversed(connection.execute(query).all())]


def groups_of(connection: Connection, fingerprint: str) -> list[str]:
    """Keys of the groups that an alert was ever part of."""
    if not fingerprint:
        return []
    column = tables.alert_events.c
    grouped = (column.fingerprint == fingerprint) & (column.kind == EventKind.GROUPED.value)
    return list(connection.execute(select(column.group_key).where(grouped).distinct()).scalars())


def prune_events(connection: Connection, before_ms: int, keep_newest: int) -> None:
    """Bound the history by age and by number."""
    column = tables.alert_events.c
    connection.execute(delete(tables.alert_events).where(column.at_ms < before_ms))
    oldest_kept = connection.execute(
        select(column.id).order_by(column.id.desc()).offset(keep_newest).limit(1)
    ).scalar()
    if oldest_kept is not None:
        connection.execute(delete(tables.alert_events).where(column.id <= oldest_kept))


def _destination_columns(to: Destination) -> dict[str, str]:
    return {"group_key": to.group_key, "receiver": to.receiver, "integration": to.integration}


def _delete_by_fingerprint(connection: Connection, table: Table, fingerprints: Sequence[str]) -> None:
    for start in range(0, len(fingerprints), _CHUNK):
        chunk = fingerprints[start : start + _CHUNK]
        connection.execute(delete(table).where(table.c.fingerprint.in_(chunk)))


def _upsert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    _execute_many(connection, "upsert", table, rows)


def _execute_many(connection: Connection, what: str, table: Table, rows: list[dict[str, Any]]) -> None:
    """One statement for many rows of texts, numbers and flags, without SQLAlchemy's work for each of them.

    An alert storm writes thousands of rows before it is acknowledged; every row has the same columns.
    """
    if not rows:
        return
    sql, order = _statement(connection.dialect, what, table, tuple(rows[0]))
    if order is None:
        connection.exec_driver_sql(sql, rows)
    else:
        values = itemgetter(*order)
        connection.exec_driver_sql(sql, [values(row) for row in rows])


def _own_insert(dialect: Dialect, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT; of two dialects only the one in use is loaded."""
    if dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)


@lru_cache(maxsize=64)
def _statement(
    dialect: Dialect, what: str, table: Table, columns: tuple[str, ...]
) -> tuple[str, list[str] | None]:
    """The SQL as the driver wants it, and the order of its parameters where they have no names."""
    statement = _own_insert(dialect, table).values({name: bindparam(name) for name in columns})
    if what == "upsert":
        keys = [column.name for column in table.primary_key]
        values = {name: statement.excluded[name] for name in columns if name not in keys}
        statement = statement.on_conflict_do_update(index_elements=keys, set_=values)
    compiled = statement.compile(dialect=dialect)
    return str(compiled), compiled.positiontup
