"""Relabelling steps: their fields, and the rules on what each action needs and forbids.

In:  a section of relabel_configs and the like. Out: `RelabelConfig`.
"""

from __future__ import annotations

import re

from backbeat.config.kinds import COUNT, TEXT, LabelName, OneOf, Regex, is_label_name
from backbeat.config.nodes import is_null
from backbeat.config.prometheus import DEFAULT_RELABEL_REGEX, RelabelConfig
from backbeat.config.schema import ListOf, Section, StructOf, quoted

ACTIONS = (
    "replace",
    "keep",
    "drop",
    "keepequal",
    "dropequal",
    "hashmod",
    "labelmap",
    "labeldrop",
    "labelkeep",
    "lowercase",
    "uppercase",
)
_NEED_TARGET = frozenset(("replace", "hashmod", "lowercase", "uppercase", "keepequal", "dropequal"))
_PLAIN_TARGET = frozenset(("lowercase", "uppercase", "keepequal", "dropequal"))
_LEGACY_WITH_VARIABLES = re.compile(r"(?:(?:[a-zA-Z_]|\$(?:\{\w+\}|\w+))+\w*)+", re.ASCII)
_DEFAULTS = {
    "regex": DEFAULT_RELABEL_REGEX,
    "modulus": 0,
    "separator": ";",
    "replacement": "$1",
    "target_label": "",
}


class _RelabelCheck:
    """The rules of one step, once its fields are read."""

    def __init__(self, section: Section, *, legacy: bool) -> None:
        self.section, self.legacy = section, legacy
        self.action: str = section.get("action", "replace")
        self.target: str = section.get("target_label", "")

    def run(self) -> None:
        section, action = self.section, self.action
        if "action" in section.broken:
            return
        if not action:
            section.error("action", f"relabel action cannot be empty, expected one of {', '.join(ACTIONS)}")
            return
        if action == "hashmod" and not section.get("modulus") and "modulus" not in section.broken:
            section.error("modulus", "relabel configuration for hashmod requires non-zero modulus")
        if action in _NEED_TARGET and not section.has("target_label"):
            section.error(
                "target_label", f"relabel configuration for {action} action requires 'target_label' value"
            )
        elif action in _NEED_TARGET:
            self._check_target()
        if action in _PLAIN_TARGET:
            self._only_default("replacement", f"'replacement' can not be set for {action} action")
        if action == "labelmap" and not self._is_name_with_variables(section.get("replacement", "$1")):
            found = quoted(section.get("replacement", ""))
            section.error("replacement", f"{found} is invalid 'replacement' for labelmap action")
        self._only_these()

    def _check_target(self) -> None:
        has_variable = self.action == "replace" and "$" in self.target
        sound = (
            self._is_name_with_variables(self.target)
            if has_variable
            else is_label_name(self.target, legacy=self.legacy)
        )
        if not sound:
            self.section.error(
                "target_label", f"{quoted(self.target)} is invalid 'target_label' for {self.action} action"
            )

    def _is_name_with_variables(self, text: str) -> bool:
        if self.legacy:
            return _LEGACY_WITH_VARIABLES.fullmatch(text) is not None
        return bool(text)

    def _only_these(self) -> None:
        if self.action in ("keepequal", "dropequal"):
            allowed, text = {"source_labels", "target_label"}, "'source_labels' and `target_label`"
        elif self.action in ("labeldrop", "labelkeep"):
            allowed, text = {"regex"}, "'regex'"
            if "source_labels" in self.section.keys and not is_null(self.section.at("source_labels")):
                self.section.error(
                    "source_labels", f"{self.action} action requires only {text}, and no other fields"
                )
        else:
            return
        for name in _DEFAULTS.keys() - allowed:
            self._only_default(name, f"{self.action} action requires only {text}, and no other fields")

    def _only_default(self, name: str, message: str) -> None:
        if name in self.section.values and self.section.get(name) != _DEFAULTS[name]:
            self.section.error(name, message)


RELABEL = StructOf(
    "a relabelling step",
    {
        "source_labels": ListOf(LabelName(), what="a list of label names such as [job, instance]"),
        "separator": TEXT,
        "regex": Regex(),
        "modulus": COUNT,
        "target_label": TEXT,
        "replacement": TEXT,
        "action": OneOf(ACTIONS, lower=True, what="a relabel action"),
    },
    instead={
        "source_label": "did you mean `source_labels`?",
        "target_labels": "did you mean `target_label`?",
        "match": "did you mean `regex`?",
    },
)


def relabel_list(what: str) -> ListOf:
    """A list of steps; `what` names it in the message on an empty step."""
    return ListOf(RELABEL, null_item=f"empty or null {what}", what="a list of relabelling steps")


def check_steps(section: Section, name: str, *, legacy: bool) -> None:
    """Apply each action's rules to the steps of a field, once the scheme of names is known."""
    for step in section.sections(name):
        _RelabelCheck(step, legacy=legacy).run()


def relabel_configs(section: Section, name: str) -> tuple[RelabelConfig, ...]:
    """The typed steps of a field that was read without mistakes."""
    return tuple(
        RelabelConfig(
            action=step.get("action", "replace"),
            source_labels=step.get("source_labels", ()),
            separator=step.get("separator", ";"),
            regex=step.get("regex", DEFAULT_RELABEL_REGEX),
            modulus=step.get("modulus", 0),
            target_label=step.get("target_label", ""),
            replacement=step.get("replacement", "$1"),
        )
        for step in section.sections(name)
    )
