"""Query answers as JSON: Go's number texts, seconds, masks."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat.model.labels import Labels
from backbeat.model.results import Answer, Matrix, Notes, RawSamples, Scalar, Text
from backbeat.model.samples import SampleBlock
from backbeat.web.render import format_seconds, format_value, render_answer, value_texts


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (0.1, "0.1"),
        (1e-6, "0.000001"),
        (1.5e-7, "1.5e-07"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (5e-324, "5e-324"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
        (float("nan"), "NaN"),
    ],
)
def test_a_value_is_written_as_go_writes_it(value: float, text: str) -> None:
    assert format_value(value) == text


@given(st.lists(st.floats(), max_size=20))
def test_the_array_writer_and_the_single_writer_agree(values: list[float]) -> None:
    assert value_texts(np.array(values, dtype=float)) == [format_value(value).encode() for value in values]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_value_survives_its_text(value: float) -> None:
    assert float(format_value(value)) == value


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0"), (1500, "1.500"), (1435781430781, "1435781430.781"), (-1500, "-1.500"), (10, "0.010")],
)
def test_times_are_seconds(ms: int, text: str) -> None:
    assert format_seconds(ms) == text


def matrix(values: list[list[float]], present: list[list[bool]], steps: list[int]) -> Matrix:
    labels = [Labels.of(__name__="up", instance=str(row)) for row in range(len(values))]
    return Matrix(labels, np.array(steps), np.array(values, dtype=float), np.array(present))


def test_a_range_answer_leaves_absent_steps_out() -> None:
    value = matrix([[1, 2, 3], [4, 5, 6]], [[True, True, True], [False, True, False]], [1000, 2000, 3500])
    shown = json.loads(render_answer(Answer(value), at_ms=None))
    assert shown == {
        "status": "success",
        "data": {
            "resultType": "matrix",
            "result": [
                {
                    "metric": {"__name__": "up", "instance": "0"},
                    "values": [[1, "1"], [2, "2"], [3.5, "3"]],
                },
                {"metric": {"__name__": "up", "instance": "1"}, "values": [[2, "5"]]},
            ],
        },
    }


def test_an_instant_answer_is_a_vector_with_its_notes() -> None:
    answer = Answer(matrix([[0.5]], [[True]], [1000]), Notes(("careful",), ("by the way",)))
    shown = json.loads(render_answer(answer, at_ms=1000))
    assert shown["data"]["result"] == [{"metric": {"__name__": "up", "instance": "0"}, "value": [1, "0.5"]}]
    assert shown["warnings"] == ["careful"]
    assert shown["infos"] == ["by the way"]


def test_scalars_strings_and_raw_samples() -> None:
    scalar = render_answer(Answer(Scalar(np.array([1000]), np.array([2.0]))), at_ms=1000)
    assert json.loads(scalar)["data"] == {"resultType": "scalar", "result": [1, "2"]}
    text = render_answer(Answer(Text('a"b')), at_ms=1000)
    assert json.loads(text)["data"] == {"resultType": "string", "result": [1, 'a"b']}
    block = SampleBlock(
        [Labels.of(a="b")],
        np.array([1000, 2000]),
        np.array([[1.0, 2.0]]),
        np.array([[False, True]]),
    )
    raw = render_answer(Answer(RawSamples([block])), at_ms=1000)
    assert json.loads(raw)["data"]["result"] == [{"metric": {"a": "b"}, "values": [[2, "2"]]}]


def test_times_are_right_as_a_window_moves_on() -> None:
    """What was written of one window's times is used for the next, which may lie anywhere."""
    for step_ms in (15_000, 1_500, 333):
        for first in (0, 1, 2, 7, 6, 0, 40, 41, 3):
            steps = 1_700_000_000_000 + step_ms * np.arange(first, first + 5)
            values = np.arange(5.0)[np.newaxis]
            matrix = Matrix([Labels()], steps, values, np.ones((1, 5), bool))
            shown = json.loads(render_answer(Answer(matrix), at_ms=None))["data"]["result"][0]["values"]
            assert shown == [[at / 1000, str(place)] for place, at in enumerate(steps.tolist())]
