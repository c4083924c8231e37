"""The text of a file as everybody may see it: every value that is a secret reads `<secret>`.

In:  the nodes of a file and the ids of its secret ones. Out: YAML of the same content.
Comments are left out, since a password that was commented out is still a password.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from backbeat.config.nodes import Mapping, Node, Scalar, Sequence
from backbeat.config.yaml_reader import Document

MASK = "<secret>"
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_URL_PASSWORD = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*://[^/?#@:]*):[^/?#]*@")


def masked(document: Document, secrets: set[int]) -> str:
    """YAML text of the document without its secrets and comments."""
    if document.root is None:
        return ""
    events: list[Any] = [yaml.StreamStartEvent(), yaml.DocumentStartEvent()]
    _emit(document.root, secrets, events)
    events += [yaml.DocumentEndEvent(), yaml.StreamEndEvent()]
    text: str = yaml.emit(events, Dumper=_Dumper, allow_unicode=True, width=1 << 20)
    return text


def _emit(node: Node, secrets: set[int], events: list[Any]) -> None:
    if isinstance(node, Mapping):
        events.append(yaml.MappingStartEvent(None, None, True))
        for key, value in node.entries:
            _emit(key, secrets, events)
            _emit(value, secrets, events)
        events.append(yaml.MappingEndEvent())
    elif isinstance(node, Sequence):
        events.append(yaml.SequenceStartEvent(None, None, True))
        for item in node.items:
            _emit(item, secrets, events)
        events.append(yaml.SequenceEndEvent())
    elif isinstance(node, Scalar):
        events.append(_scalar(node, hidden=id(node) in secrets))


def _scalar(node: Scalar, *, hidden: bool) -> Any:
    if not hidden:
        tag = f"tag:yaml.org,2002:{node.tag}" if node.tag else None
        return yaml.ScalarEvent(
            None, tag, (not tag and not node.style, not tag), node.text, style=node.style or None
        )
    text, count = _URL_PASSWORD.subn(rf"\1:{MASK}@", node.text)
    if not count or not _is_plain_url(text):
        text = MASK if node.text else ""
    return yaml.ScalarEvent(None, None, (True, True), text)


def _is_plain_url(text: str) -> bool:
    return "\n" not in text
