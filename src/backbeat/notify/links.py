"""Links of a message, and what the rule's expression says of its threshold."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote, urlsplit

from backbeat.model.labels import Labels

_THRESHOLD = re.compile(
    r"(==|!=|>=|<=|>|<)\s*(?:bool\s+)?([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*\)*\s*$"
)


def web_url(url: str) -> str:
    """The URL if it is one that a reader may click on, or nothing."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.netloc else ""


def silence_url(external_url: str, labels: Labels) -> str:
    """The page where a silence for these labels is half written."""
    quoted = (
        '{}="{}"'.format(name, value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"))
        for name, value in labels
    )
    return f"{external_url}/silences/new?filter={quote('{' + ', '.join(quoted) + '}', safe='')}"


def threshold(generator_url: str) -> str:
    """`> 1` from the end of the expression in the link, or nothing."""
    try:
        asked = parse_qs(urlsplit(generator_url).query)
    except ValueError:
        return ""
    expr = (asked.get("expr") or asked.get("g0.expr") or [""])[0]
    found = _THRESHOLD.search(expr)
    return f"{found[1]} {found[2]}" if found else ""
