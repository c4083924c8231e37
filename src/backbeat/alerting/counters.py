"""What alerting counts about itself, under the names that Alertmanager's users know."""

from __future__ import annotations

from collections import Counter, defaultdict

from msgspec import Struct, field


class Counters(Struct):
    """Plain numbers; `metrics` shows them to Prometheus. Keys are integration kinds unless named."""

    received: Counter[str] = field(default_factory=Counter)
    """by status: firing, resolved"""
    invalid: int = 0
    turned_away: int = 0
    notifications: Counter[str] = field(default_factory=Counter)
    failed: Counter[tuple[str, str]] = field(default_factory=Counter)
    """by kind and reason"""
    requests: Counter[str] = field(default_factory=Counter)
    requests_failed: Counter[str] = field(default_factory=Counter)
    suppressed: Counter[str] = field(default_factory=Counter)
    """by reason: silence, inhibition, mute_time_interval"""
    latency_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    state_failures: int = 0
