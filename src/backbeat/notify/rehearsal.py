"""What a receiver would be sent, without sending it: the channels' own words, for tests of notifications.

In:  the settings of receivers, a Notification.
Out: for each channel its kind and its words: subject and text as people would read them.
The channels are the real ones; what they would ask of a receiver is noted, and files of secrets are not read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import parse_qsl

import orjson
from msgspec import Struct
from msgspec.structs import replace

from backbeat.config.alertmanager import AlertmanagerConfig
from backbeat.config.http_client import HTTPClient, SecretSource
from backbeat.config.secret import Secret
from backbeat.httpclient import Session
from backbeat.model.alerts import Channel, Delivery, Notification
from backbeat.notify.channel import HttpChannel
from backbeat.notify.channels import build_channels
from backbeat.notify.email import EmailChannel
from backbeat.notify.http import Answer, Outlet, Request
from backbeat.notify.texts import subject

# It must do for an address as well as for a key.
_SECRET = SecretSource(Secret("http://secret.example"))
_ATTACHED = (("attachments", 0, "title"), ("attachments", 0, "text"))
_Path = tuple[str | int, ...]
# By kind: where in what is sent the subject stands, and where the text.
_PLACES: dict[str, tuple[_Path, _Path]] = {
    "discord": (("embeds", 0, "title"), ("embeds", 0, "description")),
    "incidentio": (("title",), ("description",)),
    "jira": (("fields", "summary"), ("fields", "description")),
    "mattermost": _ATTACHED,
    "msteams": (("title",), ("text",)),
    "opsgenie": (("message",), ("description",)),
    "pushover": (("title",), ("message",)),
    "rocketchat": _ATTACHED,
    "slack": _ATTACHED,
    "sns": (("Subject",), ("Message",)),
    "telegram": ((), ("text",)),
    "victorops": (("entity_display_name",), ("state_message",)),
    "webex": ((), ("markdown",)),
    "wechat": ((), ("text", "content")),
}


class Words(Struct, frozen=True):
    """text: a mail's plain part, or its HTML where that is all; JSON by lines where nothing is for people."""

    subject: str
    text: str


class Rehearsed(Struct, frozen=True):
    """One integration of one receiver."""

    kind: str
    send_resolved: bool
    words: Callable[[Notification], Awaitable[Words]]


def rehearsed(config: AlertmanagerConfig, session: Session) -> dict[str, list[Rehearsed]]:
    """The channels of each receiver, in the order of its settings; the session is not used."""
    receivers = tuple(
        replace(each, integrations=tuple(map(_without_files, each.integrations))) for each in config.receivers
    )
    return {
        receiver: [Rehearsed(each.kind, each.send_resolved, _words(each, session)) for each in own]
        for receiver, own in build_channels(replace(config, receivers=receivers), session).items()
    }


def _without_files(settings: Any) -> Any:
    """Settings whose files with secrets need not be there."""
    changed: dict[str, object] = {}
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        if isinstance(value, SecretSource):
            if value.file:
                changed[name] = _SECRET
        elif isinstance(value, Struct):
            changed[name] = _without_files(value)
    return replace(settings, **changed) if changed else settings


def _words(channel: Channel, session: Session) -> Callable[[Notification], Awaitable[Words]]:
    if isinstance(channel, EmailChannel):
        return lambda message: asyncio.to_thread(_of_mail, channel, message)
    if isinstance(channel, HttpChannel):
        return lambda message: _of_requests(channel, _Notebook(session), message)
    return _plain


async def _plain(message: Notification) -> Words:
    """Of a channel that hands its words to a library of its own."""
    return Words(subject(message), "")


def _of_mail(channel: EmailChannel, message: Notification) -> Words:
    mail = channel.written(message)
    body = mail.get_body(("plain", "html"))
    return Words(str(mail["Subject"]), body.get_content() if body else "")


class _Notebook(Outlet):
    """Notes what is asked, and says that all is well."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, HTTPClient())
        self.bodies: list[Any] = []

    async def ask(self, request: Request) -> Answer:
        self.bodies.append(_decoded(request.body))
        return Answer(Delivery(True), 200, b'{"access_token": "x"}')


async def _of_requests(channel: HttpChannel[Any], notebook: _Notebook, message: Notification) -> Words:
    channel.outlet = notebook
    delivery = await channel.send(message)
    if not notebook.bodies:
        return Words(subject(message), f"cannot be sent: {delivery.detail}")
    of_subject, of_text = _PLACES.get(channel.kind, ((), ()))
    # Where there are several requests, one of them says it; the others look something up.
    body = next((each for each in notebook.bodies if _at(each, of_text) is not None), notebook.bodies[-1])
    said, text = _at(body, of_subject), _at(body, of_text)
    return Words(said if said is not None else subject(message), text if text is not None else _lines(body))


def _at(body: Any, path: Sequence[str | int]) -> str | None:
    """The text at a place of a decoded body; None where there is none."""
    for step in path:
        try:
            body = body[step]
        except (KeyError, IndexError, TypeError):
            return None
    return body if isinstance(body, str) and path else None


def _decoded(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError:
        return dict(parse_qsl(body.decode("utf-8", "replace")))


def _lines(body: Any) -> str:
    return orjson.dumps(body, option=orjson.OPT_INDENT_2).decode()
