"""What the inbox received, newest first, and how raw mail, Slack and webhook bodies become messages.

In:  bytes from the SMTP server, JSON from the HTTP endpoints.
Out: plain values for the page and for tests.
"""

from __future__ import annotations

import base64
import email
import email.policy
from collections import deque
from email.message import EmailMessage
from typing import Any, Literal

from msgspec import Struct, field

_KEPT = 500
Kind = Literal["mail", "slack", "webhook"]


class Content(Struct, frozen=True):
    """A message without its place in the inbox. `body` depends on the kind."""

    kind: Kind
    title: str
    status: str
    """firing or resolved, as far as the message says"""
    to: str
    body: dict[str, Any]
    html: str = ""


class Message(Struct, frozen=True):
    id: int
    received_ms: int
    content: Content

    def as_json(self) -> dict[str, Any]:
        content = self.content
        return {
            "id": self.id,
            "received_ms": self.received_ms,
            "kind": content.kind,
            "title": content.title,
            "status": content.status,
            "to": content.to,
            "has_html": bool(content.html),
            "body": content.body,
        }


class Mailbox(Struct):
    """Keeps the newest messages in memory; ids count from 1 and never repeat."""

    _messages: deque[Message] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _last_id: int = 0

    def add(self, content: Content, received_ms: int) -> Message:
        self._last_id += 1
        message = Message(self._last_id, received_ms, content)
        self._messages.appendleft(message)
        return message

    def newer_than(self, message_id: int) -> list[Message]:
        return [message for message in self._messages if message.id > message_id]

    def get(self, message_id: int) -> Message | None:
        return next((message for message in self._messages if message.id == message_id), None)


def mail_content(raw: bytes, recipients: list[str]) -> Content:
    """Read a mail; pictures that its HTML shows by `cid:` are put into the HTML itself."""
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    html, text = _part(parsed, "html"), _part(parsed, "plain")
    for part in parsed.walk():
        name = str(part.get("Content-ID", "")).strip("<> ")
        if name and part.get_content_maintype() == "image":
            picture = base64.b64encode(part.get_payload(decode=True) or b"").decode()  # type: ignore[arg-type]
            html = html.replace(f"cid:{name}", f"data:{part.get_content_type()};base64,{picture}")
    subject = str(parsed.get("Subject", "(no subject)"))
    headers = {name: str(value) for name, value in parsed.items()}
    return Content(
        kind="mail",
        title=subject,
        status=_status_in(subject),
        to=", ".join(recipients),
        body={"from": str(parsed.get("From", "")), "text": text, "headers": headers},
        html=html,
    )


def slack_content(payload: dict[str, Any]) -> Content:
    """Read what a Slack incoming webhook is sent."""
    attachments = payload.get("attachments") or [{}]
    first = attachments[0] if isinstance(attachments, list) and isinstance(attachments[0], dict) else {}
    title = str(first.get("title") or first.get("fallback") or payload.get("text") or "(no title)")
    return Content(
        kind="slack",
        title=title,
        status=_status_in(title, str(first.get("fallback", "")), str(first.get("color", ""))),
        to=str(payload.get("channel", "")),
        body=payload,
    )


def webhook_content(payload: dict[str, Any]) -> Content:
    """Read Alertmanager's webhook JSON; anything else is shown as it is."""
    labels = payload.get("commonLabels") or payload.get("groupLabels") or {}
    name = labels.get("alertname") if isinstance(labels, dict) else None
    alerts = payload.get("alerts")
    count = len(alerts) if isinstance(alerts, list) else 0
    status = str(payload.get("status", ""))
    title = f"{name or 'webhook call'} {status} ({count} alert{'' if count == 1 else 's'})"
    return Content(
        kind="webhook", title=title, status=status, to=str(payload.get("receiver", "")), body=payload
    )


def _part(mail: EmailMessage, subtype: str) -> str:
    part = mail.get_body(preferencelist=(subtype,))
    return str(part.get_content()) if part is not None else ""


def _status_in(*texts: str) -> str:
    joined = " ".join(texts).lower()
    if "resolved" in joined or joined.endswith("good"):
        return "resolved"
    return "firing" if "firing" in joined or joined.endswith("danger") else ""
