"""Links of a message that lead back into Backbeat, at the time that the message speaks of."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlencode, urlsplit

from backbeat.model.alerts import Alert
from backbeat.model.labels import Labels
from backbeat.model.labels import quote as quoted

_BEFORE_MS = 3_600_000
_AFTER_MS = 300_000


def web_url(url: str) -> str:
    """The URL if it is one that a reader may click on, or nothing."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.netloc else ""


def silence_url(external_url: str, labels: Labels) -> str:
    """The alerts page, with the matchers of a silence for these labels."""
    matchers = "{" + ", ".join(f"{name}={quoted(value)}" for name, value in labels) + "}"
    name = labels.get("alertname")
    return f"{external_url}/alerts?" + urlencode({"name": name, "silence": matchers}, quote_via=quote)


def dashboard_url(external_url: str, alert: Alert, until_ms: int) -> str:
    """The rule's own dashboard or ours; ours opens from an hour before the alert to shortly after it."""
    url = alert.annotations.get("dashboard_url") or alert.annotations.get("dashboard") or f"{external_url}/"
    if not external_url or not url.startswith(f"{external_url}/"):
        return url
    window = {"from": alert.starts_at_ms - _BEFORE_MS, "to": until_ms + _AFTER_MS}
    if parse_qs(urlsplit(url).query).keys() & window.keys():
        return url
    address, mark, anchor = url.partition("#")
    return f"{address}{'&' if '?' in address else '?'}{urlencode(window)}{mark}{anchor}"


def asked(generator_url: str) -> tuple[str, float | None]:
    """The rule's expression and the value it returned, as far as the alert's source link tells them."""
    try:
        query = parse_qs(urlsplit(generator_url).query)
    except ValueError:
        return "", None
    expr = (query.get("expr") or query.get("g0.expr") or [""])[0]
    try:
        return expr, float(query["value"][0])
    except (KeyError, ValueError):
        return expr, None
