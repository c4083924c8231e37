"""Backbeat is never silent about itself: what keeps failing is told, and by somebody who can be reached."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from alert_story import DOWN, HOUR, MINUTE, REFUSED, SECOND, START, UP, Inbox, Story, config, equal
from msgspec.structs import replace

from backbeat.alerting.routing import plant
from backbeat.alerting.stand_in import receiver_failing, stand_ins
from backbeat.collect.target import TargetStatus
from backbeat.config.alertmanager import Route, TimeInterval
from backbeat.config.schedule import schedule_from
from backbeat.model.clock import now_ms
from backbeat.model.labels import Labels
from backbeat.rules.status import GroupStatus, Health, RuleStatus
from backbeat.self_watch import (
    HOLDS_MS,
    SelfWatch,
    Trouble,
    ending_silences,
    failing_groups,
    failing_pools,
    failing_receivers,
)
from backbeat.server import Backbeat
from backbeat.settings import read_config
from backbeat.state.records import Silence
from backbeat.storage import StorageOptions, open_storage

PAGER = Route("pager", equal(severity="critical"), group_wait_ms=SECOND)
TREE = Route("team", group_wait_ms=SECOND, routes=(PAGER,))
ABLE = {"team": ("webhook[0]",), "pager": ("webhook[0]",)}
TROUBLE = Trouble(Labels.of(alertname="X"), "it fails", "because")


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Story]:
    async with Story(tmp_path / "state.db", config(TREE), {"pager": [Inbox()], "team": [Inbox()]}) as story:
        yield story


async def _watch(story: Story, watch: SelfWatch, minutes: int) -> None:
    """As the server does, but by a clock in the hand."""
    for _ in range(minutes):
        troubles = failing_receivers(story.alerting.plan().receivers)
        ending = ending_silences(story.alerting.silences(), 15 * MINUTE, story.now_ms)
        await story.alerting.receive(watch.look(troubles, ending, story.now_ms))
        await story.pass_time(MINUTE)


def _inbox(story: Story, receiver: str) -> Inbox:
    inbox = story.channels[receiver][0]
    assert isinstance(inbox, Inbox)
    return inbox


@pytest.mark.parametrize("answer", [DOWN, REFUSED])
async def test_a_receiver_that_keeps_failing_is_told_by_another_one(story: Story, answer) -> None:
    watch = SelfWatch("http://b")
    _inbox(story, "pager").answer = answer
    await story.fire(story.alert("Down", severity="critical"))
    await _watch(story, watch, 5)
    assert _inbox(story, "team").lines == []
    await _watch(story, watch, 3)
    (told,) = _inbox(story, "team").taken
    (alert,) = told.firing
    assert alert.labels == receiver_failing("pager", "webhook[0]")
    assert answer.detail in alert.annotations.get("description")
    assert alert.generator_url == "http://b/alerts"
    _inbox(story, "pager").answer = UP
    await story.fire(story.alert("Other", severity="critical"))
    await _watch(story, watch, 12)
    assert [line.split(" ", 1)[1] for line in _inbox(story, "team").lines] == [
        "firing ReceiverFailing",
        "resolved -ReceiverFailing",
    ]


@pytest.mark.parametrize("answer", [DOWN, REFUSED])
async def test_a_receiver_that_kept_failing_is_failing_still_after_a_restart(story: Story, answer) -> None:
    _inbox(story, "pager").answer = answer
    watch = SelfWatch("http://bb")
    await story.fire(story.alert("Broken", severity="critical"))
    await _watch(story, watch, 10)
    told = list(_inbox(story, "team").taken)
    await story.restart()
    (pager,) = [each for each in story.alerting.plan().receivers if each.name == "pager"]
    assert pager.integrations[0].reached.failures > 0
    assert pager.integrations[0].reached.last_error == answer.detail
    (trouble,) = failing_receivers(story.alerting.plan().receivers)
    where = "See alertmanager.yml, receiver pager, webhook_configs, entry 1"
    assert trouble.description == f"It answered last: {answer.detail}. {where}"
    watch = SelfWatch("http://bb")
    watch.remember(story.alerting.firing())
    await _watch(story, watch, 10)
    assert _inbox(story, "team").taken == told, "neither that it is over nor that it has begun anew"
    _inbox(story, "pager").answer = UP
    await story.fire(story.alert("Other", severity="critical"))
    await _watch(story, watch, 10)
    assert _inbox(story, "team").taken[-1].status == "resolved"


async def test_a_reload_takes_the_external_url_over_and_says_what_waits_for_the_next_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "prometheus.yml").write_text("global: {evaluation_interval: 1h}\n")
    own = tmp_path / "backbeat.yml"
    own.write_text("{host_collector: false, external_url: 'http://old.example', query_timeout: 7s}\n")
    async with AsyncExitStack() as stack:
        storage = open_storage(tmp_path / "samples", StorageOptions(), now_ms)
        stack.callback(storage.close)
        backbeat = Backbeat(tmp_path, read_config(tmp_path), storage, "http://127.0.0.1:1", "127.0.0.1")
        await backbeat.start(stack, str(tmp_path / "state.db"))
        own.write_text("{host_collector: false, external_url: 'http://new.example', query_timeout: 9s}\n")
        await backbeat.reload()
        assert backbeat.external_url == "http://new.example"
        assert backbeat.config.backbeat.query_timeout_ms == 7000, "what is shown is what is in force"
        assert "backbeat.yml: query_timeout changed, and counts from the next start on" in caplog.text
        ledger = backbeat.alerting._core.ledger
        assert ledger.external_url == "http://new.example"
        assert ledger.ack_links is not None
        assert ledger.ack_links.url("g", "team", now_ms()).startswith("http://new.example/")


async def test_the_way_of_the_alert_can_be_asked_for(story: Story) -> None:
    ways = story.alerting.preview(receiver_failing("pager", "webhook[0]")).ways
    assert [way.receiver for way in ways] == ["pager", "team"]


async def test_the_server_looks_at_itself(tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").write_text("rule_files: [rules.yml]\nglobal: {evaluation_interval: 1h}\n")
    (tmp_path / "backbeat.yml").write_text("host_collector: false\n")
    (tmp_path / "rules.yml").write_text(
        "groups: [{name: g, limit: 1, rules: [{alert: Two, expr: "
        '\'vector(1) or label_replace(vector(2), "a", "b", "", "")\'}]}]\n'
    )
    async with AsyncExitStack() as stack:
        storage = open_storage(tmp_path / "samples", StorageOptions(), now_ms)
        stack.callback(storage.close)
        backbeat = Backbeat(tmp_path, read_config(tmp_path), storage, "http://127.0.0.1:1", "127.0.0.1")
        await backbeat.start(stack, str(tmp_path / "state.db"))
        at_ms = now_ms()
        await backbeat.rules.evaluate_once(at_ms)
        await backbeat.look_at_itself(at_ms - HOLDS_MS)
        assert backbeat.alerting.alerts() == []
        await backbeat.look_at_itself(at_ms)
        (view,) = backbeat.alerting.alerts()
        assert (view.alert.name, view.alert.labels.get("rule_group")) == ("RuleGroupFailing", "g")
        assert "exceeded limit of 1 with 2 alerts" in view.alert.annotations.get("description")


def test_something_must_fail_for_a_while_before_it_is_told() -> None:
    watch = SelfWatch("http://b/")
    assert watch.look([TROUBLE], [], START) == []
    assert watch.look([], [], START + MINUTE) == []
    assert watch.look([TROUBLE], [], START + 2 * MINUTE) == []
    assert watch.look([TROUBLE], [], START + 2 * MINUTE + HOLDS_MS - 1) == []
    (alert,) = watch.look([TROUBLE], [], START + 2 * MINUTE + HOLDS_MS)
    assert (alert.name, alert.starts_at_ms, alert.ends_at_ms) == ("X", START + 2 * MINUTE + HOLDS_MS, 0)
    assert watch.look([TROUBLE], [], START + HOUR) == [replace(alert, updated_at_ms=START + HOUR)]
    (over,) = watch.look([], [], START + 2 * HOUR)
    assert over.ends_at_ms == START + 2 * HOUR
    assert watch.look([], [], START + 3 * HOUR) == []


def _target(pool: str, health: str) -> TargetStatus:
    return TargetStatus(Labels(), Labels(), pool, "http://x", "", health, "refused", START, 0.1, 1, 1)


def test_a_pool_fails_where_no_target_of_it_answers() -> None:
    targets = [_target("a", "down"), _target("a", "up"), _target("b", "down"), _target("b", "down")]
    (trouble,) = failing_pools([*targets, _target("new", "unknown")])
    assert trouble.labels == Labels.of(alertname="ScrapePoolFailing", severity="critical", scrape_pool="b")
    assert trouble.description == "All 2 fail, one of them: refused"


def test_a_rule_group_fails_where_a_rule_of_it_does() -> None:
    def rule(name: str, health: Health) -> RuleStatus:
        return RuleStatus("recording", name, "x", Labels(), health, "many-to-many", 0.0, START)

    def group(name: str, *rules: RuleStatus) -> GroupStatus:
        return GroupStatus(name, "r.yml", MINUTE, 0, 0, 0.0, START, rules)

    good, bad = rule("good", Health.OK), rule("bad", Health.ERR)
    (trouble,) = failing_groups([group("g", good), group("h", good, bad)])
    assert trouble.labels.get("rule_group") == "h"
    assert (trouble.summary, trouble.description) == (
        "Rules of h cannot be evaluated: bad",
        "bad: many-to-many",
    )


async def test_a_silence_is_warned_of_before_it_ends_and_not_when_it_is_made_longer(story: Story) -> None:
    watch = SelfWatch("http://b")
    made = await story.alerting.set_silence(
        Silence("", equal(job="web"), 0, START + HOUR, created_by="ann", comment="new disks")
    )
    await story.alerting.set_silence(Silence("", equal(job="db"), 0, START + 20 * MINUTE, created_by="bob"))
    await _watch(story, watch, 45)
    assert _inbox(story, "team").lines == []
    await _watch(story, watch, 2)
    (told,) = _inbox(story, "team").taken
    (alert,) = told.firing
    assert (alert.name, alert.labels.get("created_by")) == ("SilenceExpiresSoon", "ann")
    assert alert.labels.get("silence") == made.id
    assert alert.annotations.get("summary") == 'A silence by ann ends at 2025-10-09T09:53:20Z: {job="web"}'
    assert alert.annotations.get("description").endswith("It was made for: new disks")
    await story.alerting.set_silence(replace(made, ends_at_ms=START + 3 * HOUR))
    await _watch(story, watch, 10)
    assert [line.split(" ", 1)[1] for line in _inbox(story, "team").lines] == [
        "firing SilenceExpiresSoon",
        "resolved -SilenceExpiresSoon",
    ]


def test_a_recurring_silence_is_warned_of_at_its_end_only() -> None:
    schedule: tuple[TimeInterval, ...] = schedule_from('[{"weekdays": ["saturday"]}]')
    silence = Silence("s", equal(job="web"), START, START + 30 * 24 * HOUR, schedule=schedule)
    assert list(ending_silences([silence], 15 * MINUTE, START + HOUR)) == []
    (warning,) = ending_silences([silence], 15 * MINUTE, silence.ends_at_ms - MINUTE)
    assert warning.ends_at_ms == silence.ends_at_ms
    assert list(ending_silences([silence], 15 * MINUTE, silence.ends_at_ms)) == []
    assert list(ending_silences([silence], 0, silence.ends_at_ms - 1)) == []


@pytest.mark.parametrize(
    ("tree", "able", "expected"),
    [
        pytest.param(TREE, ABLE, {"pager": "team"}, id="critical goes to pager alone, so team stands in"),
        pytest.param(
            replace(TREE, routes=(replace(PAGER, continue_=True), Route("team"))), ABLE, {},
            id="the tree tells both",
        ),
        pytest.param(Route("team"), {"team": ("email[0]",)}, {}, id="nobody else is there"),
        pytest.param(TREE, {"pager": ("email[0]",)}, {}, id="nobody else can be reached"),
        pytest.param(
            replace(TREE, routes=(Route("void", equal(severity="critical")), PAGER)),
            ABLE,
            {"pager": "team", "team": "pager"},
            id="the tree leads to nobody",
        ),
    ],
)  # fmt: skip
def test_who_stands_in_for_whom(tree: Route, able, expected: dict[str, str]) -> None:
    found = stand_ins(config(tree), plant(tree), able)
    told = {
        failing: node.route.receiver
        for failing in ABLE
        for node in found
        if node.match(dict(receiver_failing(failing, "webhook[0]")))
    }
    assert told == expected
