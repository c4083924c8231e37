"""Mattermost: attachments through an incoming webhook."""

from __future__ import annotations

from backbeat.config.chats import ChatField, MattermostAttachment, MattermostConfig
from backbeat.notify.channel import PostingChannel
from backbeat.notify.http import Request, json_request, without_empty
from backbeat.notify.wording import Unsendable, Wording, secret

_LONGEST_TEXT = 16_383
_STANDARD, _IMPORTANT, _URGENT = "standard", "important", "urgent"
_LINKS = frozenset(
    {"author_link", "author_icon", "title_link", "thumb_url", "footer_icon", "image_url", "color"}
)
_TEXTS = tuple(name for name in MattermostAttachment.__struct_fields__ if name != "fields")


class MattermostChannel(PostingChannel[MattermostConfig]):
    kind = "mattermost"

    def request(self, wording: Wording) -> Request:
        config = self.config
        url = secret(config.webhook_url, "Mattermost's webhook URL")
        if not url:
            raise Unsendable("Mattermost's webhook URL is empty")
        said = {
            # The text of the settings belongs to their own attachment where they have no others.
            "text": wording(config.text, longest=_LONGEST_TEXT) if config.attachments else "",
            "channel": wording.word(config.channel),
            "username": wording(config.username),
            "icon_url": wording.word(config.icon_url),
            "icon_emoji": wording.word(config.icon_emoji),
            "type": wording.word(config.type),
            "props": {"card": wording(config.props.card)} if config.props.card else {},
            "priority": self._priority(wording),
            "attachments": [_attachment(wording, each) for each in config.attachments or (config,)],
        }
        return json_request(url, without_empty(said))

    def _priority(self, wording: Wording) -> dict[str, object]:
        """Acknowledgements can be asked for of what is not standard, persistence of what is urgent."""
        wanted = self.config.priority
        if not wanted.priority:
            return {}
        word = wording.word(wanted.priority).lower()
        priority = word if word in (_IMPORTANT, _URGENT) else _STANDARD
        return without_empty(
            {
                "priority": priority,
                "requested_ack": wanted.requested_ack and priority != _STANDARD,
                "persistent_notifications": wanted.persistent_notifications and priority == _URGENT,
            }
        )


def _attachment(wording: Wording, attachment: MattermostAttachment) -> dict[str, object]:
    said: dict[str, object] = {
        name: wording.word(text) if name in _LINKS else wording(text)
        for name in _TEXTS
        if (text := getattr(attachment, name))
    }
    said["fields"] = [_field(wording, each) for each in attachment.fields]
    return without_empty(said)


def _field(wording: Wording, field: ChatField) -> dict[str, object]:
    said: dict[str, object] = {"title": wording(field.title), "value": wording(field.value)}
    return said if field.short is None else {**said, "short": field.short}
