"""Rule files: groups of recording and alerting rules.

In:  the nodes of a rule file; the parsers of expressions and templates come from the caller, since they live
     in rooms above. Out: `RuleGroup`s, or a finding at the very character of an expression that is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from backbeat.config.kinds import DURATION, INTEGER, TEXT, is_label_name
from backbeat.config.nodes import Mapping as MappingNode
from backbeat.config.nodes import Node, Scalar
from backbeat.config.prometheus import Rule, RuleGroup
from backbeat.config.schema import ListOf, MapOf, Reading, Section, StructOf, duplicates, quoted
from backbeat.config.source_places import place_in_scalar
from backbeat.model.errors import BackbeatError, Position
from backbeat.model.labels import LEGACY_METRIC_NAME, METRIC_NAME, Labels

_PLACE = re.compile(r"^(?:[^\n:]*:)?(\d+):(\d+):\s*")

RULE = StructOf(
    "a rule",
    {
        "record": TEXT,
        "alert": TEXT,
        "expr": TEXT,
        "for": DURATION,
        "keep_firing_for": DURATION,
        "labels": MapOf(TEXT, what="a mapping of label names to values"),
        "annotations": MapOf(TEXT, what="a mapping of annotation names to texts"),
    },
    instead={
        "name": "did you mean `alert` or `record`?",
        "query": "did you mean `expr`?",
        "expression": "did you mean `expr`?",
        "severity": "it belongs under `labels`",
        "summary": "it belongs under `annotations`",
        "description": "it belongs under `annotations`",
        "message": "it belongs under `annotations`",
        "interval": "it belongs to the group",
        "duration": "did you mean `for`?",
    },
)
GROUP = StructOf(
    "a rule group",
    {
        "name": TEXT,
        "interval": DURATION,
        "query_offset": DURATION,
        "limit": INTEGER,
        "rules": ListOf(RULE, "empty or null rule"),
        "labels": MapOf(TEXT, what="a mapping of label names to values"),
    },
    instead={"alerts": "did you mean `rules`?", "rule": "did you mean `rules`?"},
)
RULE_FILE = StructOf(
    "a rule file",
    {"groups": ListOf(GROUP, "empty or null rule group")},
    instead={
        "rules": "rules belong to a group: `groups:`, `- name: …`, `rules:`",
        "group": "did you mean `groups`?",
        "alert": "rules belong to a group: `groups:`, `- name: …`, `rules:`",
        "record": "rules belong to a group: `groups:`, `- name: …`, `rules:`",
        "name": "it belongs to an entry of `groups`",
    },
)


def check_rule_file(section: Section, *, legacy: bool) -> None:
    """Everything about the groups of one file."""
    groups = section.sections("groups")
    for group in groups:
        if not group.has("name"):
            group.error("name", "Groupname must not be empty")
        _check_names(group, "labels", legacy=legacy)
        for rule in group.sections("rules"):
            _check_rule(rule, legacy=legacy)
    for name, first, later in duplicates((group.get("name", ""), group) for group in groups):
        later.error(
            "name", f"groupname {quoted(name)} is repeated in the same file; first on line {first.node.line}"
        )


def _check_rule(rule: Section, *, legacy: bool) -> None:
    recording, alerting = rule.has("record"), rule.has("alert")
    if recording and alerting:
        rule.error("alert", "only one of 'record' and 'alert' must be set")
    elif not recording and not alerting:
        rule.error("", "one of 'record' or 'alert' must be set")
    if not rule.has("expr"):
        rule.error("expr", "field 'expr' must be set in rule")
    elif "expr" not in rule.broken:
        _check_expr(rule)
    if recording:
        for name in ("annotations", "for", "keep_firing_for"):
            if rule.has(name):
                rule.error(name, f"invalid field '{name}' in recording rule")
        _check_record(rule, legacy=legacy)
    _check_names(rule, "labels", legacy=legacy)
    _check_names(rule, "annotations", legacy=legacy)
    if alerting:
        _check_templates(rule, "labels")
        _check_templates(rule, "annotations")


def _check_record(rule: Section, *, legacy: bool) -> None:
    name = rule.get("record", "")
    if "{" in name or "}" in name:
        rule.error(
            "record", f"braces present in the recording rule name; should it be in expr?: {quoted(name)}"
        )
    elif legacy and not LEGACY_METRIC_NAME.fullmatch(name):
        rule.error("record", f"invalid recording rule name: {quoted(name)}")


def _check_names(section: Section, field: str, *, legacy: bool) -> None:
    what = "annotation" if field == "annotations" else "label"
    for name, _ in section.get(field) or ():
        if not is_label_name(name, legacy=legacy) or (what == "label" and name == METRIC_NAME):
            node = _key_of(section.at(field), name)
            section.reading.error(
                node, f"{section.field(field)}.{name}", f"invalid {what} name: {quoted(name)}"
            )


def _key_of(node: Node, name: str) -> Node:
    if isinstance(node, MappingNode):
        for key, _ in node.entries:
            if key.text == name:
                return key
    return node


def _check_expr(rule: Section) -> None:
    parse = rule.reading.parse_expr
    if parse is not None:
        _parse_at(
            rule.reading,
            rule.at("expr"),
            rule.field("expr"),
            rule.get("expr"),
            parse,
            "could not parse expression",
        )


def _check_templates(rule: Section, field: str) -> None:
    parse, node = rule.reading.parse_template, rule.at(field)
    if parse is None or not isinstance(node, MappingNode):
        return
    for key, value in node.entries:
        if isinstance(value, Scalar) and "{{" in value.text:
            path = f"{rule.field(field)}.{key.text}"
            _parse_at(rule.reading, value, path, value.text, parse, "could not parse template")


def _parse_at(
    reading: Reading, node: Node, path: str, text: str, parse: Callable[[str], object], what: str
) -> None:
    """Report what the parser says at the line and column of the file that it speaks of."""
    try:
        parse(text)
    except BackbeatError as error:
        message = str(error)
        line, column = getattr(error, "line", 0), getattr(error, "column", 0)
        if match := _PLACE.match(message):
            line, column = line or int(match[1]), column or int(match[2])
            message = message[match.end() :]
        where = Node(node.line, node.column, node.start, node.end)
        if line and isinstance(node, Scalar):
            offset = sum(len(each) + 1 for each in text.split("\n")[: line - 1]) + column - 1
            where.line, where.column = place_in_scalar(reading.text, node, offset)
        indented = message.replace("\n", "\n    ")
        reading.error(where, path, f"{what}: {indented}")


def rule_groups(section: Section) -> tuple[RuleGroup, ...]:
    """The typed groups of a file without mistakes."""
    return tuple(
        RuleGroup(
            name=group.get("name", ""),
            file=section.reading.path,
            rules=tuple(_rule(rule) for rule in group.sections("rules")),
            interval_ms=group.get("interval", 0),
            limit=group.get("limit", 0),
            query_offset_ms=group.get("query_offset", 0),
            labels=Labels.of(group.get("labels") or ()),
        )
        for group in section.sections("groups")
    )


def _rule(rule: Section) -> Rule:
    def place(name: str) -> Position:
        node = rule.at(name) if name else rule.node
        return Position(rule.reading.path, node.line, node.column, rule.field(name) if name else rule.path)

    return Rule(
        expr=rule.get("expr", ""),
        at=place(""),
        expr_at=place("expr"),
        record=rule.get("record", ""),
        alert=rule.get("alert", ""),
        for_ms=rule.get("for", 0),
        keep_firing_for_ms=rule.get("keep_firing_for", 0),
        labels=Labels.of(rule.get("labels") or ()),
        annotations=rule.get("annotations") or (),
    )
