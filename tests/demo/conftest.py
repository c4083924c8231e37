"""Free ports, so that tests can run beside a demo and beside each other."""

import socket

import pytest

from backbeat.demo.ports import Ports


@pytest.fixture
def free_ports() -> Ports:
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
    dashboard, inbox, service, smtp = (server.getsockname()[1] for server in opened)
    for server in opened:
        server.close()
    return Ports(dashboard=dashboard, inbox=inbox, service=service, smtp=smtp)
