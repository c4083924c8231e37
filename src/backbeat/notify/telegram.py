"""Telegram: a message of a bot to a chat."""

from __future__ import annotations

import asyncio
import html

from msgspec.structs import replace

from backbeat.config.chats import TelegramConfig
from backbeat.model.alerts import Delivery
from backbeat.notify.channel import HttpChannel
from backbeat.notify.http import Answer, Request, json_request, without_empty
from backbeat.notify.texts import subject
from backbeat.notify.wording import Unsendable, Wording, cut, secret

_LONGEST = 4096
_TOO_LONG = (
    "The message is longer than the 4096 characters that Telegram allows, so this is its subject alone. "
    "Shorten its template."
)


class TelegramChannel(HttpChannel[TelegramConfig]):
    kind = "telegram"

    async def deliver(self, wording: Wording) -> Delivery:
        mode = self.config.parse_mode
        answer = await self.outlet.ask(await asyncio.to_thread(self._request, wording, mode))
        if mode and answer.status == 400 and "parse entities" in str(answer.json.get("description")):
            # A label with a star or an underscore can break Markdown; plain text cannot be broken.
            answer = await self.outlet.ask(await asyncio.to_thread(self._request, wording, ""))
        return _understood(answer)

    def _request(self, wording: Wording, mode: str) -> Request:
        config = self.config
        token = secret(config.bot_token, "Telegram's bot token")
        said = {
            "chat_id": str(config.chat_id or self._chat_id()),
            "text": self._text(wording, mode),
            "disable_web_page_preview": True,
            **without_empty(
                {
                    "parse_mode": mode,
                    "disable_notification": config.disable_notifications,
                    "message_thread_id": config.message_thread_id or "",
                }
            ),
        }
        return json_request(f"{config.api_url.rstrip('/')}/bot{token}/sendMessage", said, secrets=(token,))

    def _text(self, wording: Wording, mode: str) -> str:
        if mode != "HTML":
            return cut(wording(self.config.message), _LONGEST)
        text = wording.html(self.config.message)
        # Cut in the middle of a tag, it would be refused.
        return text if len(text) <= _LONGEST else f"{html.escape(subject(wording.message))}\n\n{_TOO_LONG}"

    def _chat_id(self) -> int:
        written = secret(self.config.chat_id_file, "Telegram's chat_id")
        try:
            return int(written)
        except ValueError as error:
            told = "the file of Telegram's chat_id holds no number"
            raise Unsendable(told, retry=True) from error


def _understood(answer: Answer) -> Delivery:
    """Telegram says in the body how long to wait."""
    asked = answer.json.get("parameters")
    wait_s = asked.get("retry_after") if isinstance(asked, dict) else None
    if answer.delivery.retry and isinstance(wait_s, int):
        return replace(answer.delivery, retry_after_ms=wait_s * 1000)
    return answer.delivery
