"""Slack: one attachment for a message, through an incoming webhook or, with a token, chat.postMessage."""

from __future__ import annotations

from dataclasses import replace

import aiohttp
import orjson

from backbeat.config.alertmanager import SlackConfig
from backbeat.model.alerts import Alert, Delivery, Notification
from backbeat.notify.http import post
from backbeat.notify.links import silence_url, web_url
from backbeat.notify.texts import Texts, status_of, subject

_COLOURS = {"critical": "#d0021b", "page": "#d0021b", "warning": "#f5a623", "info": "#4a90e2"}
_RESOLVED = "#2eb67d"
_SHOWN = 20
_PLAIN = ("username", "color", "title", "title_link", "pretext", "text", "fallback", "footer")
_ATTACHED = (*_PLAIN[1:], "callback_id", "image_url", "thumb_url")


def escape(text: str) -> str:
    """What Slack asks for in mrkdwn: the three characters that make links and mentions."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class SlackChannel:
    kind = "slack"

    def __init__(self, config: SlackConfig, session: aiohttp.ClientSession, texts: Texts) -> None:
        self.send_resolved = config.send_resolved
        self._config = config
        self._session = session
        self._texts = texts

    async def send(self, notification: Notification) -> Delivery:
        config = self._config
        try:
            url = config.api_url.read()
            token = config.app_token.read()
        except (OSError, ValueError):
            return Delivery(False, retry=True, detail="the file of Slack's URL or token cannot be read")
        delivery = await post(
            self._session,
            url,
            orjson.dumps(self.payload(notification)),
            config.http,
            timeout_ms=config.timeout_ms,
            headers={"Authorization": f"Bearer {token}"} if token else None,
        )
        if delivery.ok and token and '"ok":false' in delivery.detail.replace(" ", ""):
            return replace(delivery, ok=False, retry="rate_limited" in delivery.detail)
        return delivery

    def payload(self, message: Notification) -> dict[str, object]:
        config = self._config
        own = _own(message)
        attachment: dict[str, object] = {}
        for name in _ATTACHED:
            template = getattr(config, name)
            text = own.get(name, "") if template is None else self._texts.render(template, message)
            if text:
                attachment[name] = text
        attachment["mrkdwn_in"] = list(config.mrkdwn_in or ("fallback", "pretext", "text"))
        if config.fields:
            attachment["fields"] = [
                {
                    "title": self._texts.render(field.title, message),
                    "value": self._texts.render(field.value, message),
                    "short": config.short_fields if field.short is None else field.short,
                }
                for field in config.fields
            ]
        actions = self._actions(message)
        if actions:
            attachment["actions"] = actions
        whole: dict[str, object] = {"attachments": [attachment]}
        if config.message_text:
            whole["text"] = self._texts.render(config.message_text, message)
        for name in ("channel", "username", "icon_emoji", "icon_url"):
            if getattr(config, name):
                whole[name] = self._texts.render(getattr(config, name), message)
        if config.link_names:
            whole["link_names"] = True
        return whole

    def _actions(self, message: Notification) -> list[dict[str, str]]:
        if self._config.actions:
            names = ("type", "text", "url", "style", "name", "value")
            rendered = (
                {name: self._texts.render(getattr(action, name), message) for name in names}
                for action in self._config.actions
            )
            return [{name: text for name, text in action.items() if text} for action in rendered]
        if self._config.text is not None or not message.firing:
            return []
        offered = {
            "Runbook": message.common_annotations.get("runbook_url"),
            "Dashboard": message.common_annotations.get("dashboard_url"),
            "Silence": silence_url(message.external_url, message.common_labels),
        }
        return [
            {"type": "button", "text": name, "url": web_url(url)}
            for name, url in offered.items()
            if web_url(url)
        ]


def _own(message: Notification) -> dict[str, str]:
    """Backbeat's own message."""
    severity = message.common_labels.get("severity").lower()
    lines = [_line(alert, message.now_ms) for alert in message.alerts[:_SHOWN]]
    left_out = len(message.alerts) - _SHOWN + message.truncated_alerts
    if len(message.alerts) > _SHOWN:
        lines.append(f"… and {left_out} more")
    return {
        "color": _COLOURS.get(severity, "#d0021b") if message.firing else _RESOLVED,
        "title": escape(subject(message)),
        "title_link": web_url(f"{message.external_url}/alerts"),
        "fallback": escape(subject(message)),
        "text": "\n".join(lines),
    }


def _line(alert: Alert, now_ms: int) -> str:
    what = alert.annotations.get("summary") or alert.annotations.get("description")
    labels = ", ".join(f"{name}={value}" for name, value in alert.labels if name != "alertname")
    return f"*{escape(alert.name)}* ({status_of(alert, now_ms)}) {escape(what)}\n`{escape(labels)}`"
