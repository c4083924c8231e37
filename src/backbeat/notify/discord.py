"""Discord: one embed through an incoming webhook."""

from __future__ import annotations

from backbeat.config.chats import DiscordConfig
from backbeat.notify.channel import PostingChannel
from backbeat.notify.http import Request, json_request, without_empty
from backbeat.notify.links import web_url
from backbeat.notify.wording import Wording, secret

_LONGEST_TITLE = 256
_LONGEST_DESCRIPTION = 4096
_LONGEST_CONTENT = 2000
_RED, _GREEN = 0x992D22, 0x2ECC71


class DiscordChannel(PostingChannel[DiscordConfig]):
    kind = "discord"

    def request(self, wording: Wording) -> Request:
        config = self.config
        embed = {
            "title": wording(config.title, longest=_LONGEST_TITLE),
            "description": wording(config.message, longest=_LONGEST_DESCRIPTION),
            "color": _RED if wording.message.status == "firing" else _GREEN,
        }
        said = {
            "content": wording(config.content, longest=_LONGEST_CONTENT),
            "embeds": [embed],
            **without_empty(
                {
                    "username": wording(config.username),
                    "avatar_url": web_url(wording.word(config.avatar_url)),
                }
            ),
        }
        return json_request(secret(config.webhook_url, "Discord's webhook URL"), said)
