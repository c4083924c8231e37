"""label_replace and label_join: new labels from old ones, values untouched."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from msgspec.structs import replace

from backbeat.model import gotext
from backbeat.model.errors import RegexError
from backbeat.model.labels import METRIC_NAME, Labels
from backbeat.model.matchers import compile_regex
from backbeat.promql.ast import Call
from backbeat.promql.evaluation import Evaluation, Operator, fail
from backbeat.promql.names import is_label_name
from backbeat.promql.vector import Grid, Vector, merged

_REFERENCE = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))", re.ASCII)


def expand(template: str, groups: Mapping[str, str]) -> str:
    """Go's regexp.Expand: $1, ${1}, $name, ${name}, $$; what is unknown is empty."""

    def found(reference: re.Match[str]) -> str:
        name = reference[1] or reference[2]
        return "$" if name is None else groups.get(name, "")

    return _REFERENCE.sub(found, template)


def _label_replace(ev: Evaluation, node: Call, grid: Grid) -> Vector:
    target, template, source, pattern = (ev.text(arg) for arg in node.args[1:])
    try:
        regex = compile_regex(pattern)
    except RegexError as error:
        raise fail(f"invalid regular expression in label_replace(): {pattern}") from error
    if not is_label_name(target):
        raise fail(f"invalid destination label name in label_replace(): {target}")
    names = {number: name for name, number in regex.groupindex.items()}
    vector = ev.vector(node.args[0], grid)
    replaced: dict[str, str | None] = {}
    new: list[Labels] = []
    changed = np.zeros(len(vector.labels), bool)
    for row, labels in enumerate(vector.labels):
        value = labels.get(source)
        if value not in replaced:
            match = regex.fullmatch(value)
            if match is None:
                replaced[value] = None
            else:
                texts = [match[0], *match.groups()]
                groups = {str(number): text or "" for number, text in enumerate(texts)}
                groups |= {name: groups[str(number)] for number, name in names.items()}
                replaced[value] = gotext.readable(expand(template, groups))
        result = replaced[value]
        changed[row] = result is not None
        new.append(labels if result is None else labels.set({target: result}))
    return _relabelled(vector, new, target, changed)


def _label_join(ev: Evaluation, node: Call, grid: Grid) -> Vector:
    target, separator, *sources = (ev.text(arg) for arg in node.args[1:])
    separator = gotext.readable(separator)
    for source in sources:
        if not is_label_name(source):
            raise fail(f"invalid source label name in label_join(): {source}")
    if not is_label_name(target):
        raise fail(f"invalid destination label name in label_join(): {target}")
    vector = ev.vector(node.args[0], grid)
    new = [
        labels.set({target: separator.join(labels.get(source) for source in sources)})
        for labels in vector.labels
    ]
    return _relabelled(vector, new, target, np.ones(len(new), bool))


def _relabelled(vector: Vector, labels: list[Labels], target: str, changed: np.ndarray) -> Vector:
    nameless = vector.nameless
    if nameless is not None and target == METRIC_NAME:
        nameless = nameless & ~changed  # a name that was given on purpose stays
    return merged(replace(vector, labels=labels, nameless=nameless))


LABEL_FUNCTIONS: Mapping[str, Operator] = {"label_join": _label_join, "label_replace": _label_replace}
