"""The routing tree and the receivers, as the pages show them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from alert_story import DOWN, MINUTE, REFUSED, UP, Inbox, Story, config, equal

from backbeat.config.alertmanager import InhibitRule, Route, TimeInterval
from backbeat.web.dispatch import Dispatcher
from backbeat.web.responses import on_error
from backbeat.web.routing_api import RoutingAPI

PAGER = Route("pager", equal(severity="critical"), group_by=("alertname",), group_wait_ms=1000)
NIGHT = Route("team", equal(severity="info"), mute_time_intervals=("always",))
ROOT = Route("team", group_wait_ms=1000, routes=(PAGER, NIGHT))
INHIBIT = InhibitRule(equal(alertname="Down"), equal(severity="info"), ("job",), name="host down")


@pytest.fixture
async def pager() -> Inbox:
    return Inbox()


@pytest.fixture
async def story(tmp_path: Path, pager: Inbox) -> AsyncIterator[Story]:
    settings = config(ROOT, inhibit=(INHIBIT,), intervals=(("always", (TimeInterval(),)),))
    async with Story(tmp_path / "state.db", settings, {"pager": [pager], "team": [Inbox()]}) as story:
        yield story


async def asked(story: Story, what: str) -> object:
    served = Dispatcher(RoutingAPI(story.alerting).routes(), on_error)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://x") as client:
        return (await client.get(f"/api/backbeat/v1/{what}")).json()["data"]


async def test_the_tree_has_its_times_its_groups_and_what_mutes_it_now(story: Story) -> None:
    await story.fire(story.alert("Slow", severity="critical"))
    routing = await asked(story, "routing")
    assert isinstance(routing, dict)
    root = routing["route"]
    assert (root["receiver"], root["matchers"], root["groups"]) == ("team", "{}", 0)
    first, second = root["routes"]
    assert (first["matchers"], first["groups"], first["groupBy"]) == (
        '{severity="critical"}',
        1,
        ["alertname"],
    )
    assert second["muted"] == "inside the mute time interval always"
    assert routing["timeIntervals"] == [{"name": "always", "holdsNow": True}]
    assert routing["inhibitRules"][0]["name"] == "host down"


async def test_a_receiver_says_when_it_took_a_message_and_why_it_did_not(story: Story, pager: Inbox) -> None:
    pager.answer = DOWN
    await story.fire(story.alert("Slow", severity="critical"))
    await story.pass_time(2 * MINUTE)
    failing = await integration(story)
    assert (failing["lastSuccess"], failing["lastError"], failing["waiting"]) == (None, DOWN.detail, 1)
    assert failing["lastFailure"]
    assert failing["failures"] > 1
    pager.answer = UP
    await story.pass_time(2 * MINUTE)
    well = await integration(story)
    assert (well["failures"], well["waiting"]) == (0, 0)
    assert well["lastSuccess"] > well["lastFailure"]


async def test_a_message_refused_for_good_is_counted(story: Story, pager: Inbox) -> None:
    pager.answer = REFUSED
    await story.fire(story.alert("Slow", severity="critical"))
    await story.pass_time(2 * MINUTE)
    assert (await integration(story))["dead"] == 1


async def test_the_last_success_is_known_after_a_restart(story: Story) -> None:
    await story.fire(story.alert("Slow", severity="critical"))
    await story.pass_time(MINUTE)
    before = (await integration(story))["lastSuccess"]
    assert before
    await story.restart()
    assert (await integration(story))["lastSuccess"] == before


async def integration(story: Story) -> dict[str, object]:
    receivers = await asked(story, "receivers")
    assert isinstance(receivers, list)
    return next(each for each in receivers if each["name"] == "pager")["integrations"][0]
