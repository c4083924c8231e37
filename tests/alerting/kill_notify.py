"""kill -9 between an alert and the receiver's 2xx: nothing may be lost, at most one message a kill doubled.

The parent is the receiver and keeps the ledger: what was acknowledged, and what arrived. The child runs
Alerting and is killed at a seeded random moment, in turn after a firing and after a resolved alert.

    python tests/alerting/kill_notify.py --kills 50 --seed 1
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import tempfile
from collections import Counter
from multiprocessing.connection import Connection

import aiohttp
from aiohttp import web
from msgspec import Struct, field
from msgspec.structs import replace
from victim import Victim

from backbeat.alerting import Alerting
from backbeat.config.alertmanager import AlertmanagerConfig, Receiver, Route
from backbeat.model.alerts import Alert, Delivery, Notification
from backbeat.model.clock import now_ms
from backbeat.model.labels import Labels
from backbeat.state import open_state

_LATEST_KILL_S = 0.06
_LATEST_ANSWER_S = 0.05
_PATIENCE_S = 120.0


class Report(Struct):
    kills: int
    seed: int
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    most_doubled_by_one_kill: int = 0
    killed_before_2xx: int = 0

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.kills} kills ({self.killed_before_2xx} before the 2xx), "
            f"{self.acknowledged} acknowledged, {len(self.lost)} lost, {len(self.doubled)} doubled, "
            f"at most {self.most_doubled_by_one_kill} by one kill"
        )


# -- the child ---------------------------------------------------------------------------------------------


class Webhook:
    kind = "webhook"
    send_resolved = True

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def send(self, notification: Notification) -> Delivery:
        body = {
            "key": notification.idempotency_key,
            "alerts": [[alert.name, "firing"] for alert in notification.firing]
            + [[alert.name, "resolved"] for alert in notification.resolved],
        }
        try:
            async with self._session.post(self._url, json=body, timeout=aiohttp.ClientTimeout(5)) as answer:
                return Delivery(answer.status < 300, retry=True, detail=f"HTTP {answer.status}")
        except (aiohttp.ClientError, TimeoutError) as failure:
            return Delivery(False, retry=True, detail=str(failure))


def child(orders: Connection, database: str, url: str) -> None:
    """Take orders, answer each when it is acknowledged."""
    asyncio.run(_obey(orders, database, url))


async def _obey(orders: Connection, database: str, url: str) -> None:
    route = Route("hook", group_by=("alertname",), group_wait_ms=0, group_interval_ms=100)
    settings = AlertmanagerConfig("", "", route, (Receiver("hook"),))
    async with aiohttp.ClientSession() as session:
        state = open_state(database)
        alerting = Alerting(settings, {"hook": [Webhook(session, url)]}, state, now_ms, "http://localhost")
        await alerting.start()
        while True:
            name, status = await asyncio.to_thread(orders.recv)
            at = now_ms()
            alert = Alert(Labels.of(alertname=name), starts_at_ms=at, ends_at_ms=at + 600_000)
            await alerting.receive([alert if status == "firing" else replace(alert, ends_at_ms=at)])
            orders.send("ok")


# -- the parent --------------------------------------------------------------------------------------------


class Receiving:
    """A receiver that notes what it takes before it answers."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.taken: list[tuple[str, str]] = []
        self.answered: set[tuple[str, str]] = set()
        self.news = asyncio.Event()

    async def handle(self, request: web.Request) -> web.Response:
        told = [(name, status) for name, status in (await request.json())["alerts"]]
        self.taken.extend(told)
        self.news.set()
        await asyncio.sleep(self._dice.uniform(0, _LATEST_ANSWER_S))
        self.answered.update(told)
        return web.Response()

    async def wait_for(self, told: tuple[str, str]) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                while told not in self.taken:
                    self.news.clear()
                    await self.news.wait()
        return told in self.taken


async def run(kills: int, seed: int) -> Report:
    dice = random.Random(seed)
    receiving = Receiving(dice)
    app = web.Application()
    app.router.add_post("/", receiving.handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    report = Report(kills, seed)
    with tempfile.TemporaryDirectory() as directory:
        under_test = Victim(child, f"{directory}/state.db", f"http://127.0.0.1:{port}/")
        await under_test.begin()
        for number in range(kills):
            await _one_kill(under_test, receiving, dice, report, number)
        await under_test.kill()
    await runner.cleanup()
    return report


async def _one_kill(
    under_test: Victim, receiving: Receiving, dice: random.Random, report: Report, number: int
) -> None:
    name = f"Alert{number}"
    kills_after = ("firing", "resolved")[number % 2]
    for status in ("firing", "resolved"):
        told = (name, status)
        await under_test.ask((name, status))
        report.acknowledged += 1
        if status == kills_after:
            await asyncio.sleep(dice.uniform(0, _LATEST_KILL_S))
            report.killed_before_2xx += told not in receiving.answered
            await under_test.kill()
            await under_test.begin()
        if not await receiving.wait_for(told):
            report.lost.append(f"{name} {status}")
    # Long enough for a second copy to come.
    await asyncio.sleep(2 * _LATEST_ANSWER_S + 0.15)
    counts = Counter(told for told in receiving.taken if told[0] == name)
    doubled = [f"{name} {status}" for (_, status), count in counts.items() for _ in range(count - 1)]
    report.doubled.extend(doubled)
    report.most_doubled_by_one_kill = max(report.most_doubled_by_one_kill, len(doubled))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    print(asyncio.run(run(chosen.kills, chosen.seed)))


if __name__ == "__main__":
    main()
