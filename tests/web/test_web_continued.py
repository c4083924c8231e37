"""An answer whose window moved on is written as if it were new, though only its new steps are written."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat.model.labels import Labels
from backbeat.model.results import Answer, Matrix
from backbeat.web import continued as module
from backbeat.web.continued import BETWEEN, continued
from backbeat.web.render import render_answer

STEP_MS = 15_000


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    yield
    module._written.clear()


def pairs(times: list[int], values: list[float]) -> bytes:
    return BETWEEN.join(b'%d,"%r' % pair for pair in zip(times, values, strict=True))


class Series:
    """Written from any step on; says what was written."""

    def __init__(self, times: list[int], values: list[float]) -> None:
        self.times, self.values = times, values
        self.written: list[int] = []

    def write(self, first: int) -> bytes:
        self.written.append(first)
        return pairs(self.times[first:], self.values[first:])

    def shown(self, what: str = "x") -> bytes:
        text = continued(what, np.array(self.times), np.array(self.values), self.write)
        assert text == pairs(self.times, self.values)
        return text


TIMES = [STEP_MS * step for step in range(12)]
VALUES = [float(step) / 8 for step in range(12)]


@pytest.mark.parametrize(
    ("times", "values", "written"),
    [
        pytest.param(TIMES[:10], VALUES[:10], [], id="the same again"),
        pytest.param(TIMES[1:11], VALUES[1:11], [9], id="one step later"),
        pytest.param(TIMES[2:], VALUES[2:], [8], id="two steps later"),
        pytest.param(TIMES[:12], VALUES[:12], [10], id="longer"),
        pytest.param(TIMES[3:10], VALUES[3:10], [], id="fewer at the beginning"),
        pytest.param(TIMES[:9], VALUES[:9], [0], id="fewer at the end"),
        pytest.param(TIMES[1:11], [*VALUES[1:10], 9.5], [9], id="another new value"),
        pytest.param(TIMES[1:11], [*VALUES[1:5], 9.5, *VALUES[6:11]], [0], id="an old value changed"),
        pytest.param([at + 1 for at in TIMES[1:11]], VALUES[1:11], [0], id="between the steps"),
        pytest.param(TIMES[1:11:2], VALUES[1:11:2], [0], id="another step"),
        pytest.param(TIMES[11:], VALUES[11:], [0], id="after all of it"),
    ],
)
def test_only_new_steps_are_written(times: list[int], values: list[float], written: list[int]) -> None:
    Series(TIMES[:10], VALUES[:10]).shown()
    again = Series(times, values)
    again.shown()
    assert again.written == written


@pytest.mark.parametrize(("before", "after"), [(0.0, -0.0), (1.0, float("nan"))])
def test_values_are_the_same_only_to_the_bit(before: float, after: float) -> None:
    Series(TIMES, [before] * 12).shown()
    again = Series(TIMES, [after] * 12)
    again.shown()
    assert again.written == [0]


def test_another_question_is_written_by_itself() -> None:
    Series(TIMES, VALUES).shown("x")
    other = Series(TIMES, VALUES)
    other.shown("y")
    assert other.written == [0]


MOVES = st.lists(
    st.tuples(st.integers(0, 60), st.integers(20, 40), st.booleans(), st.sampled_from("ab")), max_size=8
)


@given(MOVES)
def test_a_refresh_reads_as_if_it_were_asked_for_the_first_time(
    moves: list[tuple[int, int, bool, str]],
) -> None:
    rng = np.random.default_rng(1)
    values = np.round(rng.normal(size=(3, 200)), 2)
    present = rng.random((3, 200)) > np.array([[0], [0], [0.02]])
    labels = [Labels.of(n=str(row)) for row in range(3)]
    for first, count, changed, asked in moves:
        if changed:
            values[1, first + count // 2] += 1
        steps = slice(first, first + count)
        answer = Answer(
            Matrix(labels, np.arange(first, first + count) * STEP_MS, values[:, steps], present[:, steps])
        )
        assert render_answer(answer, at_ms=None, asked=asked) == render_answer(answer, at_ms=None)
