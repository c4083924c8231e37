"""Messages under way: at most one a destination, tried again until it is delivered or refused for good.

Pure but for its own memory: says which attempts may begin now; the service makes them. Each integration of
each receiver is a lane of its own with bounded concurrency, so a receiver that hangs holds up nobody else.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator

from msgspec import Struct, field
from msgspec.structs import replace

from backbeat.state.records import Destination, Message, MessageState

LANE_CONCURRENCY = 4
_FIRST_BACKOFF_MS = 500
_LONGEST_BACKOFF_MS = 60_000
_LONGEST_RETRY_AFTER_MS = 3_600_000

LaneId = tuple[str, str]
"""Receiver and integration."""
Random = Callable[[], float]
"""Uniform in [0, 1)."""


def backoff_ms(attempts: int, retry_after_ms: int, random: Random) -> int:
    """How long to wait after the given number of failed attempts: doubling to a minute, give or take half.

    A receiver that says how long to wait is not asked earlier.
    """
    wait_ms = min(_FIRST_BACKOFF_MS * 2 ** min(attempts - 1, 16), _LONGEST_BACKOFF_MS)
    jittered = int(wait_ms * (0.5 + random()))
    return max(jittered, min(retry_after_ms, _LONGEST_RETRY_AFTER_MS))


class _Lane(Struct):
    queue: list[tuple[int, int, str]] = field(default_factory=list)
    """(when, order, message id) of what may be tried"""
    under_way: int = 0


class Outbox:
    def __init__(self) -> None:
        self._by_destination: dict[Destination, Message] = {}
        self._by_id: dict[str, Message] = {}
        self._under_way: set[Destination] = set()
        self._lanes: dict[LaneId, _Lane] = {}
        self._ordered = 0

    def __iter__(self) -> Iterator[Message]:
        return iter(self._by_destination.values())

    def at(self, to: Destination) -> Message | None:
        return self._by_destination.get(to)

    def waiting(self, to: Destination) -> Message | None:
        """The destination's message, unless it was refused for good."""
        message = self._by_destination.get(to)
        return message if message and message.state is MessageState.WAITING else None

    def is_under_way(self, to: Destination) -> bool:
        return to in self._under_way

    @property
    def under_way(self) -> int:
        return len(self._under_way)

    def put(self, message: Message) -> None:
        """Know of a message. It is tried only after `release`, which follows its being written down."""
        known = self._by_destination.get(message.to)
        if known is not None:
            self._by_id.pop(known.id, None)
        self._by_destination[message.to] = message
        self._by_id[message.id] = message

    def release(self, message: Message) -> None:
        """Let a message be tried when its time comes."""
        current = self._by_id.get(message.id)
        if current is not None and current.state is MessageState.WAITING:
            self._ordered += 1
            lane = self._lanes.setdefault((current.to.receiver, current.to.integration), _Lane())
            heapq.heappush(lane.queue, (current.next_attempt_ms, self._ordered, current.id))

    def remove(self, to: Destination) -> None:
        message = self._by_destination.pop(to, None)
        if message is not None:
            self._by_id.pop(message.id, None)

    def begin_due(self, now_ms: int, lanes: Collection[LaneId]) -> list[Message]:
        """Take the messages to try now, as many as each of the given lanes has room for."""
        begun: list[Message] = []
        for lane_id, lane in list(self._lanes.items()):
            if lane_id not in lanes:
                continue
            while lane.queue and lane.queue[0][0] <= now_ms and lane.under_way < LANE_CONCURRENCY:
                due_ms, _, message_id = heapq.heappop(lane.queue)
                message = self._by_id.get(message_id)
                if message is None or message.to in self._under_way or message.next_attempt_ms != due_ms:
                    continue
                self._under_way.add(message.to)
                lane.under_way += 1
                begun.append(message)
        return begun

    def next_due_ms(self, lanes: Collection[LaneId]) -> int | None:
        """When the next attempt may begin; lanes that are full wake the service by finishing one."""
        times = [
            lane.queue[0][0]
            for lane_id, lane in self._lanes.items()
            if lane.queue and lane.under_way < LANE_CONCURRENCY and lane_id in lanes
        ]
        return min(times, default=None)

    def ended(self, message: Message) -> bool:
        """An attempt is over. Returns whether the message is still the destination's own."""
        lane = self._lanes[message.to.receiver, message.to.integration]
        lane.under_way -= 1
        self._under_way.discard(message.to)
        return self._by_id.get(message.id) is not None

    def try_again(self, message: Message, next_attempt_ms: int, why: str) -> Message:
        later = replace(
            message, attempts=message.attempts + 1, next_attempt_ms=next_attempt_ms, last_error=why
        )
        self.put(later)
        self.release(later)
        return later

    def bury(self, message: Message, why: str) -> Message:
        """The receiver refused it for good: keep it visible, try no more."""
        dead = replace(message, attempts=message.attempts + 1, state=MessageState.DEAD, last_error=why)
        self.put(dead)
        return dead

    def shift(self, by_ms: int) -> None:
        """The clock was set back: move the next attempts along."""
        for lane in self._lanes.values():
            lane.queue.clear()
        for message in list(self._by_destination.values()):
            moved = replace(message, next_attempt_ms=message.next_attempt_ms + by_ms)
            self.put(moved)
            if message.to not in self._under_way:
                self.release(moved)
