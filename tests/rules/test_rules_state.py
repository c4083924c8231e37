"""The one transition function, case by case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat.model.labels import Labels
from backbeat.rules.state import (
    NEVER_MS,
    RESOLVED_RETENTION_MS,
    AlertInstance,
    AlertState,
    Observation,
    Reason,
    Remembered,
    Terms,
    advance,
    restored_since,
)

LABELS = Labels.of(alertname="Slow")
MINUTE = 60_000
NOW = 100 * MINUTE
FIVE = Terms(for_ms=5 * MINUTE)
SEEN = Observation(2.0)
PENDING, FIRING, INACTIVE = AlertState.PENDING, AlertState.FIRING, AlertState.INACTIVE


def known(state: AlertState, active_minutes: float = 0, **more: int) -> AlertInstance:
    return AlertInstance(LABELS, state, 1.0, round(NOW - active_minutes * MINUTE), **more)


@pytest.mark.parametrize(
    ("before", "seen", "terms", "state", "reason"),
    [
        pytest.param(None, SEEN, FIVE, PENDING, Reason.CONDITION_BEGAN, id="begins"),
        pytest.param(None, SEEN, Terms(), FIRING, Reason.NO_FOR, id="without for it fires at once"),
        pytest.param(known(PENDING, 4.9), SEEN, FIVE, PENDING, Reason.STILL_WAITING, id="waits"),
        pytest.param(known(PENDING, 5), SEEN, FIVE, FIRING, Reason.FOR_PASSED, id="fires exactly at for"),
        pytest.param(known(PENDING, 4), None, FIVE, None, Reason.ENDED_WHILE_PENDING, id="ends pending"),
        pytest.param(known(FIRING, 9), SEEN, FIVE, FIRING, Reason.STILL_FIRING, id="goes on firing"),
        pytest.param(known(FIRING, 9), None, FIVE, INACTIVE, Reason.CONDITION_ENDED, id="resolves"),
        pytest.param(known(FIRING, 4), SEEN, FIVE, PENDING, Reason.FOR_GREW, id="for was made longer"),
        pytest.param(
            known(FIRING, 9), None, Terms(0, MINUTE), FIRING, Reason.KEPT_FIRING, id="keep_firing_for begins"
        ),
        pytest.param(
            known(FIRING, 9, keep_firing_since_ms=NOW - MINUTE),
            None,
            Terms(0, MINUTE),
            INACTIVE,
            Reason.KEEP_FIRING_PASSED,
            id="keep_firing_for ends exactly",
        ),
        pytest.param(
            known(INACTIVE, 30, resolved_at_ms=NOW - RESOLVED_RETENTION_MS),
            None,
            FIVE,
            INACTIVE,
            Reason.STILL_RESOLVED,
            id="remembered",
        ),
        pytest.param(
            known(INACTIVE, 30, resolved_at_ms=NOW - RESOLVED_RETENTION_MS - 1),
            None,
            FIVE,
            None,
            Reason.FORGOTTEN,
            id="forgotten",
        ),
        pytest.param(
            known(INACTIVE, 30, resolved_at_ms=NOW - 1),
            SEEN,
            FIVE,
            PENDING,
            Reason.CONDITION_BEGAN,
            id="again",
        ),
        pytest.param(None, None, FIVE, None, Reason.FORGOTTEN, id="never known"),
    ],
)
def test_advance(
    before: AlertInstance | None,
    seen: Observation | None,
    terms: Terms,
    state: AlertState | None,
    reason: Reason,
) -> None:
    transition = advance(LABELS, before, seen, NOW, terms)
    assert (transition.alert.state if transition.alert else None) is state
    assert transition.reason is reason


def test_value_and_annotations_follow_the_last_evaluation() -> None:
    after = advance(LABELS, known(FIRING, 9), Observation(7.0, Labels.of(summary="seven")), NOW, FIVE).alert
    assert after is not None
    assert (after.value, after.annotations) == (7.0, Labels.of(summary="seven"))


def test_a_condition_that_returns_stops_the_keep_firing_clock() -> None:
    after = advance(LABELS, known(FIRING, 9, keep_firing_since_ms=NOW - 1), SEEN, NOW, Terms(0, MINUTE)).alert
    assert after is not None
    assert after.keep_firing_since_ms == 0


def test_an_alert_that_begins_again_is_a_new_one() -> None:
    before = known(INACTIVE, 30, resolved_at_ms=NOW - 1, last_sent_ms=NOW - 1, fired_at_ms=1)
    after = advance(LABELS, before, SEEN, NOW, Terms()).alert
    assert after is not None
    assert (after.active_at_ms, after.fired_at_ms, after.resolved_at_ms, after.last_sent_ms) == (
        NOW,
        NOW,
        0,
        NEVER_MS,
    )


@pytest.mark.parametrize(
    ("alert", "is_due"),
    [
        pytest.param(known(PENDING), False, id="pending"),
        pytest.param(known(FIRING), True, id="never sent"),
        pytest.param(known(FIRING, last_sent_ms=NOW - MINUTE), False, id="sent a resend delay ago"),
        pytest.param(known(FIRING, last_sent_ms=NOW - MINUTE - 1), True, id="sent longer ago"),
        pytest.param(
            known(INACTIVE, resolved_at_ms=NOW, last_sent_ms=NOW - 1), True, id="resolved since it was sent"
        ),
        pytest.param(
            known(INACTIVE, resolved_at_ms=NOW - 9, last_sent_ms=NOW - 9), False, id="resolved was sent"
        ),
    ],
)
def test_is_due(alert: AlertInstance, is_due: bool) -> None:
    assert alert.is_due(NOW, MINUTE) is is_due


@pytest.mark.parametrize(
    ("active_ago", "written_ago", "grace", "expected_ago"),
    [
        pytest.param(30, 2, 0, 30, id="was firing: stays as it was"),
        pytest.param(7, 2, 0, 7, id="had just begun to fire"),
        pytest.param(4, 1, 0, 4, id="pending, nothing missed"),
        pytest.param(40, 36, 0, 5, id="pending, away for long: only what was watched counts"),
        pytest.param(4, 1, 3, 2, id="less than the grace period left: the grace period is waited"),
    ],
)
def test_restored_since(active_ago: float, written_ago: float, grace: float, expected_ago: float) -> None:
    remembered = Remembered(round(NOW - active_ago * MINUTE), round(NOW - written_ago * MINUTE))
    since = restored_since(remembered, NOW, FIVE, MINUTE, round(grace * MINUTE))
    assert (NOW - since) / MINUTE == expected_ago


@given(
    st.lists(st.booleans(), min_size=1, max_size=60),
    st.integers(0, 6),
    st.integers(0, 6),
)
def test_it_fires_exactly_while_the_condition_has_held_for_long_enough(
    holds: list[bool], for_steps: int, keep_steps: int
) -> None:
    """Against a slow definition that looks at the whole past at each moment."""
    terms = Terms(for_steps * MINUTE, keep_steps * MINUTE)
    alert: AlertInstance | None = None
    for step, holding in enumerate(holds):
        alert = advance(LABELS, alert, SEEN if holding else None, NOW + step * MINUTE, terms).alert
        run = _run_length(holds[: step + 1])
        continues = _kept_since(holds[: step + 1], for_steps, keep_steps)
        expected = run > for_steps or continues
        assert (alert is not None and alert.state is FIRING) == expected, step


def _run_length(holds: list[bool]) -> int:
    return next((n for n, holding in enumerate(reversed(holds)) if not holding), len(holds))


def _kept_since(holds: list[bool], for_steps: int, keep_steps: int) -> bool:
    """Whether an alert that fired has had no gap of keep_firing_for or longer since."""
    firing, gap = False, 0
    run = 0
    for holding in holds:
        run = run + 1 if holding else 0
        gap = 0 if holding else gap + 1
        if holding:
            firing = firing or run > for_steps
        elif gap > keep_steps:
            firing = False
    return firing
