"""The engine and a real prometheus give the same answers over the same random samples.

Debian's prometheus is of version 2, whose windows are closed on the left and whose rates near a counter's
zero differ, so no sample lies on a window's edge, and counters stay far from zero.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator

import pytest
from memory_queryable import MemoryQueryable
from prometheus_peer import BINARY, Peer, prometheus

from backbeat.model.labels import Labels
from backbeat.model.results import Matrix, QueryError, Scalar
from backbeat.model.samples import STALE
from backbeat.promql.engine import Engine

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(BINARY is None, reason="no prometheus on this machine"),
]

BASE_MS = int(time.time() - 5400) // 60 * 60_000
SPAN = 200
"""samples a series, 15 s apart"""

_OF_VECTOR = (
    "{v}",
    "-{v}",
    "abs({v})",
    "ceil({v} / 7)",
    "clamp({v}, -5, 20)",
    "clamp_min({v}, 3)",
    "sqrt({v})",
    "ln({v})",
    "exp({v} / 100)",
    "sgn({v})",
    "round({v}, 7)",
    "timestamp({v})",
    "hour(abs(c) * 1000)",
    "minute(c * 7)",
    "month(c * 1e6)",
    "year(c * 1e6)",
    "day_of_week(-c * 12345)",
    "day_of_month(c * 86400)",
    "day_of_year(c * 86400)",
    "days_in_month(c * 1e6)",
    "scalar({v})",
    "absent({v} > 1e9)",
    "absent({v})",
    "{v} > 10",
    "10 <= bool {v}",
    "{v} % 7",
    "{v} ^ 2",
    "2 ^ ({v} / 10)",
    "{v} offset 3m",
    "{v} offset -3m",
    "{v} @ end()",
    "label_replace({v}, 'to', '$1-x', 'instance', 'i(.*)')",
    "label_join({v}, 'to', '/', 'job', 'instance')",
    "count_values('value', round({v}, 20))",
    "count_values without (instance) ('value', {v} > bool 5)",
)
_OF_COUNTER = ("rate({m})", "increase({m})")
_OF_RANGE = (
    "delta({m})",
    "irate({m})",
    "idelta({m})",
    "deriv({m})",
    "predict_linear({m}, 600)",
    "changes({m})",
    "resets({m})",
    "sum_over_time({m})",
    "avg_over_time({m})",
    "min_over_time({m})",
    "max_over_time({m})",
    "count_over_time({m})",
    "stddev_over_time({m})",
    "stdvar_over_time({m})",
    "last_over_time({m})",
    "present_over_time({m})",
    "absent_over_time({m})",
    "quantile_over_time(0.7, {m})",
)
_RANGES = ("{v}[5m]", "{v}[90s]", "{v}[20m] offset 2m", "{v}[5m] @ start()", "abs({v})[10m:37s]", "{v}[7m:]")
_AGGREGATIONS = (
    "sum",
    "avg",
    "min",
    "max",
    "count",
    "group",
    "stddev",
    "stdvar",
    "topk(2, c)",
    "bottomk(2, c)",
    "quantile(0.6, {e})",
)
_PAIRS = (
    "a + on(instance, job) b",
    "a * ignoring(kind) b",
    "a / ignoring(kind) group_left b",
    "a > ignoring(kind) b",
    "a == bool ignoring(kind) b",
    "a and ignoring(kind) b",
    "a or ignoring(kind) b",
    "a unless ignoring(kind) b",
    "a and on(job) (b > 10)",
    "sum by (job) (a) / on(job) group_right sum by (job, instance) (b)",
    "a - a offset 5m",
    "a + on(job) b",
    "sum by (job) (rate(c[5m])) / on(job) sum by (job) (delta(b[5m]))",
    "histogram_quantile(0.9, sum by (le, job) (delta(h_bucket[5m])))",
    "histogram_quantile(0.5, h_bucket)",
    "max_over_time(sum by (job) (delta(a[2m]))[10m:1m])",
    "avg_over_time((a > 10)[10m:30s] offset 1m)",
    "time() - a",
    "vector(1) + on() group_right a",
    "a{instance=~'i[12]'} + 1",
    "{{__name__=~'a|b', job='api'}}",
    "delta({{__name__=~'a|b', job='api'}}[5m])",
)


def _queries() -> list[str]:
    vectors = [query.format(v="a") for query in _OF_VECTOR]
    windows = {name: [_range.format(v=name) for _range in _RANGES] for name in ("a", "c")}
    ranges = [query.format(m=window) for query in _OF_RANGE for window in (*windows["a"], *windows["c"])]
    ranges += [query.format(m=window) for query in _OF_COUNTER for window in windows["c"]]
    grouped = []
    for operator in _AGGREGATIONS:
        for modifier in ("", "by (job)", "without (instance)"):
            call = operator.format(e="a") if "(" in operator else f"{operator}(a)"
            grouped.append(f"{call} {modifier}")
    return [*vectors, *ranges, *grouped, *(query.replace("{{", "{").replace("}}", "}") for query in _PAIRS)]


def _series(chance: random.Random) -> dict[Labels, list[tuple[int, float]]]:
    found: dict[Labels, list[tuple[int, float]]] = {}
    for name, kind in (("a", "one"), ("b", "two"), ("c", "counter")):
        for job in ("api", "web"):
            for instance in ("i1", "i2", "i3"):
                labels = Labels.of(__name__=name, kind=kind, job=job, instance=instance)
                found[labels] = _samples(chance, is_counter=name == "c")
    for job in ("api", "web"):
        counts = [0.0] * 5
        rows: list[list[tuple[int, float]]] = [[] for _ in counts]
        for i in range(SPAN):
            at = BASE_MS + i * 15_000 + 1_003
            for _ in range(chance.randint(0, 9)):
                for bucket in range(chance.randint(0, 4), 5):
                    counts[bucket] += 1
            for row, count in zip(rows, counts, strict=True):
                row.append((at, count))
        for bound, row in zip(("0.1", "0.5", "1", "5", "+Inf"), rows, strict=True):
            found[Labels.of(__name__="h_bucket", job=job, le=bound)] = row
    return found


def _samples(chance: random.Random, *, is_counter: bool) -> list[tuple[int, float]]:
    begins, ends = chance.choice(((0, SPAN), (30, SPAN), (0, SPAN - 60)))
    value = 1e6 if is_counter else 0.0
    samples = []
    for i in range(begins, ends):
        if is_counter:
            value = value - 1e5 if chance.random() < 0.02 else value + chance.randint(0, 30)
        else:
            value = chance.choice((chance.uniform(-20, 60), float(chance.randint(-5, 40)), value))
        if chance.random() < 0.1:
            continue
        special = chance.random()
        shown = STALE if special < 0.02 else value
        if not is_counter and 0.02 < special < 0.03:
            shown = chance.choice((math.nan, math.inf, -math.inf))
        # Jitter in odd ms, so that no sample lies on the edge of a window.
        samples.append((BASE_MS + i * 15_000 + 1_001 + 2 * chance.randint(0, 400), shown))
    return samples


Points = dict[Labels, dict[int, float]]


@pytest.fixture(scope="module", params=[1, 2])
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Peer, Engine]]:
    series = _series(random.Random(request.param))
    storage = MemoryQueryable()
    # Series of one job share a cohort: their jittered times make many gaps.
    for job in ("api", "web"):
        storage.add({labels: samples for labels, samples in series.items() if labels.get("job") == job})
    with prometheus(tmp_path_factory.mktemp("prometheus")) as peer:
        peer.write(series)
        yield peer, Engine(storage)


def _ours(engine: Engine, query: str, start: int, end: int, step: int) -> Points | str:
    try:
        answer = engine.range(query, start, end, step).value
    except QueryError as error:
        return str(error)
    if isinstance(answer, Scalar):
        return {Labels(): dict(zip(answer.steps.tolist(), answer.values.tolist(), strict=True))}
    assert isinstance(answer, Matrix)
    return {
        labels: {
            at: value
            for at, value, there in zip(answer.steps.tolist(), values, present, strict=True)
            if there
        }
        for labels, values, present in zip(
            answer.labels, answer.values.tolist(), answer.present.tolist(), strict=True
        )
    }


def _same(one: float, two: float) -> bool:
    if math.isnan(one) or math.isnan(two):
        return math.isnan(one) and math.isnan(two)
    return math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-11)


@pytest.mark.parametrize("query", _queries())
def test_prometheus_gives_the_same(both: tuple[Peer, Engine], query: str) -> None:
    peer, engine = both
    # Even ms, where samples and the steps of subqueries never are.
    start, end, step = BASE_MS - 52_998, BASE_MS + SPAN * 15_000 + 600_000, 34_000
    theirs = peer.range(query, start, end, step)
    ours = _ours(engine, query, start, end, step)
    if isinstance(theirs, str) or isinstance(ours, str):
        assert isinstance(theirs, str), ours
        assert isinstance(ours, str), theirs
        return
    assert set(ours) == set(theirs)
    for labels, points in theirs.items():
        assert sorted(ours[labels]) == sorted(points), labels
        for at, value in points.items():
            assert _same(ours[labels][at], value), f"{labels} at {at}: {ours[labels][at]} != {value}"
