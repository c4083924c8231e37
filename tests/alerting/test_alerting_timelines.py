"""Timelines played to a real Alertmanager and to Backbeat: both tell and answer the same.

Set BACKBEAT_ALERTMANAGER to the path of another Alertmanager to be judged by that one.
"""

from __future__ import annotations

import asyncio

import pytest
from peer_differences import differences
from peer_stage import Play, Side, Timeline, alertmanager_binary
from peer_timelines import BEFORE_RELOAD, END_S, RELOAD_S, RELOADED, RESTART_S, RESTARTED, TIMELINES

# Played in real time, and up to five times over, on a machine that may be busy.
pytestmark = [pytest.mark.peer, pytest.mark.timeout(1200)]


async def _reload(side: Side) -> None:
    side.write(RELOADED)
    side.reload()


async def _restart(side: Side) -> None:
    await side.stop()
    await side.start()


async def _run(kind: int, play: Play) -> None:
    if kind == 0:
        await play.run(END_S + 2, spread_s=2)
    elif kind == 1:
        await play.run(END_S, [(RELOAD_S, _reload)])
    else:
        await play.run(END_S, [(RESTART_S, _restart)])


async def _all(plays: dict[int, Play]) -> None:
    await asyncio.gather(*(_run(kind, play) for kind, play in plays.items()))


SEVERAL = (TIMELINES, BEFORE_RELOAD, RESTARTED)
PLAYS_AT_MOST = 5
Found = list[dict[str, list[str] | None]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """For each kind of play the differences by timeline; None: that Alertmanager does not do so.

    All run at once, in real time. Two programs on a busy machine do not always do things in the same tenth
    of a second, so what differed is played again; a difference in what they do is there every time.
    """
    binary = alertmanager_binary()
    if binary is None:
        pytest.skip("prometheus-alertmanager is not installed")
    result: Found = [{} for _ in SEVERAL]
    waiting = set(range(len(SEVERAL)))
    for _ in range(PLAYS_AT_MOST):
        plays = {
            kind: Play(tmp_path_factory.mktemp("timelines"), binary, SEVERAL[kind])
            for kind in sorted(waiting)
        }
        asyncio.run(_all(plays))
        for kind, play in plays.items():
            for line in SEVERAL[kind]:
                if line not in play.timelines:
                    result[kind][line.name] = None
                elif result[kind].get(line.name) != []:
                    result[kind][line.name] = differences(play, line)
        waiting = {kind for kind in waiting if any(result[kind].values())}
        if not waiting:
            break
    return result


def _agree(found: Found, kind: int, line: Timeline) -> None:
    wrong = found[kind][line.name]
    if wrong is None:
        pytest.skip(f"Alertmanager does so since {line.since[0]}.{line.since[1]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("line", TIMELINES, ids=lambda line: line.name)
def test_backbeat_does_what_alertmanager_does(found: Found, line: Timeline) -> None:
    _agree(found, 0, line)


@pytest.mark.parametrize("line", BEFORE_RELOAD, ids=lambda line: line.name)
def test_backbeat_does_so_over_a_reload(found: Found, line: Timeline) -> None:
    _agree(found, 1, line)


@pytest.mark.parametrize("line", RESTARTED, ids=lambda line: line.name)
def test_backbeat_does_so_over_a_restart(found: Found, line: Timeline) -> None:
    _agree(found, 2, line)
