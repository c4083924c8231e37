"""Microsoft Teams: a message card through an incoming webhook of Office 365."""

from __future__ import annotations

from backbeat.config.chats import MsteamsConfig
from backbeat.notify.channel import PostingChannel
from backbeat.notify.http import Request, json_request
from backbeat.notify.wording import Wording, secret

_RED, _GREEN = "8C1A1A", "2DC72D"


class MsteamsChannel(PostingChannel[MsteamsConfig]):
    kind = "msteams"

    def request(self, wording: Wording) -> Request:
        config = self.config
        card = {
            "@context": "http://schema.org/extensions",
            "type": "MessageCard",
            "title": wording(config.title),
            "summary": wording(config.summary),
            "text": wording(config.text),
            "themeColor": _RED if wording.message.status == "firing" else _GREEN,
        }
        return json_request(secret(config.webhook_url, "Teams's webhook URL"), card)
