"""Random series such as monitoring meets: gaps, jitter, resets, late starts, staleness, odd numbers.

In:  a `random.Random` and the moment of the first sample. Out: labels to [(ms, value)].
"""

from __future__ import annotations

import math
import random

from msgspec import Struct

from backbeat.model.labels import Labels
from backbeat.model.samples import STALE

SPAN = 120
"""samples a series, about"""
INTERVAL_MS = 15_000
Samples = list[tuple[int, float]]
Series = dict[Labels, Samples]

_LE = ("0.1", "0.5", "1", "5", "+Inf")
_ODD_LE = ("0.1", "1e-1", "1", "bad", "", "-2", "+Inf", "Inf", "0x1p3", "1_0", "2.50")
_HOSTS = ("i1", "i2", "i10")


class RandomSeries(Struct, frozen=True):
    """off_edges: only odd milliseconds and counters far from zero, as version 2 of Prometheus needs.

    Its windows are closed on the left, and it extrapolates counters near zero in another way.
    """

    chance: random.Random
    base_ms: int
    off_edges: bool

    def all(self) -> Series:
        found: Series = {}
        for job in ("api", "web"):
            for host in _HOSTS:
                target = {"job": job, "instance": host}
                found[Labels.of(__name__="g", kind="one", **target)] = self.gauge()
                found[Labels.of(__name__="m", zone="z" + host[-1], **target)] = self.gauge()
                found[Labels.of(__name__="c_total", **target)] = self.counter()
                found[Labels.of(__name__="plain", **target)] = self.whole_numbers()
                found[Labels.of(__name__="target_info", version=f"v{host[1:]}", **target)] = self.ones()
                found[Labels.of(__name__="build_info", data=f"b {job}", **target)] = self.ones()
            found[Labels.of(__name__="few", job=job)] = self.whole_numbers()
            # The same series under one name after the other.
            turns = self.base_ms + self.chance.randint(0, SPAN) * INTERVAL_MS
            samples = self.whole_numbers()
            found[Labels.of(__name__="half_old", job=job)] = [one for one in samples if one[0] < turns]
            found[Labels.of(__name__="half_new", job=job)] = [one for one in samples if one[0] >= turns]
            found.update(self.histogram("h", {"job": job}, _LE))
            found.update(self.histogram("odd", {"job": job}, self.some(_ODD_LE)))
        if self.chance.random() < 0.3:
            target = {"job": "api", "instance": "i1"}
            found[Labels.of(__name__="target_info", version="newer", **target)] = self.ones()
        found[Labels.of(__name__="alone")] = self.gauge()
        for host in _HOSTS:
            found[Labels.of(__name__="huge", instance=host)] = self.huge()
        if not self.off_edges:
            for job in ("api", "web"):
                typed = {"__name__": "typed_total", "__type__": "counter", "__unit__": "bytes", "job": job}
                found[Labels.of(typed)] = self.counter()
            name = {"__name__": "métrique.ü"}
            found[Labels.of({**name, "lab el": "é", "job": "api"})] = self.gauge()
            found[Labels.of({**name, "lab el": "\U0001f600", "job": "web"})] = self.counter()
        return {labels: samples for labels, samples in found.items() if samples}

    def some(self, of: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self.chance.sample(of, self.chance.randint(1, len(of))))

    def times(self) -> list[int]:
        """With jitter or without; a gap or none; all of the time or a part of it."""
        chance = self.chance
        begin, end = chance.choice(((0, SPAN), (0, SPAN), (SPAN // 3, SPAN), (0, SPAN - SPAN // 3)))
        jitter = chance.choice((0, 0, 1, 7_000)) if not self.off_edges else chance.choice((0, 3_000))
        missing = chance.choice((0, 0.02, 0.3))
        gap = chance.randint(0, SPAN) if chance.random() < 0.5 else SPAN
        gap_end = gap + chance.randint(1, 40)
        found = []
        for i in range(begin, end):
            if gap <= i < gap_end or chance.random() < missing:
                continue
            at = self.base_ms + i * INTERVAL_MS + 2 * chance.randint(0, jitter)
            found.append(at + 1_001 if self.off_edges else at)
        return found

    def counter(self) -> Samples:
        chance = self.chance
        value = 1e6 if self.off_edges else chance.choice((0.0, 3.0, 1e3))
        resets = chance.choice((0, 0.03, 0.2))
        found = []
        for at in self.times():
            value += chance.choice((0, 1, 2.5, chance.randint(0, 30)))
            if chance.random() < resets:
                value = value - 1e5 if self.off_edges else chance.choice((0.0, 1.0, value / 2))
            found.append((at, self.or_stale(value)))
        return found

    def gauge(self) -> Samples:
        """Any numbers, the special ones included."""
        chance = self.chance
        special = chance.choice((0, 0, 0.05, 0.5))
        odd = (math.nan, math.inf, -math.inf, 0.0)
        value = 0.0
        found = []
        for at in self.times():
            value = chance.choice((chance.uniform(-20, 60), float(chance.randint(-5, 40)), value))
            shown = chance.choice(odd) if chance.random() < special else value
            found.append((at, self.or_stale(shown)))
        return found

    def huge(self) -> Samples:
        """Numbers whose sum may be too large for a float, though their mean is not."""
        numbers = (1.7e308, -1.7e308, 1e308, 9e307, 1e-300)
        return [(at, self.chance.choice(numbers)) for at in self.times()]

    def whole_numbers(self) -> Samples:
        """A small range of them, so that many are equal."""
        return [(at, self.or_stale(float(self.chance.randint(-3, 6)))) for at in self.times()]

    def ones(self) -> Samples:
        return [(at, self.or_stale(1.0)) for at in self.times()]

    def or_stale(self, value: float) -> float:
        return STALE if self.chance.random() < 0.01 else value

    def histogram(self, name: str, labels: dict[str, str], bounds: tuple[str, ...]) -> Series:
        """Buckets in the order given; now and then one of them falls behind, or misses a sample."""
        chance = self.chance
        start = 1e6 if self.off_edges else 0.0
        counts = [start] * len(bounds)
        rows: list[Samples] = [[] for _ in bounds]
        totals: Samples = []
        wrong = chance.choice((0, 0, 0.05)) if not self.off_edges else 0
        for at in self.times():
            for _ in range(chance.randint(0, 9)):
                for bucket in range(chance.randint(0, len(bounds) - 1), len(bounds)):
                    counts[bucket] += 1
            for row, count in zip(rows, counts, strict=True):
                if chance.random() >= wrong:
                    row.append((at, count - (3 if chance.random() < wrong else 0)))
            totals.append((at, counts[-1]))
        found = {
            Labels.of({"__name__": f"{name}_bucket", **labels, **({"le": le} if le else {})}): row
            for le, row in zip(bounds, rows, strict=True)
        }
        found[Labels.of({"__name__": f"{name}_count", **labels})] = totals
        found[Labels.of({"__name__": f"{name}_sum", **labels})] = [(at, n * 0.5) for at, n in totals]
        return found
