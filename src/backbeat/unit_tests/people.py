"""The alerting of a server on the clock of a test: everything is decided and worded, and nothing is sent.

In:  alerts of the rules, and time that passes.
Out: what each receiver would have been sent and when, and which alerts are kept quiet by what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack

from msgspec import Struct
from msgspec.structs import replace

from backbeat.alerting import Alerting, InvalidSilence
from backbeat.config.alertmanager import AlertmanagerConfig
from backbeat.config.notification_tests import TestSilence
from backbeat.httpclient import Session
from backbeat.model.alerts import Alert, Delivery, Notification
from backbeat.model.labels import Labels
from backbeat.notify.rehearsal import Rehearsed, Words, rehearsed
from backbeat.state import open_state
from backbeat.state.records import Silence
from backbeat.unit_tests.failures import Failure

_FOR_EVER_MS = 253_402_300_799_999
_IN_MEMORY = "sqlite://"
_NOBODYS_URL = "http://localhost:9900"


class Sent(Struct, frozen=True):
    """after_ms: since the beginning of the test; integration: kind and index, e.g. `email[0]`."""

    after_ms: int
    receiver: str
    integration: str
    message: Notification
    words: Words


class KeptQuiet(Struct, frozen=True):
    """An alert that fires, and one thing that keeps it quiet: silence, inhibition or time_interval.

    source: the silence's comment, the name of the alert that inhibits, or the interval's name
    """

    labels: Labels
    by: str
    source: str


class _Channel(Struct):
    """Notes what it is given."""

    kind: str
    send_resolved: bool
    own: Rehearsed
    receiver: str
    integration: str
    start_ms: int
    sent: list[Sent]

    async def send(self, notification: Notification) -> Delivery:
        after_ms = notification.now_ms - self.start_ms
        words = await self.own.words(notification)
        self.sent.append(Sent(after_ms, self.receiver, self.integration, notification, words))
        return Delivery(True)


class People:
    """Whom the alerts of a test would reach. It is an `AlertSink`; use it as an asynchronous context."""

    def __init__(
        self, config: AlertmanagerConfig, silences: Sequence[TestSilence], external_url: str, start_ms: int
    ) -> None:
        self.sent: list[Sent] = []
        self.received: set[Labels] = set()
        """labels of every alert that fired"""
        self.mistakes: list[Failure] = []
        self._config = config
        self._external_url = external_url or _NOBODYS_URL
        self._silences = silences
        self._comments: dict[str, str] = {}
        self._start_ms = self._now_ms = start_ms
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> People:
        session = await self._stack.enter_async_context(Session())
        state = open_state(_IN_MEMORY)
        self._stack.push_async_callback(state.close)
        channels = {
            receiver: _channels(receiver, own, self._start_ms, self.sent)
            for receiver, own in rehearsed(self._config, session).items()
        }
        self._alerting = Alerting(self._config, channels, state, lambda: self._now_ms, self._external_url)
        await self._alerting.start(drive=False)
        self._stack.push_async_callback(self._alerting.stop)
        for each in self._silences:
            await self._silence(each)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _silence(self, wanted: TestSilence) -> None:
        silence = Silence(
            "",
            wanted.matchers,
            self._start_ms + wanted.from_ms,
            self._start_ms + wanted.until_ms if wanted.until_ms else _FOR_EVER_MS,
            created_by="test",
            comment=wanted.comment,
        )
        try:
            made = await self._alerting.set_silence(silence, confirmed=True)
        except InvalidSilence as error:
            self.mistakes.append(Failure(wanted.at, f"silence: {error}"))
        else:
            self._comments[made.id] = wanted.comment

    async def receive(self, alerts: Sequence[Alert]) -> None:
        """Take in alerts; a start at the very beginning of 1970 would count as none."""
        self.received.update(alert.labels for alert in alerts if not alert.resolved_at(self._now_ms))
        await self._alerting.receive(
            [replace(alert, starts_at_ms=alert.starts_at_ms or 1) for alert in alerts]
        )

    async def pass_time(self, until_ms: int, *, with_end: bool = True) -> None:
        """Do everything that is due up to a moment, each at its time; what is due at the moment itself too,
        unless somebody has a word to say then (`with_end`)."""
        last_ms = until_ms if with_end else until_ms - 1
        while True:
            await self._alerting.tick()
            await self._alerting.settled()
            due_ms = await self._alerting.tick()
            await self._alerting.settled()
            if due_ms is None or due_ms > last_ms:
                self._now_ms = max(self._now_ms, until_ms)
                return
            self._now_ms = max(self._now_ms, due_ms)

    def kept_quiet(self) -> list[KeptQuiet]:
        """What is kept quiet now; an alert is there once for each thing that does so."""
        found: list[KeptQuiet] = []
        for view in self._alerting.alerts():
            labels, status = view.alert.labels, view.status
            comments = (self._comments.get(each, each) for each in status.silenced_by)
            found += (KeptQuiet(labels, "silence", comment) for comment in comments)
            found += (KeptQuiet(labels, "time_interval", name) for name in status.muted_by)
        for target, source in self.inhibitions():
            found.append(KeptQuiet(target, "inhibition", source.get("alertname")))
        return found

    def inhibitions(self) -> list[tuple[Labels, Labels]]:
        """Which alerts are inhibited now, each with the one that does so."""
        views = self._alerting.alerts()
        firing = {view.fingerprint: view.alert.labels for view in views}
        return [
            (view.alert.labels, firing[source])
            for view in views
            for source in view.status.inhibited_by
            if source in firing
        ]


def _channels(receiver: str, own: Sequence[Rehearsed], start_ms: int, sent: list[Sent]) -> list[_Channel]:
    seen: Counter[str] = Counter()
    found = []
    for each in own:
        name = f"{each.kind}[{seen[each.kind]}]"
        seen[each.kind] += 1
        found.append(_Channel(each.kind, each.send_resolved, each, receiver, name, start_ms, sent))
    return found
