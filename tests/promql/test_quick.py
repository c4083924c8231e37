"""Which queries are answered at once, on the event loop, and which get a thread."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from memory_queryable import MemoryQueryable

from backbeat.model.matchers import Matcher
from backbeat.promql.engine import Engine
from backbeat.promql.parser import parse
from backbeat.promql.quick import is_quick, is_soon_parsed, reads


class Ten:
    """Every selector has ten series at hand; nothing else is asked of it."""

    def at_hand(self, matchers: Sequence[Matcher], start_ms: int) -> int | None:
        return 10


@pytest.mark.parametrize(
    ("text", "steps", "quick"),
    [
        ("sum(rate(x[5m])) / sum(rate(y[5m]))", 240, True),
        ("rate(x[30d])", 240, True),
        ("rate(x[5m])", 10_000, False),
        ("max_over_time(x[1m])", 100, True),
        ("max_over_time(x[30d])", 1, False),
        ("quantile_over_time(0.5, (x[30d]))", 1, False),
        ("max_over_time(rate(x[5m])[1h:1m])", 1, False),
        ("x @ end()", 1, False),
        ("x offset 1d", 1, False),
        ("info(x)", 1, False),
    ],
)
def test_what_is_quick(text: str, steps: int, quick: bool) -> None:
    assert is_quick(reads(parse(text)), Ten(), 0, steps, 300_000) is quick  # type: ignore[arg-type]  # a double


@pytest.mark.parametrize(
    ("text", "soon"),
    [
        ('sum(rate(x{a=~"b.*|c[de]+"}[5m]))', True),
        (r'x{a="\\d{9}"}', True),
        ("x + " * 300 + "x", False),
        (r'x{a=~"\\pL"}', False),
        ('x{a!~"b{900}"}', False),
        (r"x{a=~'\x62\x7b900}'}", False),
    ],
)
def test_what_is_soon_parsed(text: str, soon: bool) -> None:
    assert is_soon_parsed(text) is soon


@pytest.mark.parametrize("text", [r'x{a=~"\\d+"}', "y" * 2000])
def test_a_text_that_may_take_long_is_first_parsed_in_a_thread_and_then_known(text: str) -> None:
    engine = Engine(MemoryQueryable(), watched=Ten())  # type: ignore[arg-type]  # a double
    assert not engine.is_quick(text, 0, 0, 1)
    engine.instant(text, 0)
    assert engine.is_quick(text, 0, 0, 1)
