"""How people call the integrations of a receiver, which the API and files name `webhook[0]`."""

from __future__ import annotations


def spoken(integration: str) -> str:
    """`webhook` of `webhook[0]`, `webhook 2` of `webhook[1]`."""
    kind, _, index = integration.removesuffix("]").partition("[")
    return f"{kind} {int(index) + 1}" if index not in ("", "0") else kind
