"""Relabelling does to a label set what Prometheus's does."""

from __future__ import annotations

import pytest

from backbeat.collect.relabel import Relabeler
from backbeat.config.prometheus import RelabelConfig
from backbeat.model.errors import RegexError

FOO = {"a": "foo", "b": "bar", "c": "baz"}


@pytest.mark.parametrize(
    ("config", "before", "after"),
    [
        pytest.param(
            RelabelConfig(source_labels=("a",), regex="f(.*)", target_label="d", replacement="ch${1}-ch${1}"),
            FOO,
            {**FOO, "d": "choo-choo"},
            id="replace with a group",
        ),
        pytest.param(
            RelabelConfig(
                source_labels=("a", "b"), regex="f(.*);(.*)r", target_label="a", replacement="b$1$2m"
            ),
            FOO,
            {**FOO, "a": "boo"},
            id="$2m is the group named 2m, which there is none of",
        ),
        pytest.param(
            RelabelConfig(source_labels=("a",), regex="x.*", target_label="d", replacement="y"),
            FOO,
            FOO,
            id="replace without a match changes nothing",
        ),
        pytest.param(
            RelabelConfig(source_labels=("a",), regex=".*(b).*", target_label="d", replacement=""),
            {"a": "abc", "d": "x"},
            {"a": "abc"},
            id="an empty replacement deletes the target label",
        ),
        pytest.param(
            RelabelConfig(target_label="d", replacement="const"),
            {"a": "1"},
            {"a": "1", "d": "const"},
            id="a constant needs no source",
        ),
        pytest.param(
            RelabelConfig(
                source_labels=("a",), regex="some-([^-]+)-([^,]+)", target_label="${1}", replacement="${2}"
            ),
            {"a": "some-name-value"},
            {"a": "some-name-value", "name": "value"},
            id="target label from the source",
        ),
        pytest.param(
            RelabelConfig(source_labels=("a",), target_label="d", replacement="$$1 costs $"),
            {"a": "x"},
            {"a": "x", "d": "$1 costs $"},
            id="dollars that are dollars",
        ),
        pytest.param(
            RelabelConfig(
                source_labels=("a",), regex="(?P<first>f)(.*)", target_label="d", replacement="$first-${2}"
            ),
            {"a": "foo"},
            {"a": "foo", "d": "f-oo"},
            id="named group",
        ),
        pytest.param(
            RelabelConfig(source_labels=("a",), regex="a.b", target_label="d", replacement="x"),
            {"a": "a\nb"},
            {"a": "a\nb", "d": "x"},
            id="a dot matches a newline",
        ),
        pytest.param(RelabelConfig("drop", ("a",), regex="f.o"), FOO, None, id="drop"),
        pytest.param(RelabelConfig("drop", ("a",), regex="f"), FOO, FOO, id="drop is anchored"),
        pytest.param(RelabelConfig("keep", ("a",), regex="f"), FOO, None, id="keep is anchored"),
        pytest.param(RelabelConfig("keep", ("a", "b"), regex="foo;bar"), FOO, FOO, id="keep joins with ;"),
        pytest.param(
            RelabelConfig("keepequal", ("a",), target_label="b"),
            {"a": "1", "b": "1"},
            {"a": "1", "b": "1"},
            id="keepequal",
        ),
        pytest.param(
            RelabelConfig("keepequal", ("a",), target_label="b"), FOO, None, id="keepequal, unequal"
        ),
        pytest.param(RelabelConfig("dropequal", ("a",), target_label="b"), FOO, FOO, id="dropequal, unequal"),
        pytest.param(
            RelabelConfig("dropequal", ("x",), target_label="y"), FOO, None, id="two absent labels are equal"
        ),
        pytest.param(
            RelabelConfig("hashmod", ("c",), target_label="d", modulus=1000),
            FOO,
            {**FOO, "d": "976"},
            id="hashmod",
        ),
        pytest.param(
            RelabelConfig("hashmod", ("a",), target_label="d", modulus=1000),
            {"a": "foo\nbar"},
            {"a": "foo\nbar", "d": "734"},
            id="hashmod over two lines",
        ),
        pytest.param(
            RelabelConfig("labelmap", regex="(b.*)", replacement="bar_${1}"),
            {"a": "foo", "b1": "bar", "b2": "baz"},
            {"a": "foo", "b1": "bar", "b2": "baz", "bar_b1": "bar", "bar_b2": "baz"},
            id="labelmap",
        ),
        pytest.param(
            RelabelConfig("labeldrop", regex="(b.*)"), {"a": "1", "b1": "2"}, {"a": "1"}, id="labeldrop"
        ),
        pytest.param(
            RelabelConfig("labelkeep", regex="(b.*)"), {"a": "1", "b1": "2"}, {"b1": "2"}, id="labelkeep"
        ),
        pytest.param(
            RelabelConfig("lowercase", ("a",), target_label="d"),
            {"a": "FoO"},
            {"a": "FoO", "d": "foo"},
            id="lowercase",
        ),
        pytest.param(
            RelabelConfig("uppercase", ("a",), target_label="d"),
            {"a": "FoO"},
            {"a": "FoO", "d": "FOO"},
            id="uppercase",
        ),
    ],
)
def test_one_step(config: RelabelConfig, before: dict[str, str], after: dict[str, str] | None) -> None:
    labels = dict(before)
    kept = Relabeler([config]).apply(labels)
    assert (labels if kept else None) == after


def test_steps_run_in_order_and_stop_at_a_drop() -> None:
    relabel = Relabeler(
        [
            RelabelConfig(source_labels=("a",), target_label="b"),
            RelabelConfig("drop", ("b",), regex="gone"),
            RelabelConfig("labeldrop", regex="a"),
        ]
    )
    labels = {"a": "here"}
    assert relabel.apply(labels)
    assert labels == {"b": "here"}
    assert not relabel.apply({"a": "gone"})


def test_a_regex_that_re2_refuses_names_itself() -> None:
    with pytest.raises(RegexError, match=r"\(x"):
        Relabeler([RelabelConfig("keep", ("a",), regex="(x")])
