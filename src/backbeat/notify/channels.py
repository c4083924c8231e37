"""From the settings of receivers to channels that can send."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp

from backbeat.config.alertmanager import (
    AlertmanagerConfig,
    EmailConfig,
    Integration,
    SlackConfig,
    WebhookConfig,
)
from backbeat.model.alerts import Channel, Delivery, Notification
from backbeat.notify.email import EmailChannel
from backbeat.notify.slack import SlackChannel
from backbeat.notify.texts import Texts
from backbeat.notify.webhook import WebhookChannel


@dataclass(slots=True)
class UnsupportedChannel:
    """Valid settings that Backbeat cannot send to yet: refuses each message, so that it is seen."""

    kind: str
    send_resolved: bool

    async def send(self, notification: Notification) -> Delivery:
        return Delivery(False, detail=f"{self.kind} is not supported yet")


def build_channels(config: AlertmanagerConfig, session: aiohttp.ClientSession) -> dict[str, list[Channel]]:
    """The channels of each receiver, in the order of its settings. Use `notify.new_session()`."""
    texts = Texts(config.templates)
    return {
        receiver.name: [_channel(each, session, texts) for each in receiver.integrations]
        for receiver in config.receivers
    }


def _channel(integration: Integration, session: aiohttp.ClientSession, texts: Texts) -> Channel:
    if isinstance(integration, EmailConfig):
        return EmailChannel(integration, texts)
    if isinstance(integration, SlackConfig):
        return SlackChannel(integration, session, texts)
    if isinstance(integration, WebhookConfig):
        return WebhookChannel(integration, session, texts)
    return UnsupportedChannel(integration.kind, integration.send_resolved)
