"""The faults that can be switched on, each of which really happens in the code path it names."""

from __future__ import annotations

DESCRIPTIONS = {
    "slow_database": "every read waits 1.8 s inside the database",
    "cache_off": "the cache neither finds nor keeps anything",
    "stream_errors": "a third of the audio streams break off in the middle",
    "slow_uploads": "storing an upload takes about 40 s",
    "socket_refusals": "six in ten WebSocket connections are refused",
    "http_5xx": "a third of the API requests end in status 500",
    "rate_limit": "each client may ask the API only once in ten seconds",
}


class UnknownFaultError(ValueError):
    """Somebody asked for a fault that does not exist."""

    def __init__(self, name: object) -> None:
        super().__init__(f"fault {name!r} is unknown; choose one of: {', '.join(DESCRIPTIONS)}")


class Faults:
    """Which faults are on. The code that misbehaves asks `is_on` at the moment it acts."""

    def __init__(self) -> None:
        self._on: set[str] = set()

    def is_on(self, name: str) -> bool:
        return name in self._on

    def switch(self, name: str, on: bool) -> None:
        if name not in DESCRIPTIONS:
            raise UnknownFaultError(name)
        if on:
            self._on.add(name)
        else:
            self._on.discard(name)

    def state(self) -> dict[str, bool]:
        return {name: name in self._on for name in DESCRIPTIONS}
