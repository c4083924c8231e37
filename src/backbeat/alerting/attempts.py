"""Attempts at delivery: each is a task of its own, and `stop` waits for all.

In:  the messages that the outbox says may be tried now.
Out: what became of each, to the core, which decides what follows from it, and to the journal.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from backbeat.alerting.core import Core
from backbeat.alerting.counters import Counters
from backbeat.alerting.journal import Journal
from backbeat.alerting.ledger import Integration, Integrations
from backbeat.alerting.outbox import LaneId
from backbeat.alerting.trial import UnknownReceiver
from backbeat.model.alerts import Channel, Delivery, Notification
from backbeat.model.clock import Now
from backbeat.state.records import Message

Channels = Mapping[str, Sequence[Channel]]
"""By receiver, in the order of the configuration."""

_LONGEST_ATTEMPT_S = 60.0
_LONGEST_FAREWELL_S = 3.0
_log = logging.getLogger(__name__)


class Attempts:
    """wake: set when an attempt has ended, since something may be due then."""

    def __init__(
        self,
        core: Core,
        journal: Journal,
        channels: Channels,
        counters: Counters,
        now: Now,
        wake: asyncio.Event,
    ) -> None:
        self._core = core
        self._journal = journal
        self._channels = dict(_lanes(channels))
        self._counters = counters
        self._now = now
        self._wake = wake
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    def use(self, channels: Channels) -> None:
        """Begin attempts with these channels from now on."""
        self._channels = dict(_lanes(channels))

    def begin_due(self) -> None:
        if self._is_stopping:
            return
        ledger = self._core.ledger
        for message in ledger.outbox.begin_due(self._now(), ledger.lanes):
            channel = self._channels[message.to.receiver, message.to.integration]
            task = asyncio.create_task(self._attempt(message, channel), name=f"notify {message.to.receiver}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Wait until no attempt is under way."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def begin_no_more(self) -> None:
        self._is_stopping = True

    async def stop(self) -> None:
        """Attempts that do not end in time are made again after the next start."""
        self.begin_no_more()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_LONGEST_FAREWELL_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def try_receiver(self, notification: Notification) -> dict[str, Delivery]:
        """Hand it over by each integration of its receiver, outside of the outbox. Raises UnknownReceiver."""
        receiver = notification.receiver
        own = {name: channel for (of, name), channel in self._channels.items() if of == receiver}
        if not own:
            raise UnknownReceiver(f"receiver {receiver!r}: there is none with an integration")
        answers = await asyncio.gather(*(_hand_over(each, notification) for each in own.values()))
        return dict(zip(own, answers, strict=True))

    async def _attempt(self, message: Message, channel: Channel) -> None:
        began = asyncio.get_running_loop().time()
        delivery = await _hand_over(channel, message.notification)
        self._counters.latency_s[message.to.kind] += asyncio.get_running_loop().time() - began
        changes = self._core.attempt_ended(message, delivery, self._now())
        await self._journal.write(changes)
        self.begin_due()
        self._wake.set()


def integrations(channels: Channels) -> Integrations:
    """What the ledger needs to know of the channels."""
    found: dict[str, list[Integration]] = {receiver: [] for receiver in channels}
    for (receiver, name), channel in _lanes(channels):
        found[receiver].append(Integration(name, channel.kind, channel.send_resolved))
    return found


async def _hand_over(channel: Channel, notification: Notification) -> Delivery:
    """One attempt, whatever the channel does; a bug in a channel costs no message."""
    try:
        return await asyncio.wait_for(channel.send(notification), _LONGEST_ATTEMPT_S)
    except TimeoutError:
        return Delivery(False, retry=True, detail=f"no answer within {_LONGEST_ATTEMPT_S:.0f} s")
    except Exception as bug:
        _log.exception("notify: %s failed unexpectedly", channel.kind)
        return Delivery(False, retry=True, detail=f"unexpected {type(bug).__name__}, see the log")


def _lanes(channels: Channels) -> list[tuple[LaneId, Channel]]:
    """Name each channel by its kind and its index among its receiver's channels of that kind."""
    named: list[tuple[LaneId, Channel]] = []
    for receiver, own in channels.items():
        seen: dict[str, int] = {}
        for channel in own:
            index = seen.setdefault(channel.kind, 0)
            seen[channel.kind] += 1
            named.append(((receiver, f"{channel.kind}[{index}]"), channel))
    return named
