"""Free ports for the demo: the usual one, or the next that nobody uses."""

from __future__ import annotations

import socket

from msgspec import Struct

from backbeat.model.errors import WorldFailure

_TRIES = 50


class Ports(Struct, frozen=True):
    dashboard: int = 9898
    inbox: int = 9899
    service: int = 9897
    smtp: int = 9896


USUAL = Ports()


def choose_ports(host: str, wanted: Ports = USUAL) -> Ports:
    """For each wanted port the first free one from it upwards, in steps of ten: they cannot collide."""
    return Ports(
        dashboard=_free_from(host, wanted.dashboard),
        inbox=_free_from(host, wanted.inbox),
        service=_free_from(host, wanted.service),
        smtp=_free_from(host, wanted.smtp),
    )


def _free_from(host: str, first: int) -> int:
    candidates = [port for port in range(first, first + 10 * _TRIES, 10) if port < 65536]
    for port in candidates:
        if _is_free(host, port):
            return port
    raise WorldFailure(f"{host}: none of the ports {candidates[0]}, {candidates[0] + 10}, … is free")


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the servers do, so that connections of a demo that has just ended don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
