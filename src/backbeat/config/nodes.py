"""YAML as a tree of nodes that know their place, and what a plain scalar means.

Pure: no schema here. Scalars keep their text; `go_bool` and `go_number` read it as the YAML library of
Prometheus and Alertmanager does (YAML 1.1 booleans, octal numbers, underscores).
"""

from __future__ import annotations

import re

from msgspec import Struct, field

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})
_FALSE = frozenset({"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})
_SPECIAL_FLOATS = {
    sign + dotted: float(sign + word)
    for word, spellings in {"inf": (".inf", ".Inf", ".INF"), "nan": (".nan", ".NaN", ".NAN")}.items()
    for dotted in spellings
    for sign in (("", "+", "-") if word == "inf" else ("",))
}
_OCTAL = re.compile(r"[-+]?0[0-7]+")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*|0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+)")
_FLOAT = re.compile(r"[-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+\.")


class Node(Struct, eq=False):
    """`line` and `column` count from 1; `start` and `end` are character offsets in the file."""

    line: int
    column: int
    start: int
    end: int


class Scalar(Node, eq=False):
    """`style` is '' (plain), "'", '"', '|' or '>'; `tag` is '' where none is written."""

    text: str
    style: str = ""
    tag: str = ""

    @property
    def is_plain(self) -> bool:
        return not self.style and not self.tag


class Sequence(Node, eq=False):
    items: list[Node] = field(default_factory=list)


class Mapping(Node, eq=False):
    """Merge keys (`<<`) are already resolved; keys are unique."""

    entries: list[tuple[Scalar, Node]] = field(default_factory=list)

    def get(self, name: str) -> Node | None:
        for key, value in self.entries:
            if key.text == name:
                return value
        return None


def is_null(node: Node) -> bool:
    if not isinstance(node, Scalar):
        return False
    return node.tag == "null" or (node.is_plain and node.text in _NULLS)


def go_bool(node: Scalar) -> bool | None:
    """The boolean that the scalar means, or None."""
    if node.is_plain or node.tag == "bool":
        if node.text in _TRUE:
            return True
        if node.text in _FALSE:
            return False
    return None


def go_number(node: Scalar) -> int | float | None:
    """The number that the scalar means, or None. Quoted text is never a number."""
    if not (node.is_plain or node.tag in ("int", "float")):
        return None
    if node.text in _SPECIAL_FLOATS:
        return _SPECIAL_FLOATS[node.text]
    text = node.text.replace("_", "")
    if len(text) > 100:
        return None
    if _OCTAL.fullmatch(text):
        return int(text, 8)
    if _INTEGER.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return None


def describe(node: Node) -> str:
    """The node in a few words, for "found …"."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    if is_null(node):
        return "nothing"
    assert isinstance(node, Scalar)
    return quoted(node.text)


def quoted(text: str, limit: int = 80) -> str:
    """Single-quoted on one line, cut where it is long."""
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    return repr(shown)
