"""info(): as of which time info series are taken, and which of them a target finds."""

from __future__ import annotations

import pytest
from test_engine_exactness import steps
from test_engine_queries import engine, instant

CHANGING = (
    'm{instance="a", job="j"} 0+1x10',
    'n{instance="b", job="j"} 0+1x10',
    'target_info{instance="a", job="j", v="old"} 1 1 1 stale _ _ _ _ _ _ _',
    'target_info{instance="a", job="j", v="new"} _ _ _ 1 1 1 1 1 1 1 1',
    'target_info{instance="b", job="j", v="old"} 1 1 1 stale _ _ _ _ _ _ _',
    'target_info{instance="b", job="j", v="new"} _ _ _ 1 1 1 1 1 1 1 1',
)


def versions(query: str) -> dict[str, int]:
    """Of each version of target a, at how many of the minutes 0 to 10 it is told."""
    found = steps(engine(*CHANGING), query)
    told = {"old": 0, "new": 0}
    for labels, values in found.items():
        for version in told:
            if f'v="{version}"' in labels and 'instance="a"' in labels:
                told[version] += len(values)
    return told


A_CONSTANT = "label_replace(label_replace(vector(1), 'instance', 'a', '', ''), 'job', 'j', '', '')"


@pytest.mark.parametrize(
    ("query", "old", "new"),
    [
        pytest.param("info(m)", 3, 8, id="as of each step"),
        pytest.param("info(m @ 60)", 11, 0, id="as of @"),
        pytest.param("info(m offset 2m)", 3, 6, id="as of the offset"),
        pytest.param("info(last_over_time(m[5m:1m] @ 120))", 11, 0, id="@ of a subquery"),
        pytest.param("info(m * scalar(m @ 60))", 3, 8, id="a number's @ does not count"),
        pytest.param("info(scalar(m @ 60) * m)", 3, 8, id="nor before the vector"),
        pytest.param("info(m @ 60 or n)", 3, 8, id="several times: as of each step"),
        pytest.param("info(n or m @ 60)", 3, 8, id="in whatever order"),
        pytest.param("info(m @ 120 offset 1m or n @ 60)", 11, 0, id="one time, written in two ways"),
        pytest.param(f"info(m @ 60 or {A_CONSTANT})", 3, 8, id="a vector of no selector has no time"),
        pytest.param(f"info({A_CONSTANT}, {{v=~'.+'}})", 3, 8, id="alone"),
        pytest.param("info(m @ 60, {v=~'.+'} @ 500)", 11, 0, id="the form of a selector is not evaluated"),
        pytest.param("info(info(m @ 60, {v=~'.+'} @ 500))", 11, 0, id="not of an inner info either"),
    ],
)
def test_info_series_are_taken_as_of_what_they_are_joined_to(query: str, old: int, new: int) -> None:
    assert versions(query) == {"old": old, "new": new}


def test_targets_need_not_have_the_same_identifying_labels() -> None:
    one = engine(
        'm{job="j"} 1x10',
        'm{instance="i"} 2x10',
        'm{job="j", instance="a"} 3x10',
        'target_info{job="j", of="job"} 1x10',
        'target_info{instance="i", of="instance"} 1x10',
        'target_info{job="j", instance="a", of="both"} 1x10',
        'target_info{job="j", instance="i", of="neither"} 1x10',
    )
    assert instant(one, "info(m)") == {
        'm{job="j", of="job"}': 1,
        'm{instance="i", of="instance"}': 2,
        'm{instance="a", job="j", of="both"}': 3,
    }


def test_type_and_unit_of_an_info_series_are_no_data() -> None:
    one = engine('m{job="j"} 1x10', 'target_info{job="j", __type__="info", __unit__="x", of="job"} 1x10')
    assert instant(one, "info(m)") == {'m{job="j", of="job"}': 1}
