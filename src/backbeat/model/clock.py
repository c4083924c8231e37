"""The clock is an argument everywhere; this is the one place that reads the real one."""

from __future__ import annotations

import time
from collections.abc import Callable

Now = Callable[[], int]
"""Returns ms since the epoch."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000
