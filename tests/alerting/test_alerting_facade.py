"""The facade: questions about alerts, metrics, bad input, a state that fails, stopping in time."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from alert_story import HOUR, MINUTE, SECOND, START, Inbox, Story, config, equal
from prometheus_client import CollectorRegistry, generate_latest

from backbeat.alerting import Filter, InvalidAlerts, TooManyAlerts, UnknownSilence, book, core
from backbeat.alerting.outbox import LANE_CONCURRENCY
from backbeat.config.alertmanager import InhibitRule, Route
from backbeat.model.alerts import Alert, Delivery, Notification
from backbeat.model.errors import RegexError, WorldFailure
from backbeat.model.labels import Labels
from backbeat.state import store
from backbeat.state.records import Silence

ROUTE = Route(
    "team",
    group_by=("alertname",),
    routes=(Route("on-call", equal(severity="critical"), group_by=("alertname",)),),
)
INHIBIT = InhibitRule(equal(severity="critical"), equal(severity="warning"), ("job",))


def stage(tmp_path: Path, **channels: list[Inbox]) -> Story:
    return Story(tmp_path / "state.db", config(ROUTE, inhibit=[INHIBIT]), channels)


async def test_alerts_are_filtered_by_state_matchers_and_receiver(tmp_path: Path) -> None:
    async with stage(tmp_path, team=[Inbox()]) as story:
        await story.fire(
            story.alert("Down", severity="critical", job="api"),
            story.alert("Slow", severity="warning", job="api"),
            story.alert("Full", job="db"),
            story.alert("Quiet", job="db"),
        )
        await story.alerting.set_silence(Silence("", equal(alertname="Quiet"), START, START + HOUR))

        def names(**wanted: object) -> list[str]:
            return sorted(view.alert.name for view in story.alerting.alerts(Filter(**wanted)))

        assert names() == ["Down", "Full", "Quiet", "Slow"]
        assert {view.alert.name: view.status.state.value for view in story.alerting.alerts()} == {
            "Down": "active",
            "Full": "active",
            "Quiet": "suppressed",
            "Slow": "suppressed",
        }
        await story.pass_time(MINUTE)
        assert names(active=False) == ["Quiet", "Slow"]
        assert names(silenced=False) == ["Down", "Full", "Slow"]
        assert names(inhibited=False) == ["Down", "Full", "Quiet"]
        assert names(matchers=equal(job="db")) == ["Full", "Quiet"]
        assert names(receiver="on-.*") == ["Down"]
        assert names(receiver="on-") == []
        with pytest.raises(RegexError):
            Filter(receiver="(")
        groups = story.alerting.groups(Filter(receiver="team"))
        assert [(group.labels.get("alertname"), len(group.alerts)) for group in groups] == [
            ("Full", 1),
            ("Quiet", 1),
            ("Slow", 1),
        ]
        assert story.alerting.receivers() == ["team", "on-call"]


async def test_metrics_have_the_names_that_alertmanagers_users_know(tmp_path: Path) -> None:
    failing = Inbox("slack", answer=Delivery(False, retry=True, detail="no"))
    async with stage(tmp_path, team=[Inbox(), failing]) as story:
        await story.fire(story.alert("Full"))
        await story.pass_time(31 * SECOND)
        registry = CollectorRegistry()
        registry.register(story.alerting.collector)
        text = generate_latest(registry).decode()
        for line in (
            'alertmanager_alerts{state="active"} 1.0',
            'alertmanager_alerts_received_total{status="firing"} 1.0',
            'alertmanager_notifications_total{integration="webhook"} 1.0',
            'alertmanager_notifications_failed_total{integration="slack",reason="other"} 1.0',
            'alertmanager_notifications_failed_total{integration="webhook",reason="other"} 0.0',
            "alertmanager_dispatcher_aggregation_groups 1.0",
            'backbeat_outbox_messages{state="waiting"} 1.0',
        ):
            assert line in text


async def test_good_alerts_are_taken_in_though_others_are_bad(tmp_path: Path) -> None:
    async with stage(tmp_path) as story:
        with pytest.raises(InvalidAlerts, match="at least one label pair required"):
            await story.alerting.receive([Alert(Labels()), story.alert("Full")])
        assert [view.alert.name for view in story.alerting.alerts()] == ["Full"]


async def test_a_full_book_turns_new_alerts_away_and_keeps_the_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core, "MAX_ALERTS", 2)
    assert book.MAX_ALERTS == 100_000
    async with stage(tmp_path) as story:
        first = story.alert("A")
        with pytest.raises(TooManyAlerts, match="2 alerts found no room"):
            await story.alerting.receive([first, *(story.alert(name) for name in "BCD")])
        await story.alerting.receive([first])
        assert len(story.alerting.alerts()) == 2


async def test_people_are_told_though_the_state_cannot_be_written_and_it_catches_up(tmp_path: Path) -> None:
    inbox = Inbox()
    async with stage(tmp_path, team=[inbox]) as story:
        _forbid_writes(story, True)
        with pytest.raises(WorldFailure):
            await story.alerting.receive([story.alert("Full")])
        with pytest.raises(WorldFailure):
            await story.alerting.set_silence(Silence("", equal(alertname="Full"), START, START + HOUR))
        assert story.alerting.silences() == []
        story.now_ms += MINUTE
        await story.alerting.tick()
        await story.alerting.settled()
        assert len(inbox.taken) == 1
        _forbid_writes(story, False)
        await story.fire(story.alert("Other"))
        assert len(await story.state.run(store.load_alerts)) == 2
        assert len(await story.state.run(store.load_log)) == 1
        assert await story.state.run(store.load_messages) == []


def _forbid_writes(story: Story, forbidden: bool) -> None:
    raw = story.state._engine.raw_connection()
    raw.driver_connection.execute(f"PRAGMA query_only={int(forbidden)}")
    raw.close()


async def test_a_silence_that_is_unknown_is_said_to_be(tmp_path: Path) -> None:
    async with stage(tmp_path) as story:
        with pytest.raises(UnknownSilence, match="silence nobody not found"):
            story.alerting.silence("nobody")


async def test_a_channel_that_raises_costs_no_message(tmp_path: Path) -> None:
    class Buggy(Inbox):
        async def send(self, notification: Notification) -> Delivery:
            if not self.tried:
                self.tried.append(notification)
                raise KeyError("a bug")
            return await super().send(notification)

    inbox = Buggy()
    async with stage(tmp_path, team=[inbox]) as story:
        await story.fire(story.alert("Full"))
        await story.pass_time(2 * MINUTE)
        assert len(inbox.taken) == 1


async def test_stopping_amid_an_attempt_that_hangs_is_quick_and_loses_nothing(tmp_path: Path) -> None:
    began = asyncio.Event()

    class Hanging(Inbox):
        async def send(self, notification: Notification) -> Delivery:
            began.set()
            await asyncio.Event().wait()
            raise AssertionError

    story = stage(tmp_path, team=[Hanging()])
    await story.begin()
    await story.fire(story.alert("Full"))
    story.now_ms += MINUTE
    await story.alerting.tick()
    await asyncio.wait_for(began.wait(), 5)
    before = time.monotonic()
    await story.end()
    assert time.monotonic() - before < 5
    inbox = Inbox()
    story.channels = {"team": [inbox]}
    async with story:
        await story.pass_time(SECOND)
        assert len(inbox.taken) == 1


async def test_attempts_at_one_receiver_are_bounded(tmp_path: Path) -> None:
    under_way = most = 0

    class Counting(Inbox):
        async def send(self, notification: Notification) -> Delivery:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1
            return await super().send(notification)

    inbox = Counting()
    async with stage(tmp_path, team=[inbox]) as story:
        await story.fire(*(story.alert(f"A{number}") for number in range(50)))
        await story.pass_time(MINUTE)
        assert len(inbox.taken) == 50
        assert most == LANE_CONCURRENCY


async def test_on_the_real_clock_a_message_arrives_without_anybody_ticking(tmp_path: Path) -> None:
    from backbeat.alerting import Alerting
    from backbeat.model.clock import now_ms
    from backbeat.state import open_state

    inbox = Inbox()
    state = open_state(tmp_path / "state.db")
    alerting = Alerting(
        config(Route("team", group_wait_ms=20)), {"team": [inbox]}, state, now_ms, "http://backbeat.example"
    )
    await alerting.start()
    moment = now_ms()
    await alerting.receive(
        [Alert(Labels.of(alertname="Now"), starts_at_ms=moment, ends_at_ms=moment + MINUTE)]
    )
    async with asyncio.timeout(10):
        await inbox.took(1)
    await alerting.stop()
    await state.close()
