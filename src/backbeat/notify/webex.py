"""Webex: a message in Markdown to a room."""

from __future__ import annotations

from backbeat.config.chats import WebexConfig
from backbeat.notify.channel import PostingChannel
from backbeat.notify.http import Request, json_request
from backbeat.notify.wording import Wording, cut_bytes

_LONGEST_BYTES = 7439


class WebexChannel(PostingChannel[WebexConfig]):
    kind = "webex"

    def request(self, wording: Wording) -> Request:
        said = {
            "markdown": cut_bytes(wording(self.config.message), _LONGEST_BYTES),
            "roomId": wording.key(self.config.room_id, "Webex's room_id"),
        }
        return json_request(self.config.api_url, said)
