"""From the bytes of a file to its nodes, with plain words where it is no YAML that we accept.

In:  one file, at most 1 MiB of UTF-8.
Out: the nodes of its first document; objects, unknown tags and alias bombs are findings, never built.
The events come from libyaml where PyYAML has it, else from PyYAML's own parser.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from backbeat.config.findings import Finding, Findings
from backbeat.config.nodes import Mapping, Node, Scalar, Sequence, quoted
from backbeat.model.errors import Position

MAX_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_NODES = 200_000
"""Nodes of a document with every alias written out."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG_PREFIX = "tag:yaml.org,2002:"
_TAGS = frozenset({"str", "int", "float", "bool", "null", "binary", "map", "seq", "timestamp", "merge"})
_CONFLICT = re.compile(r"^(?:<{7}|>{7})(?: .*)?$", re.MULTILINE)
# YAML allows tab, line breaks and what prints; anything else stops the parser without a line number.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Document(Struct, frozen=True):
    """A file that is YAML. `root` is None where it holds nothing."""

    path: str
    text: str
    root: Node | None


class _Refused(Exception):
    """Reading ends here: the finding says why."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message, self.line, self.column = message, line, column


def read_file(path: Path, findings: Findings, shown_path: str = "") -> Document | None:
    """Read and parse a file; None after an error, which stands in the findings."""
    shown = shown_path or str(path)
    try:
        with open(path, "rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        findings.add(Finding(Position(shown, 1), f"cannot be read: {reason}"))
        return None
    return parse(content, shown, findings)


def parse(content: bytes, path: str, findings: Findings) -> Document | None:
    """Parse the content of a file; None after an error, which stands in the findings."""
    try:
        text = _decoded(content)
        _refuse_conflicts(text)
        root = _Composer(text, path, findings).compose()
    except _Refused as refused:
        findings.add(Finding(Position(path, refused.line, refused.column), refused.message))
        return None
    return Document(path, text, root)


def _decoded(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise _Refused("the file is larger than 1 MiB; split it")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _Refused(f"byte 0x{content[error.start]:02x} is not UTF-8 text", line) from None
    if bad := _UNPRINTABLE.search(text):
        line, column = _line_and_column(text, bad.start())
        raise _Refused(f"control character U+{ord(bad[0]):04X} is not allowed in YAML", line, column)
    return text


def _binary_key(key: Scalar) -> str:
    try:
        return base64.b64decode("".join(key.text.split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise _Refused(
            "the !!binary key is not valid UTF-8, so it is not a valid label name", key.line, key.column
        ) from None


def _line_and_column(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _refuse_conflicts(text: str) -> None:
    if marker := _CONFLICT.search(text):
        line = text.count("\n", 0, marker.start()) + 1
        raise _Refused(
            f"unresolved merge conflict ({marker[0][:40]!r}); keep one of the two versions and remove the "
            "lines that begin with <<<<<<<, ======= and >>>>>>>",
            line,
        )


class _Composer:
    """Builds nodes from parser events, one level of recursion a nesting level, up to MAX_DEPTH."""

    def __init__(self, text: str, path: str, findings: Findings) -> None:
        self._text, self._path, self._findings = text, path, findings
        self._anchors: dict[str, tuple[Node | None, int]] = {}
        self._count = 0

    def compose(self) -> Node | None:
        loader = _Loader(self._text)
        try:
            return self._document(self._events(loader))
        finally:
            loader.dispose()

    def _events(self, loader: Any) -> Iterator[Any]:
        while True:
            try:
                event = loader.get_event()
            except yaml.MarkedYAMLError as error:
                raise self._syntax_error(error) from None
            except yaml.YAMLError as error:
                raise _Refused(f"is not YAML: {error}") from None
            if event is None:
                return
            yield event

    def _document(self, events: Iterator[Any]) -> Node | None:
        root = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                root = self._node(next(events), events, 0)
            elif isinstance(event, yaml.DocumentEndEvent):
                break
        try:
            following = next(events, None)
        except _Refused:
            return root
        if isinstance(following, yaml.DocumentStartEvent):
            mark: Any = following.start_mark
            place = Position(self._path, mark.line + 1)
            note = "a second YAML document begins here; only the first one of a file is read"
            self._findings.add(Finding(place, note, is_warning=True))
        return root

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        mark = event.start_mark
        line, column = mark.line + 1, mark.column + 1
        if depth > MAX_DEPTH:
            raise _Refused(f"nested more than {MAX_DEPTH} levels deep", line, column)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor or "", line, column)
        before = self._count
        self._add(1, line, column)
        tag = self._tag(event.tag, line, column)
        anchor = event.anchor
        if anchor is not None:
            self._anchors[anchor] = (None, 0)
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            end: Any = event.end_mark
            # A bare "!" means text, as quotes do.
            style = "'" if event.tag == "!" and not event.style else event.style or ""
            node = Scalar(line, column, mark.index, end.index, event.value, style, tag)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = Sequence(line, column, mark.index, mark.index)
            while not isinstance(item := next(events), yaml.SequenceEndEvent):
                node.items.append(self._node(item, events, depth + 1))
        else:
            node = Mapping(line, column, mark.index, mark.index)
            self._entries(node, events, depth)
        if anchor is not None:
            self._anchors[anchor] = (node, self._count - before)
        return node

    def _entries(self, mapping: Mapping, events: Iterator[Any], depth: int) -> None:
        merged: list[Node] = []
        seen: dict[str, Scalar] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._node(event, events, depth + 1)
            value = self._node(next(events), events, depth + 1)
            if not isinstance(key, Scalar):
                raise _Refused("a key must be a single word or text", key.line, key.column)
            if key.tag == "binary":
                key.text = _binary_key(key)
            if key.text == "<<" and (key.is_plain or key.tag == "merge"):
                merged.append(value)
            elif key.text in seen:
                message = (
                    f"{quoted(key.text)} is written twice here, first on line {seen[key.text].line}; keep one"
                )
                self._findings.add(Finding(Position(self._path, key.line, key.column), message))
            else:
                seen[key.text] = key
                mapping.entries.append((key, value))
        for source in merged:
            self._merge(mapping, source, set(seen))

    def _merge(self, mapping: Mapping, source: Node, own: set[str]) -> None:
        sources = source.items if isinstance(source, Sequence) else [source]
        for each in sources:
            if not isinstance(each, Mapping):
                raise _Refused("<<: needs a mapping, or a list of mappings", each.line, each.column)
            for key, value in each.entries:
                if key.text not in own:
                    own.add(key.text)
                    mapping.entries.append((key, value))

    def _alias(self, anchor: str, line: int, column: int) -> Node:
        if anchor not in self._anchors:
            raise _Refused(f"*{anchor}: there is no anchor &{anchor} above", line, column)
        node, size = self._anchors[anchor]
        if node is None:
            raise _Refused(f"*{anchor} stands inside of what it names", line, column)
        self._add(size, line, column)
        return node

    def _add(self, count: int, line: int, column: int) -> None:
        self._count += count
        if self._count > MAX_NODES:
            raise _Refused(f"more than {MAX_NODES:,} values with its aliases written out", line, column)

    def _tag(self, tag: str | None, line: int, column: int) -> str:
        if tag is None or tag == "!":
            return ""
        name = tag.removeprefix(_TAG_PREFIX)
        if name in _TAGS and name != tag:
            return name
        written = tag.replace(_TAG_PREFIX, "!!")
        raise _Refused(f"the YAML tag {written} is not allowed here; write the plain value", line, column)

    def _syntax_error(self, error: yaml.MarkedYAMLError) -> _Refused:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        lines = self._text.splitlines()
        # The parser often notices a tab only on the line after it.
        for number in (line, line - 1):
            if 0 < number <= len(lines) and (tab := re.match(r"[ ]*\t", lines[number - 1])):
                return _Refused("a tab indents this line; YAML indents with spaces only", number, tab.end())
        problem = error.problem or "is not YAML"
        if error.context:
            where = error.context_mark
            began = f" that began on line {where.line + 1}" if where and where.line + 1 != line else ""
            return _Refused(f"is not YAML: {problem} ({error.context}{began})", line, column)
        return _Refused(f"is not YAML: {problem}", line, column)
