"""Whatever the text, the parser gives a tree or a BadQuery with a place."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backbeat.model.results import BadQuery
from backbeat.promql.parser import parse, parse_selector
from backbeat.promql.printer import format_expr, pretty
from backbeat.promql.signatures import SIGNATURES

CASES = Path(
    os.environ.get(
        "BACKBEAT_CONFORMANCE", Path(__file__).resolve().parents[2] / ".." / "shared" / "conformance"
    )
)
WORDS = r"""
sum by without on ignoring group_left bool offset @ start() end() step() range() max_of min_of fill( anchored
smoothed rate info foo a:b ( ) [ ] { } , : = == =~ !~ != < > </ >/ + - * / % ^ and or unless atan2 5m 1h30m
0x1f 1_0 1e5 .5 NaN Inf # \ $ é 0 99999999999999999999y "x" 'y' `z` "\x41" __name__ "\
"""
PIECES = [*WORDS.split(), "\n", "\t", "\ud800"]


@settings(max_examples=600, deadline=None)
@given(st.one_of(st.text(max_size=30), st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join)))
@example('foo{a="\\x"}')
@example("1" * 5000 + "y")
@example("0x" + "f" * 5000)
@example("foo @ 99999999999999999999")
@example("x[1e300]")
@example("x offset 1e400")
@example("\ufffd")
@example('"\ud800"')
@example("9" * 400)
def test_a_tree_or_a_bad_query(text: str) -> None:
    for read in (parse, parse_selector):
        try:
            read(text)
        except BadQuery as error:
            message = str(error)
        else:
            continue
        assert re.match(r"(\d+:\d+|unknown position): parse error: .", message)
        assert message.encode()


def conformance_queries() -> list[str]:
    """The query of every eval line of the conformance scripts."""
    times = r"(?:instant at \S+|range from \S+ to \S+ step \S+)"
    head = re.compile(rf"^eval(?:_\w+)? {times}\s+(.+)$", re.MULTILINE)
    return [
        match.group(1).strip()
        for path in sorted((CASES / "promql").glob("*.test"))
        for match in head.finditer(path.read_text())
    ]


@pytest.mark.skipif(
    not (CASES / "promql").is_dir(), reason="the conformance cases are not beside the checkout"
)
def test_every_conformance_query_parses_and_prints() -> None:
    queries = conformance_queries()
    assert len(queries) > 800
    for query in queries:
        if r"\xff" in query:
            continue  # expected to fail, and does so here already
        tree = parse(query)
        assert format_expr(parse(format_expr(tree))) == format_expr(tree)
        assert format_expr(parse(pretty(tree))) == format_expr(tree)


def test_every_function_is_signed() -> None:
    assert len(SIGNATURES) == 91
    assert {name for name, one in SIGNATURES.items() if one.is_experimental} >= {
        "info",
        "step",
        "sort_by_label",
    }
    assert (SIGNATURES["round"].fewest, SIGNATURES["round"].most) == (1, 2)
    assert SIGNATURES["label_join"].most is None
