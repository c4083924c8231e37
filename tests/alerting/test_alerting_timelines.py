"""Timelines played to a real Alertmanager and to Backbeat: both tell and answer the same.

Set BACKBEAT_ALERTMANAGER to the path of another Alertmanager to be judged by that one.
"""

from __future__ import annotations

import asyncio

import pytest
from peer_stage import Play, Side, Timeline, alertmanager_binary, differences
from peer_timelines import BEFORE_RELOAD, END_S, RELOAD_S, RELOADED, RESTART_S, RESTARTED, TIMELINES

pytestmark = pytest.mark.peer


async def _reload(side: Side) -> None:
    side.write(RELOADED)
    side.reload()


async def _restart(side: Side) -> None:
    await side.stop()
    await side.start()


async def _all(*plays: Play) -> None:
    main, reloaded, restarted = plays
    await asyncio.gather(
        main.run(END_S + 2, spread_s=2),
        reloaded.run(END_S, [(RELOAD_S, _reload)]),
        restarted.run(END_S, [(RESTART_S, _restart)]),
    )


@pytest.fixture(scope="module")
def plays(tmp_path_factory: pytest.TempPathFactory) -> list[Play]:
    """All of them at once, since they run in real time."""
    binary = alertmanager_binary()
    if binary is None:
        pytest.skip("prometheus-alertmanager is not installed")
    several = (TIMELINES, BEFORE_RELOAD, RESTARTED)
    plays = [Play(tmp_path_factory.mktemp("timelines"), binary, each) for each in several]
    asyncio.run(_all(*plays))
    return plays


def _agree(play: Play, line: Timeline) -> None:
    if line not in play.timelines:
        pytest.skip(f"Alertmanager does so since {line.since[0]}.{line.since[1]}")
    wrong = differences(play, line)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("line", TIMELINES, ids=lambda line: line.name)
def test_backbeat_does_what_alertmanager_does(plays: list[Play], line: Timeline) -> None:
    _agree(plays[0], line)


@pytest.mark.parametrize("line", BEFORE_RELOAD, ids=lambda line: line.name)
def test_backbeat_does_so_over_a_reload(plays: list[Play], line: Timeline) -> None:
    _agree(plays[1], line)


@pytest.mark.parametrize("line", RESTARTED, ids=lambda line: line.name)
def test_backbeat_does_so_over_a_restart(plays: list[Play], line: Timeline) -> None:
    _agree(plays[2], line)
