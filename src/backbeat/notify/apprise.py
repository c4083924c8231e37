"""Everything else: one URL of the apprise library, which knows a hundred services."""

from __future__ import annotations

import asyncio
import re

from backbeat.config.apprise_urls import heard, opened
from backbeat.config.chats import AppriseConfig
from backbeat.model.alerts import Delivery, Notification
from backbeat.notify import mail
from backbeat.notify.channel import Tools
from backbeat.notify.http import without_secrets
from backbeat.notify.texts import subject
from backbeat.notify.wording import Unsendable, Wording, secret

_PARTS = re.compile(r"[/?&=@:]+")
_TYPES = {"info": "info", "warning": "warning"}


class AppriseChannel:
    kind = "apprise"

    def __init__(self, config: AppriseConfig, tools: Tools) -> None:
        self.send_resolved = config.send_resolved
        self._config = config
        self._texts = tools.texts

    async def send(self, notification: Notification) -> Delivery:
        try:
            return await asyncio.to_thread(self._send, Wording(self._texts, self._texts.routed(notification)))
        except Unsendable as error:
            return error.delivery

    def _send(self, wording: Wording) -> Delivery:
        """The library says only whether it went well; why not stands in its log."""
        config, message = self._config, wording.message
        url = secret(config.url, "apprise's URL")
        service = opened(url)
        if service is None:
            return Delivery(False, detail="the apprise library does not know such URLs")
        with heard() as warnings:
            is_sent = service.notify(
                body=mail.text(message) if config.body is None else wording(config.body),
                title=subject(message) if config.title is None else wording(config.title),
                notify_type=_type(message),
            )
        if is_sent:
            return Delivery(True, detail=f"accepted by {service.service_name}")
        said = without_secrets(_PARTS.split(url), " ".join(warnings))
        return Delivery(False, retry=True, detail=f"{service.service_name}: {said or 'not sent'}")


def _type(message: Notification) -> str:
    """How the service is to show it."""
    if message.status == "resolved":
        return "success"
    severities = {alert.labels.get("severity") for alert in message.firing}
    return _TYPES.get(next(iter(severities)), "failure") if len(severities) == 1 else "failure"
