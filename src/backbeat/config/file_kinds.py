"""Which kind of file a YAML file is, by its name and by the fields at its top.

Pure: a name and nodes in, a word out.
"""

from __future__ import annotations

from enum import StrEnum

from backbeat.config.alertmanager_fields import ALERTMANAGER
from backbeat.config.backbeat_fields import BACKBEAT
from backbeat.config.nodes import Mapping, Node, Sequence
from backbeat.config.prometheus_fields import PROMETHEUS
from backbeat.config.rule_tests import TEST_FILE
from backbeat.config.web_fields import WEB


class FileKind(StrEnum):
    """What a file is for."""

    PROMETHEUS = "prometheus"
    SCRAPE = "scrape configs"
    RULES = "rules"
    ALERTMANAGER = "alertmanager"
    WEB = "web"
    BACKBEAT = "backbeat"
    TARGETS = "targets"
    RULE_TESTS = "rule tests"


_BY_NAME = {
    "prometheus.yml": FileKind.PROMETHEUS,
    "alertmanager.yml": FileKind.ALERTMANAGER,
    "backbeat.yml": FileKind.BACKBEAT,
    "web.yml": FileKind.WEB,
}
# What gives a file away, weighed: fields of one kind only count more than `global` and `tracing` of two.
_SIGNS = {
    FileKind.ALERTMANAGER: frozenset(ALERTMANAGER.fields) | {"routes"},
    FileKind.PROMETHEUS: frozenset(PROMETHEUS.fields),
    FileKind.WEB: frozenset(WEB.fields),
    FileKind.BACKBEAT: frozenset(BACKBEAT.fields),
    FileKind.RULES: frozenset(("groups",)),
    FileKind.RULE_TESTS: frozenset(TEST_FILE.fields),
}


def recognise(name: str, root: Node | None) -> FileKind | None:
    """The kind of a file, or None where neither its name nor its content tells."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    if isinstance(root, Sequence):
        groups = [item for item in root.items if isinstance(item, Mapping) and item.get("targets")]
        return FileKind.TARGETS if groups else None
    if isinstance(root, Mapping):
        fields = {key.text for key, _ in root.entries}
        if fields == {"scrape_configs"} and name not in _BY_NAME and "prometheus" not in name:
            return FileKind.SCRAPE
        scores = {kind: len(fields & signs) for kind, signs in _SIGNS.items()}
        best = max(scores.values())
        winners = [kind for kind, score in scores.items() if score == best and best]
        if len(winners) == 1:
            return winners[0]
        if winners:
            return _by_likeness(name, winners, root)
    return _named_like(name)


def _by_likeness(name: str, winners: list[FileKind], root: Mapping) -> FileKind:
    named = _named_like(name)
    if named in winners:
        return named
    shared = root.get("global")
    inner = {key.text for key, _ in shared.entries} if isinstance(shared, Mapping) else set()
    mail = any(field.startswith(("smtp_", "slack_", "resolve_")) for field in inner)
    if mail and FileKind.ALERTMANAGER in winners:
        return FileKind.ALERTMANAGER
    return FileKind.PROMETHEUS if FileKind.PROMETHEUS in winners else winners[0]


def _named_like(name: str) -> FileKind | None:
    stem = name.lower()
    for word, kind in (
        ("alertmanager", FileKind.ALERTMANAGER),
        ("prometheus", FileKind.PROMETHEUS),
        ("rules", FileKind.RULES),
        ("alerts", FileKind.RULES),
    ):
        if word in stem:
            return kind
    return None
