"""Which proxy leads to a URL: that of the settings or of the environment, except for hosts of no_proxy.

The rules are those of Go's httpproxy: no_proxy lists hosts (with all below them), .domains, addresses,
networks and `*`, each with a port or without.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from typing import Protocol

from yarl import URL


class ProxySettings(Protocol):
    @property
    def proxy_url(self) -> str: ...

    @property
    def no_proxy(self) -> str: ...

    @property
    def proxy_from_environment(self) -> bool: ...


def proxy_for(url: URL, settings: ProxySettings, environment: Mapping[str, str] = os.environ) -> str | None:
    """The proxy's URL, or None where the host is reached directly."""
    if not settings.proxy_from_environment:
        if not settings.proxy_url or (settings.no_proxy and _is_excepted(url, settings.no_proxy)):
            return None
        return settings.proxy_url
    names = (f"{url.scheme}_proxy".upper(), f"{url.scheme}_proxy")
    proxy = next((found for name in names if (found := environment.get(name))), "")
    excepted = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    if not proxy or _is_excepted(url, excepted):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_excepted(url: URL, no_proxy: str) -> bool:
    host, port = (url.host or "").lower().rstrip("."), str(url.port or "")
    address = _address(host)
    if host == "localhost" or (address and address.is_loopback):
        return True
    return any(
        _matches(entry.strip().lower(), host, port, address) for entry in no_proxy.split(",") if entry.strip()
    )


def _matches(
    entry: str, host: str, port: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None
) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, wanted = _split(entry)
    if not name or (wanted and wanted != port):
        return False
    if named := _address(name):
        return address == named
    suffix = name.removeprefix("*")
    if suffix.startswith("."):
        return host.endswith(suffix)
    return host == suffix or host.endswith(f".{suffix}")


def _split(entry: str) -> tuple[str, str]:
    """(host, port); the port may be empty."""
    if _address(entry):
        return entry, ""
    if entry.startswith("["):
        name, _, port = entry[1:].partition("]")
        return name, port.removeprefix(":")
    name, _, port = entry.partition(":")
    return name, port


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
