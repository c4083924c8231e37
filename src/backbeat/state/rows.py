"""Rows of the tables as records. A row that says something else than it was given is damaged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from sqlalchemy import Row, Table

from backbeat.config.schedule import InvalidSchedule, schedule_from
from backbeat.model.alerts import Alert
from backbeat.model.errors import BackbeatError
from backbeat.state import tables
from backbeat.state.codec import labels_from, matchers_from, names_from, notification_from
from backbeat.state.records import (
    Acknowledgement,
    Destination,
    Event,
    EventKind,
    LogEntry,
    Message,
    MessageState,
    Silence,
    StoredAlert,
)

T = TypeVar("T")


class DamagedRow(BackbeatError):
    """A row that no Backbeat wrote like this."""


def _reads(table: Table) -> Callable[[Callable[[Row[Any]], T]], Callable[[Row[Any]], T]]:
    """Whatever a row of the table holds, the function returns its record or raises DamagedRow."""
    kinds = {column.name: column.type.python_type for column in table.columns}

    def reader(read: Callable[[Row[Any]], T]) -> Callable[[Row[Any]], T]:
        @wraps(read)
        def checked(row: Row[Any]) -> T:
            try:
                record = read(row)
                for name, kind in kinds.items():
                    if type(getattr(row, name)) is not kind:
                        raise TypeError(f"{name} is no {kind.__name__}")
            except (AttributeError, KeyError, TypeError, ValueError, InvalidSchedule) as error:
                raise DamagedRow(f"a row of {table.name} is damaged: {error}") from error
            return record

        return checked

    return reader


@_reads(tables.alerts)
def alert_of(row: Row[Any]) -> StoredAlert:
    return StoredAlert(
        row.fingerprint,
        Alert(
            labels_from(row.labels),
            labels_from(row.annotations),
            row.starts_at_ms,
            row.ends_at_ms,
            row.updated_at_ms,
            row.generator_url,
        ),
        row.by_timeout,
    )


@_reads(tables.notification_log)
def log_entry_of(row: Row[Any]) -> LogEntry:
    return LogEntry(
        _destination(row),
        names_from(row.firing),
        names_from(row.resolved),
        row.sent_at_ms,
        row.expires_at_ms,
        labels_from(row.remembered),
    )


@_reads(tables.outbox)
def message_of(row: Row[Any]) -> Message:
    return Message(
        id=row.id,
        to=_destination(row),
        notification=notification_from(row.payload),
        firing=names_from(row.firing),
        resolved=names_from(row.resolved),
        owed=names_from(row.owed),
        created_at_ms=row.created_at_ms,
        next_attempt_ms=row.next_attempt_ms,
        log_expires_ms=row.log_expires_ms,
        attempts=row.attempts,
        state=MessageState(row.state),
        last_error=row.last_error,
    )


@_reads(tables.silences)
def silence_of(row: Row[Any]) -> Silence:
    return Silence(
        row.id,
        matchers_from(row.matchers),
        row.starts_at_ms,
        row.ends_at_ms,
        row.updated_at_ms,
        row.created_by,
        row.comment,
        labels_from(row.annotations),
        schedule_from(row.schedule),
    )


@_reads(tables.acknowledgements)
def acknowledgement_of(row: Row[Any]) -> Acknowledgement:
    return Acknowledgement(row.fingerprint, labels_from(row.labels), row.created_by, row.comment, row.at_ms)


@_reads(tables.signing_keys)
def signing_key_of(row: Row[Any]) -> bytes:
    return bytes.fromhex(row.key)


@_reads(tables.alert_events)
def event_of(row: Row[Any]) -> Event:
    return Event(
        row.at_ms,
        EventKind(row.kind),
        row.fingerprint,
        row.group_key,
        row.receiver,
        row.integration,
        row.reason,
        row.detail,
        labels_from(row.labels),
    )


READERS: Mapping[Table, Callable[[Any], object]] = {
    tables.alerts: alert_of,
    tables.notification_log: log_entry_of,
    tables.outbox: message_of,
    tables.silences: silence_of,
    tables.acknowledgements: acknowledgement_of,
    tables.signing_keys: signing_key_of,
    tables.alert_events: event_of,
}


def _destination(row: Row[Any]) -> Destination:
    return Destination(row.group_key, row.receiver, row.integration)
