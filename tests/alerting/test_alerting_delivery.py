"""Stories of delivery: receivers that are down, hang, refuse, ask to wait or to remember."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alert_story import DOWN, HOUR, MINUTE, REFUSED, SECOND, TEAM, UP, Inbox, Story, config, story
from msgspec.structs import replace

from backbeat.model.alerts import Delivery, Notification
from backbeat.model.labels import Labels
from backbeat.state.records import EventKind


async def test_a_receiver_that_is_down_for_an_hour_gets_its_message_when_it_is_back(tmp_path: Path) -> None:
    stage, inbox = story(tmp_path)
    inbox.answer = DOWN
    async with stage:
        await stage.fire(stage.alert("Slow"))
        await stage.pass_time(HOUR)
        assert inbox.taken == []
        assert len(stage.alerting.messages()) == 1
        assert len({each.idempotency_key for each in inbox.tried}) == 1
        inbox.answer = UP
        await stage.pass_time(2 * MINUTE)
        assert [each.status for each in inbox.taken] == ["firing"]
        assert stage.alerting.messages() == []
        await stage.pass_time(HOUR)
        assert len(inbox.taken) == 1


@pytest.mark.parametrize("send_resolved", [True, False])
async def test_an_alert_that_came_and_went_while_the_receiver_was_down_is_told_as_resolved(
    tmp_path: Path, send_resolved: bool
) -> None:
    stage, inbox = story(tmp_path, TEAM, Inbox(send_resolved=send_resolved, answer=DOWN))
    async with stage:
        slow = stage.alert("Slow")
        await stage.fire(slow)
        await stage.pass_time(20 * MINUTE)
        await stage.resolve(slow)
        await stage.pass_time(20 * MINUTE)
        await stage.restart()
        await stage.pass_time(20 * MINUTE)
        inbox.answer = UP
        await stage.pass_time(10 * MINUTE)
        assert [line.split(" ", 1)[1] for line in inbox.lines] == ["resolved -Slow"]
        assert inbox.taken[0].reason == "resolved before it could be delivered"
        assert stage.alerting.alerts() == []
        assert stage.alerting.groups() == []


async def test_a_group_that_changed_while_its_receiver_was_down_is_told_as_it_is_by_then(
    tmp_path: Path,
) -> None:
    stage, inbox = story(tmp_path)
    async with stage:
        a, b = stage.alert("Slow", instance="a"), stage.alert("Slow", instance="b")
        await stage.fire(a)
        await stage.pass_time(MINUTE)
        inbox.answer = DOWN
        await stage.fire(b)
        await stage.pass_time(10 * MINUTE)
        await stage.resolve(a)
        await stage.pass_time(10 * MINUTE)
        inbox.answer = UP
        await stage.pass_time(2 * MINUTE)
        last = inbox.taken[-1]
        assert [alert.labels.get("instance") for alert in last.firing] == ["b"]
        assert [alert.labels.get("instance") for alert in last.resolved] == ["a"]


async def test_a_repeat_that_could_not_be_delivered_is_not_owed_once_resolved(tmp_path: Path) -> None:
    stage, inbox = story(tmp_path, replace(TEAM, repeat_interval_ms=HOUR), Inbox(send_resolved=False))
    async with stage:
        slow = stage.alert("Slow")
        await stage.fire(slow)
        await stage.pass_time(MINUTE)
        inbox.answer = DOWN
        await stage.pass_time(90 * MINUTE)
        await stage.resolve(slow)
        await stage.pass_time(10 * MINUTE)
        inbox.answer = UP
        await stage.pass_time(HOUR)
        assert len(inbox.taken) == 1
        assert stage.alerting.messages() == []


async def test_a_refused_message_is_a_visible_dead_letter_and_tried_with_the_next_flush(
    tmp_path: Path,
) -> None:
    stage, inbox = story(tmp_path)
    inbox.answer = REFUSED
    async with stage:
        slow = stage.alert("Slow")
        await stage.fire(slow)
        await stage.pass_time(4 * MINUTE)
        assert len(inbox.tried) == 1
        assert [dead.last_error for dead in stage.alerting.dead_letters()] == ["HTTP 400: no such channel"]
        await stage.restart()
        assert len(stage.alerting.dead_letters()) == 1
        inbox.answer = UP
        await stage.pass_time(5 * MINUTE)
        assert len(inbox.taken) == 1
        assert stage.alerting.dead_letters() == []
        kinds = [event.kind for event in await stage.alerting.history(fingerprint=slow.fingerprint)]
        assert EventKind.DEAD in kinds
        assert EventKind.DELIVERED in kinds


async def test_a_receiver_taken_out_of_the_configuration_leaves_a_dead_letter(tmp_path: Path) -> None:
    stage, inbox = story(tmp_path)
    inbox.answer = DOWN
    async with stage:
        await stage.fire(stage.alert("Slow"))
        await stage.pass_time(MINUTE)
        await stage.alerting.apply(config(replace(TEAM, receiver="other")), {"other": [Inbox()]})
        assert [dead.last_error for dead in stage.alerting.dead_letters()] == [
            "its receiver is no longer in the configuration"
        ]


async def test_retry_after_is_honoured(tmp_path: Path) -> None:
    stage, inbox = story(tmp_path)
    inbox.answer = Delivery(False, retry=True, retry_after_ms=10 * MINUTE, detail="HTTP 429")
    async with stage:
        await stage.fire(stage.alert("Slow"))
        await stage.pass_time(10 * MINUTE)
        assert len(inbox.tried) == 1
        await stage.pass_time(MINUTE)
        assert len(inbox.tried) == 2


async def test_what_a_receiver_asks_to_remember_is_known_until_its_group_is_over(tmp_path: Path) -> None:
    stage, inbox = story(tmp_path)
    place = Labels.of(ts="1.5", channel="C1")
    inbox.answer = Delivery(True, remember=place)
    async with stage:
        slow = stage.alert("Slow")
        await stage.fire(slow)
        await stage.pass_time(MINUTE)
        await stage.restart()
        await stage.resolve(slow)
        await stage.pass_time(6 * MINUTE)
        await stage.fire(stage.alert("Slow"))
        await stage.pass_time(MINUTE)
        assert [each.status for each in inbox.taken] == ["firing", "resolved", "firing"]
        assert [each.remembered for each in inbox.taken] == [Labels(), place, Labels()]


async def test_one_receiver_that_hangs_does_not_hold_up_another(tmp_path: Path) -> None:
    release = asyncio.Event()

    class Hanging(Inbox):
        async def send(self, notification: Notification) -> Delivery:
            await release.wait()
            return await Inbox.send(self, notification)

    hanging, quick = Hanging(kind="slack"), Inbox()
    stage = Story(tmp_path / "state.db", config(TEAM), {"team": [hanging, quick]})
    async with stage:
        for index in range(20):
            await stage.fire(stage.alert(f"Slow{index}"))
        stage.now_ms += 31 * SECOND
        await stage.alerting.tick()
        async with asyncio.timeout(10):
            await quick.took(20)
        assert hanging.taken == []
        release.set()
        await stage.alerting.settled()
        assert len(hanging.taken) == 20


async def test_a_group_that_changed_during_an_attempt_is_looked_at_again_right_after(tmp_path: Path) -> None:
    release = asyncio.Event()

    class Slow(Inbox):
        async def send(self, notification: Notification) -> Delivery:
            await release.wait()
            return await Inbox.send(self, notification)

    inbox = Slow()
    stage = Story(tmp_path / "state.db", config(TEAM), {"team": [inbox]})
    async with stage:
        alert = stage.alert("Slow")
        await stage.fire(alert)
        stage.now_ms += 31 * SECOND
        await stage.alerting.tick()
        await stage.resolve(alert)
        stage.now_ms += 5 * MINUTE
        await stage.alerting.tick()
        release.set()
        await stage.alerting.settled()
        await stage.pass_time(SECOND)
        assert [each.status for each in inbox.taken] == ["firing", "resolved"]
