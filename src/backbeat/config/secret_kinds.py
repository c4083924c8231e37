"""Kinds of values that may come from the environment: secrets, and what names a mail server.

`${NAME}` takes the value of a variable that is set. Without it the text stays as it is, and then is no URL.
"""

from __future__ import annotations

import re

from msgspec import Struct

from backbeat.config.go_url import URLError, parse_http_url
from backbeat.config.kinds import text_of
from backbeat.config.nodes import Node
from backbeat.config.schema import INVALID, Invalid, Reading, quoted
from backbeat.config.secret import Secret
from backbeat.model.errors import BackbeatError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class SecretText:
    """A password or token; `${NAME}` takes the value of a variable that is set."""

    empty = None

    def read(self, node: Node, path: str, reading: Reading) -> Secret | Invalid | None:
        reading.secrets.add(id(node))
        text = text_of(node, path, reading)
        if not isinstance(text, str):
            return text
        text, missing = expand(text, reading)
        if missing:
            names = ", ".join(missing)
            reading.warn(
                node, path, f"the environment variable {names} is not set, so its text is used as it stands"
            )
        return Secret(text) if text else None


class SecretUrl(Struct, frozen=True):
    """A URL that nobody may see. `templated`: it may hold {{ }}, and is then not checked."""

    templated: bool = False
    file_field: str = ""
    empty = None

    def read(self, node: Node, path: str, reading: Reading) -> Secret | Invalid | None:
        reading.secrets.add(id(node))
        written = text_of(node, path, reading, "a URL")
        if not isinstance(written, str):
            return written
        if written == "<secret>" or (self.templated and not written):
            return Secret(written) if written else None
        text, missing = expand(written, reading)
        if self.templated and "{{" in text:
            if reading.parse_template is not None:
                try:
                    reading.parse_template(text)
                except BackbeatError:  # its message shows parts of the text
                    reading.error(node, path, "the template in the URL cannot be parsed")
                    return INVALID
            return Secret(text)
        try:
            parse_http_url(text)
        except URLError as error:
            reading.error(node, path, self._message(written, missing, error))
            return INVALID
        if missing:
            names = ", ".join(missing)
            reading.warn(
                node, path, f"the environment variable {names} is not set, so its text is used as it stands"
            )
        return Secret(text)

    def _message(self, written: str, missing: list[str], error: URLError) -> str:
        instead = f" or use {self.file_field}" if self.file_field else ""
        if missing:
            names = " and ".join(missing)
            shown = quoted(written) if _VARIABLE.fullmatch(written) else "a URL with ${…}"
            return (
                f"found {shown}, expected a URL such as https://host/path: "
                f"set the environment variable {names}{instead}"
            )
        return f"found a secret, expected a URL such as https://host/path: {_without_url(error)}"


def _without_url(error: URLError) -> str:
    """The reason without a part of the URL, which is a secret."""
    text = str(error)
    return (
        text
        if text.startswith(("unsupported scheme", "missing host", "the URL has no"))
        else "it does not parse"
    )


class FromEnvironment:
    """Text in which `${NAME}` takes the value of a variable that is set."""

    empty = ""

    def read(self, node: Node, path: str, reading: Reading) -> str | Invalid:
        text = text_of(node, path, reading)
        return expand(text, reading)[0] if isinstance(text, str) else text


def expand(text: str, reading: Reading) -> tuple[str, list[str]]:
    """The text with its variables replaced, and the names of those that are not set."""
    missing: list[str] = []
    if reading.is_filled:
        return text, missing

    def value(match: re.Match[str]) -> str:
        found = reading.environment.get(match[1])
        if found is None:
            missing.append(match[1])
            return match[0]
        return found

    return _VARIABLE.sub(value, text), missing


class HostPort:
    """host:port, the port not empty; `${NAME}` takes the value of a variable that is set."""

    empty = ""

    def read(self, node: Node, path: str, reading: Reading) -> str | Invalid:
        text = text_of(node, path, reading, "host:port")
        if not isinstance(text, str) or not text:
            return text
        text = expand(text, reading)[0]
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if not colon or not port or (":" in host and not bracketed) or ("[" in host) != bracketed:
            return reading.wrong(node, path, "host:port such as mail.example.org:587")
        return text


SECRET = SecretText()
