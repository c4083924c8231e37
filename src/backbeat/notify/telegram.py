"""Telegram: a message of a bot to a chat."""

from __future__ import annotations

import asyncio
import html
import re
import sys

from msgspec.structs import replace

from backbeat.config.chats import TelegramConfig
from backbeat.model.alerts import Delivery
from backbeat.notify.channel import HttpChannel
from backbeat.notify.http import Answer, Request, json_request, without_empty
from backbeat.notify.texts import subject
from backbeat.notify.wording import Unsendable, Wording, cut, secret

_LONGEST = 4096
"""characters that people see: Telegram counts no tags"""
_LONGEST_BYTES = 1 << 15
_TAG = re.compile(r"</?[A-Za-z](?:\"[^\"]*\"|'[^']*'|[^'\">])*>")
_NO_TAG = re.compile(r"<[!?]|</(?![A-Za-z])")
"""a comment and its like"""
_OPEN_TAG = re.compile(r"</?[A-Za-z]")
_ENTITY = re.compile(
    r"&(?:(?:lt|gt|amp|quot)(?![A-Za-z])|#(?P<decimal>[0-9]{1,7})(?![0-9])"
    r"|#x(?P<hexadecimal>[0-9a-fA-F]{1,6})(?![0-9a-fA-F]));?"
)
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
        fits = len(text.encode()) <= _LONGEST_BYTES and visible_length(text) <= _LONGEST
        return text if fits else f"{html.escape(subject(wording.message))}\n\n{_TOO_LONG}"

    def _chat_id(self) -> int:
        written = secret(self.config.chat_id_file, "Telegram's chat_id")
        try:
            return int(written)
        except ValueError as error:
            told = "the file of Telegram's chat_id holds no number"
            raise Unsendable(told, retry=True) from error


def visible_length(text: str) -> int:
    """Characters of HTML that are left once its tags are gone; all of them where it is not only tags."""
    bare = _TAG.sub("", text)
    if _NO_TAG.search(text) or _OPEN_TAG.search(bare):
        return len(text)
    return len(_ENTITY.sub(_entity, bare))


def _entity(found: re.Match[str]) -> str:
    """One character, or the text itself where Telegram knows no such one."""
    decimal, hexadecimal = found["decimal"], found["hexadecimal"]
    if decimal is None and hexadecimal is None:
        return "."
    code = int(decimal) if decimal is not None else int(hexadecimal, 16)
    return "." if 0 < code < sys.maxunicode else found[0]


def _understood(answer: Answer) -> Delivery:
    """Telegram says in the body how long to wait."""
    asked = answer.json.get("parameters")
    wait_s = asked.get("retry_after") if isinstance(asked, dict) else None
    if answer.delivery.retry and isinstance(wait_s, int):
        return replace(answer.delivery, retry_after_ms=wait_s * 1000)
    return answer.delivery
