"""Inhibition: a firing source alert keeps target alerts with equal labels quiet.

Pure but for its own memory: which alerts can be source or target of which rule depends on their labels alone,
and only on those that the rules name, so it is found once for all alerts that have these alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from backbeat.alerting.matching import MatcherIndex
from backbeat.config.alertmanager import InhibitRule
from backbeat.model.labels import Labels

Equal = tuple[str, ...]
FiresNow = Callable[[str], bool]
_MOST_KNOWN = 10_000


class Inhibition(Struct, frozen=True):
    """Why an alert is kept quiet: the rule and the source alert's fingerprint."""

    rule: str
    source: str


class _Target(Struct, frozen=True):
    rule: int
    equal: Equal
    is_source_too: bool


class _Roles(Struct, frozen=True):
    """sources: rule, equal values, and whether the alert is a target of the rule as well"""

    sources: tuple[tuple[int, Equal, bool], ...]
    targets: tuple[_Target, ...]


class Inhibitor:
    """Knows the current alerts by the roles they can play.

    An alert that matches both sides of a rule is not inhibited by alerts for which the same is true, so not
    by itself either.
    """

    def __init__(self, rules: Sequence[InhibitRule]) -> None:
        self._rules = tuple(rules)
        self._source_index = MatcherIndex((i, rule.source_matchers) for i, rule in enumerate(rules))
        self._target_index = MatcherIndex((i, rule.target_matchers) for i, rule in enumerate(rules))
        self._sources: dict[tuple[int, Equal], dict[str, bool]] = {}
        """by rule and equal values: source fingerprint -> whether it matches the target side too"""
        self._roles: dict[str, _Roles] = {}
        self._names = _names(self._rules)
        self._known_roles: dict[tuple[str, ...], _Roles] = {}
        """by the values of the labels that the rules name"""

    def add(self, fingerprint: str, labels: Labels) -> None:
        """Learn of a current alert; an alert known already costs nothing."""
        if not self._rules or fingerprint in self._roles:
            return
        values = dict(labels)
        key = tuple([values.get(name, "") for name in self._names])
        roles = self._known_roles.get(key)
        if roles is None:
            if len(self._known_roles) >= _MOST_KNOWN:
                self._known_roles.clear()
            roles = self._known_roles[key] = self._roles_of(values)
        self._roles[fingerprint] = roles
        for rule, equal, is_target_too in roles.sources:
            self._sources.setdefault((rule, equal), {})[fingerprint] = is_target_too

    def discard(self, fingerprint: str) -> None:
        roles = self._roles.pop(fingerprint, None)
        for rule, equal, _ in roles.sources if roles else ():
            sources = self._sources[rule, equal]
            del sources[fingerprint]
            if not sources:
                del self._sources[rule, equal]

    def inhibition(self, fingerprint: str, fires: FiresNow) -> Inhibition | None:
        """What keeps a known alert quiet now: the first rule with a firing source."""
        roles = self._roles.get(fingerprint)
        for target in roles.targets if roles else ():
            for source, two_sided in self._sources.get((target.rule, target.equal), {}).items():
                if not (target.is_source_too and two_sided) and fires(source):
                    return Inhibition(self._rule_text(target.rule), source)
        return None

    def _roles_of(self, values: dict[str, str]) -> _Roles:
        as_source = set(self._source_index.accepting(values))
        as_target = set(self._target_index.accepting(values))
        shared = self._equal_values(as_source | as_target, values)
        return _Roles(
            tuple((i, shared[self._rules[i].equal], i in as_target) for i in sorted(as_source)),
            tuple(_Target(i, shared[self._rules[i].equal], i in as_source) for i in sorted(as_target)),
        )

    def _equal_values(self, rules: set[int], values: dict[str, str]) -> dict[tuple[str, ...], Equal]:
        """The values by the names that must be equal; many rules name the same."""
        wanted = {self._rules[rule].equal for rule in rules}
        return {names: tuple(values.get(name, "") for name in names) for names in wanted}

    def _rule_text(self, rule: int) -> str:
        return self._rules[rule].name or f"inhibit rule {rule + 1}"


def _names(rules: Sequence[InhibitRule]) -> tuple[str, ...]:
    """The labels on which the rules depend."""
    matched = {m.name for rule in rules for m in (*rule.source_matchers, *rule.target_matchers)}
    return tuple(sorted(matched.union(*(rule.equal for rule in rules))))
