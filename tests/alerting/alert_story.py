"""A stage for alerting stories: a clock in the hand, channels that remember, an hour in milliseconds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from backbeat.alerting import Alerting
from backbeat.config.alertmanager import AlertmanagerConfig, InhibitRule, Receiver, Route
from backbeat.model.alerts import Alert, Channel, Delivery, Notification
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.state import State, open_state

SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000
START = 1_760_000_000_000

DOWN = Delivery(False, retry=True, detail="connection refused")
REFUSED = Delivery(False, retry=False, detail="HTTP 400: no such channel")
UP = Delivery(True)


def equal(**labels: str) -> tuple[Matcher, ...]:
    return tuple(Matcher(name, MatchOp.EQUAL, value) for name, value in labels.items())


def config(
    route: Route, *, inhibit: Sequence[InhibitRule] = (), resolve_timeout_ms: int = 5 * MINUTE, intervals=()
) -> AlertmanagerConfig:
    names = dict.fromkeys(_receivers(route))
    return AlertmanagerConfig(
        path="alertmanager.yml",
        text="",
        route=route,
        receivers=tuple(Receiver(name) for name in names),
        resolve_timeout_ms=resolve_timeout_ms,
        inhibit_rules=tuple(inhibit),
        time_intervals=tuple(intervals),
    )


def _receivers(route: Route):
    yield route.receiver
    for child in route.routes:
        yield from _receivers(child)


class Inbox(Struct):
    """A channel that remembers what it took; `answer` says what becomes of attempts."""

    kind: str = "webhook"
    send_resolved: bool = True
    answer: Delivery = UP
    taken: list[Notification] = field(default_factory=list)
    tried: list[Notification] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, notification: Notification) -> Delivery:
        self.tried.append(notification)
        if self.answer.ok:
            self.taken.append(notification)
            self.news.set()
        return self.answer

    async def took(self, count: int) -> None:
        """Wait until so many have arrived."""
        while len(self.taken) < count:
            self.news.clear()
            await self.news.wait()

    @property
    def lines(self) -> list[str]:
        """What arrived, e.g. `60s firing A,B` with seconds since the start; resolved alerts have a dash."""
        found = []
        for each in self.taken:
            names = [a.name for a in each.firing] + ["-" + a.name for a in each.resolved]
            found.append(f"{(each.now_ms - START) // SECOND}s {each.status} {','.join(sorted(names))}")
        return found


class Story:
    """Alerting on a clock of its own. Alerts that `fire` are sent again each minute, as rules do."""

    def __init__(
        self, path: Path, settings: AlertmanagerConfig, channels: Mapping[str, Sequence[Channel]]
    ) -> None:
        self.path = path
        self.settings = settings
        self.channels = channels
        self.now_ms = START
        self.firing: dict[Labels, Alert] = {}
        self._sent_ms = START
        self.state: State
        self.alerting: Alerting

    async def __aenter__(self) -> Story:
        await self.begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    async def begin(self) -> None:
        self.state = open_state(self.path)
        self.alerting = Alerting(
            self.settings,
            self.channels,
            self.state,
            lambda: self.now_ms,
            "http://backbeat.example",
            random=lambda: 0.5,
        )
        await self.alerting.start(drive=False)

    async def end(self) -> None:
        await self.alerting.stop()
        await self.state.close()

    async def restart(self) -> None:
        await self.end()
        await self.begin()

    def alert(self, name: str, **labels: str) -> Alert:
        return Alert(
            Labels.of({"alertname": name, **labels}),
            Labels.of(summary=f"{name} is wrong"),
            starts_at_ms=self.now_ms,
            ends_at_ms=self.now_ms + 4 * MINUTE,
        )

    async def fire(self, *alerts: Alert) -> None:
        self.firing.update((alert.labels, alert) for alert in alerts)
        await self.alerting.receive(alerts)

    async def resolve(self, *alerts: Alert) -> None:
        for alert in alerts:
            self.firing.pop(alert.labels, None)
        await self.alerting.receive([replace(alert, ends_at_ms=self.now_ms) for alert in alerts])

    async def pass_time(self, ms: int) -> None:
        """Let the clock run, stopping wherever something is due."""
        end_ms = self.now_ms + ms
        while True:
            due_ms = await self.alerting.tick()
            await self.alerting.settled()
            again_ms = await self.alerting.tick()
            await self.alerting.settled()
            refresh_ms = self._sent_ms + MINUTE
            steps = [
                time for time in (due_ms, again_ms, refresh_ms) if time is not None and time > self.now_ms
            ]
            step_ms = min([*steps, end_ms])
            if self.now_ms >= end_ms:
                return
            self.now_ms = step_ms
            if self.now_ms >= refresh_ms:
                await self._refresh()

    async def _refresh(self) -> None:
        self._sent_ms = self.now_ms
        again = [replace(alert, ends_at_ms=self.now_ms + 4 * MINUTE) for alert in self.firing.values()]
        await self.alerting.receive(again)


TEAM = Route("team", group_by=("alertname",), group_wait_ms=30 * SECOND, group_interval_ms=5 * MINUTE)


def story(tmp_path: Path, route: Route = TEAM, *inboxes: Inbox, **settings) -> tuple[Story, Inbox]:
    inboxes = inboxes or (Inbox(),)
    return Story(tmp_path / "state.db", config(route, **settings), {route.receiver: inboxes}), inboxes[0]
