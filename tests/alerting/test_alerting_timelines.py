"""Timelines played to a real Alertmanager and to Backbeat: both tell and answer the same.

Set BACKBEAT_ALERTMANAGER to the path of another Alertmanager to be judged by that one.
"""

from __future__ import annotations

import asyncio

import pytest
from peer_stage import Play, Timeline, alertmanager_binary, differences
from peer_timelines import END_S, TIMELINES

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Play:
    binary = alertmanager_binary()
    if binary is None:
        pytest.skip("prometheus-alertmanager is not installed")
    play = Play(tmp_path_factory.mktemp("timelines"), binary, TIMELINES)
    asyncio.run(play.run(END_S))
    return play


@pytest.mark.parametrize("line", TIMELINES, ids=lambda line: line.name)
def test_backbeat_does_what_alertmanager_does(play: Play, line: Timeline) -> None:
    if line not in play.timelines:
        pytest.skip(f"Alertmanager does so since {line.since[0]}.{line.since[1]}")
    wrong = differences(play, line)
    assert not wrong, "\n".join(wrong)
