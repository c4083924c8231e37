"""What a step of the core wants written down: one value, one transaction."""

from __future__ import annotations

from msgspec import Struct, field
from sqlalchemy import Connection

from backbeat.state import store
from backbeat.state.records import (
    Acknowledgement,
    Destination,
    Event,
    LogEntry,
    Message,
    Silence,
    StoredAlert,
)

_MOST_ROWS = 1_000


class Changes(Struct):
    """Filled by one step, then handed on and left alone."""

    alerts: list[StoredAlert] = field(default_factory=list)
    alerts_gone: list[str] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    attempts: list[Message] = field(default_factory=list)
    messages_gone: list[str] = field(default_factory=list)
    log: list[LogEntry] = field(default_factory=list)
    log_gone: list[Destination] = field(default_factory=list)
    silences: list[Silence] = field(default_factory=list)
    silences_ended_before_ms: int = 0
    acknowledgements: list[Acknowledgement] = field(default_factory=list)
    acknowledgements_over: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__struct_fields__)

    def take_over(self, later: Changes) -> bool:
        """Become both, where nothing but alerts and events are in either, so that they are one statement.

        Not without end: what is large holds up the event loop where it is freed.
        """
        rows = sum(len(each.alerts) + len(each.events) for each in (self, later))
        if rows > _MOST_ROWS or not (self._only_news and later._only_news):
            return False
        self.alerts.extend(later.alerts)
        self.events.extend(later.events)
        return True

    @property
    def _only_news(self) -> bool:
        others = (name for name in self.__struct_fields__ if name not in ("alerts", "events"))
        return not any(getattr(self, name) for name in others)

    def write(self, connection: Connection) -> None:
        store.save_alerts(connection, self.alerts)
        store.delete_alerts(connection, self.alerts_gone)
        for message_id in self.messages_gone:
            store.delete_message(connection, message_id)
        for message in self.messages:
            store.save_message(connection, message)
        for message in self.attempts:
            store.save_attempt(connection, message)
        for entry in self.log:
            store.save_log_entry(connection, entry)
        store.delete_log_entries(connection, self.log_gone)
        for silence in self.silences:
            store.save_silence(connection, silence)
        if self.silences_ended_before_ms:
            store.delete_silences_ended_before(connection, self.silences_ended_before_ms)
        store.delete_acknowledgements(connection, self.acknowledgements_over)
        store.save_acknowledgements(connection, self.acknowledgements)
        store.add_events(connection, self.events)
