"""Time that passes only when a test says so."""

from __future__ import annotations

import asyncio


class FakeTime:
    """now, monotonic and sleep in one; `advance` wakes the sleepers in their order."""

    def __init__(self, now_ms: int = 1_000_000) -> None:
        self.now_ms = now_ms
        self.passed_ms = 0
        self.sleepers: list[tuple[int, asyncio.Future[None]]] = []

    def now(self) -> int:
        return self.now_ms

    def monotonic(self) -> float:
        return self.passed_ms / 1000

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sleepers.append((self.passed_ms + round(seconds * 1000), woken))
        await woken

    async def advance(self, ms: int) -> None:
        end = self.passed_ms + ms
        await settle()
        while due := [(at, woken) for at, woken in self.sleepers if at <= end and not woken.done()]:
            at, woken = min(due, key=lambda each: each[0])
            self._pass(at)
            self.sleepers.remove((at, woken))
            woken.set_result(None)
            await settle()
        self._pass(end)

    def _pass(self, until_ms: int) -> None:
        self.now_ms += max(0, until_ms - self.passed_ms)
        self.passed_ms = max(self.passed_ms, until_ms)


async def settle() -> None:
    """Let everything that can run, run."""
    for _ in range(20):
        await asyncio.sleep(0)
