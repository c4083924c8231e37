"""Random queries over random series: the engine and a real prometheus give the same answers.

BACKBEAT_DIFFERENTIAL=20000 asks that many questions instead of the suite's few hundred, other ones each time.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest
from differential import Pair, pair
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parser_differential import compare, damaged
from prometheus_peer import BINARY

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(BINARY is None, reason="no prometheus on this machine"),
]
LONG = int(os.environ.get("BACKBEAT_DIFFERENTIAL", "0"))


@pytest.fixture(scope="module", params=[1, 2, 3])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with pair(request.param, tmp_path_factory.mktemp("prometheus")) as engines:
        yield engines


@pytest.mark.timeout(120 + LONG)
def test_random_texts_are_refused_printed_and_shown_as_trees_alike(both: Pair) -> None:
    if not both.newest:
        pytest.skip("needs the path of a prometheus of version 3 in BACKBEAT_PROMETHEUS")
    seed = random.Random().random() if LONG else 0
    for number in range(LONG or 2000):
        text = damaged(random.Random(f"{seed}/{number}"))
        difference = compare(both.peer, text)
        assert difference is None, f"{text!r}\n    {difference.kind}: {difference.detail}"


@pytest.mark.timeout(120 + LONG)
def test_random_questions_have_the_same_answers(both: Pair) -> None:
    @settings(
        max_examples=LONG or 1000,
        derandomize=not LONG,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(chance=st.randoms(use_true_random=False))
    def ask(chance: random.Random) -> None:
        question = both.question(chance)
        difference = both.compare(question)
        assert difference is None, f"{question}\n    {difference.kind}: {difference.detail}"

    ask()
