"""Try it: which way an alert with these labels would take now, and what would keep it quiet.

Reads the core, changes nothing; the time is an argument.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from msgspec import Struct

from backbeat.alerting.core import Core
from backbeat.alerting.matching import accepts_all
from backbeat.alerting.pipeline import muting_intervals
from backbeat.alerting.routing import Node, group_key, group_labels, matchers_text
from backbeat.model.alerts import Alert
from backbeat.model.labels import Labels


class Way(Struct, frozen=True):
    """One route at which the alert ends up.

    path:     the matchers of every route from the root down
    places:   which child leads on, from the root down; None of a route beside the tree
    group_by: `...` stands for all labels
    """

    path: tuple[str, ...]
    places: tuple[int, ...] | None
    receiver: str
    integrations: tuple[str, ...]
    group_by: tuple[str, ...]
    group_labels: Labels
    group_key: str
    group_wait_ms: int
    group_interval_ms: int
    repeat_interval_ms: int
    muted: str
    """why the route is muted now, or an empty string"""


class Preview(Struct, frozen=True):
    ways: tuple[Way, ...]
    silenced_by: tuple[str, ...]
    inhibited: str
    """the rule and the alert that keeps it quiet now, or an empty string"""

    @property
    def reaches_somebody(self) -> bool:
        kept_quiet = self.silenced_by or self.inhibited
        return not kept_quiet and any(way.integrations and not way.muted for way in self.ways)


def preview(core: Core, labels: Labels, now_ms: int) -> Preview:
    """What would become of an alert with these labels, were it to fire now."""
    values = dict(labels)
    paths = [*_paths(core.groups.root, values, ())]
    paths += [(node,) for node in core.groups.beside if node.match(values)]
    ways = tuple(_way(core, path, labels, now_ms) for path in paths)
    return Preview(ways, core.silences.muting(dict(labels), now_ms), _inhibited(core, labels, now_ms))


def _paths(node: Node, labels: Mapping[str, str], above: tuple[Node, ...]) -> Iterator[tuple[Node, ...]]:
    """As `Node.match` goes, with the nodes that lead there."""
    here = (*above, node)
    taken = False
    for child in node.children:
        if accepts_all(child.route.matchers, labels):
            taken = True
            yield from _paths(child, labels, here)
            if not child.route.continue_:
                return
    if not taken:
        yield here


def _places(path: tuple[Node, ...]) -> tuple[int, ...]:
    """By identity: siblings may be the same in everything."""
    return tuple(
        next(place for place, child in enumerate(above.children) if child is below)
        for above, below in pairwise(path)
    )


def _way(core: Core, path: tuple[Node, ...], labels: Labels, now_ms: int) -> Way:
    node = path[-1]
    route = node.route
    own = group_labels(route, labels)
    return Way(
        path=tuple(matchers_text(each.route.matchers) for each in path),
        places=_places(path) if path[0] is core.groups.root else None,
        receiver=route.receiver,
        integrations=tuple(each.name for each in core.ledger.integrations.get(route.receiver, ())),
        group_by=("...",) if route.group_by_all else tuple(route.group_by),
        group_labels=own,
        group_key=group_key(node, own),
        group_wait_ms=route.group_wait_ms,
        group_interval_ms=route.group_interval_ms,
        repeat_interval_ms=route.repeat_interval_ms,
        muted=muting_intervals(route, core.intervals, now_ms)[1],
    )


def _inhibited(core: Core, labels: Labels, now_ms: int) -> str:
    fingerprint = Alert(labels).fingerprint
    is_known = core.book.get(fingerprint) is not None
    core.inhibitor.add(fingerprint, labels)
    try:
        found = core.inhibited_by(fingerprint, now_ms)
    finally:
        if not is_known:
            core.inhibitor.discard(fingerprint)
    return core.inhibition_words(found) if found else ""
