"""A token bucket for each client."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from .faults import Faults

_MAX_CLIENTS = 10_000


class RateLimit:
    """Lets a client ask `per_s` times a second, and `burst` times at once after a pause."""

    def __init__(
        self, faults: Faults, clock: Callable[[], float], per_s: float = 10.0, burst: float = 30.0
    ) -> None:
        self._faults = faults
        self._clock = clock
        self._per_s = per_s
        self._burst = burst
        self._tokens: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, client: str) -> bool:
        per_s, burst = (0.1, 1.0) if self._faults.is_on("rate_limit") else (self._per_s, self._burst)
        now = self._clock()
        tokens, since = self._tokens.get(client, (burst, now))
        tokens = min(burst, tokens + (now - since) * per_s)
        allowed = tokens >= 1
        self._tokens[client] = (tokens - allowed, now)
        self._tokens.move_to_end(client)
        if len(self._tokens) > _MAX_CLIENTS:
            self._tokens.popitem(last=False)
        return allowed
