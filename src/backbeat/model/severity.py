"""How bad: the order of what a `severity` label says. The label is free text; these words are common."""

from __future__ import annotations

_RANKS = {"page": 0, "critical": 0, "error": 1, "warning": 2, "info": 4}
_UNKNOWN = 3
NO_SEVERITY = "none"
"""of an alert that always fires, so that its absence tells: a watchdog's"""


def rank(severity: str) -> int:
    """0 is the worst; a word of which nothing is known lies between `warning` and `info`."""
    return _RANKS.get(severity.lower(), _UNKNOWN)
