"""Rocket.Chat: one attachment through its REST API, with a personal access token."""

from __future__ import annotations

from msgspec.structs import replace
from yarl import URL

from backbeat.config.chats import RocketchatAction, RocketchatConfig
from backbeat.model.alerts import Delivery
from backbeat.notify.channel import PostingChannel
from backbeat.notify.http import Answer, Request, json_request, without_empty
from backbeat.notify.wording import Wording, secret

_LONGEST_TITLE = 1024


class RocketchatChannel(PostingChannel[RocketchatConfig]):
    kind = "rocketchat"

    def request(self, wording: Wording) -> Request:
        config = self.config
        headers = {
            "X-Auth-Token": secret(config.token, "Rocket.Chat's token"),
            "X-User-Id": secret(config.token_id, "Rocket.Chat's token_id"),
        }
        url = URL(config.api_url)
        url = url.with_path(f"{url.path.rstrip('/')}/api/v1/chat.postMessage")
        said = {
            "channel": wording.word(config.channel),
            "emoji": wording.word(config.emoji),
            "avatar": wording.word(config.icon_url),
            "text": wording(config.message_text) if config.message_text else "",
            "attachments": [self._attachment(wording)],
        }
        return json_request(str(url), without_empty(said), headers)

    def _attachment(self, wording: Wording) -> dict[str, object]:
        config = self.config
        fields = [
            {
                "title": wording(field.title),
                "value": wording(field.value),
                "short": config.short_fields if field.short is None else field.short,
            }
            for field in config.fields
        ]
        return without_empty(
            {
                "title": wording(config.title, longest=_LONGEST_TITLE),
                "title_link": wording.word(config.title_link),
                "text": wording(config.text),
                "image_url": wording.word(config.image_url),
                "thumb_url": wording.word(config.thumb_url),
                "color": wording.word(config.color),
                "fields": fields,
                "actions": [_action(wording, each) for each in config.actions],
            }
        )

    def understood(self, answer: Answer) -> Delivery:
        """Rocket.Chat answers some refusals with 200."""
        if not answer.delivery.ok or answer.json.get("success") is True:
            return answer.delivery
        return replace(answer.delivery, ok=False, retry="success" not in answer.json)


def _action(wording: Wording, action: RocketchatAction) -> dict[str, object]:
    return {
        "type": "button",
        "is_webview": action.iswebview,
        "msg_in_chat_window": action.msginchatwindow,
        **without_empty(
            {
                "text": wording(action.text),
                "url": wording.word(action.url),
                "image_url": wording.word(action.imageurl),
                "webview_height_ratio": wording.word(action.webviewheightratio),
                "msg": wording(action.msg),
                "msg_processing_type": action.msgprocessingtype,
            }
        ),
    }
