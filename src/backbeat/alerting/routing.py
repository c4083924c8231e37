"""The routing tree: which routes take an alert, and how their groups are called.

In:  `config.alertmanager.Route`, with inherited settings filled in.
Out: the nodes that match a label set, in Alertmanager's order; group labels and group keys.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from msgspec import Struct

from backbeat.alerting.matching import MatcherIndex, accepts_all
from backbeat.config.alertmanager import Route
from backbeat.model.labels import Labels, quote
from backbeat.model.matchers import Matcher, MatchOp

_RESERVED = frozenset("{}!=~,\\\"'`")
_OP_ORDER = {MatchOp.EQUAL: 0, MatchOp.NOT_EQUAL: 1, MatchOp.REGEX: 2, MatchOp.NOT_REGEX: 3}


class Node(Struct, frozen=True, eq=False):
    """A route at its place in the tree.

    key: the matchers from the root down, as Alertmanager writes them; siblings may share it.
    id:  the key with positions, unique in the tree.
    """

    route: Route
    key: str
    id: str
    children: tuple[Node, ...]
    _index: MatcherIndex[Node]

    def match(self, labels: Mapping[str, str]) -> tuple[Node, ...]:
        """Depth first, left to right: the deepest matching nodes; a later sibling only after `continue`."""
        if not accepts_all(self.route.matchers, labels):
            return ()
        return self._below(labels)

    def walk(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            yield from child.walk()

    def _below(self, labels: Mapping[str, str]) -> tuple[Node, ...]:
        found: list[Node] = []
        for child in self._index.accepting(labels):
            found.extend(child._below(labels))
            if not child.route.continue_:
                break
        return tuple(found) or (self,)


def plant(route: Route, parent_key: str = "", parent_id: str = "", position: int = -1) -> Node:
    """Build the tree of nodes from the configuration's root route."""
    own = matchers_text(route.matchers)
    key = f"{parent_key}/{own}" if parent_key else own
    identity = f"{parent_id}/{own}/{position}" if parent_id else own
    children = tuple(plant(child, key, identity, index) for index, child in enumerate(route.routes))
    return Node(
        route, key, identity, children, MatcherIndex((child, child.route.matchers) for child in children)
    )


def match(route: Route, labels: Labels) -> tuple[Route, ...]:
    """The routes that take an alert with these labels; at least the root, which accepts all."""
    return tuple(node.route for node in plant(route).match(dict(labels)))


def group_labels(route: Route, labels: Labels) -> Labels:
    """The labels by which the route groups an alert; labels that it lacks are left out."""
    return labels if route.group_by_all else labels.keep(route.group_by)


def group_key(node: Node, labels: Labels) -> str:
    """Alertmanager's text form, e.g. `{}/{severity="critical"}:{alertname="X"}`."""
    return f"{node.key}:{labels_text(labels)}"


def labels_text(labels: Labels) -> str:
    return "{" + ", ".join(f"{_name(name)}={quote(value)}" for name, value in labels) + "}"


def matchers_text(matchers: tuple[Matcher, ...]) -> str:
    ordered = sorted(matchers, key=lambda m: (m.name, m.value, _OP_ORDER[m.op]))
    return "{" + ",".join(f"{_name(m.name)}{m.op}{_value(m.value)}" for m in ordered) + "}"


@lru_cache(maxsize=4096)
def _name(name: str) -> str:
    needs_quotes = any(char in _RESERVED or char.isspace() for char in name)
    return quote(name) if needs_quotes else name


def _value(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"') + '"'
