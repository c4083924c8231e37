"""The engine beside a real prometheus: the same random samples, the same random queries, the same answers.

`test_engine_differential` runs a part of it. Run as a program it goes on for as long as it is told:

    BACKBEAT_PROMETHEUS=/path/to/prometheus python tests/promql/differential.py --seeds 1-20 --queries 500

It prints every difference with the seed that replays it, and counts them. What a version 2 cannot know or
does in another way is left out of what it is asked.
"""

from __future__ import annotations

import argparse
import math
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from memory_queryable import MemoryQueryable
from msgspec import Struct
from prometheus_peer import DELAYED_NAMES, NEWEST_FEATURES, Peer, major_version, prometheus
from random_queries import RandomQueries
from random_series import INTERVAL_MS, SPAN, RandomSeries

from backbeat.model.labels import Labels
from backbeat.model.results import Answer, Matrix, QueryError, RawSamples, Scalar, Text
from backbeat.promql.engine import Engine
from backbeat.promql.limits import Dialect

Points = dict[Labels, dict[int, float]]
_CHOOSING = ("topk", "bottomk", "limitk")
MOST_NOTES = 10
"""how many warnings and infos the HTTP API shows; of others it tells the number"""


class Question(Struct, frozen=True):
    """An instant query where step_ms is 0."""

    text: str
    start_ms: int
    end_ms: int
    step_ms: int

    def __str__(self) -> str:
        if not self.step_ms:
            return f"{self.text}   at {self.start_ms / 1000}"
        return f"{self.text}   from {self.start_ms / 1000} to {self.end_ms / 1000} step {self.step_ms / 1000}"


class Difference(Struct, frozen=True):
    kind: str
    detail: str


class Pair(Struct):
    """Both engines over the same series."""

    peer: Peer
    engine: Engine
    base_ms: int
    newest: bool

    def question(self, chance: random.Random) -> Question:
        """Times are even ms where samples are on odd ones; else they may meet."""
        around = self.base_ms + chance.randint(-20, SPAN + 40) * INTERVAL_MS
        start = around + (2 if not self.newest else chance.choice((0, 0, 2, 5_001)))
        text = RandomQueries(chance, self.newest, self.base_ms // 1000).query()
        if chance.random() < 0.3:
            return Question(text, start, start, 0)
        step = chance.choice((15_000, 34_000, 60_000, 1_000, 300_000))
        return Question(text, start, start + step * chance.randint(0, 20) + chance.choice((0, 7)), step)

    def compare(self, question: Question) -> Difference | None:
        theirs = self._their_answer(question)
        try:
            ours = self._our_answer(question)
        except QueryError as error:
            if theirs["status"] == "success":
                # Version 2 does not mind several matches of which a comparison drops all but one.
                is_known = not self.newest and str(error).startswith("multiple matches for labels")
                return None if is_known else Difference("only we refuse", str(error))
            if theirs["errorType"] != error.kind:
                return Difference(
                    "error type", f"{error.kind}, theirs {theirs['errorType']}: {theirs['error']}"
                )
            if self.newest and _plain(str(error)) != _plain(theirs["error"]):
                return Difference("error text", f"{error}\n    theirs: {theirs['error']}")
            return None
        if theirs["status"] != "success":
            return Difference("only they refuse", str(theirs["error"]))
        return _difference(ours, theirs, question, self.newest)

    def _their_answer(self, question: Question) -> dict[str, Any]:
        if not question.step_ms:
            return self.peer.ask("/api/v1/query", query=question.text, time=question.start_ms / 1000)
        return self.peer.ask(
            "/api/v1/query_range",
            query=question.text,
            start=question.start_ms / 1000,
            end=question.end_ms / 1000,
            step=question.step_ms / 1000,
        )

    def _our_answer(self, question: Question) -> Answer:
        if not question.step_ms:
            return self.engine.instant(question.text, question.start_ms)
        return self.engine.range(question.text, question.start_ms, question.end_ms, question.step_ms)


@contextmanager
def pair(seed: int, folder: Path) -> Iterator[Pair]:
    """The same series, made from the seed, in a new prometheus and in memory."""
    newest = major_version() >= 3
    delayed = newest and seed % 2 == 0
    features = (NEWEST_FEATURES + (DELAYED_NAMES if delayed else "")) if newest else ""
    base_ms = int(time.time() - 4500) // 300 * 300_000
    made = RandomSeries(random.Random(seed), base_ms, off_edges=not newest).all()
    # The order of series decides between equals, as in topk.
    series = dict(sorted(made.items(), key=lambda one: one[0].get("job")))
    storage = MemoryQueryable()
    # Series of one job share a cohort: their times differ, which makes many gaps.
    for job in ("", "api", "web"):
        storage.add({labels: samples for labels, samples in series.items() if labels.get("job") == job})
    with prometheus(folder, features) as peer:
        peer.write(series)
        engine = Engine(storage, dialect=Dialect(delayed_name_removal=delayed))
        yield Pair(peer, engine, base_ms, newest)


def _difference(ours: Answer, theirs: dict[str, Any], question: Question, newest: bool) -> Difference | None:
    data = theirs["data"]
    kind, found = _shape(ours, is_range=bool(question.step_ms))
    if kind != data["resultType"]:
        return Difference("result type", f"{kind}, theirs {data['resultType']}")
    if isinstance(found, str):
        return (
            None if found == data["result"][1] else Difference("text", f"{found!r}, theirs {data['result']}")
        )
    expected = _points(data)
    if question.text.startswith(_CHOOSING):
        # Which of equals is chosen is nobody's promise; of limitk not even the values are.
        is_any = question.text.startswith("limitk")
        found, expected = (_without_owners(one, any_value=is_any) for one in (found, expected))
    # Deviations of times since 1970 lose the digits that they are made of.
    of_times = "ts_of" in question.text or "timestamp" in question.text
    differs = _different_points(found, expected, 1e-5 if of_times else 1e-11)
    if differs is not None:
        return differs
    if _order(question, found) != _order(question, expected):
        return Difference("order", f"{[*map(str, found)]}\n    theirs: {[*map(str, expected)]}")
    return _different_notes(ours, theirs) if newest else None


def _shape(answer: Answer, *, is_range: bool) -> tuple[str, Points | str]:
    value = answer.value
    if isinstance(value, Text):
        return "string", value.value
    if isinstance(value, Scalar):
        points = {Labels(): dict(zip(value.steps.tolist(), value.values.tolist(), strict=True))}
        return "matrix" if is_range else "scalar", points
    if isinstance(value, RawSamples):
        return "matrix", {
            block.labels[0]: dict(zip(block.times.tolist(), block.values[0].tolist(), strict=True))
            for block in value.blocks
        }
    assert isinstance(value, Matrix)
    return "matrix" if is_range else "vector", {
        labels: {
            at: number for at, number, there in zip(value.steps.tolist(), row, present, strict=True) if there
        }
        for labels, row, present in zip(
            value.labels, value.values.tolist(), value.present.tolist(), strict=True
        )
    }


def _points(data: dict[str, Any]) -> Points:
    result = data["result"]
    if data["resultType"] == "scalar":
        result = [{"metric": {}, "value": result}]
    return {
        Labels.of(one["metric"]): {
            round(at * 1000): float(value) for at, value in one.get("values", [one.get("value")])
        }
        for one in result
    }


def _plain(error: str) -> str:
    """Without what the HTTP API adds, the place that we show, and which of many series are named."""
    text = error.removeprefix('invalid parameter "query": ')
    return re.sub(r"\{.*\}", "{}", text.split("\n")[0])


def _without_owners(points: Points, *, any_value: bool) -> Points:
    """The values of every step in order, whichever series they belong to."""
    steps: dict[int, list[float]] = {}
    for row in points.values():
        for at, value in row.items():
            steps.setdefault(at, []).append(0.0 if any_value else value)
    found: Points = {}
    for at, values in steps.items():
        for place, value in enumerate(sorted(values, key=lambda one: (math.isnan(one), one))):
            found.setdefault(Labels.of(place=str(place)), {})[at] = value
    return found


def _different_points(ours: Points, theirs: Points, tolerance: float) -> Difference | None:
    if set(ours) != set(theirs):
        only_ours, only_theirs = (
            [*map(str, one)] for one in (set(ours) - set(theirs), set(theirs) - set(ours))
        )
        return Difference("series", f"only ours: {only_ours}\n    only theirs: {only_theirs}")
    for labels, points in theirs.items():
        found = ours[labels]
        if sorted(found) != sorted(points):
            only = [sorted(set(one) - set(two))[:5] for one, two in ((found, points), (points, found))]
            return Difference("presence", f"{labels}: only ours {only[0]}, only theirs {only[1]}")
        for at, value in points.items():
            if not same_number(found[at], value, tolerance):
                return Difference("value", f"{labels} at {at}: {found[at]!r}, theirs {value!r}")
    return None


def same_number(one: float, two: float, tolerance: float) -> bool:
    if math.isnan(one) or math.isnan(two):
        return math.isnan(one) and math.isnan(two)
    return math.isclose(one, two, rel_tol=1e-9, abs_tol=tolerance)


def _order(question: Question, points: Points) -> list[object]:
    """What can be seen of the order where there is one; equal values may come in any."""
    if question.step_ms or question.text.startswith("sort_by_label"):
        return list(points)
    if question.text.startswith("sort"):
        return [f"{value + 0.0:.9g}" for row in points.values() for value in row.values()]
    return []


def _settled(note: str) -> str:
    """Without what Prometheus gets wrong: places inside subqueries, and how many samples it mended."""
    if "might not be a counter" in note:
        return re.sub(r" \(\d+:\d+\)$", "", note)
    return re.sub(r"over -?\d+ samples", "over some samples", note)


def _different_notes(ours: Answer, theirs: dict[str, Any]) -> Difference | None:
    for kind, found in (("warnings", ours.notes.warnings), ("infos", ours.notes.infos)):
        expected = theirs.get(kind, [])
        found, expected = ([_settled(one) for one in notes] for notes in (found, expected))
        if len(found) > MOST_NOTES:
            expected = [one for one in expected if "omitted" not in one]
            if len(expected) == MOST_NOTES and set(expected) < set(found):
                continue
        if set(found) != set(expected):
            return Difference(kind, f"{sorted(found)}\n    theirs: {sorted(expected)}")
    return None


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description="Compare the engine with the prometheus of BACKBEAT_PROMETHEUS."
    )
    parser.add_argument("--seeds", default="1-4", help="first-last: each has series of its own")
    parser.add_argument("--queries", type=int, default=500, help="for each seed")
    parser.add_argument("--show", type=int, default=5, help="differences shown of each kind")
    options = parser.parse_args(arguments)
    first, _, last = options.seeds.partition("-")
    found: Counter[str] = Counter()
    asked = 0
    for seed in range(int(first), int(last or first) + 1):
        with tempfile.TemporaryDirectory() as folder, pair(seed, Path(folder)) as both:
            for number in range(options.queries):
                question = both.question(random.Random(f"{seed}/{number}"))
                asked += 1
                difference = both.compare(question)
                if difference is None:
                    continue
                found[difference.kind] += 1
                if found[difference.kind] <= options.show:
                    print(f"[{seed}/{number}] {difference.kind}: {question}\n    {difference.detail}")
    print(f"{asked} queries compared, {sum(found.values())} differences: {dict(found)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
