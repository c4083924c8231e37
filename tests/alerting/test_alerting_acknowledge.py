"""Somebody looks after an alert: it is not repeated, and whatever is new is told all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alert_story import DOWN, HOUR, MINUTE, START, UP, Inbox, Story, config

from backbeat.alerting import UnknownAlert
from backbeat.alerting.acknowledging import Acknowledgements
from backbeat.alerting.dedup import Reason, decide
from backbeat.alerting.trail import words
from backbeat.config.alertmanager import Route
from backbeat.model.labels import Labels
from backbeat.state.records import Acknowledgement, Destination, LogEntry

ROUTE = Route(
    "team",
    group_by=("job",),
    group_wait_ms=10_000,
    group_interval_ms=5 * MINUTE,
    repeat_interval_ms=HOUR,
)

WARNING, CRITICAL = {"severity": "warning"}, {"severity": "critical"}


class Stage(Story):
    """A story with one receiver, whose messages are `lines`."""

    def __init__(self, path: Path | str) -> None:
        self.inbox = Inbox()
        super().__init__(Path(path), config(ROUTE), {"team": [self.inbox]})
        self.path = path  # type: ignore[assignment]  # a URL where the state is PostgreSQL

    @property
    def lines(self) -> list[str]:
        return self.inbox.lines

    async def said(self, fingerprint: str) -> list[str]:
        return [words(event) for event in await self.alerting.history(fingerprint=fingerprint)]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with Stage(tmp_path / "state.db") as stage:
        yield stage


async def test_an_acknowledged_group_is_not_repeated_and_its_trail_says_why(stage: Stage) -> None:
    slow = stage.alert("Slow", job="web")
    await stage.fire(slow)
    await stage.pass_time(30 * MINUTE)
    await stage.alerting.acknowledge([slow.fingerprint], "ann", "looking into it")
    await stage.pass_time(5 * HOUR)
    assert stage.lines == ["10s firing Slow"]
    said = await stage.said(slow.fingerprint)
    assert "acknowledged by ann (looking into it)" in said
    assert said[-1] == "decided for team by webhook: not repeated, since it is acknowledged (by ann)"
    assert [view.status.acknowledged_by for view in stage.alerting.alerts()] == ["ann"]


async def test_it_ends_when_the_alert_resolves(stage: Stage) -> None:
    slow = stage.alert("Slow", job="web")
    await stage.fire(slow)
    await stage.pass_time(MINUTE)
    await stage.alerting.acknowledge([slow.fingerprint], "ann")
    await stage.resolve(slow)
    await stage.pass_time(10 * MINUTE)
    assert stage.alerting.acknowledgements() == []
    said = await stage.said(slow.fingerprint)
    assert "no longer acknowledged: the alert resolved (it was acknowledged by ann)" in said
    await stage.fire(stage.alert("Slow", job="web"))
    await stage.pass_time(2 * HOUR)
    assert stage.lines == [
        "10s firing Slow", "310s resolved -Slow", "670s firing Slow", "4570s firing Slow",
    ]  # fmt: skip


async def test_it_ends_when_the_alert_is_not_heard_of_any_more(stage: Stage) -> None:
    slow = stage.alert("Slow", job="web")
    await stage.fire(slow)
    await stage.alerting.acknowledge([slow.fingerprint], "ann")
    stage.firing.clear()
    await stage.pass_time(10 * MINUTE)
    assert stage.alerting.acknowledgements() == []


async def test_a_further_alert_is_told_and_repeated_until_it_is_acknowledged_too(stage: Stage) -> None:
    slow, late = stage.alert("Slow", job="web"), stage.alert("Late", job="web")
    await stage.fire(slow)
    await stage.pass_time(MINUTE)
    await stage.alerting.acknowledge([slow.fingerprint], "ann")
    await stage.fire(late)
    await stage.pass_time(2 * HOUR)
    assert stage.lines == ["10s firing Slow", "310s firing Late,Slow", "4210s firing Late,Slow"]
    await stage.alerting.acknowledge([late.fingerprint], "bob")
    await stage.pass_time(5 * HOUR)
    assert len(stage.lines) == 3
    assert "not repeated, since it is acknowledged (by ann, bob)" in (await stage.said(late.fingerprint))[-1]


async def test_it_ends_when_the_severity_rises(stage: Stage) -> None:
    slow = stage.alert("Slow", job="web", severity="warning")
    other = stage.alert("Slow", job="db", severity="warning")
    await stage.fire(slow, other)
    await stage.alerting.acknowledge([slow.fingerprint, other.fingerprint], "ann")
    await stage.fire(stage.alert("VerySlow", job="web", severity="critical"))
    assert [each.fingerprint for each in stage.alerting.acknowledgements()] == [other.fingerprint]
    ended = (await stage.said(slow.fingerprint))[-1]
    assert ended == (
        "no longer acknowledged: its severity rose to critical: VerySlow fires (it was acknowledged by ann)"
    )


async def test_taken_back_it_is_repeated_again(stage: Stage) -> None:
    slow = stage.alert("Slow", job="web")
    await stage.fire(slow)
    await stage.alerting.acknowledge([slow.fingerprint], "ann")
    await stage.pass_time(3 * HOUR)
    await stage.alerting.take_back_acknowledgement(slow.fingerprint, "bob")
    await stage.pass_time(10 * MINUTE)
    assert stage.lines == ["10s firing Slow", "10810s firing Slow"]
    with pytest.raises(UnknownAlert, match="is not acknowledged"):
        await stage.alerting.take_back_acknowledgement(slow.fingerprint, "bob")


async def test_what_does_not_fire_cannot_be_acknowledged(stage: Stage) -> None:
    with pytest.raises(UnknownAlert, match="no alert that fires is meant"):
        await stage.alerting.acknowledge(["0" * 16], "ann")


async def test_a_repetition_on_its_way_is_withdrawn(stage: Stage) -> None:
    slow = stage.alert("Slow", job="web")
    await stage.fire(slow)
    await stage.pass_time(HOUR)
    stage.inbox.answer = DOWN
    await stage.pass_time(10 * MINUTE)
    await stage.alerting.acknowledge([slow.fingerprint], "ann")
    await stage.pass_time(5 * MINUTE)
    stage.inbox.answer = UP
    await stage.pass_time(HOUR)
    assert stage.lines == ["10s firing Slow"]
    assert stage.alerting.messages() == []


async def test_it_is_kept_over_a_restart(target: str) -> None:
    async with Stage(target) as stage:
        slow, gone = stage.alert("Slow", job="web"), stage.alert("Gone", job="web")
        await stage.fire(slow, gone)
        await stage.pass_time(MINUTE)
        before = await stage.alerting.acknowledge([slow.fingerprint, gone.fingerprint], "änn", "✓")
        await stage.restart()
        assert sorted(stage.alerting.acknowledgements(), key=str) == sorted(before, key=str)
        await stage.resolve(gone)
        await stage.restart()
        assert [each.labels.get("alertname") for each in stage.alerting.acknowledgements()] == ["Slow"]
        await stage.pass_time(5 * HOUR)
        assert stage.lines == ["10s firing Gone,Slow", "60s firing -Gone,Slow"]


@pytest.mark.parametrize(
    ("acknowledged", "began", "risen"),
    [
        pytest.param({"job": "a", **WARNING}, {"job": "a", **CRITICAL}, True, id="worse"),
        pytest.param({"job": "a", **CRITICAL}, {"job": "a", **WARNING}, False, id="better"),
        pytest.param({"job": "a", **WARNING}, {"job": "a", "severity": "Warning"}, False, id="the same"),
        pytest.param({"job": "a", **WARNING}, {"job": "b", **CRITICAL}, False, id="another job"),
        pytest.param({"job": "a"}, {"job": "a", **CRITICAL}, True, id="none is known of before"),
        pytest.param({"severity": "info"}, {"severity": "page"}, True, id="no labels, one name"),
        pytest.param(
            {"severity": "info"}, {"alertname": "B", "severity": "page"}, False, id="no labels, other names"
        ),
        pytest.param(
            {"job": "a", "severity": "info"},
            {"alertname": "VeryA", "job": "a", "severity": "page"},
            True,
            id="a rule of its own for each level",
        ),
    ],
)  # fmt: skip
def test_when_severity_rises(acknowledged: dict[str, str], began: dict[str, str], risen: bool) -> None:
    known = Acknowledgements()
    labels = Labels.of({"alertname": "A", **acknowledged})
    known.keep(Acknowledgement("f", labels, "ann", "", START))
    assert known.risen(Labels.of({"alertname": "A", **began})) == (["f"] if risen else [])


@pytest.mark.parametrize(
    ("firing", "resolved", "acknowledged", "reason"),
    [
        pytest.param("ab", "", "ab", Reason.ACKNOWLEDGED, id="all are"),
        pytest.param("ab", "", "a", Reason.REPEAT_INTERVAL_ELAPSED, id="one is not"),
        pytest.param("abc", "", "abc", Reason.NEW_ALERTS_IN_GROUP, id="a further one is told"),
        pytest.param("a", "b", "a", Reason.SOME_RESOLVED, id="a resolution is told"),
        pytest.param("", "ab", "ab", Reason.ALL_RESOLVED, id="the end is told"),
    ],
)
def test_only_repetitions_stop(firing: str, resolved: str, acknowledged: str, reason: Reason) -> None:
    to = Destination("g", "team", "webhook[0]")
    decision = decide(
        LogEntry(to, frozenset("ab"), frozenset(), START, START + HOUR),
        None,
        frozenset(firing),
        frozenset(resolved),
        send_resolved=True,
        repeat_interval_ms=HOUR,
        now_ms=START + 2 * HOUR,
        acknowledged=frozenset(acknowledged),
    )
    assert decision.reason is reason
    assert decision.sends is (reason is not Reason.ACKNOWLEDGED)


def test_a_group_of_which_every_alert_is_kept_quiet_has_nothing_to_acknowledge() -> None:
    assert Acknowledgements().among(["a"]) == {}
