"""Which queries are answered at once, on the event loop, and which get a thread."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from backbeat.model.matchers import Matcher
from backbeat.promql.parser import parse
from backbeat.promql.quick import is_quick, reads


class Ten:
    """Every selector has ten series at hand."""

    def at_hand(self, matchers: Sequence[Matcher], start_ms: int) -> int | None:
        return 10

    def unchanged_before(self, matchers: Sequence[Matcher]) -> int:
        return 0


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
    assert is_quick(reads(parse(text)), Ten(), 0, steps, 300_000) is quick  # type: ignore[arg-type]
