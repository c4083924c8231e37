"""Pushover: a message to a phone; an emergency is repeated there until somebody confirms it."""

from __future__ import annotations

from urllib.parse import urlencode

from backbeat.config.pagers import PushoverConfig
from backbeat.notify.channel import PostingChannel
from backbeat.notify.http import Request
from backbeat.notify.wording import Wording, cut

_URL = "https://api.pushover.net/1/messages.json"
_LONGEST_TITLE = 250
_LONGEST_MESSAGE = 1024
_LONGEST_URL = 512


class PushoverChannel(PostingChannel[PushoverConfig]):
    kind = "pushover"

    def request(self, wording: Wording) -> Request:
        config = self.config
        token = wording.secret(config.token, "Pushover's token")
        user = wording.secret(config.user_key, "Pushover's user key")
        message = wording.html(config.message) if config.html else wording(config.message)
        form = {
            "token": token,
            "user": user,
            "title": wording(config.title, longest=_LONGEST_TITLE),
            # Pushover refuses an empty message.
            "message": cut(message, _LONGEST_MESSAGE).strip() or "(no details)",
            "url": cut(wording.word(config.url), _LONGEST_URL),
            "url_title": wording(config.url_title),
            "priority": wording.word(config.priority, "0"),
            "retry": str(config.retry_ms // 1000),
            "expire": str(config.expire_ms // 1000),
            "device": wording.word(config.device),
            "sound": wording.word(config.sound),
        }
        if config.html:
            form["html"] = "1"
        if config.monospace:
            form["monospace"] = "1"
        if config.ttl_ms >= 1000:
            form["ttl"] = str(config.ttl_ms // 1000)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        # In the body and not, as Alertmanager does, in the URL: proxies write URLs into their logs.
        return Request(_URL, urlencode(form).encode(), headers, secrets=(token, user))
