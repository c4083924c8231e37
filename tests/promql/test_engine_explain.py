"""The tree of a query with what each node read, gave and was asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from memory_queryable import MemoryQueryable
from promql_script import series_line

from backbeat.model.results import BadQuery, Matrix
from backbeat.promql.engine import Engine
from backbeat.promql.explain import Explained, explain

MINUTE = 60_000
SERIES = (
    'hits_total{job="a",i="1"} 0+6x20',
    'hits_total{job="a",i="2"} 0+6x20',
    'hits_total{job="b"} 0+6x20',
)


def engine() -> Engine:
    storage = MemoryQueryable()
    series = {}
    for line in SERIES:
        labels, values, _ = series_line(line)
        series[labels] = [(at * MINUTE, value) for at, value in enumerate(values) if value is not None]
    storage.add(series)
    return Engine(storage)


def nodes(tree: Explained) -> Iterator[Explained]:
    yield tree
    for child in tree.children:
        yield from nodes(child)


def test_each_node_says_what_it_read_and_gave() -> None:
    query = "sum by (job) (rate(hits_total[5m])) > 0.1"
    tree, answer = explain(engine(), query, 10 * MINUTE, 12 * MINUTE, MINUTE)
    by_text = {node.text: node for node in nodes(tree)}
    rate, selector = by_text["rate(hits_total[5m])"], by_text["hits_total[5m]"]
    assert [node.kind for node in nodes(tree)] == [
        "binary",
        "aggregation",
        "call",
        "range selector",
        "number",
    ]
    assert tree.cost
    assert tree.cost.series == 1
    assert rate.cost
    assert (rate.cost.series, rate.cost.steps, rate.cost.samples) == (3, 3, 9)
    assert selector.cost is None, "the call reads for it"
    assert selector.reading
    assert (selector.reading.series, selector.reading.samples) == (3, 21)
    assert isinstance(answer.value, Matrix)
    assert len(answer.value.labels) == 1
    assert query[tree.span.start : tree.span.end] == query


def test_the_inside_of_a_subquery_is_counted_at_its_own_steps() -> None:
    tree, _ = explain(engine(), "max_over_time(sum(hits_total)[4m:1m])", 10 * MINUTE, 10 * MINUTE, 1)
    subquery = tree.children[0]
    inner = subquery.children[0]
    assert (subquery.kind, subquery.cost) == ("subquery", None)
    assert inner.cost
    assert (inner.cost.evaluations, inner.cost.steps) == (1, 4)
    assert inner.children[0].reading
    assert inner.children[0].reading.series == 3


def test_the_answer_is_that_of_the_query_and_times_add_up() -> None:
    one = engine()
    query = "rate(hits_total[5m]) * 2 + rate(hits_total[5m])"
    tree, answer = explain(one, query, 5 * MINUTE, 15 * MINUTE, MINUTE)
    plain = one.range(query, 5 * MINUTE, 15 * MINUTE, MINUTE)
    assert isinstance(answer.value, Matrix)
    assert isinstance(plain.value, Matrix)
    assert answer.value.labels == plain.value.labels
    assert (answer.value.values == plain.value.values).all()
    assert tree.cost
    own_s = sum(node.cost.own_s for node in nodes(tree) if node.cost)
    assert own_s == pytest.approx(tree.cost.total_s)


def test_a_wrong_query_is_refused_as_ever() -> None:
    with pytest.raises(BadQuery, match="unclosed left parenthesis"):
        explain(engine(), "sum(", 0, MINUTE, MINUTE)
