"""URLs of the apprise library: a hundred further channels, where the optional extra is installed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from typing import Any

from backbeat.config.nodes import Node
from backbeat.config.schema import INVALID, Invalid, Reading
from backbeat.config.secret import Secret
from backbeat.config.secret_kinds import SECRET

_NOT_INSTALLED = "the apprise library is not installed; install it with: pip install 'backbeat[apprise]'"
_NO_URL = "found a secret, expected a URL that the apprise library knows, such as ntfy://host/topic"


class AppriseUrl:
    empty = None

    def read(self, node: Node, path: str, reading: Reading) -> Secret | Invalid | None:
        secret = SECRET.read(node, path, reading)
        if not isinstance(secret, Secret):
            return secret
        why = _why_not(secret.reveal())
        if why and "${" not in secret.reveal():
            reading.error(node, path, why)
            return INVALID
        return secret


def is_installed() -> bool:
    return find_spec("apprise") is not None


def _why_not(url: str) -> str:
    """Why nothing can be sent to the URL, or nothing."""
    if not is_installed():
        return _NOT_INSTALLED
    return "" if opened(url) is not None else _NO_URL


class _Listener(logging.Filter):
    """Keeps to itself what the library logs, since that holds URLs, which are secrets."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)

    def filter(self, record: logging.LogRecord) -> bool:
        heard = self.heard.get()
        if heard is not None and record.levelno >= logging.WARNING:
            heard.append(record.getMessage())
        return False


_LISTENER = _Listener()


@contextmanager
def heard() -> Iterator[list[str]]:
    """What the library warns of meanwhile, in this thread."""
    said: list[str] = []
    token = _LISTENER.heard.set(said)
    try:
        yield said
    finally:
        _LISTENER.heard.reset(token)


def opened(url: str) -> Any:
    """The library's own object for a URL, or None where it does not know such URLs."""
    import apprise

    logging.getLogger("apprise").addFilter(_LISTENER)
    asset = apprise.AppriseAsset(app_id="Backbeat", app_desc="Backbeat", async_mode=False)
    return apprise.Apprise.instantiate(url, asset=asset)
