"""Random stories: whatever fires, reloads, restarts or goes down, people know in the end what is true."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
from alert_story import DOWN, HOUR, MINUTE, SECOND, UP, Inbox, Story, config, equal
from msgspec.structs import replace

from backbeat.config.alertmanager import Route
from backbeat.model.alerts import Notification
from backbeat.model.labels import Labels

WAIT = {"group_by": ("alertname",), "group_interval_ms": 5 * MINUTE, "repeat_interval_ms": 100 * HOUR}
ROUTE = Route("team", **WAIT, routes=(Route("ops", equal(job="db"), continue_=True, **WAIT),))
# Routes to the same receivers in the same way; only what it does not use differs.
SAME_ROUTE = replace(ROUTE, routes=(*ROUTE.routes, Route("team", equal(job="nowhere"), **WAIT)))
SEEDS = range(int(os.environ.get("BACKBEAT_STORIES", "6")))


@pytest.mark.parametrize("seed", SEEDS)
async def test_in_the_end_everybody_knows_what_is_true_and_nobody_heard_it_twice(
    tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    inboxes = {"team": Inbox(), "ops": Inbox("email", send_resolved=dice.random() < 0.5)}
    channels = {name: [inbox] for name, inbox in inboxes.items()}
    async with Story(tmp_path / "state.db", config(ROUTE), channels) as story:
        for _ in range(40):
            await _something_happens(story, inboxes, dice)
            await story.pass_time(dice.randrange(1, 400) * SECOND)
        for inbox in inboxes.values():
            inbox.answer = UP
        await story.pass_time(HOUR)
        for name, inbox in inboxes.items():
            _check(inbox, {alert.labels for alert in story.firing.values() if _goes_to(name, alert.labels)})
        assert story.alerting.messages() == []
        assert {view.alert.labels for view in story.alerting.alerts()} == set(story.firing)


async def _something_happens(story: Story, inboxes: dict[str, Inbox], dice: random.Random) -> None:
    match dice.randrange(8):
        case 0 | 1 | 2:
            alert = story.alert(
                dice.choice("ABC"), job=dice.choice(["db", "api"]), instance=dice.choice("12")
            )
            if alert.labels not in story.firing:
                await story.fire(alert)
        case 3 | 4 if story.firing:
            await story.resolve(story.firing[dice.choice(sorted(story.firing))])
        case 5:
            story.settings = config(dice.choice([ROUTE, SAME_ROUTE]))
            await story.alerting.apply(story.settings, story.channels)
        case 6:
            await story.restart()
        case _:
            dice.choice(list(inboxes.values())).answer = dice.choice([UP, DOWN, DOWN])


def _goes_to(receiver: str, labels: Labels) -> bool:
    return (receiver == "ops") == (labels.get("job") == "db")


def _check(inbox: Inbox, firing: set[Labels]) -> None:
    by_group: dict[str, list[Notification]] = defaultdict(list)
    for each in inbox.taken:
        by_group[each.group_key].append(each)
    last = [messages[-1] for messages in by_group.values()]
    known = {alert.labels for message in last for alert in message.firing}
    assert firing <= known
    if inbox.send_resolved:
        assert known == firing
    for messages in by_group.values():
        for earlier, later in pairwise(messages):
            assert _told(earlier) != _told(later)


def _told(message: Notification) -> tuple[set[tuple[Labels, int]], set[tuple[Labels, int]]]:
    return (
        {(alert.labels, alert.starts_at_ms) for alert in message.firing},
        {(alert.labels, alert.starts_at_ms) for alert in message.resolved},
    )
