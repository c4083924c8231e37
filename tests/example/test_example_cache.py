"""The cache and the rate limit of the example, on a clock that the tests move."""

import pytest
from normaldance.cache import Cache
from normaldance.faults import Faults
from normaldance.rate_limit import RateLimit
from normaldance.traffic import DAY_S, rate_factor
from prometheus_client import CollectorRegistry

from backbeat_instrument import Metrics


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_cache_forgets_the_least_recently_used_and_the_old() -> None:
    clock, metrics = Clock(), Metrics(CollectorRegistry())
    cache = Cache(metrics, Faults(), clock, capacity=2, ttl_s=10)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)
    clock.now = 11
    assert cache.get("a") is None
    assert metrics.registry.get_sample_value("cache_evictions_total") == 2


def test_rate_limit_gives_tokens_back_over_time() -> None:
    clock = Clock()
    limit = RateLimit(Faults(), clock, per_s=2, burst=3)
    assert [limit.allows("a") for _ in range(4)] == [True, True, True, False]
    clock.now = 1
    assert [limit.allows("a") for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize("part", [0, 0.1, 0.25, 0.5, 0.75, 0.9])
def test_the_day_never_stops_and_never_doubles(part: float) -> None:
    assert 0.6 < rate_factor(part * DAY_S) < 1.4
