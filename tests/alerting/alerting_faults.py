"""Silences over kill -9, reloads at random moments, 100,000 alerts at once, labels of a megabyte.

The silences' process is a child that is killed right after it acknowledged one; the rest runs here.

    python tests/alerting/alerting_faults.py --kills 1000 --reloads 500 --alerts 100000 --seed 1
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

from alert_story import MINUTE, SECOND, Inbox, Story, config, equal
from victim import Victim

from backbeat.alerting import Alerting, InvalidAlerts
from backbeat.config.alertmanager import Route
from backbeat.model.alerts import Alert
from backbeat.model.clock import now_ms
from backbeat.model.labels import Labels
from backbeat.running import keep_pauses_short
from backbeat.state import open_state, store
from backbeat.state.records import Silence

_ROUTE = Route("hook", group_by=("alertname",), group_wait_ms=SECOND, group_interval_ms=10 * SECOND)


# -- silences over kills -----------------------------------------------------------------------------------


def keep_silences(told: Connection, database: str) -> None:
    """The child: makes one silence after the other, tells its id when it is acknowledged."""

    async def keep() -> None:
        state = open_state(database)
        alerting = Alerting(config(_ROUTE), {"hook": [Inbox()]}, state, now_ms, "http://localhost")
        await alerting.start(drive=False)
        for number in range(1_000_000):
            wanted = Silence("", equal(alertname=f"A{number}"), 0, now_ms() + 60 * MINUTE, "kill", "kept")
            told.send((await alerting.set_silence(wanted)).id)

    asyncio.run(keep())


async def kill_after_silences(kills: int, seed: int) -> tuple[int, int]:
    """How many silences were acknowledged, and how many of them are missing after all the kills."""
    dice = random.Random(seed)
    acknowledged: set[object] = set()
    with tempfile.TemporaryDirectory() as directory:
        database = f"{directory}/state.db"
        child = Victim(keep_silences, database)
        for _ in range(kills):
            await child.begin()
            for _ in range(dice.randint(1, 3)):
                acknowledged.add(await child.hear())
            acknowledged.update(await child.kill())
        state = open_state(database)
        kept = {each.id for each in await state.run(store.load_silences)}
        await state.close()
    return len(acknowledged), len(acknowledged - kept)


# -- reloads -----------------------------------------------------------------------------------------------


async def reload_at_random(reloads: int, seed: int, directory: Path) -> tuple[Counter[str], Counter[str]]:
    """What the same story tells without and with reloads at random moments; times are part of it."""
    told: list[Counter[str]] = []
    for name in ("undisturbed", "reloaded"):
        dice, moments = random.Random(seed), random.Random(seed + 1)
        inbox = Inbox()
        async with Story(directory / f"{name}.db", config(_ROUTE), {"hook": [inbox]}) as story:
            for _ in range(reloads):
                alert = story.alert(f"A{dice.randrange(8)}", i=str(dice.randrange(4)))
                known = story.firing.get(alert.labels)
                await (story.resolve(known) if known else story.fire(alert))
                rest_ms = dice.randrange(200, 8 * SECOND)
                before_ms = moments.randrange(rest_ms)
                await story.pass_time(before_ms)
                if name == "reloaded":
                    await story.alerting.apply(config(_ROUTE), {"hook": [inbox]})
                await story.pass_time(rest_ms - before_ms)
            await story.pass_time(MINUTE)
        told.append(Counter(inbox.lines))
    return told[0], told[1]


# -- many and large ----------------------------------------------------------------------------------------


async def many_at_once(count: int, directory: Path) -> tuple[int, float]:
    """How many of so many alerts were told, and the longest that the event loop was held meanwhile, in ms.

    Held is what the loop's thread computed between two turns; on a busy machine the clock would count others.
    """
    inbox, stop = Inbox(), asyncio.Event()
    longest_s = 0.0

    async def watch() -> None:
        nonlocal longest_s
        while not stop.is_set():
            began = time.thread_time()
            await asyncio.sleep(0.001)
            longest_s = max(longest_s, time.thread_time() - began)

    async with Story(directory / "many.db", config(_ROUTE), {"hook": [inbox]}) as story:
        alerts = [story.alert(f"A{i % 1000}", i=str(i)) for i in range(count)]
        watching = asyncio.create_task(watch())
        await story.alerting.receive(alerts)
        await story.pass_time(5 * SECOND)
        stop.set()
        await watching
    return sum(len(each.firing) for each in inbox.taken), 1000 * longest_s


async def too_large(directory: Path) -> str:
    """What is said about a label of a megabyte; the alert beside it is taken in."""
    inbox, said = Inbox(), ""
    async with Story(directory / "large.db", config(_ROUTE), {"hook": [inbox]}) as story:
        large = Alert(Labels.of(alertname="Large", text="x" * 1_000_000), starts_at_ms=story.now_ms)
        try:
            await story.alerting.receive([large, story.alert("Small")])
        except InvalidAlerts as refused:
            said = str(refused)
        await story.pass_time(5 * SECOND)
    assert [each.alerts[0].name for each in inbox.taken] == ["Small"]
    return said


async def run(kills: int, reloads: int, alerts: int, seed: int) -> bool:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        acknowledged, lost = await kill_after_silences(kills, seed)
        print(f"{kills} kills after a silence: {acknowledged} acknowledged, {lost} lost", flush=True)
        undisturbed, reloaded = await reload_at_random(reloads, seed, directory)
        missing, extra = (undisturbed - reloaded).total(), (reloaded - undisturbed).total()
        print(f"{reloads} reloads: {undisturbed.total()} messages, {missing} lost, {extra} extra", flush=True)
        keep_pauses_short()  # as the server does
        told, held_ms = await many_at_once(alerts, directory)
        print(f"{alerts} alerts at once: {told} told, event loop held {held_ms:.0f} ms at most", flush=True)
        print(f"a label of 1 MB: {await too_large(directory)}")
    return not lost and not missing and not extra and told == alerts


def main() -> int:
    parser = argparse.ArgumentParser()
    for name, default in (("kills", 1000), ("reloads", 500), ("alerts", 100_000), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    chosen = parser.parse_args()
    return 0 if asyncio.run(run(chosen.kills, chosen.reloads, chosen.alerts, chosen.seed)) else 1


if __name__ == "__main__":
    sys.exit(main())
