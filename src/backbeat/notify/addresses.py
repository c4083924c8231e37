"""Where no message may go: link-local addresses and those that cloud machines ask for their own secrets.

A receiver's URL comes from the operator, but its host name is resolved anew each time, and templates may fill
it in from labels; so every address is checked at the moment of connecting.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from aiohappyeyeballs import AddrInfoType
from yarl import URL

from backbeat.httpclient import Session

_METADATA = frozenset(
    ipaddress.ip_address(address) for address in ("100.100.100.200", "192.0.0.192", "fd00:ec2::254")
)

_MOST_REQUESTS = 64


class ForbiddenAddress(OSError):
    """The receiver's name leads to an address that no message may go to."""


def new_session() -> Session:
    """The session of all channels; it checks every address at the moment of connecting."""
    return Session(most=_MOST_REQUESTS, socket_factory=_socket)


async def check_host(url: URL) -> None:
    """Raises ForbiddenAddress, also where a proxy would connect in our place.

    A name that does not resolve is left to the connection to report.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            url.host or "", url.port or 443, type=socket.SOCK_STREAM
        )
    except (OSError, UnicodeError):
        return
    for *_, address in found:
        _check(str(address[0]))


def _check(address: str) -> None:
    """Private addresses are allowed."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    if parsed.is_link_local or parsed.is_multicast or parsed in _METADATA:
        raise ForbiddenAddress("link-local and metadata addresses are not allowed for receivers")


def _socket(info: AddrInfoType) -> socket.socket:
    """Called with the address that is about to be connected to, so a name cannot change in between."""
    family, kind, protocol, _, address = info
    _check(str(address[0]))
    return socket.socket(family, kind, protocol)
