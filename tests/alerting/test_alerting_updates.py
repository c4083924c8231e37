"""A receiver that changes its message: an update that comes up while the first is under way waits for it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alert_story import SECOND, Inbox, Story, config
from msgspec import field

from backbeat.config.alertmanager import Route
from backbeat.model.alerts import Delivery, Notification
from backbeat.model.labels import Labels


class Slow(Inbox):
    """Takes nothing until the gate is open; then says where the message stands, as Slack does."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, notification: Notification) -> Delivery:
        self.answer = Delivery(True, remember=notification.remembered or Labels.of(ts=str(len(self.tried))))
        answer = self.answer
        self.tried.append(notification)
        self.news.set()
        await self.gate.wait()
        self.taken.append(notification)
        return answer


@pytest.mark.parametrize("is_reloaded", [False, True])
async def test_an_update_of_a_message_under_way_changes_that_message(
    tmp_path: Path, is_reloaded: bool
) -> None:
    slow = Slow()
    route = Route("hook", group_by=("alertname",), group_wait_ms=SECOND, group_interval_ms=5 * SECOND)
    async with Story(tmp_path / "state.db", config(route), {"hook": [slow]}) as story:
        await story.fire(story.alert("Slow", i="1"))
        story.now_ms += 2 * SECOND
        await story.alerting.tick()
        await slow.news.wait()
        await story.fire(story.alert("Slow", i="2"))
        story.now_ms += 6 * SECOND
        await story.alerting.tick()
        if is_reloaded:
            await story.alerting.apply(story.settings, story.channels)
            story.now_ms += 6 * SECOND
            await story.alerting.tick()
        assert len(slow.tried) == 1
        slow.gate.set()
        await story.pass_time(10 * SECOND)
        assert [(len(each.alerts), each.remembered) for each in slow.taken] == [
            (1, Labels()),
            (2, Labels.of(ts="0")),
        ]
