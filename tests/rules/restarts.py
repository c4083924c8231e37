"""Restarts at random moments: what fires goes on firing, and `for` goes on, give or take one evaluation.

A rule with `for: 1m` and one with `for: 5m`, over real storage that is closed and opened at every restart.

    python tests/rules/restarts.py --restarts 500 --seed 1
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct, field
from rule_stage import Stage, alerting, at, config, group

from backbeat.model.labels import Labels
from backbeat.promql.engine import Engine
from backbeat.promql.local import LocalQuerier
from backbeat.storage import Storage, StorageOptions, open_storage

SLOW = Labels.of({"__name__": "slow", "instance": "a"})
EVERY = 0.25
"""minutes between evaluations"""
WAITS = {"One": 1.0, "Five": 5.0}
"""alert to minutes of `for`"""


class Report(Struct):
    restarts: int
    seed: int
    firing: int = 0
    pending: int = 0
    lost: list[str] = field(default_factory=list)
    """fired before the restart, and not at the first evaluation after it"""
    off: list[str] = field(default_factory=list)
    """fired more than one evaluation too early or too late"""
    farthest: float = 0.0
    """minutes off, at most"""

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.restarts} restarts, over them {self.firing} alerts firing and "
            f"{self.pending} pending: {len(self.lost)} fell back, {len(self.off)} more than one evaluation "
            f"off, at most {self.farthest * 60:.0f} s off"
        )


class House:
    """Opens storage, engine and rules anew at every start."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._now_ms = at(0)
        self._storage: Storage
        self._querier: LocalQuerier
        self._stage: Stage

    async def start(self) -> None:
        self._storage = open_storage(self._directory, StorageOptions(), lambda: self._now_ms)
        self._querier = LocalQuerier(Engine(self._storage))
        self._stage = Stage(querier=self._querier, appender=self._storage)
        rules = [alerting(name, for_ms=round(minutes * 60_000)) for name, minutes in WAITS.items()]
        await self._stage.manager.apply(config(group(*rules, interval_ms=round(EVERY * 60_000))))

    async def stop(self) -> None:
        await self._stage.manager.stop()
        self._querier.close()
        self._storage.close()

    async def evaluate(self, minute: float, value: float) -> set[str]:
        """The alerts that were sent as firing."""
        self._now_ms = at(minute)
        self._storage.append_samples([SLOW], np.array([self._now_ms]), np.array([value]))
        sent = await self._stage.evaluate(minute)
        return {alert.name for alert in sent if not alert.resolved_at(self._now_ms)}


async def run(restarts: int, seed: int, directory: Path) -> Report:
    dice, report, house = random.Random(seed), Report(restarts, seed), House(directory)
    minute = 0.0
    await house.start()
    for _ in range(restarts):
        began = minute
        for _ in range(dice.randint(1, 28)):
            await house.evaluate(minute, 2.0)
            minute += EVERY
        last = minute - EVERY
        await house.stop()
        await house.start()
        minute = last + EVERY * dice.randint(1, 60)
        fired = await _live(house, minute, max(WAITS.values()) + 1)
        _judge(report, began, last, minute, fired)
        minute += max(WAITS.values()) + 1 + EVERY
        for _ in range(2):
            await house.evaluate(minute, 0.0)
            minute += EVERY
    await house.stop()
    return report


async def _live(house: House, begin: float, length: float) -> dict[str, float]:
    """When each alert is first sent."""
    fired: dict[str, float] = {}
    for minute in np.arange(begin, begin + length + EVERY, EVERY):
        for name in await house.evaluate(float(minute), 2.0):
            fired.setdefault(name, float(minute))
    return fired


def _judge(report: Report, began: float, last: float, back: float, fired: dict[str, float]) -> None:
    for name, wait in WAITS.items():
        when = fired.get(name)
        if last - began >= wait:
            report.firing += 1
            if when != back:
                report.lost.append(f"{name} at {when}, expected {back}")
            continue
        report.pending += 1
        # Nobody watched in between, so that time does not count.
        expected = began + wait + (back - last - EVERY)
        off = abs(when - expected) if when is not None else float("inf")
        report.farthest = max(report.farthest, off)
        if off > EVERY:
            report.off.append(f"{name} at {when}, expected {expected}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--restarts", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory:
        report = asyncio.run(run(chosen.restarts, chosen.seed, Path(directory, "data")))
    print(report)
    return 1 if report.lost or report.off else 0


if __name__ == "__main__":
    sys.exit(main())
