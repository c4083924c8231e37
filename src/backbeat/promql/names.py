"""The nearest right name to a wrong one, for messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(wrong: str, right: Iterable[str]) -> str:
    """The most similar of the right names; empty where none is near."""
    found = get_close_matches(wrong[:80].lower(), list(right), n=1, cutoff=0.7)
    return found[0] if found else ""
