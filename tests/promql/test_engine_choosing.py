"""Which of equal series topk, bottomk and limitk choose: the first by its labels, however they are read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from memory_queryable import MemoryQueryable

from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher
from backbeat.model.results import Matrix
from backbeat.model.samples import SampleBlock
from backbeat.promql import aggregation, slicing
from backbeat.promql.engine import Engine
from backbeat.promql.limits import Limits

SECOND = 1000
LAST = 300


class Turning(MemoryQueryable):
    """Gives its series in another order each time."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def read(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[SampleBlock]:
        self.reads += 1
        found = super().read(matchers, start_ms, end_ms)
        return found[self.reads % len(found) :] + found[: self.reads % len(found)]


def equals() -> Turning:
    """x of two jobs and four instances, each a cohort: always 7, but for the least and the most of one."""
    storage = Turning()
    for instance in "cadb":
        for job in "21":
            labels = Labels.of(__name__="x", instance=instance, job=job)
            special = {100: 1.0, 200: 9.0} if (instance, job) == ("d", "1") else {}
            storage.add({labels: [(at * SECOND, special.get(at, 7.0)) for at in range(0, LAST + 1, 10)]})
    return storage


def chosen(answer: Matrix) -> dict[str, list[int]]:
    """When each series was chosen, in seconds."""
    return {
        labels.get("instance") + labels.get("job"): (np.flatnonzero(present) * 10).tolist()
        for labels, present in zip(answer.labels, answer.present, strict=True)
    }


EVERY = list(range(0, LAST + 1, 10))


@pytest.mark.parametrize("few", [0, 50])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param(
            "topk(2, x)", {"a1": EVERY, "a2": [at for at in EVERY if at != 200], "d1": [200]}, id="topk"
        ),
        pytest.param("bottomk(1, x)", {"a1": [at for at in EVERY if at != 100], "d1": [100]}, id="bottomk"),
        pytest.param("limitk(3, x)", {"a1": EVERY, "a2": EVERY, "b1": EVERY}, id="limitk"),
        pytest.param("topk(1, x > 100)", {}, id="nothing"),
        pytest.param("topk by (job) (1, x < 8)", {"a1": EVERY, "a2": EVERY}, id="in each group"),
        pytest.param("topk(1, max_over_time(x[20s]) < 8)", {"a1": EVERY}, id="of a range function"),
    ],
)
def test_a_line_does_not_jump_between_equals_where_a_range_is_read_in_pieces(
    query: str, expected: dict[str, list[int]], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aggregation, "_FEW", few)
    monkeypatch.setattr(slicing, "UNKNOWN_SPAN_MS", 40 * SECOND)
    monkeypatch.setattr(slicing, "SLICE_SAMPLES", 40)
    storage = equals()
    engine = Engine(storage, limits=Limits(lookback_ms=20 * SECOND))
    engine.range("x", 0, LAST * SECOND, 10 * SECOND)  # from now on it knows that this is too much at once
    storage.reads = 0
    answer = engine.range(query, 0, LAST * SECOND, 10 * SECOND).value
    assert isinstance(answer, Matrix)
    assert storage.reads > 5
    assert chosen(answer) == expected


@pytest.mark.parametrize("few", [0, 50])
def test_an_instant_query_shows_equals_by_their_labels(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregation, "_FEW", few)
    engine = Engine(equals())
    for _ in range(3):
        answer = engine.instant("topk by (job) (3, x)", 200 * SECOND).value
        assert isinstance(answer, Matrix)
        shown = [(labels.get("job"), labels.get("instance")) for labels in answer.labels]
        assert [instance for job, instance in shown if job == "1"] == ["d", "a", "b"]
        assert [instance for job, instance in shown if job == "2"] == ["a", "b", "c"]


def test_nothing_is_chosen_of_many_that_have_no_sample() -> None:
    storage = MemoryQueryable()
    storage.add({Labels.of(__name__="x", row=str(row)): [(0, float(row))] for row in range(200)})
    for query in ("topk(3, x > 500)", "topk(3, sum by (row) (x) > 500)", "topk(3, x offset 1h)"):
        answer = Engine(storage).range(query, 0, 60 * SECOND, 10 * SECOND).value
        assert isinstance(answer, Matrix)
        assert not answer.labels
