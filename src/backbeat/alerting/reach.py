"""How each integration of each receiver fares: when it took a message last, and when and why it last did not.

In:  the outcome of attempts. Out: `Reached`. What came before the last start is known from the notification
log, and from the messages that could not be delivered.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from backbeat.alerting.outbox import LaneId
from backbeat.model.alerts import Delivery
from backbeat.state.records import Destination, LogEntry, Message


class Reached(Struct, frozen=True):
    """Times are ms, 0 where it did not happen; failures: since the last success."""

    last_success_ms: int = 0
    last_failure_ms: int = 0
    last_error: str = ""
    failures: int = 0


NEVER = Reached()


class Reach:
    def __init__(self) -> None:
        self._lanes: dict[LaneId, Reached] = {}

    def remember(self, log: Iterable[LogEntry], messages: Iterable[Message], now_ms: int) -> None:
        """Take over what the last run wrote down: a receiver that was failing is failing still."""
        for entry in log:
            known = self.of(entry.to.receiver, entry.to.integration)
            if entry.sent_at_ms > known.last_success_ms:
                self._lanes[_lane(entry.to)] = replace(known, last_success_ms=entry.sent_at_ms)
        for message in messages:
            # The last attempt began no later than the next one is due.
            failed_ms = min(message.next_attempt_ms, now_ms)
            known = self.of(message.to.receiver, message.to.integration)
            if message.attempts and failed_ms > max(known.last_success_ms, known.last_failure_ms):
                self._lanes[_lane(message.to)] = replace(
                    known,
                    last_failure_ms=failed_ms,
                    last_error=message.last_error,
                    failures=max(known.failures, message.attempts),
                )

    def note(self, to: Destination, delivery: Delivery, now_ms: int) -> None:
        known = self._lanes.get(_lane(to), NEVER)
        if delivery.ok:
            self._lanes[_lane(to)] = replace(
                known,
                last_success_ms=now_ms,
                last_failure_ms=now_ms if delivery.refused else known.last_failure_ms,
                last_error=delivery.refused or known.last_error,
                failures=0,
            )
        else:
            self._lanes[_lane(to)] = replace(
                known, last_failure_ms=now_ms, last_error=delivery.detail, failures=known.failures + 1
            )

    def of(self, receiver: str, integration: str) -> Reached:
        return self._lanes.get((receiver, integration), NEVER)


def _lane(to: Destination) -> LaneId:
    return to.receiver, to.integration
