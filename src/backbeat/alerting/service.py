"""Alerting as the rest of the program sees it: takes alerts in, tells people, answers questions.

What to do is decided by `core`, when by `driver`; here it is written down and carried out.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence

from backbeat.alerting import views
from backbeat.alerting.ack_links import AckLinks
from backbeat.alerting.acknowledging import UnknownAlert
from backbeat.alerting.attempts import Attempts, Channels, integrations
from backbeat.alerting.changes import Changes
from backbeat.alerting.core import Core
from backbeat.alerting.counters import Counters
from backbeat.alerting.driver import Driver
from backbeat.alerting.history import Page, Search, search
from backbeat.alerting.journal import Journal
from backbeat.alerting.ledger import Ledger
from backbeat.alerting.metrics import AlertingCollector
from backbeat.alerting.outbox import Random
from backbeat.alerting.plan import Plan, plan
from backbeat.alerting.preview import Preview, preview
from backbeat.alerting.silencing import Silences
from backbeat.alerting.standing import Standing, standings
from backbeat.alerting.trail import step_event
from backbeat.alerting.trial import trial_message
from backbeat.alerting.unhurried import unhurried
from backbeat.alerting.views import AlertView, Filter, GroupView
from backbeat.config.alertmanager import AlertmanagerConfig, Route
from backbeat.model.alerts import Alert, Delivery, RuleStep
from backbeat.model.clock import Now
from backbeat.model.errors import BackbeatError
from backbeat.model.labels import Labels
from backbeat.state import State, store
from backbeat.state.records import (
    Acknowledgement,
    Event,
    EventKind,
    Message,
    MessageState,
    Silence,
    SilenceState,
)

NOBODY = AlertmanagerConfig(path="", text="", route=Route(receiver=""), receivers=())
"""For a Backbeat without alertmanager.yml: alerts are kept and shown, and nobody is told."""

_RECEIVED_AT_ONCE = 50
_EVENTS_KEPT_MS = 366 * 86_400_000


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
        self.events_kept_ms = events_kept_ms
        self._counters = Counters()
        self._journal = Journal(state, self._counters)
        ledger = Ledger(integrations(channels), external_url, random, self._counters)
        self._core = Core(config, Silences(), ledger, self._counters)
        self._wake = asyncio.Event()
        self._attempts = Attempts(self._core, self._journal, channels, self._counters, now, self._wake)
        self._driver = Driver(
            self._core, self._journal, self._attempts, now, self._wake, lambda: self.events_kept_ms
        )
        self.collector = AlertingCollector(self._core, self._counters, now)
        """for prometheus_client's registry"""

    # -- life -------------------------------------------------------------------------------------------

    async def start(self, *, drive: bool = True) -> None:
        """Go on where the last run ended. Without `drive`, nothing happens until `tick` is called."""
        now_ms = self._now()
        key = await self._state.run(lambda connection: store.signing_key(connection, "acknowledge"))
        self._core.ledger.ack_links = AckLinks(key, self._core.ledger.external_url)
        for silence in await self._state.run(store.load_silences):
            self._core.silences.keep(silence)
        self._core.ledger.remember(
            await self._state.run(store.load_log), await self._state.run(store.load_messages), now_ms
        )
        alerts = await self._state.run(store.load_alerts)
        acknowledged = await self._state.run(store.load_acknowledgements)
        changes = self._core.remember(alerts, acknowledged, now_ms)
        await self._journal.write(changes)
        if drive:
            self._driver.start()

    async def stop(self) -> None:
        """Stop within a few seconds. Attempts that do not end in time are made again after the next start."""
        self._attempts.begin_no_more()
        await self._driver.stop()
        await self._attempts.stop()
        await self._journal.catch_up()

    async def apply(
        self, config: AlertmanagerConfig, channels: Channels, external_url: str | None = None
    ) -> None:
        """Use a new configuration from now on; groups that it keeps go on undisturbed.

        external_url: where links of messages lead, where that changes as well
        """
        self._attempts.use(channels)
        if external_url is not None:
            self._core.ledger.use_external_url(external_url)
        changes = self._core.reload(config, integrations(channels), self._now())
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

    def notice(self, steps: Sequence[RuleStep]) -> None:
        """Take what rules decided into the trail; written by and by, since nobody is told of it."""
        self._journal.put(Changes(events=[step_event(step) for step in steps]))
        self._wake.set()

    # -- what is due ------------------------------------------------------------------------------------

    async def tick(self) -> int | None:
        """Do everything that is due now, and begin attempts. Returns when something is due next."""
        return await self._driver.tick()

    async def settled(self) -> None:
        """Wait until no attempt is under way."""
        await self._attempts.settled()

    # -- acknowledgements ---------------------------------------------------------------------------------

    async def acknowledge(
        self, fingerprints: Iterable[str], created_by: str, comment: str = ""
    ) -> list[Acknowledgement]:
        """Somebody looks after these alerts: what is all acknowledged is not repeated. Durable afterwards.

        Raises UnknownAlert where none of them fires, and WorldFailure where the state could not be written:
        it holds all the same, but would not survive a crash.
        """
        made, changes = self._core.acknowledge(fingerprints, created_by, comment, self._now())
        if not made:
            raise UnknownAlert("no alert that fires is meant; what has resolved needs no acknowledgement")
        await self._must_write(changes)
        return made

    async def take_back_acknowledgement(self, fingerprint: str, by: str) -> None:
        """Raises UnknownAlert where the alert is not acknowledged, and WorldFailure."""
        changes = self._core.take_back_acknowledgement(fingerprint, by, self._now())
        if not changes:
            raise UnknownAlert(f"the alert {fingerprint} is not acknowledged")
        await self._must_write(changes)

    def acknowledgements(self) -> list[Acknowledgement]:
        """Those that hold, the newest first."""
        found = self._core.acknowledgements.all()
        return sorted(found, key=lambda each: (-each.at_ms, each.fingerprint))

    def linked_group(self, token: str) -> GroupView | None:
        """The group of a signed link as it is now; None where nothing of it fires. Raises BadLink."""
        links = self._core.ledger.ack_links
        assert links is not None, "started"
        return views.group_of_digest(self._core, links.read(token, self._now()), self._now())

    async def _must_write(self, changes: Changes) -> None:
        failure = await self._journal.write(changes)
        if failure is not None:
            raise failure

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

    def firing(self) -> list[Alert]:
        """The alerts that fire now, whoever is told of them."""
        now_ms = self._now()
        return [entry.alert for entry in self._core.book if not entry.alert.resolved_at(now_ms)]

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

    def standings(self, fingerprint: str) -> tuple[Standing, ...]:
        """How an alert stands in each of its groups: who was told when, when it is repeated."""
        return standings(self._core, fingerprint, self._now())

    def plan(self) -> Plan:
        """The routing tree, receivers and how they fare, inhibition, time intervals: as of now."""
        return plan(self._core, self._now())

    async def try_receiver(self, receiver: str) -> dict[str, Delivery]:
        """Send a test message by each integration of a receiver. Raises UnknownReceiver."""
        message = trial_message(receiver, self._now(), self._core.ledger.external_url)
        return await self._attempts.try_receiver(message)

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


def _words(silence: Silence) -> str:
    matchers = ", ".join(str(matcher) for matcher in silence.matchers)
    return f"{matchers}; by {silence.created_by or 'unknown'}: {silence.comment}"
