"""The order in which Alertmanager shows alerts and groups: what is told and answered follows it.

Pure. The keys are for `sorted`.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any

from backbeat.model.alerts import Alert
from backbeat.model.labels import Labels


def alert_order(alert: Alert) -> tuple[Any, ...]:
    """By job, then instance (those without come last), then by labels."""
    job, instance = alert.labels.get("job"), alert.labels.get("instance")
    return (not job, job, not instance, instance, *labels_order(alert.labels))


def labels_order(labels: Labels) -> tuple[Any, ...]:
    """Smaller sets first; where names differ, the set that lacks the smaller name; then by value."""
    # One flat tuple of texts: a storm sorts thousands of them on the event loop.
    key: list[Any] = [len(labels)]
    for name, value in labels:
        key += (_backwards(name), value)
    return tuple(key)


@lru_cache(maxsize=4096)
def _backwards(name: str) -> str:
    """Orders names from the end of the alphabet to its beginning."""
    return "".join(chr(sys.maxunicode - ord(character)) for character in name) + chr(sys.maxunicode)
