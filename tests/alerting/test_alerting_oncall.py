"""Those on call ask: what happened, which way would it go, and why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from alert_story import HOUR, MINUTE, REFUSED, START, Inbox, Story, config, equal

from backbeat.alerting import Search
from backbeat.alerting.trail import words
from backbeat.config.alertmanager import InhibitRule, Route
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.state.records import EventKind, Silence
from backbeat.web.dispatch import Dispatcher
from backbeat.web.oncall_api import OnCallAPI
from backbeat.web.responses import on_error
from backbeat.web.silences_api import SilencesAPI

CRITICAL = Route("pager", equal(severity="critical"), group_by=("alertname",), group_wait_ms=1000)
ROOT = Route("team", group_by_all=True, routes=(CRITICAL,))
INHIBIT = InhibitRule(equal(alertname="Down"), equal(severity="critical"), name="host down")


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Story]:
    settings = config(ROOT, inhibit=(INHIBIT,))
    async with Story(tmp_path / "state.db", settings, {"pager": [Inbox()], "team": [Inbox()]}) as story:
        yield story


async def test_an_alerts_life_is_found_by_labels_text_and_time(story: Story) -> None:
    slow, late = story.alert("Slow", severity="critical"), story.alert("Late", severity="warning")
    await story.fire(slow, late)
    await story.pass_time(5 * MINUTE)
    await story.resolve(slow)
    await story.pass_time(10 * MINUTE)
    page = await story.alerting.search(Search(matchers=equal(alertname="Slow")))
    kinds = [event.kind for event in reversed(page.events)]
    assert kinds[:5] == ["firing", "grouped", "decided", "queued", "delivered"]
    assert kinds[5] == EventKind.RESOLVED
    assert page.next_before == 0
    regex = (Matcher("alertname", MatchOp.REGEX, "La.*"),)
    assert {event.labels.get("alertname") for event in (await _events(story, matchers=regex))} == {"Late"}
    assert {event.receiver for event in await _events(story, text="PAGER")} == {"pager"}
    assert await _events(story, text="100%_sure") == []
    assert [e.kind for e in await _events(story, since_ms=START, until_ms=START + 1)] == [
        "grouped", "firing", "grouped", "firing",
    ]  # fmt: skip


async def test_the_history_is_kept_for_a_year_and_no_longer(story: Story) -> None:
    assert story.alerting.events_kept_ms >= 365 * 24 * HOUR
    await story.fire(story.alert("Old"))
    await story.pass_time(MINUTE)
    story.now_ms += 364 * 24 * HOUR
    await story.fire(story.alert("New"))
    await story.alerting.tick()
    assert {event.labels.get("alertname") for event in await _events(story)} >= {"Old", "New"}
    story.now_ms += 3 * 24 * HOUR
    await story.alerting.tick()
    await story.alerting.settled()
    assert {event.labels.get("alertname") for event in await _events(story, text="new")} == {"New"}
    assert await _events(story, text="old", until_ms=START + HOUR) == []


async def test_pages_together_hold_every_event_once(story: Story) -> None:
    await story.fire(*(story.alert("A", number=str(number)) for number in range(20)))
    every, before = [], 0
    while True:
        page = await story.alerting.search(Search(before=before, limit=7))
        every += page.events
        before = page.next_before
        if not before:
            break
    assert every == (await story.alerting.search(Search(limit=1000))).events


async def test_the_way_of_an_alert_and_what_keeps_it_quiet_now(story: Story) -> None:
    labels = Labels.of(alertname="Slow", severity="critical", job="web")
    found = story.alerting.preview(labels)
    (way,) = found.ways
    assert (way.path, way.receiver) == (("{}", '{severity="critical"}'), "pager")
    assert way.group_key == '{}/{severity="critical"}:{alertname="Slow"}'
    assert (way.group_wait_ms, way.integrations) == (1000, ("webhook[0]",))
    assert found.reaches_somebody
    await story.fire(story.alert("Down"))
    assert story.alerting.preview(labels).inhibited == "host down: Down fires"
    assert not story.alerting.preview(labels).reaches_somebody
    other = Labels.of(alertname="Slow")
    kept = await story.alerting.set_silence(Silence("", equal(alertname="Slow"), 0, START + MINUTE))
    assert story.alerting.preview(other).silenced_by == (kept.id,)
    assert story.alerting.preview(other).ways[0].group_by == ("...",)


async def test_a_way_names_the_routes_it_takes_where_siblings_are_the_same(tmp_path: Path) -> None:
    first = Route("pager", equal(job="web"), continue_=True)
    again = Route("pager", equal(job="web"), routes=(CRITICAL,))
    settings = config(Route("team", routes=(first, again)))
    async with Story(tmp_path / "state.db", settings, {"pager": [Inbox()], "team": [Inbox()]}) as story:

        def places(**labels: str) -> list[tuple[int, ...] | None]:
            return [way.places for way in story.alerting.preview(Labels.of(labels)).ways]

        assert places(job="web", severity="critical") == [(0,), (1, 0)]
        assert places(job="web") == [(0,), (1,)]
        assert places(job="db") == [()]


async def test_every_decision_has_its_words(story: Story) -> None:
    await story.fire(story.alert("Down"), story.alert("Slow", severity="critical"))
    await story.pass_time(2 * MINUTE)
    said = [words(event) for event in await _events(story, matchers=equal(alertname="Slow"))]
    assert "firing" in said
    assert any(line.startswith("not told to pager, inhibited: host down: ") for line in said)
    told = [words(event) for event in await _events(story, matchers=equal(alertname="Down"))]
    assert "sent to team by webhook: first notification (1 firing, 0 resolved)" in told


async def test_the_api_answers_what_was_asked(story: Story) -> None:
    alert = story.alert("Slow", severity="critical")
    await story.fire(alert)
    await story.pass_time(MINUTE)
    async with _client(story) as client:
        data = (
            await client.get("/alerts/history", params={"match": 'alertname="Slow"', "since": "1h"})
        ).json()
        assert data["data"]["events"][-1]["kind"] == "firing"
        (trail,) = (await client.get("/alerts/Slow/trail")).json()["data"]
        assert trail["fingerprint"] == alert.fingerprint
        assert [line["kind"] for line in trail["trail"]][:2] == ["firing", "grouped"]
        route = (await client.get("/route", params={"label": ["severity=critical", "a=b=c"]})).json()["data"]
        assert (route["routes"][0]["receiver"], route["labels"]["a"]) == ("pager", "b=c")
        answer = await client.post("/silences/preview", json={"matchers": ['severity="critical"']})
        assert [each["fingerprint"] for each in answer.json()["data"]["wouldMute"]] == [alert.fingerprint]


async def test_a_receiver_is_tried_with_a_marked_message_and_its_answer_is_shown(story: Story) -> None:
    inbox = story.channels["pager"][0]
    assert isinstance(inbox, Inbox)
    async with _client(story) as client:
        good = (await client.post("/receivers/pager/test")).json()["data"]
        inbox.answer = REFUSED
        bad = (await client.post("/receivers/pager/test")).json()["data"]
        nobody = await client.post("/receivers/none/test")
    assert good == [{"integration": "webhook[0]", "ok": True, "answer": ""}]
    assert bad == [{"integration": "webhook[0]", "ok": False, "answer": "HTTP 400: no such channel"}]
    assert "there is none with an integration" in nobody.json()["error"]
    (alert,) = inbox.taken[0].alerts
    assert alert.annotations.get("summary").startswith("TEST: ")
    assert story.alerting.alerts() == []


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("GET", "/alerts/history?match=%3D%3D", "match: "),
        ("GET", "/alerts/history?since=soon", 'invalid parameter "since"'),
        ("GET", "/route?label=x", "severity=critical"),
        ("POST", "/silences/preview", "the body is not JSON"),
    ],
)
async def test_the_api_refuses_with_a_word(story: Story, method: str, path: str, said: str) -> None:
    async with _client(story) as client:
        answer = await client.request(method, path)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def _client(story: Story) -> httpx.AsyncClient:
    routes = [
        *OnCallAPI(story.alerting, lambda: story.now_ms).routes(),
        *SilencesAPI(story.alerting, lambda: story.now_ms).routes(),
    ]
    app = Dispatcher(routes, on_error)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://b/api/backbeat/v1")


async def _events(story: Story, **wanted):
    return (await story.alerting.search(Search(**wanted))).events
