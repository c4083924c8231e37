"""Reading YAML: places, plain words for what is no YAML, and limits."""

from __future__ import annotations

import pytest

from backbeat.config.findings import Findings
from backbeat.config.nodes import Mapping, Scalar, Sequence, go_bool, go_number, is_null
from backbeat.config.source_places import place_in_scalar
from backbeat.config.yaml_reader import MAX_BYTES, Document, parse


def read(text: str | bytes) -> tuple[Document | None, list[str]]:
    findings = Findings()
    content = text.encode() if isinstance(text, str) else text
    document = parse(content, "x.yml", findings)
    return document, [str(finding) for finding in findings]


def scalar(text: str) -> Scalar:
    document, findings = read(f"a: {text}\n")
    assert document is not None, findings
    assert isinstance(document.root, Mapping)
    value = document.root.entries[0][1]
    assert isinstance(value, Scalar)
    return value


def test_every_value_knows_its_line_and_column() -> None:
    document, _ = read("# head\nglobal:\n  größe: [a, {b: 'ü c'}]\n")
    assert document is not None
    assert isinstance(document.root, Mapping)
    inner = document.root.get("global")
    assert isinstance(inner, Mapping)
    key, value = inner.entries[0]
    assert (key.line, key.column) == (3, 3)
    assert isinstance(value, Sequence)
    last = value.items[1]
    assert isinstance(last, Mapping)
    found = last.get("b")
    assert isinstance(found, Scalar)
    assert (found.line, found.column, found.text) == (3, 18, "ü c")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("a: 1\nb:\n\tc: 2\n", "x.yml:3:1: a tab indents this line", id="tab"),
        pytest.param(
            "a:\n<<<<<<< HEAD\n  b: 1\n=======\n  b: 2\n>>>>>>> theirs\n",
            "x.yml:2:1: unresolved merge conflict ('<<<<<<< HEAD')",
            id="merge conflict",
        ),
        pytest.param("a: [1\nb: 2\n", "x.yml:2:2: is not YAML", id="open list"),
        pytest.param(
            "a: !!python/object:os.system x\n", "the YAML tag !!python/object:os.system", id="object"
        ),
        pytest.param("a: !secret x\n", "the YAML tag !secret", id="own tag"),
        pytest.param(
            "a: 1\nb: 2\na: 3\n", "x.yml:3:1: 'a' is written twice here, first on line 1", id="key twice"
        ),
        pytest.param("a: *b\n", "there is no anchor &b above", id="unknown alias"),
        pytest.param("a: &a [*a]\n", "*a stands inside of what it names", id="alias in itself"),
        pytest.param("[" * 100 + "]" * 100, "nested more than 64 levels deep", id="deep"),
        pytest.param("? [a]\n: b\n", "a key must be a single word", id="list as a key"),
        pytest.param(b"a: \xff\n", "x.yml:1:1: byte 0xff is not UTF-8", id="not UTF-8"),
        pytest.param(b"a: 1\nb: \x00\n", "x.yml:2:4: control character U+0000", id="control character"),
        pytest.param(b"a" * (MAX_BYTES + 1), "larger than 1 MiB", id="large"),
        pytest.param("<<: 1\n", "<<: needs a mapping", id="merge of a number"),
    ],
)
def test_what_is_no_yaml_of_ours_is_said_in_plain_words(text: str | bytes, says: str) -> None:
    _, findings = read(text)
    assert len(findings) == 1
    assert says in findings[0]


def test_aliases_cannot_fill_the_memory() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 12)]
    document, findings = read("\n".join(lines))
    assert document is None
    assert "more than 200,000 values" in findings[0]


def test_merge_keys_give_what_the_mapping_does_not_say_itself() -> None:
    document, findings = read("base: &b {x: 1, y: 2}\nown:\n  <<: *b\n  y: 3\n")
    assert document is not None
    assert not findings
    assert isinstance(document.root, Mapping)
    own = document.root.get("own")
    assert isinstance(own, Mapping)
    assert {key.text: value.text for key, value in own.entries if isinstance(value, Scalar)} == {
        "y": "3",
        "x": "1",
    }


def test_only_the_first_document_is_read_and_that_is_said() -> None:
    document, findings = read("a: 1\n---\nb: 2\n")
    assert document is not None
    assert findings == [
        "x.yml:2:1: warning: a second YAML document begins here; only the first one of a file is read"
    ]


@pytest.mark.parametrize("text", ["", "# nothing\n", "\ufeff"])
def test_an_empty_file_is_a_document_without_content(text: str) -> None:
    document, findings = read(text)
    assert document is not None
    assert document.root is None
    assert not findings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("On", True),
        ("n", False),
        ("FALSE", False),
        ("'true'", None),
        ("1", None),
        ("tRue", None),
    ],
)
def test_booleans_are_those_of_yaml_1_1(text: str, value: bool | None) -> None:
    assert go_bool(scalar(text)) is value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("15", 15),
        ("1_000", 1000),
        ("010", 8),
        ("0x1F", 31),
        ("0b11", 3),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".inf", float("inf")),
        ("'15'", None),
        ("15s", None),
        ("9" * 200, None),
    ],
)
def test_numbers_are_those_of_go(text: str, value: float | None) -> None:
    assert go_number(scalar(text)) == value


@pytest.mark.parametrize(
    ("text", "null"), [("", True), ("~", True), ("null", True), ("''", False), ("none", False)]
)
def test_null(text: str, null: bool) -> None:
    assert is_null(scalar(text)) is null


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("e: sum(rate(x[5m])) +", id="plain"),
        pytest.param("e: 'sum(rate(x{a=\"''\"}[5m])) +'", id="single quotes"),
        pytest.param('e: "sum(rate(x{a=\\"b\\"}[5m])) +"', id="double quotes"),
        pytest.param("e: |\n    sum(\n      rate(x[5m])\n    ) +\n", id="literal block"),
        pytest.param("e: |2-\n    sum(\n      rate(x[5m])\n    ) +\n", id="literal block with an indent"),
        pytest.param("e: >-\n    sum(\n    rate(x[5m]))\n    +\n", id="folded block"),
        pytest.param("e: sum(\n  rate(x[5m]))\n  +\n", id="plain over lines"),
    ],
)
def test_a_place_in_a_value_is_found_in_the_file(source: str) -> None:
    document, _ = read(source)
    assert document is not None
    assert isinstance(document.root, Mapping)
    node = document.root.get("e")
    assert isinstance(node, Scalar)
    lines = source.split("\n")
    for word in ("sum", "rate", "5m", "+"):
        line, column = place_in_scalar(document.text, node, node.text.index(word))
        assert lines[line - 1][column - 1 :].startswith(word)
    line, column = place_in_scalar(document.text, node, len(node.text.rstrip()))
    assert lines[line - 1][: column - 1].endswith("+")
