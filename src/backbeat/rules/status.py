"""What the rules page and /api/v1/rules and /api/v1/alerts show: plain values, safe to keep."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from backbeat.model.labels import NO_LABELS, Labels
from backbeat.rules.state import AlertState, Reason


class Health(StrEnum):
    UNKNOWN = "unknown"
    OK = "ok"
    ERR = "err"


class AlertStatus(Struct, frozen=True):
    """A pending or firing instance. Times are ms since the epoch, 0 means "not"."""

    labels: Labels
    annotations: Labels
    state: AlertState
    value: float
    active_at_ms: int
    keep_firing_since_ms: int
    reason: Reason


class RuleStatus(Struct, frozen=True):
    """`kind` is `alerting` or `recording`; the last four fields speak of alerting rules only.

    labels, annotations: as configured (group labels included), templates not expanded
    """

    kind: str
    name: str
    query: str
    labels: Labels
    health: Health
    last_error: str
    evaluation_time_s: float
    last_evaluation_ms: int
    state: AlertState = AlertState.INACTIVE
    for_ms: int = 0
    keep_firing_for_ms: int = 0
    annotations: Labels = NO_LABELS
    alerts: Sequence[AlertStatus] = ()


class GroupStatus(Struct, frozen=True):
    name: str
    file: str
    interval_ms: int
    limit: int
    query_offset_ms: int
    evaluation_time_s: float
    last_evaluation_ms: int
    rules: Sequence[RuleStatus]
