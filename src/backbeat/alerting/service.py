"""Alerting as the rest of the program sees it: takes alerts in, tells people, answers questions.

One task wakes when something is due; each attempt at delivery is a task of its own, and `stop` waits for all.
What to do is decided by `core`; here it is written down and carried out.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress

from backbeat.alerting import views
from backbeat.alerting.changes import Changes
from backbeat.alerting.core import Core
from backbeat.alerting.counters import Counters
from backbeat.alerting.history import Page, Search, search
from backbeat.alerting.journal import Journal
from backbeat.alerting.ledger import Integration, Integrations, Ledger
from backbeat.alerting.metrics import AlertingCollector
from backbeat.alerting.outbox import LaneId, Random
from backbeat.alerting.plan import Plan, plan
from backbeat.alerting.preview import Preview, preview
from backbeat.alerting.silencing import Silences
from backbeat.alerting.trial import UnknownReceiver, trial_message
from backbeat.alerting.unhurried import unhurried
from backbeat.alerting.views import AlertView, Filter, GroupView
from backbeat.config.alertmanager import AlertmanagerConfig, Route
from backbeat.model.alerts import Alert, Channel, Delivery, Notification
from backbeat.model.clock import Now
from backbeat.model.errors import BackbeatError
from backbeat.model.labels import Labels
from backbeat.state import State, store
from backbeat.state.records import Event, EventKind, Message, MessageState, Silence, SilenceState

NOBODY = AlertmanagerConfig(path="", text="", route=Route(receiver=""), receivers=())
"""For a Backbeat without alertmanager.yml: alerts are kept and shown, and nobody is told."""
Channels = Mapping[str, Sequence[Channel]]
"""By receiver, in the order of the configuration."""

_RECEIVED_AT_ONCE = 50
_FLUSHED_AT_ONCE = 50
_LONGEST_SLEEP_MS = 5_000
_LONGEST_ATTEMPT_S = 60.0
_LONGEST_FAREWELL_S = 3.0
_MAINTAIN_EVERY_MS = 600_000
_STEP_BACK_MS = 1_000
_OVERSLEPT_MS = 30_000
_EVENTS_KEPT_MS = 366 * 86_400_000
_EVENTS_KEPT = 2_000_000
_log = logging.getLogger(__name__)


class InvalidAlerts(BackbeatError):
    """Some alerts could not be taken in; the others were."""


class TooManyAlerts(BackbeatError):
    """There is no room for more alerts; those already known were taken in."""


class Alerting:
    """The one door for alerts, and everything behind it. `start` first; it is an `AlertSink`."""

    def __init__(
        self,
        config: AlertmanagerConfig,
        channels: Channels,
        state: State,
        now: Now,
        external_url: str,
        *,
        random: Random = random.random,
        events_kept_ms: int = _EVENTS_KEPT_MS,
    ) -> None:
        self._state = state
        self._now = now
        self._events_kept_ms = events_kept_ms
        self._channels = _by_lane(channels)
        self._counters = Counters()
        self._journal = Journal(state, self._counters)
        ledger = Ledger(_integrations(channels), external_url, random, self._counters)
        self._core = Core(config, Silences(), ledger, self._counters)
        self._wake = asyncio.Event()
        self._driver: asyncio.Task[None] | None = None
        self._attempts: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._last_seen_ms = now()
        self._maintained_ms = 0
        self.collector = AlertingCollector(self._core, self._counters, now)
        """for prometheus_client's registry"""

    # -- life -------------------------------------------------------------------------------------------

    async def start(self, *, drive: bool = True) -> None:
        """Go on where the last run ended. Without `drive`, nothing happens until `tick` is called."""
        now_ms = self._now()
        for silence in await self._state.run(store.load_silences):
            self._core.silences.keep(silence)
        self._core.ledger.remember(
            await self._state.run(store.load_log), await self._state.run(store.load_messages)
        )
        changes = self._core.remember(await self._state.run(store.load_alerts), now_ms)
        await self._journal.write(changes)
        if drive:
            self._driver = asyncio.create_task(self._drive(), name="alerting")

    async def stop(self) -> None:
        """Stop within a few seconds. Attempts that do not end in time are made again after the next start."""
        self._is_stopping = True
        self._wake.set()
        if self._driver is not None:
            await self._driver
        if self._attempts:
            _, late = await asyncio.wait(self._attempts, timeout=_LONGEST_FAREWELL_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._journal.catch_up()

    async def apply(self, config: AlertmanagerConfig, channels: Channels) -> None:
        """Use a new configuration from now on; groups that it keeps go on undisturbed."""
        self._channels = _by_lane(channels)
        changes = self._core.reload(config, _integrations(channels), self._now())
        await self._journal.write(changes)
        self._wake.set()

    # -- alerts in --------------------------------------------------------------------------------------

    async def receive(self, alerts: Sequence[Alert]) -> None:
        """Take in alerts, firing and resolved; durable when this returns.

        Raises InvalidAlerts or TooManyAlerts after taking in the others, and WorldFailure where the state
        could not be written: the alerts are acted upon all the same, but would not survive a crash.
        """
        invalid: list[str] = []
        too_many = 0
        is_news = False
        for start in range(0, len(alerts), _RECEIVED_AT_ONCE):
            received = self._core.receive(alerts[start : start + _RECEIVED_AT_ONCE], self._now())
            invalid.extend(received.invalid)
            too_many += received.too_many
            self._journal.put(received.changes)
            is_news = is_news or bool(received.changes)
            await asyncio.sleep(0)
        self._wake.set()
        failure = await self._journal.write() if is_news else None
        if failure is not None:
            raise failure
        if too_many:
            raise TooManyAlerts(f"{too_many} alerts found no room; resolve or drop others, then send again")
        if invalid:
            raise InvalidAlerts("\n".join(invalid[:20]))

    # -- what is due ------------------------------------------------------------------------------------

    async def tick(self) -> int | None:
        """Do everything that is due now, and begin attempts. Returns when something is due next."""
        now_ms = self._now()
        self._notice_step_back(now_ms)
        while (changes := self._core.flush_due(now_ms, _FLUSHED_AT_ONCE)) is not None:
            await self._journal.write(changes)
            await asyncio.sleep(0)
            for message in changes.messages:
                self._core.ledger.outbox.release(message)
        self._begin_attempts()
        if now_ms - self._maintained_ms >= _MAINTAIN_EVERY_MS:
            await self._maintain(now_ms)
        return self._core.next_due_ms()

    async def settled(self) -> None:
        """Wait until no attempt is under way."""
        while self._attempts:
            await asyncio.wait(set(self._attempts))

    async def _drive(self) -> None:
        while not self._is_stopping:
            self._wake.clear()
            try:
                due_ms = await self.tick()
            except Exception:
                # A bug in one step must not end alerting for good; it is loud in the log and tried again.
                _log.exception("alerting: a step failed")
                due_ms = self._now() + _LONGEST_SLEEP_MS
            await self._sleep_until(due_ms)

    async def _sleep_until(self, due_ms: int | None) -> None:
        """Sleep, but never for long: the clock may be set, the machine suspended."""
        rest_ms = _LONGEST_SLEEP_MS if due_ms is None else min(due_ms - self._now(), _LONGEST_SLEEP_MS)
        if rest_ms <= 0:
            await asyncio.sleep(0)
            return
        fell_asleep_ms = self._now()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), rest_ms / 1000)
        overslept_ms = self._now() - fell_asleep_ms - rest_ms
        if overslept_ms > _OVERSLEPT_MS:
            _log.warning("alerting: the machine was asleep, or its clock set, by %d s", overslept_ms // 1000)
            self._core.outlast(overslept_ms, self._now())

    def _notice_step_back(self, now_ms: int) -> None:
        if now_ms < self._last_seen_ms - _STEP_BACK_MS:
            _log.warning("alerting: the clock was set back by %d s", (self._last_seen_ms - now_ms) // 1000)
            self._core.shift(now_ms - self._last_seen_ms)
            self._maintained_ms = now_ms
        self._last_seen_ms = now_ms

    async def _maintain(self, now_ms: int) -> None:
        self._maintained_ms = now_ms
        await self._journal.write(self._core.maintain(now_ms))
        oldest_ms = now_ms - self._events_kept_ms
        await self._journal.prune_events(oldest_ms, _EVENTS_KEPT)

    # -- attempts ---------------------------------------------------------------------------------------

    def _begin_attempts(self) -> None:
        if self._is_stopping:
            return
        ledger = self._core.ledger
        for message in ledger.outbox.begin_due(self._now(), ledger.lanes):
            channel = self._channels[message.to.receiver, message.to.integration]
            task = asyncio.create_task(self._attempt(message, channel), name=f"notify {message.to.receiver}")
            self._attempts.add(task)
            task.add_done_callback(self._attempts.discard)

    async def _attempt(self, message: Message, channel: Channel) -> None:
        began = asyncio.get_running_loop().time()
        delivery = await _send(channel, message)
        self._counters.latency_s[message.to.kind] += asyncio.get_running_loop().time() - began
        changes = self._core.attempt_ended(message, delivery, self._now())
        await self._journal.write(changes)
        self._begin_attempts()
        self._wake.set()

    # -- silences ---------------------------------------------------------------------------------------

    async def set_silence(self, silence: Silence, *, confirmed: bool = False) -> Silence:
        """Make a silence (empty id) or change one; written down when this returns.

        Raises InvalidSilence, OverBroadSilence (unless confirmed), UnknownSilence, WorldFailure.
        """
        planned = self._core.silences.plan(silence, self._now(), confirmed=confirmed)
        await self._keep_silences(planned)
        return planned[-1]

    async def expire_silence(self, silence_id: str) -> None:
        """Raises UnknownSilence, WorldFailure."""
        await self._keep_silences(self._core.silences.plan_expiry(silence_id, self._now()))

    async def _keep_silences(self, silences: list[Silence]) -> None:
        """Written first: a silence that was not acknowledged must not keep anything quiet."""
        now_ms = self._now()
        events = [
            Event(now_ms, EventKind.SILENCE, reason=f"{each.state(now_ms)} {each.id}", detail=_words(each))
            for each in silences
        ]
        await self._state.run(Changes(silences=silences, events=events).write)
        for silence in silences:
            self._core.silences.keep(silence)

    def silences(self) -> list[Silence]:
        """All that are kept: those that end first, those that begin first, those that ended last."""
        now_ms = self._now()

        def order(silence: Silence) -> tuple[int, int, str]:
            state = silence.state(now_ms)
            if state is SilenceState.ACTIVE:
                return (0, silence.ends_at_ms, silence.id)
            if state is SilenceState.PENDING:
                return (1, silence.starts_at_ms, silence.id)
            return (2, -silence.ends_at_ms, silence.id)

        return sorted(self._core.silences.all(), key=order)

    def silence(self, silence_id: str) -> Silence:
        """Raises UnknownSilence."""
        return self._core.silences.get(silence_id)

    # -- questions --------------------------------------------------------------------------------------

    def alerts(self, wanted: Filter | None = None) -> list[AlertView]:
        return views.alerts(self._core, wanted or Filter(), self._now())

    def groups(self, wanted: Filter | None = None) -> list[GroupView]:
        return views.groups(self._core, wanted or Filter(), self._now())

    async def alerts_unhurried(self, wanted: Filter | None = None) -> list[AlertView]:
        """`alerts`, without keeping others waiting where there are many."""
        asked = views.each_alert(self._core, wanted or Filter(), self._now())
        return views.by_fingerprint(await unhurried(asked))

    async def groups_unhurried(self, wanted: Filter | None = None) -> list[GroupView]:
        """`groups`, without keeping others waiting where there are many."""
        wanted = wanted or Filter()
        inside = await self.alerts_unhurried(wanted)
        asked = views.each_group(self._core, wanted, self._now(), inside)
        return views.by_labels(await unhurried(asked))

    def receivers(self) -> list[str]:
        return [receiver.name for receiver in self.config.receivers]

    @property
    def config(self) -> AlertmanagerConfig:
        return self._core.config

    @property
    def counters(self) -> Counters:
        return self._counters

    def messages(self) -> list[Message]:
        """Notifications under way, those refused for good among them."""
        return sorted(self._core.ledger.outbox, key=lambda message: message.created_at_ms)

    def dead_letters(self) -> list[Message]:
        return [message for message in self.messages() if message.state is MessageState.DEAD]

    def preview(self, labels: Labels) -> Preview:
        """Which way an alert with these labels would take now, and what would keep it quiet."""
        return preview(self._core, labels, self._now())

    def plan(self) -> Plan:
        """The routing tree, receivers and how they fare, inhibition, time intervals: as of now."""
        return plan(self._core, self._now())

    async def try_receiver(self, receiver: str) -> dict[str, Delivery]:
        """Send a test message by each integration of a receiver. Raises UnknownReceiver."""
        own = {name: channel for (of, name), channel in self._channels.items() if of == receiver}
        if not own:
            raise UnknownReceiver(f"receiver {receiver!r}: there is none with an integration")
        message = trial_message(receiver, self._now(), self._core.ledger.external_url)
        answers = await asyncio.gather(*(_hand_over(each, message) for each in own.values()))
        return dict(zip(own, answers, strict=True))

    async def search(self, wanted: Search) -> Page:
        """A page of the history of all alerts, newest first."""
        return await self._state.run(lambda connection: search(connection, wanted))

    async def history(
        self,
        *,
        fingerprint: str = "",
        group_keys: Sequence[str] = (),
        since_ms: int = 0,
        until_ms: int = 0,
        limit: int = 1000,
    ) -> list[Event]:
        """What happened, oldest first. With a fingerprint alone, decisions about its groups are among it."""
        return await self._state.run(
            lambda connection: store.find_events(
                connection,
                fingerprint=fingerprint,
                group_keys=group_keys or store.groups_of(connection, fingerprint),
                since_ms=since_ms,
                until_ms=until_ms,
                limit=limit,
            )
        )


async def _send(channel: Channel, message: Message) -> Delivery:
    """One attempt, whatever the channel does; a bug in a channel costs no message."""
    return await _hand_over(channel, message.notification)


async def _hand_over(channel: Channel, notification: Notification) -> Delivery:
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


def _by_lane(channels: Channels) -> dict[LaneId, Channel]:
    return dict(_lanes(channels))


def _integrations(channels: Channels) -> Integrations:
    found: dict[str, list[Integration]] = {receiver: [] for receiver in channels}
    for (receiver, name), channel in _lanes(channels):
        found[receiver].append(Integration(name, channel.kind, channel.send_resolved))
    return found


def _words(silence: Silence) -> str:
    matchers = ", ".join(str(matcher) for matcher in silence.matchers)
    return f"{matchers}; by {silence.created_by or 'unknown'}: {silence.comment}"
