"""Backbeat's own API of acknowledgements and silences, as programs and pages call it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from alert_story import HOUR, MINUTE, START, Inbox, Story, config

from backbeat.config.alertmanager import Route
from backbeat.model.alerts import RuleStep
from backbeat.web.acknowledge_api import AcknowledgeAPI
from backbeat.web.alertmanager_api import AlertmanagerAPI, on_alerting_error
from backbeat.web.dispatch import Dispatcher
from backbeat.web.moments import rfc3339
from backbeat.web.oncall_api import OnCallAPI
from backbeat.web.responses import on_error
from backbeat.web.silences_api import SilencesAPI

SATURDAY_NIGHT = {
    "weekdays": ["saturday"],
    "times": [{"start_time": "22:00", "end_time": "24:00"}],
    "location": "Europe/Berlin",
}
REASON = {"createdBy": "ann", "comment": "new disks"}
SLOW = ['alertname="Slow"']
AN_HOUR: dict[str, Any] = {"matchers": SLOW, "duration": "1h"}


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Story]:
    settings = config(Route("team", group_by=("alertname",), repeat_interval_ms=HOUR))
    async with Story(tmp_path / "state.db", settings, {"team": [Inbox()]}) as story:
        yield story


@pytest.fixture
async def client(story: Story) -> AsyncIterator[httpx.AsyncClient]:
    def now() -> int:
        return story.now_ms

    def answer(request: Any, error: Exception) -> Any:
        ours = "/api/backbeat/" in request.url.path
        return on_error(request, error) if ours else on_alerting_error(request, error)

    routes = [
        *OnCallAPI(story.alerting, now).routes(),
        *AcknowledgeAPI(story.alerting).routes(),
        *SilencesAPI(story.alerting, now).routes(),
        *AlertmanagerAPI(story.alerting, story.alerting, now, START).routes(),
    ]
    app = Dispatcher(routes, answer)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://b/api/backbeat/v1") as client:
        yield client


async def test_alerts_are_acknowledged_by_name_fingerprint_or_matchers(
    story: Story, client: httpx.AsyncClient
) -> None:
    a, b, late = story.alert("Slow", job="a"), story.alert("Slow", job="b"), story.alert("Late")
    await story.fire(a, b, late)
    by_name = await client.post("/acknowledgements", json={"alerts": ["Slow"], "createdBy": "ann"})
    assert sorted(each["labels"]["job"] for each in by_name.json()["data"]) == ["a", "b"]
    wanted = {"alerts": [late.fingerprint], "createdBy": "bob", "comment": "mine"}
    (one,) = (await client.post("/acknowledgements", json=wanted)).json()["data"]
    assert one == {
        "fingerprint": late.fingerprint,
        "labels": {"alertname": "Late"},
        "createdBy": "bob",
        "comment": "mine",
        "at": rfc3339(START),
    }
    matching = {"matchers": ['job=~"a|c"'], "createdBy": "eve"}
    await client.post("/acknowledgements", json=matching)
    held = {each["fingerprint"]: each["createdBy"] for each in await _data(client, "/acknowledgements")}
    assert held == {a.fingerprint: "eve", b.fingerprint: "ann", late.fingerprint: "bob"}
    (trail,) = await _data(client, "/alerts/Late/trail")
    assert (trail["now"]["acknowledgedBy"], trail["now"]["groups"][0]["acknowledged"]) == ("bob", True)
    await client.delete(f"/acknowledgements/{late.fingerprint}", params={"by": "bob"})
    (trail,) = await _data(client, "/alerts/Late/trail")
    assert trail["now"]["acknowledgedBy"] == ""
    assert trail["trail"][-1]["kind"] == "unacknowledged"


async def test_the_trail_says_who_was_told_when_and_when_it_is_repeated(
    story: Story, client: httpx.AsyncClient
) -> None:
    await story.fire(story.alert("Slow", job="a"), story.alert("Slow", job="b"))
    await story.pass_time(MINUTE)
    trail, _ = await _data(client, "/alerts/Slow/trail")
    assert trail["now"]["groups"] == [
        {
            "groupKey": '{}:{alertname="Slow"}',
            "receiver": "team",
            "otherAlerts": 1,
            "nextFlushAt": rfc3339(START + 330_000),
            "repeatIntervalMs": HOUR,
            "held": "",
            "acknowledged": False,
            "told": [
                {
                    "integration": "webhook[0]",
                    "lastToldAt": rfc3339(START + 30_000),
                    "nextRepeatAt": rfc3339(START + HOUR + 330_000),
                    "waits": "",
                }
            ],
        }
    ]
    await story.pass_time(HOUR + 5 * MINUTE)
    inbox = story.channels["team"][0]
    assert isinstance(inbox, Inbox)
    assert inbox.lines == ["30s firing Slow,Slow", "3930s firing Slow,Slow"]


async def test_the_trail_begins_with_what_the_rule_decided(story: Story, client: httpx.AsyncClient) -> None:
    slow = story.alert("Slow", job="a")
    waits = RuleStep(slow.labels, START, "pending", "the condition began", "value 2, for 1m")
    story.alerting.notice([waits])
    story.now_ms += MINUTE
    story.alerting.notice([RuleStep(slow.labels, story.now_ms, "firing", "the condition has held for `for`")])
    await story.fire(story.alert("Slow", job="a"))
    await story.pass_time(MINUTE)
    (trail,) = await _data(client, "/alerts/Slow/trail")
    routed = 'routed to team by route {}; in the group {}:{alertname="Slow"}'
    assert [each["words"] for each in trail["trail"]][:4] == [
        "pending: the condition began (value 2, for 1m)",
        "the rule: the condition has held for `for`",
        "firing",
        f"{routed} (alone so far; waits for group_wait, 30s from its first alert on)",
    ]


async def test_the_trail_of_a_name_that_does_not_fire_is_that_of_the_history(
    story: Story, client: httpx.AsyncClient
) -> None:
    slow = story.alert("Slow")
    story.alerting.notice([RuleStep(slow.labels, START, "pending", "the condition began")])
    await story.pass_time(MINUTE)
    (trail,) = await _data(client, "/alerts/Slow/trail")
    assert (trail["fingerprint"], trail["firing"], trail["now"]) == (slow.fingerprint, False, None)
    assert [each["kind"] for each in trail["trail"]] == ["pending"]


async def test_who_is_signed_in_need_not_say_who_it_is(story: Story, client: httpx.AsyncClient) -> None:
    await story.fire(story.alert("Slow"))
    answer = await client.post("/acknowledgements", json={"alerts": ["Slow"]}, auth=("ann", "secret"))
    assert answer.json()["data"][0]["createdBy"] == "ann"


async def test_a_silence_holds_when_it_is_answered_and_says_what_it_mutes(
    story: Story, client: httpx.AsyncClient
) -> None:
    await story.fire(story.alert("Slow"))
    made = (await client.post("/silences", json={"matchers": SLOW, "duration": "2h", **REASON})).json()[
        "data"
    ]
    assert (made["state"], made["endsAt"], made["comment"]) == (
        "active",
        rfc3339(START + 2 * HOUR),
        "new disks",
    )
    assert [each["labels"]["alertname"] for each in made["mutes"]] == ["Slow"]
    assert await _data(client, "/silences") == [{name: made[name] for name in made if name != "mutes"}]
    ended = (await client.delete(f"/silences/{made['id']}")).json()["data"]
    assert ended["state"] == "expired"
    assert await _data(client, "/silences") == []
    assert [each["id"] for each in await _data(client, "/silences?state=expired")] == [made["id"]]


async def test_a_recurring_silence_mutes_in_its_windows_only(story: Story, client: httpx.AsyncClient) -> None:
    # START is Thursday, 2025-10-09 08:53 UTC; the first window begins on Saturday at 20:00 UTC.
    body = {"matchers": SLOW, "duration": "90d", "schedule": [SATURDAY_NIGHT], **REASON}
    made = (await client.post("/silences", json=body)).json()["data"]
    assert (made["state"], made["schedule"]) == ("pending", [SATURDAY_NIGHT])
    (seen,) = (await client.get("http://b/api/v2/silences")).json()
    assert seen["status"]["state"] == "pending"
    story.now_ms = START + 59 * HOUR + 8 * MINUTE
    assert (await _data(client, "/silences"))[0]["state"] == "active"
    await story.fire(story.alert("Slow"))
    assert story.alerting.alerts()[0].status.silenced_by == (made["id"],)
    story.now_ms += 2 * HOUR
    await story.fire(story.alert("Slow"))
    assert story.alerting.alerts()[0].status.silenced_by == ()
    # Whoever changes it by Alertmanager's API leaves the schedule as it is.
    seen |= {"endsAt": rfc3339(START + 100 * 24 * HOUR)}
    assert (await client.post("http://b/api/v2/silences", json=seen)).status_code == 200
    changed = (await _data(client, "/silences"))[0]
    assert (changed["schedule"], changed["endsAt"]) == ([SATURDAY_NIGHT], seen["endsAt"])


@pytest.mark.parametrize(
    ("request_line", "body", "status", "said"),
    [
        ("POST /acknowledgements", {}, 400, "expected either alerts"),
        ("POST /acknowledgements", {"alerts": "Slow"}, 400, "alerts: expected a list of texts"),
        ("POST /acknowledgements", {"alerts": ["Slow"]}, 400, "createdBy: say who you are"),
        ("POST /acknowledgements", {"alerts": ["No"], "createdBy": "a"}, 404, "no alert that fires is meant"),
        ("POST /acknowledgements", [], 400, "the body must be a JSON object"),
        ("DELETE /acknowledgements/0123?by=ann", None, 404, "the alert 0123 is not acknowledged"),
        ("DELETE /acknowledgements/0123", None, 400, "by: say who you are"),
        ("POST /silences", {**AN_HOUR, "createdBy": "a"}, 400, "comment: say why"),
        ("POST /silences", {**AN_HOUR, "comment": " "}, 400, "comment: say why"),
        ("POST /silences", {"matchers": SLOW, **REASON}, 400, "either endsAt, a time, or duration"),
        ("POST /silences", {"duration": "1h", **REASON}, 400, "at least one matcher required"),
        ("POST /silences", {**AN_HOUR, "matchers": ["=="], **REASON}, 400, "matchers: "),
        ("POST /silences", {**AN_HOUR, "matchers": ['a=~".+"'], **REASON}, 400, "confirm that this"),
        (
            "POST /silences",
            {**AN_HOUR, **REASON, "schedule": [{"weekdays": ["someday"]}]},
            400,
            "schedule[0].weekdays[0]: found 'someday', expected a weekday",
        ),
        ("DELETE /silences/nope", None, 404, "silence nope not found"),
        ("GET /silences?state=soon", None, 400, "state: found soon, expected pending, active, expired"),
    ],
)
async def test_a_refusal_says_what_would_be_right(
    story: Story, client: httpx.AsyncClient, request_line: str, body: Any, status: int, said: str
) -> None:
    await story.fire(story.alert("Slow"))
    answer = await client.request(*request_line.split(" ", 1), json=body)
    assert (answer.status_code, said in answer.json()["error"]) == (status, True), answer.json()["error"]
    assert story.alerting.acknowledgements() == []
    assert story.alerting.silences() == []


async def _data(client: httpx.AsyncClient, path: str) -> Any:
    return (await client.get(path)).json()["data"]
