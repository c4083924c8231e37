"""Microsoft Teams: an adaptive card through a workflow of Power Automate."""

from __future__ import annotations

from backbeat.config.chats import Msteamsv2Config
from backbeat.notify.channel import PostingChannel
from backbeat.notify.http import Request, json_request
from backbeat.notify.wording import Wording, secret


class Msteamsv2Channel(PostingChannel[Msteamsv2Config]):
    kind = "msteamsv2"

    def request(self, wording: Wording) -> Request:
        heading = {
            "type": "TextBlock",
            "text": wording(self.config.title),
            "weight": "Bolder",
            "size": "Medium",
            "wrap": True,
            "style": "heading",
            "color": "Attention" if wording.message.status == "firing" else "Good",
        }
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.2",
            "body": [heading, {"type": "TextBlock", "text": wording(self.config.text), "wrap": True}],
            "msteams": {"width": "full"},
        }
        attachment = {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": None,
            "content": card,
        }
        url = secret(self.config.webhook_url, "Teams's webhook URL")
        return json_request(url, {"type": "message", "attachments": [attachment]})
