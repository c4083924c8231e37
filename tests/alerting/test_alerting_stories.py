"""Stories: what people are told, and when, over hours that pass in milliseconds."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from alert_story import DOWN, HOUR, MINUTE, SECOND, START, TEAM, Inbox, Story, config, equal, story
from msgspec.structs import replace

from backbeat.config.alertmanager import InhibitRule, Route, TimeInterval, TimeRange
from backbeat.model.labels import Labels
from backbeat.state.records import EventKind, Silence


async def test_alerts_of_one_group_wait_for_each_other_and_go_out_together(tmp_path: Path) -> None:
    stage, inbox = story(tmp_path)
    async with stage:
        await stage.fire(stage.alert("Slow", instance="a"))
        await stage.pass_time(20 * SECOND)
        await stage.fire(stage.alert("Slow", instance="b"), stage.alert("Full"))
        await stage.pass_time(40 * SECOND)
        assert inbox.lines == ["30s firing Slow,Slow", "50s firing Full"]
        assert inbox.taken[0].group_key == '{}:{alertname="Slow"}'
        assert inbox.taken[0].reason == "first notification"


async def test_a_late_alert_waits_for_the_group_interval(tmp_path: Path) -> None:
    stage, inbox = story(tmp_path)
    async with stage:
        await stage.fire(stage.alert("Slow", instance="a"))
        await stage.pass_time(MINUTE)
        await stage.fire(stage.alert("Slow", instance="b"))
        await stage.pass_time(10 * MINUTE)
        assert inbox.lines == ["30s firing Slow", "330s firing Slow,Slow"]
        assert inbox.taken[1].reason == "new alerts added"


async def test_an_unchanged_group_is_repeated_after_the_repeat_interval(tmp_path: Path) -> None:
    stage, inbox = story(tmp_path, replace(TEAM, repeat_interval_ms=HOUR))
    async with stage:
        await stage.fire(stage.alert("Slow"))
        await stage.pass_time(2 * HOUR + 20 * MINUTE)
        # Flushes come every five minutes after the first; the hour must have passed strictly.
        assert inbox.lines == ["30s firing Slow", "3930s firing Slow", "7830s firing Slow"]
        assert inbox.taken[1].reason == "repeat interval elapsed"


async def test_resolved_is_told_at_the_next_flush_and_the_alert_is_forgotten(tmp_path: Path) -> None:
    stage, inbox = story(tmp_path)
    async with stage:
        slow = stage.alert("Slow")
        await stage.fire(slow)
        await stage.pass_time(MINUTE)
        await stage.resolve(slow)
        await stage.pass_time(20 * MINUTE)
        assert inbox.lines == ["30s firing Slow", "330s resolved -Slow"]
        assert stage.alerting.alerts() == []
        await stage.resolve(slow)
        await stage.restart()
        await stage.pass_time(20 * MINUTE)
        assert len(inbox.taken) == 2


async def test_an_alert_that_ends_before_the_first_flush_is_told_to_nobody(tmp_path: Path) -> None:
    stage, inbox = story(tmp_path)
    async with stage:
        slow = stage.alert("Slow")
        await stage.fire(slow)
        await stage.pass_time(10 * SECOND)
        await stage.resolve(slow)
        await stage.pass_time(HOUR)
        assert inbox.lines == []
        reasons = [event.reason for event in await stage.alerting.history(fingerprint=slow.fingerprint)]
        assert "resolved before anybody was told" in reasons


async def test_flapping_is_told_at_most_once_a_group_interval(tmp_path: Path) -> None:
    stage, inbox = story(tmp_path)
    async with stage:
        for _ in range(30):
            slow = stage.alert("Slow")
            await stage.fire(slow)
            await stage.pass_time(30 * SECOND)
            await stage.resolve(slow)
            await stage.pass_time(30 * SECOND)
        times = [each.now_ms for each in inbox.taken]
        assert all(later - earlier >= 5 * MINUTE for earlier, later in pairwise(times))


async def test_an_alert_that_nobody_refreshes_resolves_after_the_resolve_timeout(tmp_path: Path) -> None:
    stage, inbox = story(tmp_path)
    async with stage:
        await stage.alerting.receive([replace(stage.alert("Slow"), ends_at_ms=0)])
        await stage.pass_time(20 * MINUTE)
        assert inbox.lines == ["30s firing Slow", "330s resolved -Slow"]


async def test_send_resolved_false_hears_of_firing_only_and_again_when_it_fires_again(tmp_path: Path) -> None:
    stage, inbox = story(tmp_path, TEAM, Inbox("email", send_resolved=False))
    async with stage:
        slow = stage.alert("Slow")
        await stage.fire(slow)
        await stage.pass_time(MINUTE)
        await stage.resolve(slow)
        await stage.pass_time(10 * MINUTE)
        await stage.fire(stage.alert("Slow"))
        await stage.pass_time(10 * MINUTE)
        assert [line.split(" ", 1)[1] for line in inbox.lines] == ["firing Slow", "firing Slow"]


CRITICAL_OVER_WARNING = InhibitRule(equal(severity="critical"), equal(severity="warning"), ("signal",))


async def test_critical_keeps_the_warning_of_the_same_signal_quiet(tmp_path: Path) -> None:
    stage, inbox = story(tmp_path, TEAM, inhibit=[CRITICAL_OVER_WARNING])
    async with stage:
        critical = stage.alert("VerySlow", severity="critical", signal="latency")
        await stage.fire(
            critical,
            stage.alert("Slow", severity="warning", signal="latency"),
            stage.alert("Full", severity="warning", signal="disk"),
        )
        await stage.pass_time(MINUTE)
        assert sorted(inbox.lines) == ["30s firing Full", "30s firing VerySlow"]
        slow = next(view for view in stage.alerting.alerts() if view.alert.name == "Slow")
        assert slow.status.state == "suppressed"
        assert slow.status.inhibited_by == (critical.fingerprint,)
        await stage.resolve(critical)
        await stage.pass_time(10 * MINUTE)
        assert "330s firing Slow" in inbox.lines
        kinds = [event.kind for event in await stage.alerting.history(fingerprint=slow.fingerprint)]
        assert kinds.index(EventKind.INHIBITED) < kinds.index(EventKind.PASSED)


async def test_an_alert_that_is_source_and_target_does_not_inhibit_itself(tmp_path: Path) -> None:
    both_sides = InhibitRule(equal(severity="critical"), equal(severity="critical"), ("signal",))
    stage, inbox = story(tmp_path, TEAM, inhibit=[both_sides])
    async with stage:
        await stage.fire(
            stage.alert("A", severity="critical", signal="x"),
            stage.alert("B", severity="critical", signal="x"),
        )
        await stage.pass_time(MINUTE)
        assert sorted(inbox.lines) == ["30s firing A", "30s firing B"]


async def test_routes_of_the_team_critical_goes_to_on_call_and_on_to_the_team(tmp_path: Path) -> None:
    wait = {"group_by": ("alertname",), "group_wait_ms": 10 * SECOND}
    route = Route(
        "default",
        **wait,
        routes=(
            Route("critical", equal(severity="critical"), continue_=True, **wait),
            Route("warning", equal(severity="warning"), continue_=True, **wait),
            Route("info", equal(severity="info"), **wait),
            Route("archive", equal(team="backend"), **wait),
        ),
    )
    inboxes = {name: [Inbox()] for name in ("default", "critical", "warning", "info", "archive")}
    async with Story(tmp_path / "state.db", config(route), inboxes) as stage:
        await stage.fire(
            stage.alert("Down", severity="critical", team="backend"),
            stage.alert("Busy", severity="info", team="backend"),
            stage.alert("Odd"),
        )
        await stage.pass_time(MINUTE)
        told = {name: [line.split()[-1] for line in own[0].lines] for name, own in inboxes.items()}
        assert told == {
            "default": ["Odd"],
            "critical": ["Down"],
            "warning": [],
            "info": ["Busy"],
            "archive": ["Down"],
        }
        assert inboxes["critical"][0].taken[0].group_key == '{}/{severity="critical"}:{alertname="Down"}'


async def test_a_reload_amid_a_group_keeps_its_timing_and_tells_nobody_twice(tmp_path: Path) -> None:
    stage, inbox = story(tmp_path)
    async with stage:
        await stage.fire(stage.alert("Slow"))
        await stage.pass_time(15 * SECOND)
        await stage.alerting.apply(stage.settings, stage.channels)
        await stage.pass_time(MINUTE)
        for _ in range(20):
            await stage.alerting.apply(stage.settings, stage.channels)
            await stage.pass_time(10 * SECOND)
        await stage.fire(stage.alert("Slow", instance="b"))
        await stage.pass_time(10 * MINUTE)
        assert inbox.lines == ["30s firing Slow", "330s firing Slow,Slow"]


async def test_a_reload_that_adds_a_receiver_tells_the_new_one_only(tmp_path: Path) -> None:
    stage, inbox = story(tmp_path)
    other = Inbox()
    async with stage:
        await stage.fire(stage.alert("Slow"))
        await stage.pass_time(2 * MINUTE)
        route = replace(TEAM, routes=(replace(TEAM, receiver="new", matchers=equal(alertname="Slow")),))
        await stage.alerting.apply(config(route), {"team": [inbox], "new": [other]})
        await stage.pass_time(10 * SECOND)
        assert (len(inbox.taken), other.lines) == (1, ["120s firing Slow"])


async def test_a_restart_tells_nobody_twice_and_resolves_nothing_by_itself(tmp_path: Path) -> None:
    stage, inbox = story(tmp_path)
    async with stage:
        slow = stage.alert("Slow")
        await stage.fire(slow)
        await stage.pass_time(MINUTE)
        await stage.end()
        stage.now_ms += 2 * HOUR
        await stage.begin()
        await stage.pass_time(2 * MINUTE)
        assert len(inbox.taken) == 1
        await stage.resolve(slow)
        await stage.pass_time(6 * MINUTE)
        assert [each.status for each in inbox.taken] == ["firing", "resolved"]


async def test_an_alert_whose_rule_is_gone_after_a_restart_resolves(tmp_path: Path) -> None:
    stage, inbox = story(tmp_path)
    async with stage:
        await stage.fire(stage.alert("Slow"))
        await stage.pass_time(MINUTE)
        stage.firing.clear()
        await stage.restart()
        await stage.pass_time(20 * MINUTE)
        assert [each.status for each in inbox.taken] == ["firing", "resolved"]


async def test_a_silence_mutes_from_now_on_and_its_end_lets_the_alert_through(tmp_path: Path) -> None:
    stage, inbox = story(tmp_path)
    async with stage:
        made = await stage.alerting.set_silence(
            Silence(
                "", equal(alertname="Slow"), START, START + 20 * MINUTE, created_by="ann", comment="deploy"
            )
        )
        await stage.restart()
        await stage.fire(stage.alert("Slow"))
        await stage.pass_time(10 * MINUTE)
        assert inbox.taken == []
        [view] = stage.alerting.alerts()
        assert (view.status.state, view.status.silenced_by) == ("suppressed", (made.id,))
        await stage.pass_time(20 * MINUTE)
        assert [each.status for each in inbox.taken] == ["firing"]
        await stage.pass_time(HOUR)
        assert [silence.id for silence in stage.alerting.silences()] == [made.id]


async def test_silencing_a_group_withdraws_what_was_on_its_way(tmp_path: Path) -> None:
    stage, inbox = story(tmp_path)
    inbox.answer = DOWN
    async with stage:
        await stage.fire(stage.alert("Slow"))
        await stage.pass_time(MINUTE)
        await stage.alerting.set_silence(Silence("", equal(alertname="Slow"), stage.now_ms, START + HOUR))
        await stage.pass_time(10 * MINUTE)
        assert stage.alerting.messages() == []


async def test_outside_active_times_nobody_is_told_until_they_begin(tmp_path: Path) -> None:
    # The story starts at 08:53:20 UTC.
    office = ("office", (TimeInterval(times=(TimeRange(9 * 60, 17 * 60),)),))
    stage, inbox = story(tmp_path, replace(TEAM, active_time_intervals=("office",)), intervals=[office])
    async with stage:
        await stage.fire(stage.alert("Slow"))
        await stage.pass_time(5 * MINUTE)
        assert inbox.taken == []
        [view] = stage.alerting.alerts()
        assert view.status.muted_by == ("office",)
        assert [group.muted_by for group in stage.alerting.groups()] == [("office",)]
        await stage.pass_time(10 * MINUTE)
        assert len(inbox.taken) == 1


async def test_a_clock_that_is_set_back_delays_nothing(tmp_path: Path) -> None:
    stage, inbox = story(tmp_path)
    async with stage:
        await stage.fire(stage.alert("Slow", instance="a"))
        await stage.pass_time(MINUTE)
        await stage.fire(stage.alert("Slow", instance="b"))
        stage.now_ms -= 3 * HOUR
        stage._sent_ms = stage.now_ms
        await stage.pass_time(5 * MINUTE)
        assert len(inbox.taken) == 2


async def test_a_machine_that_slept_resolves_nothing_by_itself(tmp_path: Path) -> None:
    stage, inbox = story(tmp_path)
    async with stage:
        await stage.fire(stage.alert("Slow"))
        await stage.pass_time(MINUTE)
        stage.now_ms += 2 * HOUR
        stage.alerting._core.outlast(2 * HOUR, stage.now_ms)
        await stage.pass_time(10 * MINUTE)
        assert [each.status for each in inbox.taken] == ["firing"]
        stage.firing.clear()
        await stage.pass_time(10 * MINUTE)
        assert [each.status for each in inbox.taken] == ["firing", "resolved"]


async def test_why_was_i_paged_and_why_was_nobody_paged(tmp_path: Path) -> None:
    stage, _ = story(tmp_path)
    async with stage:
        slow = stage.alert("Slow")
        await stage.fire(slow)
        await stage.pass_time(11 * MINUTE)
        trail = await stage.alerting.history(fingerprint=slow.fingerprint)
        assert [(event.kind.value, event.reason) for event in trail] == [
            ("firing", ""),
            ("grouped", "route {}"),
            ("decided", "first notification"),
            ("queued", "first notification"),
            ("delivered", "first notification"),
            ("decided", "nothing changed since the last notification"),
        ]
        assert trail[0].labels == Labels.of(alertname="Slow")


async def test_a_receiver_without_integrations_leaves_its_reason(tmp_path: Path) -> None:
    stage = Story(tmp_path / "state.db", config(TEAM), {})
    async with stage:
        slow = stage.alert("Slow")
        await stage.fire(slow)
        await stage.pass_time(MINUTE)
        reasons = [event.reason for event in await stage.alerting.history(fingerprint=slow.fingerprint)]
        assert "the receiver has no integration" in reasons
