"""What a file may say: kinds of values, and sections made of named fields.

In:  nodes of the YAML reader.
Out: `Section`s of plain Python values that remember their places; every mistake goes to the `Reading`.

A kind reads one node. An unset or null value is the kind's `empty`, as in the files' Go originals. What is
wrong reads as `INVALID`: a section leaves it out, and counts it as given, so that one mistake is told once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from msgspec import Struct, field

from backbeat.config import nodes
from backbeat.config.findings import Finding, Findings, nearest_names
from backbeat.config.nodes import Node, Scalar, describe, is_null, quoted
from backbeat.model.errors import Position


class Invalid:
    """The value could not be read; the finding is already told."""


INVALID: Final = Invalid()


class Reading(Struct):
    """One file while it is read: where findings go and what surrounds the values.

    text:        the file's text, for places inside of values
    secrets:     ids of the nodes that must not be shown
    environment: what `${NAME}` in a secret means
    is_filled:   whether variables were filled in already, in every value
    written:     nodes whose variables were filled in, with the text that stands in the file
    reported:    ids of nodes with a mistake that was reported already
    files_must_exist: whether a file that holds a secret and is not there is a mistake, not a remark
    """

    path: str
    directory: Path
    findings: Findings
    environment: Mapping[str, str]
    text: str = ""
    secrets: set[int] = field(default_factory=set)
    written: list[tuple[Scalar, str]] = field(default_factory=list)
    reported: set[int] = field(default_factory=set)
    is_filled: bool = False
    files_must_exist: bool = False
    parse_expr: Callable[[str], object] | None = None
    parse_template: Callable[[str], object] | None = None

    def error(self, node: Node, path: str, message: str) -> None:
        if id(node) in self.reported:
            return
        self.findings.add(Finding(Position(self.path, node.line, node.column, path), message))

    def warn(self, node: Node, path: str, message: str) -> None:
        if id(node) in self.reported:
            return
        place = Position(self.path, node.line, node.column, path)
        self.findings.add(Finding(place, message, is_warning=True))

    def wrong(self, node: Node, path: str, expected: str) -> Invalid:
        """Report "found …, expected …"; a secret's text is not repeated."""
        found = "a secret" if id(node) in self.secrets and isinstance(node, Scalar) else describe(node)
        self.error(node, path, f"found {found}, expected {expected}")
        return INVALID

    def join(self, path: str) -> str:
        """A path of the file, relative to the file's directory."""
        return str(self.directory / path) if path else ""


class Kind(Protocol):
    """Reads one node to a value."""

    @property
    def empty(self) -> Any: ...

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        """The value, or INVALID after reporting. Never called with null."""
        ...


class Section(Struct, eq=False):
    """A mapping of the file with its fields read. Absent and null fields have no entry in `values`."""

    node: nodes.Mapping
    path: str
    values: dict[str, Any]
    broken: frozenset[str]
    keys: dict[str, tuple[Scalar, Node]]
    reading: Reading

    def get(self, name: str, default: Any = None) -> Any:
        """The field's value; `default` where it is absent, its kind's empty value where it is null."""
        return self.values.get(name, default)

    def has(self, name: str) -> bool:
        """Whether the field is set to something that is not empty (or to something wrong)."""
        return name in self.broken or bool(self.values.get(name))

    def at(self, name: str) -> Node:
        """Where to point for a remark on the field: its value, else the section itself."""
        return self.keys[name][1] if name in self.keys else self.node

    def field(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def error(self, name: str, message: str) -> None:
        """Report a mistake of one field, or of the whole section where `name` is empty."""
        self.reading.error(self.at(name), self.field(name) if name else self.path, message)

    def warn(self, name: str, message: str) -> None:
        self.reading.warn(self.at(name), self.field(name) if name else self.path, message)

    def require(self, *names: str) -> None:
        """Each of the fields must be set and not empty."""
        for name in names:
            if not self.has(name):
                self.error(name, f"is missing; expected a value for {name!r}")

    def at_most_one(self, *names: str) -> bool:
        """Report where several of the fields are set; returns whether that is right."""
        given = [name for name in names if self.has(name)]
        if len(given) > 1:
            expected = ", ".join(names[:-1]) + " & " + names[-1]
            self.error(given[1], f"found {' and '.join(given)}, expected at most one of {expected}")
        return len(given) <= 1

    def exactly_one(self, *names: str) -> None:
        if not any(self.has(name) for name in names):
            self.error("", f"one of {' or '.join(names)} must be configured")
        self.at_most_one(*names)

    def sections(self, name: str) -> list[Section]:
        """The sections of a list field, without those that could not be read."""
        return [item for item in self.values.get(name) or () if isinstance(item, Section)]

    def item_nodes(self, name: str) -> list[Node]:
        """The nodes of a list field's items."""
        node = self.at(name)
        return node.items if isinstance(node, nodes.Sequence) else []


Check = Callable[[Section], None]


class StructOf(Struct, frozen=True):
    """A mapping with known fields. `check` sees the section once its fields are read.

    instead: a likely wrong name, and what to say to it
    """

    what: str
    fields: Mapping[str, Kind]
    check: Check | None = None
    instead: Mapping[str, str] = field(default_factory=dict)

    empty = None

    def read(self, node: Node, path: str, reading: Reading) -> Section | Invalid:
        if not isinstance(node, nodes.Mapping):
            return reading.wrong(node, path, f"a mapping: the fields of {self.what}")
        values: dict[str, Any] = {}
        broken: set[str] = set()
        keys: dict[str, tuple[Scalar, Node]] = {}
        for key, value in node.entries:
            name = key.text
            keys[name] = (key, value)
            kind = self.fields.get(name)
            inner = f"{path}.{name}" if path else name
            if kind is None:
                reading.error(key, inner, self._unknown(name))
                continue
            result = kind.empty if is_null(value) else kind.read(value, inner, reading)
            if result is INVALID:
                broken.add(name)
            else:
                values[name] = result
        section = Section(node, path, values, frozenset(broken), keys, reading)
        if self.check is not None:
            self.check(section)
        return section

    def _unknown(self, name: str) -> str:
        if name in self.instead:
            return f"unknown field; {self.instead[name]}"
        near = nearest_names(name, self.fields)
        if near:
            return f"unknown field; did you mean {' or '.join(f'`{other}`' for other in near)}?"
        known = ", ".join(sorted(self.fields))
        shown = known if len(known) < 200 else ", ".join(sorted(self.fields)[:12]) + ", …"
        return f"unknown field of {self.what}; expected one of {shown}"


class ListOf(Struct, frozen=True):
    """A list; items that are null or wrong read as None. `null_item` makes a null item a mistake."""

    item: Kind
    null_item: str = ""
    what: str = "a list"

    empty: tuple[()] = ()

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        if not isinstance(node, nodes.Sequence):
            return reading.wrong(node, path, self.what)
        found = []
        sound = True
        for index, each in enumerate(node.items):
            inner = f"{path}[{index}]"
            if is_null(each):
                if self.null_item:
                    reading.error(each, inner, self.null_item)
                found.append(self.item.empty)
                continue
            value = self.item.read(each, inner, reading)
            sound = sound and value is not INVALID
            found.append(None if value is INVALID else value)
        return tuple(found) if sound or isinstance(self.item, StructOf | Lazy) else INVALID


class MapOf(Struct, frozen=True):
    """A mapping with names of the operator's own; reads as (name, value) pairs in their order."""

    value: Kind
    key: Kind | None = None
    what: str = "a mapping"

    empty: tuple[()] = ()

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        if not isinstance(node, nodes.Mapping):
            return reading.wrong(node, path, self.what)
        found = []
        sound = True
        for name, each in node.entries:
            inner = f"{path}.{name.text}"
            if self.key is not None and self.key.read(name, inner, reading) is INVALID:
                sound = False
            value = self.value.empty if is_null(each) else self.value.read(each, inner, reading)
            sound = sound and value is not INVALID
            found.append((name.text, value))
        return tuple(found) if sound else INVALID


class Lazy(Struct, frozen=True):
    """A kind that is defined later, for sections that hold their like."""

    kind: Callable[[], Kind]

    empty = None

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        return self.kind().read(node, path, reading)


class Anything:
    """A value that is passed on as it stands; only its YAML is checked."""

    empty = None

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        return node


def duplicates(names: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any, Any]]:
    """(name, first, later) for every name that occurs again; empty names are left out."""
    seen: dict[str, Any] = {}
    for name, item in names:
        if name and name in seen:
            yield name, seen[name], item
        elif name:
            seen[name] = item


def all_of(*checks: Check) -> Check:
    """One check out of several, made in their order."""

    def run(section: Section) -> None:
        for check in checks:
            check(section)

    return run


def one_of(names: Iterable[str]) -> str:
    return "one of " + ", ".join(names)


__all__ = [
    "INVALID",
    "Anything",
    "Check",
    "Invalid",
    "Kind",
    "Lazy",
    "ListOf",
    "MapOf",
    "Reading",
    "Section",
    "StructOf",
    "all_of",
    "describe",
    "duplicates",
    "one_of",
    "quoted",
]
