"""Relabelling: rewrite or drop a label set, by the steps an operator wrote.

In:  label sets of discovered targets and of scraped series, as plain dicts.
Out: the same dicts, rewritten in place, and whether to keep them.
Pure: no clock, no I/O. The steps are compiled once, when the configuration is applied.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any

from backbeat.config.prometheus import DEFAULT_RELABEL_REGEX, RelabelConfig
from backbeat.model.matchers import compile_regex

LabelDict = dict[str, str]
Step = Callable[[LabelDict], bool]
"""Rewrites the labels in place; False drops them."""

# Go's regexp.Expand: $$ is a dollar, $name takes the longest run of word characters, any other $ is itself.
_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")


class Relabeler:
    """A list of relabelling steps, applied in their order."""

    def __init__(self, configs: Sequence[RelabelConfig]) -> None:
        """Raises RegexError where RE2 does not accept a regex."""
        self._steps = tuple(_compile(config) for config in configs)

    def __bool__(self) -> bool:
        return bool(self._steps)

    def apply(self, labels: LabelDict) -> bool:
        """Rewrite `labels` in place; False: the steps drop it (and its content has no meaning)."""
        return all(step(labels) for step in self._steps)


def _compile(config: RelabelConfig) -> Step:
    return _ACTIONS[config.action](config)


def _joined(config: RelabelConfig) -> Callable[[LabelDict], str]:
    names, separator = config.source_labels, config.separator
    if len(names) == 1:
        (only,) = names
        return lambda labels: labels.get(only, "")
    return lambda labels: separator.join([labels.get(name, "") for name in names])


def _set(labels: LabelDict, name: str, value: str) -> None:
    if value:
        labels[name] = value
    else:
        labels.pop(name, None)


def _replace(config: RelabelConfig) -> Step:
    source = _joined(config)
    regex = compile_regex(config.regex)
    target, replacement = _Template(config.target_label, regex), _Template(config.replacement, regex)
    always = config.regex == DEFAULT_RELABEL_REGEX and target.constant and replacement.constant

    def replace(labels: LabelDict) -> bool:
        if always:
            _set(labels, config.target_label, config.replacement)
            return True
        match = regex.fullmatch(source(labels))
        if match is not None and (name := target.expand(match)):
            _set(labels, name, replacement.expand(match))
        return True

    return replace


def _keep_or_drop(*, keep: bool) -> Callable[[RelabelConfig], Step]:
    def build(config: RelabelConfig) -> Step:
        source, regex = _joined(config), compile_regex(config.regex)
        return lambda labels: (regex.fullmatch(source(labels)) is not None) is keep

    return build


def _compare(*, keep_equal: bool) -> Callable[[RelabelConfig], Step]:
    def build(config: RelabelConfig) -> Step:
        source, target = _joined(config), config.target_label
        return lambda labels: (source(labels) == labels.get(target, "")) is keep_equal

    return build


def _change(change: Callable[[str], str]) -> Callable[[RelabelConfig], Step]:
    def build(config: RelabelConfig) -> Step:
        source, target = _joined(config), config.target_label

        def step(labels: LabelDict) -> bool:
            _set(labels, target, change(source(labels)))
            return True

        return step

    return build


def _hashmod(config: RelabelConfig) -> Step:
    source, target, modulus = _joined(config), config.target_label, config.modulus

    def hashmod(labels: LabelDict) -> bool:
        digest = hashlib.md5(source(labels).encode(), usedforsecurity=False).digest()
        labels[target] = str(int.from_bytes(digest[8:], "big") % modulus)
        return True

    return hashmod


def _labelmap(config: RelabelConfig) -> Step:
    regex = compile_regex(config.regex)
    replacement = _Template(config.replacement, regex)

    def labelmap(labels: LabelDict) -> bool:
        for name, value in sorted(labels.items()):
            if (match := regex.fullmatch(name)) is not None and (mapped := replacement.expand(match)):
                _set(labels, mapped, value)
        return True

    return labelmap


def _filter_names(*, keep: bool) -> Callable[[RelabelConfig], Step]:
    def build(config: RelabelConfig) -> Step:
        regex = compile_regex(config.regex)

        def step(labels: LabelDict) -> bool:
            for name in list(labels):
                if (regex.fullmatch(name) is not None) is not keep:
                    del labels[name]
            return True

        return step

    return build


_ACTIONS: dict[str, Callable[[RelabelConfig], Step]] = {
    "replace": _replace,
    "keep": _keep_or_drop(keep=True),
    "drop": _keep_or_drop(keep=False),
    "keepequal": _compare(keep_equal=True),
    "dropequal": _compare(keep_equal=False),
    "hashmod": _hashmod,
    "labelmap": _labelmap,
    "labeldrop": _filter_names(keep=False),
    "labelkeep": _filter_names(keep=True),
    "lowercase": _change(str.lower),
    "uppercase": _change(str.upper),
}


class _Template:
    """A replacement text with $1, ${1} and ${name}, as Go's regexp expands it."""

    def __init__(self, text: str, regex: Any) -> None:
        self.constant = "$" not in text
        self._text = text
        self._parts: list[str | int] = []
        end = 0
        for found in _REFERENCE.finditer(text):
            self._parts.append(text[end : found.start()])
            self._parts.append("$" if found[1] else _group(found[2] or found[3], regex))
            end = found.end()
        self._parts.append(text[end:])

    def expand(self, match: Any) -> str:
        if self.constant:
            return self._text
        return "".join(part if isinstance(part, str) else (match.group(part) or "") for part in self._parts)


def _group(name: str, regex: Any) -> int | str:
    """The group's number; an empty text for a group that the regex does not have."""
    if name.isdecimal() and (name == "0" or name[0] != "0"):
        number = int(name)
        return number if number <= regex.groups else ""
    return regex.groupindex.get(name, "")  # type: ignore[no-any-return]
