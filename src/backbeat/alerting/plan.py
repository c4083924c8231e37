"""How alerts are routed as it stands: the tree, receivers and how they fare, what inhibits and mutes now.

Reads the core, changes nothing; the time is an argument.
"""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from backbeat.alerting.core import Core
from backbeat.alerting.intervals import names_containing
from backbeat.alerting.pipeline import muting_intervals
from backbeat.alerting.reach import Reached
from backbeat.alerting.routing import Node, matchers_text
from backbeat.config.alertmanager import InhibitRule, Route
from backbeat.state.records import MessageState


class PlannedRoute(Struct, frozen=True):
    """A node of the tree. groups: how many it has now; muted: why it is muted now, or an empty string."""

    route: Route
    matchers: str
    groups: int
    muted: str
    children: tuple[PlannedRoute, ...]


class PlannedIntegration(Struct, frozen=True):
    """waiting: messages that are tried again; dead: those refused for good."""

    name: str
    reached: Reached
    waiting: int
    dead: int


class PlannedReceiver(Struct, frozen=True):
    name: str
    integrations: tuple[PlannedIntegration, ...]
    is_used: bool
    """whether a route leads to it"""


class Plan(Struct, frozen=True):
    """intervals: the names of time intervals, and whether each holds this moment."""

    root: PlannedRoute
    receivers: tuple[PlannedReceiver, ...]
    inhibit_rules: tuple[InhibitRule, ...]
    intervals: tuple[tuple[str, bool], ...]


def plan(core: Core, now_ms: int) -> Plan:
    counts = Counter(group.node.id for group in core.groups)
    root = _route(core, core.groups.root, counts, now_ms)
    return Plan(
        root=root,
        receivers=_receivers(core),
        inhibit_rules=tuple(core.config.inhibit_rules),
        intervals=tuple(
            (name, bool(names_containing((name,), core.intervals, now_ms))) for name in core.intervals
        ),
    )


def _route(core: Core, node: Node, counts: Counter[str], now_ms: int) -> PlannedRoute:
    return PlannedRoute(
        route=node.route,
        matchers=matchers_text(node.route.matchers),
        groups=counts[node.id],
        muted=muting_intervals(node.route, core.intervals, now_ms)[1],
        children=tuple(_route(core, child, counts, now_ms) for child in node.children),
    )


def _receivers(core: Core) -> tuple[PlannedReceiver, ...]:
    used = {node.route.receiver for node in core.groups.root.walk()}
    messages = Counter(
        (message.to.receiver, message.to.integration, message.state) for message in core.ledger.outbox
    )
    return tuple(
        PlannedReceiver(
            receiver.name,
            tuple(
                PlannedIntegration(
                    each.name,
                    core.ledger.reach.of(receiver.name, each.name),
                    messages[receiver.name, each.name, MessageState.WAITING],
                    messages[receiver.name, each.name, MessageState.DEAD],
                )
                for each in core.ledger.integrations.get(receiver.name, ())
            ),
            receiver.name in used,
        )
        for receiver in core.config.receivers
    )
