"""The order in which Alertmanager shows alerts and groups: what is told and answered follows it.

Pure. The keys are for `sorted`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from backbeat.model.alerts import Alert
from backbeat.model.labels import Labels


def alert_order(alert: Alert) -> tuple[Any, ...]:
    """By job, then instance (those without come last), then by labels."""
    job, instance = alert.labels.get("job"), alert.labels.get("instance")
    return (not job, job, not instance, instance, labels_order(alert.labels))


def labels_order(labels: Labels) -> tuple[Any, ...]:
    """Smaller sets first; where names differ, the set that lacks the smaller name; then by value."""
    return (len(labels), tuple((_backwards(name), value) for name, value in labels))


@lru_cache(maxsize=4096)
def _backwards(name: str) -> tuple[int, ...]:
    """Orders names from the end of the alphabet to its beginning."""
    return (*(-ord(character) for character in name), 1)
