"""What may be a label's name, and the nearest right name to a wrong one, for messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from backbeat.model import gotext


def is_label_name(name: str) -> bool:
    """Prometheus 3 takes any UTF-8 text that is not empty."""
    return bool(name) and gotext.is_utf8(name)


def nearest(wrong: str, right: Iterable[str]) -> str:
    """The most similar of the right names; empty where none is near."""
    found = get_close_matches(wrong[:80].lower(), list(right), n=1, cutoff=0.65)
    return found[0] if found else ""
