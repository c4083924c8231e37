"""Stories of alerting and recording rules, evaluated by hand on a fake clock."""

from __future__ import annotations

import math

import pytest
from rule_stage import Stage, alerting, at, config, group, recording, vector

from backbeat.model.alerts import RuleStep
from backbeat.model.labels import Labels
from backbeat.model.results import QueryError
from backbeat.rules.state import AlertState
from backbeat.rules.status import Health

FIVE_MINUTES = 300_000


async def staged(*rules, **more) -> Stage:
    external = more.pop("external_labels", None)
    settings = {name: more.pop(name) for name in ("relabel_alert", "querier", "witness") if name in more}
    stage = Stage(**settings)
    await stage.manager.apply(config(group(*rules, **more), external_labels=external))
    return stage


async def test_an_alert_from_pending_to_resolved() -> None:
    stage = await staged(
        alerting(
            for_ms=FIVE_MINUTES,
            labels={"severity": "warning", "where": "{{ $labels.instance }}"},
            annotations={"summary": "{{ $labels.instance }} takes {{ $value | humanizeDuration }}"},
        )
    )
    slow = vector((1.5, {"__name__": "slow", "instance": "a"}))
    stage.querier.answers["slow > 1"] = slow
    assert await stage.evaluate(0) == []
    assert stage.states() == {"a": "pending"}
    assert stage.appender.series_at(at(0)) == {
        'ALERTS{alertname="Slow", alertstate="pending", instance="a", severity="warning", where="a"}': 1.0,
        'ALERTS_FOR_STATE{alertname="Slow", instance="a", severity="warning", where="a"}': at(0) / 1000,
    }

    (alert,) = await stage.evaluate(5)
    assert alert.labels == Labels.of(alertname="Slow", instance="a", severity="warning", where="a")
    assert alert.annotations == Labels.of(summary="a takes 1.5s")
    assert (alert.starts_at_ms, alert.ends_at_ms) == (at(5), at(9))
    assert alert.generator_url == f"http://backbeat.example/explore?expr=slow%20%3E%201&at={at(5)}&value=1.5"
    assert stage.appender.series_at(at(5)) == {
        'ALERTS{alertname="Slow", alertstate="firing", instance="a", severity="warning", where="a"}': 1.0,
        'ALERTS{alertname="Slow", alertstate="pending", instance="a", severity="warning", where="a"}': None,
        'ALERTS_FOR_STATE{alertname="Slow", instance="a", severity="warning", where="a"}': at(0) / 1000,
    }
    assert await stage.evaluate(6) == [], "sent again only after more than the resend delay"
    assert len(await stage.evaluate(6.5)) == 1

    stage.querier.answers["slow > 1"] = {}
    (resolved,) = await stage.evaluate(7)
    assert (resolved.starts_at_ms, resolved.ends_at_ms) == (at(5), at(7))
    assert set(stage.appender.series_at(at(7)).values()) == {None}
    assert stage.states() == {}
    assert len(await stage.evaluate(9)) == 1, "a resolved alert is repeated, so that everyone hears of it"
    assert await stage.evaluate(30) == [], "and forgotten some time later"


async def test_a_rule_that_fails_says_so_and_the_group_goes_on() -> None:
    stage = await staged(
        recording("broken", "a * b"), alerting(expr="slow > 1"), recording("fine", "up", team="core")
    )
    stage.querier.answers |= {
        "a * b": QueryError("many-to-many matching not allowed"),
        "slow > 1": vector((2.0, {"instance": "a"})),
        "up": vector((1.0, {"__name__": "up", "instance": "a"}), (0.0, {"__name__": "up", "instance": "b"})),
    }
    (alert,) = await stage.evaluate(0)
    assert alert.name == "Slow"
    (status,) = stage.manager.groups()
    assert [rule.health for rule in status.rules] == [Health.ERR, Health.OK, Health.OK]
    assert status.rules[0].last_error == "many-to-many matching not allowed"
    assert stage.appender.samples[('fine{instance="b", team="core"}', at(0))] == 0.0

    stage.querier.answers["a * b"] = 1.0
    await stage.evaluate(1)
    assert stage.appender.samples["broken", at(1)] == 1.0
    assert stage.manager.groups()[0].rules[0].last_error == ""


async def test_a_failing_query_neither_resolves_nor_starts_an_alert_anew() -> None:
    stage = await staged(alerting(for_ms=FIVE_MINUTES))
    stage.querier.answers["slow > 1"] = vector((2.0, {"instance": "a"}))
    await stage.evaluate(0)
    (fired,) = await stage.evaluate(5)
    stage.querier.answers["slow > 1"] = QueryError("remote read: 503")
    (held,) = await stage.evaluate(7)
    assert held.labels == fired.labels
    assert held.ends_at_ms == at(11), "renewed, or the receivers would take it for resolved"
    assert stage.states() == {"a": "firing"}
    stage.querier.answers["slow > 1"] = vector((2.0, {"instance": "a"}))
    (alert,) = await stage.evaluate(9)
    assert alert.starts_at_ms == at(5)


async def test_alerts_that_were_not_taken_are_sent_at_the_next_evaluation() -> None:
    stage = await staged(alerting())
    stage.querier.answers["slow > 1"] = vector((2.0, {"instance": "a"}))
    stage.sink.is_down = True
    await stage.evaluate(0)
    stage.sink.is_down = False
    assert len(await stage.evaluate(0.25)) == 1
    assert await stage.evaluate(0.5) == []


async def test_a_full_disk_stops_no_alert() -> None:
    stage = await staged(alerting())
    stage.querier.answers["slow > 1"] = vector((2.0, {"instance": "a"}))
    stage.appender.is_full = True
    assert len(await stage.evaluate(0)) == 1
    (rule,) = stage.manager.groups()[0].rules
    assert (rule.health, rule.last_error) == (Health.ERR, "the disk is full")
    stage.appender.is_full = False
    await stage.evaluate(1)
    assert len(stage.appender.series_at(at(1))) == 2


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ $value | nonsense }}", 'function "nonsense" not defined'),
        ("{{ $labels.instance", "<error expanding template: "),
        ('{{ query "broken" | first | value }}', "unknown query broken"),
        ('{{ template "none" }}', "<error expanding template: "),
    ],
)
async def test_a_failing_template_keeps_no_alert_back(template: str, expected: str) -> None:
    stage = await staged(alerting(annotations={"summary": template, "fine": "{{ $value }}"}))
    stage.querier.answers["slow > 1"] = vector((2.0, {"instance": "a"}))
    (alert,) = await stage.evaluate(0)
    assert alert.annotations.get("summary").startswith("<error expanding template: ")
    assert expected in alert.annotations.get("summary")
    assert alert.annotations.get("fine") == "2"


async def test_templates_ask_queries() -> None:
    stage = await staged(
        alerting(
            annotations={
                "others": '{{ range query "up" }}{{ .Labels.instance }}={{ .Value }} {{ end }}',
                "nested": '{{ with query "which" }}'
                '{{ query (. | first | value | printf "n%v") | first | value }}{{ end }}',
            }
        )
    )
    stage.querier.answers |= {
        "slow > 1": vector((2.0, {"instance": "a"}), (3.0, {"instance": "b"})),
        "up": vector((1.0, {"instance": "a"}), (0.0, {"instance": "b"})),
        "which": vector((7.0, {})),
        "n7": vector((42.0, {})),
    }
    alerts = await stage.evaluate(0)
    assert [alert.annotations.get("others") for alert in alerts] == ["a=1 b=0 ", "a=1 b=0 "]
    assert alerts[0].annotations.get("nested") == "42"
    assert [expr for expr, _ in stage.querier.asked].count("up") == 1, "asked once an evaluation"


async def test_a_template_that_asks_ever_new_queries_ends() -> None:
    stage = await staged(
        alerting(
            annotations={"x": '{{ range $i, $_ := query "many" }}{{ query (printf "q%d" $i) }}{{ end }}'}
        )
    )
    stage.querier.answers["slow > 1"] = vector((2.0, {"instance": "a"}))
    stage.querier.answers["many"] = vector(*((1.0, {"n": str(n)}) for n in range(300)))
    (alert,) = await stage.evaluate(0)
    assert alert.annotations.get("x").startswith("<error expanding template")


async def test_equal_labels_after_templates_are_an_error_and_change_nothing() -> None:
    stage = await staged(alerting(labels={"instance": "all"}))
    stage.querier.answers["slow > 1"] = vector((2.0, {"instance": "a"}), (3.0, {"instance": "b"}))
    assert await stage.evaluate(0) == []
    assert "same labelset" in stage.manager.groups()[0].rules[0].last_error


async def test_recording_rules_that_make_equal_series_are_an_error() -> None:
    stage = await staged(recording("all", "up", instance="x"))
    stage.querier.answers["up"] = vector((1.0, {"instance": "a"}), (1.0, {"instance": "b"}))
    await stage.evaluate(0)
    assert "same labelset" in stage.manager.groups()[0].rules[0].last_error
    assert stage.appender.samples == {}


async def test_the_limit_of_a_group() -> None:
    stage = await staged(recording("all", "up"), alerting(), limit=1)
    two = vector((1.0, {"instance": "a"}), (1.0, {"instance": "b"}))
    stage.querier.answers |= {"up": two, "slow > 1": two}
    assert await stage.evaluate(0) == []
    assert [rule.last_error for rule in stage.manager.groups()[0].rules] == [
        "exceeded limit of 1 with 2 series",
        "exceeded limit of 1 with 2 alerts",
    ]


async def test_vanished_series_get_one_stale_marker() -> None:
    stage = await staged(recording("r", "up"))
    stage.querier.answers["up"] = vector((1.0, {"i": "a"}), (2.0, {"i": "b"}))
    await stage.evaluate(0)
    stage.querier.answers["up"] = vector((1.0, {"i": "a"}))
    await stage.evaluate(1)
    await stage.evaluate(2)
    assert stage.appender.series_at(at(1)) == {'r{i="a"}': 1.0, 'r{i="b"}': None}
    assert stage.appender.series_at(at(2)) == {'r{i="a"}': 1.0}


async def test_an_unchanged_result_reuses_its_layout() -> None:
    stage = await staged(recording("r", "up"))
    stage.querier.answers["up"] = vector((1.0, {"i": "a"}), (math.nan, {"i": "b"}))
    for minute in range(3):
        await stage.evaluate(minute)
    first, second, third = stage.appender.layouts
    assert first is second is third, "storage's fast path knows a layout by its array"


async def test_query_offset_looks_back_and_writes_back() -> None:
    stage = await staged(recording("r", "up"), alerting(), query_offset_ms=60_000)
    stage.querier.answers |= {"up": 1.0, "slow > 1": vector((2.0, {"instance": "a"}))}
    (alert,) = await stage.evaluate(5)
    assert {when for expr, when in stage.querier.asked if expr in ("up", "slow > 1")} == {at(4)}
    assert {time for _, time in stage.appender.samples} == {at(4)}
    assert alert.starts_at_ms == at(5)


async def test_group_labels_external_labels_and_relabelling() -> None:
    def relabel(labels: Labels) -> Labels | None:
        return None if labels.get("instance") == "b" else labels.drop("replica")

    stage = await staged(
        alerting(labels={"team": "core"}, annotations={"x": "{{ $externalLabels.dc }} {{ $externalURL }}"}),
        labels=Labels.of(team="all", tier="1"),
        external_labels=Labels.of(dc="eu", replica="1", tier="9"),
        relabel_alert=relabel,
    )
    stage.querier.answers["slow > 1"] = vector((2.0, {"instance": "a"}), (2.0, {"instance": "b"}))
    (alert,) = await stage.evaluate(0)
    assert alert.labels == Labels.of(alertname="Slow", dc="eu", instance="a", team="core", tier="1")
    assert alert.annotations == Labels.of(x="eu http://backbeat.example")
    assert not any("dc=" in series for series, _ in stage.appender.samples), "external labels are not stored"


async def test_a_bug_in_one_rule_leaves_the_others_alone(caplog: pytest.LogCaptureFixture) -> None:
    def bug(_: int) -> float:
        raise ZeroDivisionError("oops")

    stage = await staged(recording("bad", "bug"), recording("good", "1"))
    stage.querier.answers |= {"bug": bug, "1": 1.0}
    await stage.evaluate(0)
    bad, good = stage.manager.groups()[0].rules
    assert (bad.health, good.health) == (Health.ERR, Health.OK)
    assert "oops" in bad.last_error
    assert "internal error" in caplog.text


async def test_whoever_keeps_the_trail_is_told_what_a_rule_decides() -> None:
    told: list[RuleStep] = []
    stage = await staged(
        alerting(for_ms=FIVE_MINUTES, keep_firing_for_ms=120_000),
        alerting("Now", expr="now > 1"),
        witness=told.extend,
        external_labels=Labels.of(region="eu"),
    )
    stage.querier.answers["now > 1"] = vector((3, {"instance": "a"}))

    async def goes_on(minutes: range, *values: tuple[float, dict[str, str]]) -> list[str]:
        stage.querier.answers["slow > 1"] = vector(*values)
        for minute in minutes:
            await stage.evaluate(minute)
        said = [f"{(each.at_ms - at(0)) // 60_000}m {each.state}: {each.reason}" for each in told]
        told.clear()
        return said

    slow = (1.5, {"instance": "a"})
    assert await goes_on(range(2), slow) == ["0m pending: the condition began; waiting for `for`"]
    assert await goes_on(range(2, 3)) == ["2m inactive: the condition ended before `for` had passed"]
    began = await goes_on(range(3, 10), slow)
    assert began == [
        "3m pending: the condition began; waiting for `for`",
        "8m firing: the condition has held for `for`",
    ]
    stage.querier.answers["slow > 1"] = vector()
    await stage.evaluate(10)
    (kept,) = told
    assert kept.labels == Labels.of(alertname="Slow", instance="a", region="eu")
    assert kept.detail == "value 1.5, for 5m, keep_firing_for 2m"
    assert await goes_on(range(11, 14)) == [
        "10m firing: the condition ended; `keep_firing_for` has not passed yet",
        "12m inactive: the condition ended and `keep_firing_for` has passed",
    ]


async def test_a_watchdog_is_not_counted_among_what_fires() -> None:
    stage = await staged(alerting(labels={"severity": "none"}), alerting(name="Real"))
    stage.querier.answers["slow > 1"] = vector((1.5, {"instance": "a"}))
    await stage.evaluate(0)
    assert stage.manager.count(AlertState.FIRING) == 1
