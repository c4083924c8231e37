"""Believable listeners: real requests against the service, at random moments, with a day of ten minutes.

Out: HTTP requests and WebSocket connections. What they meet (errors, refusals) is counted in `Tally`, not
raised: the traffic goes on while the service is broken, as listeners do.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp

from .database import POPULARITY, TRACKS, USERS

DAY_S = 600.0
_MAX_AT_ONCE = 120
_SEARCHES = ("neon", "river", "golden", "heart", "midnight", "summer", "crystal", "ocean", "mirror", "signal")
_SEARCHERS_OWN_WORDS = 40


@dataclass(slots=True)
class Tally:
    """What happened so far."""

    answered: int = 0
    failed: int = 0
    dropped: int = 0
    """not even begun, since too many requests were still waiting for their answers"""
    by_action: dict[str, int] = field(default_factory=dict)


class Traffic:
    """Listeners of the service at `url`, about `per_s` actions a second, for as long as `run` runs."""

    def __init__(self, url: str, per_s: float = 25.0, seed: int | None = None) -> None:
        self._url = url.rstrip("/")
        self._per_s = per_s
        self._chance = random.Random(seed)  # noqa: S311 (a simulation)
        self._popular = [rank**-POPULARITY for rank in range(1, TRACKS + 1)]
        self.tally = Tally()

    async def run(self, stop: asyncio.Event) -> None:
        """Send requests until `stop` is set, then let go of those under way."""
        timeout = aiohttp.ClientTimeout(total=120, sock_connect=5)
        connector = aiohttp.TCPConnector(limit=0)
        under_way: set[asyncio.Task[None]] = set()
        async with aiohttp.ClientSession(self._url, timeout=timeout, connector=connector) as session:
            try:
                await self._begin_actions(session, stop, under_way)
            finally:
                for task in under_way:
                    task.cancel()
                await asyncio.gather(*under_way, return_exceptions=True)

    async def _begin_actions(
        self, session: aiohttp.ClientSession, stop: asyncio.Event, under_way: set[asyncio.Task[None]]
    ) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        names, weights = list(_ACTIONS), [weight for weight, _ in _ACTIONS.values()]
        while not stop.is_set():
            per_s = self._per_s * rate_factor(loop.time() - began)
            try:
                await asyncio.wait_for(stop.wait(), timeout=self._chance.expovariate(per_s))
            except TimeoutError:
                if len(under_way) >= _MAX_AT_ONCE:
                    self.tally.dropped += 1
                    continue
                name = self._chance.choices(names, weights)[0]
                task = asyncio.create_task(self._act(session, name), name=name)
                under_way.add(task)
                task.add_done_callback(under_way.discard)

    async def _act(self, session: aiohttp.ClientSession, name: str) -> None:
        try:
            await _ACTIONS[name][1](self, session)
            self.tally.answered += 1
        except (aiohttp.ClientError, TimeoutError, OSError):
            self.tally.failed += 1
        self.tally.by_action[name] = self.tally.by_action.get(name, 0) + 1

    def _listener(self) -> dict[str, str]:
        return {"X-User": str(self._chance.randint(1, USERS))}

    def _track(self) -> int:
        return self._chance.choices(range(1, TRACKS + 1), self._popular)[0]

    async def _get(self, session: aiohttp.ClientSession, path: str, **query: str) -> None:
        async with session.get(path, params=query, headers=self._listener()) as answer:
            await answer.read()

    async def _post(self, session: aiohttp.ClientSession, path: str, body: bytes = b"") -> None:
        async with session.post(path, data=body, headers=self._listener()) as answer:
            await answer.read()

    async def look_at_front_page(self, session: aiohttp.ClientSession) -> None:
        await self._get(session, "/")
        await self._get(session, "/api/tracks")

    async def look_at_track(self, session: aiohttp.ClientSession) -> None:
        await self._get(session, f"/api/tracks/{self._track()}")

    async def look_for_something(self, session: aiohttp.ClientSession) -> None:
        words = self._chance.choice(_SEARCHES)
        if self._chance.random() < 0.06:
            words = f"{words} {self._chance.randrange(_SEARCHERS_OWN_WORDS)}"
        await self._get(session, "/api/search", q=words)

    async def listen(self, session: aiohttp.ClientSession) -> None:
        track = self._track()
        await self._get(session, f"/api/tracks/{track}")
        await self._post(session, f"/api/tracks/{track}/plays")
        await self._get(session, f"/stream/{track}")

    async def open_library(self, session: aiohttp.ClientSession) -> None:
        await self._get(session, "/api/library")

    async def sign_in(self, session: aiohttp.ClientSession) -> None:
        await self._post(session, "/api/sessions")

    async def register(self, session: aiohttp.ClientSession) -> None:
        await self._post(session, "/api/users")

    async def upload(self, session: aiohttp.ClientSession) -> None:
        await self._post(session, "/uploads", self._chance.randbytes(self._chance.randint(50_000, 300_000)))

    async def follow_feed(self, session: aiohttp.ClientSession) -> None:
        stay_s = self._chance.uniform(10, 60)
        async with session.ws_connect("/ws") as socket:
            try:
                async with asyncio.timeout(stay_s):
                    async for _ in socket:
                        pass
            except TimeoutError:
                await socket.close()

    async def ask_greedily(self, session: aiohttp.ClientSession) -> None:
        """A program that asks faster than it may, so that the rate limit has something to refuse."""
        program = {"X-User": f"program {self._chance.randrange(5)}"}
        for _ in range(36):
            async with session.get("/api/tracks", headers=program) as answer:
                await answer.read()


_ACTIONS: dict[str, tuple[float, Callable[[Traffic, aiohttp.ClientSession], Awaitable[None]]]] = {
    "look_at_front_page": (10, Traffic.look_at_front_page),
    "look_at_track": (34, Traffic.look_at_track),
    "look_for_something": (18, Traffic.look_for_something),
    "listen": (20, Traffic.listen),
    "open_library": (14, Traffic.open_library),
    "sign_in": (3, Traffic.sign_in),
    "register": (1, Traffic.register),
    "upload": (1.5, Traffic.upload),
    "follow_feed": (2.5, Traffic.follow_feed),
    "ask_greedily": (0.15, Traffic.ask_greedily),
}


def rate_factor(elapsed_s: float) -> float:
    """The shape of the day, as a factor around 1: a morning, a high evening, and a quieter night between."""
    turn = 2 * math.pi * elapsed_s / DAY_S
    return 1 + 0.25 * math.sin(turn) + 0.1 * math.sin(2 * turn + 1)
