"""One message put into the words of one channel's settings.

In:  templates, a Notification.
Out: texts, whole payloads, and keys, without which the message is `Unsendable`.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable

import orjson
from msgspec import Struct

from backbeat.config.findings import Findings
from backbeat.config.http_client import SecretSource
from backbeat.config.plain import plain
from backbeat.config.yaml_reader import parse
from backbeat.model.alerts import Delivery, Notification
from backbeat.notify.texts import Texts
from backbeat.templating import TemplateError

_log = logging.getLogger(__name__)
_MARK = "…"


class Unsendable(Exception):
    """The message cannot be made with these settings; the text says why."""

    def __init__(self, why: str, *, retry: bool = False) -> None:
        super().__init__(why)
        self.delivery = Delivery(False, retry=retry, detail=why)


def secret(source: SecretSource, what: str) -> str:
    """Raises Unsendable: the file may be there again at the next attempt."""
    try:
        return source.read()
    except (OSError, ValueError) as error:
        raise Unsendable(f"the file of {what} cannot be read", retry=True) from error


def cut(text: str, longest: int) -> str:
    """At most `longest` characters, the last of which says that there was more."""
    return text if len(text) <= longest else text[: longest - 1] + _MARK


def cut_bytes(text: str, longest: int) -> str:
    """At most `longest` bytes of UTF-8."""
    encoded = text.encode()
    if len(encoded) <= longest:
        return text
    return encoded[: longest - len(_MARK.encode())].decode("utf-8", "ignore") + _MARK


class Wording(Struct, frozen=True):
    texts: Texts
    message: Notification

    def __call__(self, template: str, *, longest: int = 0) -> str:
        """For people; where the template fails, the message's subject and the error are the text."""
        text = self.texts.render(template, self.message)
        return cut(text, longest) if longest else text

    def html(self, template: str) -> str:
        return self.texts.render(template, self.message, html=True)

    def word(self, template: str, instead: str = "") -> str:
        """For machines: a receiver would refuse an error's text, so `instead` is said where it fails."""
        try:
            return self.texts.strict(template, self.message)
        except TemplateError as error:
            _log.warning("notify: receiver %s: template failed: %s", self.message.receiver, error)
            return instead

    def key(self, template: str, what: str) -> str:
        """A key or an address without which nothing can be sent. Raises Unsendable."""
        try:
            return self.texts.strict(template, self.message).strip()
        except TemplateError as error:
            raise Unsendable(f"the template of {what} failed: {error.message}") from error

    def secret(self, source: SecretSource, what: str) -> str:
        """A secret that may hold templates. Raises Unsendable."""
        return self.key(secret(source, what), what)

    def filled(self, value: object) -> object:
        """A value of the settings with every text in it rendered, keys too.

        A text that then reads as YAML of another type becomes that, as in Alertmanager: `{{ len .Alerts }}`
        is a number, `{{ toJson . }}` an object.
        """
        if isinstance(value, str):
            return _typed(self(value))
        if isinstance(value, dict):
            return {self(name): self.filled(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.filled(each) for each in value]
        return value

    @property
    def group_hash(self) -> str:
        """The group's name for receivers that keep one ticket a group; SHA-256 as in Alertmanager."""
        return hashlib.sha256(self.message.group_key.encode()).hexdigest()

    def pairs(self, templates: Iterable[tuple[str, str]]) -> dict[str, str]:
        return {name: self(text) for name, text in templates}


def _typed(text: str) -> object:
    try:
        return orjson.loads(text)  # a quoted text is one without its quotes
    except ValueError:
        findings = Findings()
        document = parse(text.encode("utf-8", "replace"), "", findings)
        if document is None or findings.error_count:
            return text
        value = plain(document.root) if document.root is not None else None
    return text if isinstance(value, str) else value
