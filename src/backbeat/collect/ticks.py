"""The moments at which a target is scraped.

In:  interval, offset and the clock.
Out: one moment after the other, on the target's own grid.
The wait runs on the monotonic clock and the moments on the wall clock: when the wall clock jumps, the
next moment is where it stands now, and neither a burst nor a pause follows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from backbeat.model.clock import Now

Sleep = Callable[[float], Awaitable[object]]
Monotonic = Callable[[], float]

MAX_TOLERANCE_MS = 10
_TOGETHER_MS = 100
_LEAST_MOMENTS = 10
"""of an interval, over which targets are spread"""


def first_delay_ms(now_ms: int, interval_ms: int, offset: float) -> int:
    """How long until the next moment of the grid that lies `offset` of an interval behind the epoch's.

    Targets whose moments are less than a tenth of a second apart share one: a scrape that follows another
    at once takes half the time of one for which code and memory have to come back to the processor's caches.
    """
    together_ms = max(1, min(_TOGETHER_MS, interval_ms // _LEAST_MOMENTS))
    return (int(offset * interval_ms) // together_ms * together_ms - now_ms) % interval_ms


async def ticks(
    interval_ms: int,
    offset: float,
    now: Now,
    *,
    sleep: Sleep = asyncio.sleep,
    monotonic: Monotonic = time.monotonic,
) -> AsyncIterator[int]:
    """Yield the moment of each scrape, in ms; a moment that passes while the last scrape runs is left out.

    A few milliseconds of delay are not passed on: equal distances compress better and read better.
    """
    tolerance_ms = min(MAX_TOLERANCE_MS, interval_ms // 100)
    delay_ms = first_delay_ms(now(), interval_ms, offset)
    planned_ms = now() + delay_ms
    due_s = monotonic() + delay_ms / 1000
    await sleep(delay_ms / 1000)
    while True:
        current_ms = now()
        if abs(current_ms - planned_ms) > tolerance_ms:
            planned_ms = current_ms
        yield planned_ms
        missed = int(max(0.0, monotonic() - due_s) * 1000) // interval_ms
        due_s += (missed + 1) * interval_ms / 1000
        planned_ms += (missed + 1) * interval_ms
        await sleep(max(0.0, due_s - monotonic()))
