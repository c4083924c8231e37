"""Who is told that a receiver keeps failing: somebody else.

Pure. Backbeat raises `ReceiverFailing` as an alert like any other, and the routing tree takes it to its
receivers. Where the tree would take it to the failing receiver alone, or to nobody, a route beside the tree
takes it to another one: the root's own receiver, else the first that has an integration.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec.structs import replace

from backbeat.alerting.routing import Node, plant
from backbeat.config.alertmanager import AlertmanagerConfig
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp

RECEIVER_FAILING = "ReceiverFailing"


def receiver_failing(receiver: str, integration: str) -> Labels:
    """The labels of the alert about one integration."""
    return Labels.of(
        alertname=RECEIVER_FAILING, severity="critical", receiver=receiver, integration=integration
    )


def stand_ins(
    config: AlertmanagerConfig, root: Node, integrations: Mapping[str, Collection[object]]
) -> tuple[Node, ...]:
    """A route for each receiver whose failure nobody else would hear of. integrations: by receiver."""
    able = [receiver.name for receiver in config.receivers if integrations.get(receiver.name)]
    able.sort(key=lambda name: name != config.route.receiver)
    found: list[Node] = []
    for failing in sorted(able):
        told = {node.route.receiver for node in root.match(dict(receiver_failing(failing, "")))}
        other = next((name for name in able if name != failing), None)
        if other is None or (told - {failing}) & set(able):
            continue
        matchers = (
            Matcher("alertname", MatchOp.EQUAL, RECEIVER_FAILING),
            Matcher("receiver", MatchOp.EQUAL, failing),
        )
        route = replace(
            config.route,
            receiver=other,
            matchers=matchers,
            group_by=("alertname", "receiver"),
            group_by_all=False,
            group_wait_ms=0,
            mute_time_intervals=(),
            active_time_intervals=(),
            routes=(),
        )
        found.append(plant(route, parent_key=root.key, parent_id="beside the tree", position=len(found)))
    return tuple(found)
