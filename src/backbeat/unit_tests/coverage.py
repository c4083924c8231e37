"""What tests reach: rules that recorded or fired, routes that took an alert, inhibit rules that muted one.

Filled while tests run. Out: the places that none of them reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct, field

from backbeat.alerting.matching import accepts_all
from backbeat.alerting.routing import Node, matchers_text, plant
from backbeat.config.alertmanager import AlertmanagerConfig, InhibitRule
from backbeat.config.prometheus import Rule, RuleGroup
from backbeat.model.labels import Labels


class Reached(Struct):
    """Things of one kind by what identifies them, each in words, and those that were reached."""

    known: dict[str, str] = field(default_factory=dict)
    found: set[str] = field(default_factory=set)

    def missed(self) -> list[str]:
        return [words for key, words in self.known.items() if key not in self.found]

    def __str__(self) -> str:
        return f"{len(self.known) - len(self.missed())} of {len(self.known)}"


class Coverage:
    """Of all files that are run together."""

    def __init__(self) -> None:
        self.rules = Reached()
        self.routes = Reached()
        self.inhibit_rules = Reached()
        self._trees: dict[str, Node] = {}

    def expect_rules(self, groups: Iterable[RuleGroup]) -> None:
        for rule in (rule for group in groups for rule in group.rules):
            self.rules.known[str(rule.at)] = f"{rule.at}: {'alert' if rule.alert else 'record'} {rule.name}"

    def expect_config(self, config: AlertmanagerConfig) -> None:
        self._trees[config.path] = plant(config.route)
        for node in self._trees[config.path].walk():
            key = f"{config.path}:{node.id}"
            self.routes.known[key] = f"{config.path}: route {node.key} to {node.route.receiver}"
        for number, rule in enumerate(config.inhibit_rules):
            self.inhibit_rules.known[f"{config.path}:{number}"] = f"{config.path}: {_words(number, rule)}"

    def reach_rule(self, rule: Rule) -> None:
        self.rules.found.add(str(rule.at))

    def reach_routes(self, config: AlertmanagerConfig, alerts: Iterable[Labels]) -> None:
        """Where alerts with these labels end."""
        tree = self._trees[config.path]
        for labels in alerts:
            self.routes.found.update(f"{config.path}:{node.id}" for node in tree.match(dict(labels)))

    def reach_inhibitions(self, config: AlertmanagerConfig, pairs: Iterable[tuple[Labels, Labels]]) -> None:
        """Pairs of an alert that is kept quiet and the one that does so."""
        for target, source in pairs:
            for number, rule in enumerate(config.inhibit_rules):
                if _inhibits(rule, dict(target), dict(source)):
                    self.inhibit_rules.found.add(f"{config.path}:{number}")

    def summary(self) -> str:
        """`31 of 31 rules, 4 of 4 routes, 1 of 2 inhibit rules`."""
        return f"{self.rules} rules, {self.routes} routes, {self.inhibit_rules} inhibit rules"

    def missed(self) -> Iterator[str]:
        for kind in (self.rules, self.routes, self.inhibit_rules):
            yield from kind.missed()


def _inhibits(rule: InhibitRule, target: dict[str, str], source: dict[str, str]) -> bool:
    return (
        accepts_all(rule.target_matchers, target)
        and accepts_all(rule.source_matchers, source)
        and all(target.get(name, "") == source.get(name, "") for name in rule.equal)
    )


def _words(number: int, rule: InhibitRule) -> str:
    name = rule.name or f"inhibit rule {number + 1}"
    return f"{name}: {matchers_text(rule.source_matchers)} mutes {matchers_text(rule.target_matchers)}"
