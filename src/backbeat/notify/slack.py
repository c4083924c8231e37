"""Slack: one attachment for a message, through an incoming webhook or, with a token, chat.postMessage.

A text of the settings is the operator's own, mrkdwn included; Backbeat's own message escapes what alerts say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import aiohttp
import orjson

from backbeat.config.alertmanager import SlackConfig
from backbeat.model.alerts import Alert, Delivery, Notification
from backbeat.notify.http import post
from backbeat.notify.links import dashboard_url, silence_url, web_url
from backbeat.notify.measure import measure
from backbeat.notify.texts import Texts, subject
from backbeat.templating import TemplateError

_GOOD, _WARNING, _DANGER = "good", "warning", "danger"
_COLOURS = {"warning": _WARNING, "info": "#0b62c4"}
_SHOWN = 20
_LONGEST_TITLE = 1024
# Of an attachment: our name and Slack's → the name among Alertmanager's default templates.
_ATTACHED = {
    "color": "slack.default.color",
    "title": "slack.default.title",
    "title_link": "slack.default.titlelink",
    "pretext": "slack.default.pretext",
    "text": "slack.default.text",
    "fallback": "slack.default.fallback",
    "footer": "slack.default.footer",
    "callback_id": "slack.default.callbackid",
    "image_url": "",
    "thumb_url": "",
}
_WHOLE = {
    "username": "slack.default.username",
    "icon_emoji": "slack.default.iconemoji",
    "icon_url": "slack.default.iconurl",
}


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
            orjson.dumps(await asyncio.to_thread(self.payload, notification)),
            config.http,
            timeout_ms=config.timeout_ms,
            headers={"Authorization": f"Bearer {token}"} if token else None,
        )
        return _understood(delivery)

    def payload(self, message: Notification) -> dict[str, object]:
        config, texts = self._config, self._texts
        own = _own(message)
        attachment: dict[str, object] = {}
        for name, default in _ATTACHED.items():
            template = self._template(name, default)
            text = own.get(name, "") if template is None else texts.render(template, message)
            if text:
                attachment[name] = text[:_LONGEST_TITLE] if name == "title" else text
        attachment["mrkdwn_in"] = list(config.mrkdwn_in or ("fallback", "pretext", "text"))
        fields = self._fields(message)
        if fields:
            attachment["fields"] = fields
        actions = self._actions(message)
        if actions:
            attachment["actions"] = actions
        whole: dict[str, object] = {"attachments": [attachment]}
        if config.message_text:
            whole["text"] = texts.render(config.message_text, message)
        for name, default in _WHOLE.items():
            if template := self._template(name, default):
                whole[name] = texts.render(template, message)
        if channel := self._channel(message):
            whole["channel"] = channel
        if config.link_names:
            whole["link_names"] = True
        return whole

    def _template(self, name: str, default: str) -> str | None:
        """The settings' template, or the default's where the operator's files define that anew."""
        configured: str | None = getattr(self._config, name)
        return self._texts.own(default) if configured is None else configured

    def _channel(self, message: Notification) -> str:
        """A channel that cannot be rendered is left out: the webhook has one of its own."""
        try:
            return self._texts.strict(self._config.channel, message).strip()
        except TemplateError:
            return ""

    def _fields(self, message: Notification) -> list[dict[str, object]]:
        if not self._config.fields:
            return [] if self._is_worded() else _own_fields(message)
        return [
            {
                "title": self._texts.render(field.title, message),
                "value": self._texts.render(field.value, message),
                "short": self._config.short_fields if field.short is None else field.short,
            }
            for field in self._config.fields
        ]

    def _actions(self, message: Notification) -> Sequence[dict[str, str]]:
        if self._config.actions:
            names = ("type", "text", "url", "style", "name", "value")
            rendered = (
                {name: self._texts.render(getattr(action, name), message) for name in names}
                for action in self._config.actions
            )
            return [{name: text for name, text in action.items() if text} for action in rendered]
        return [] if self._is_worded() else _own_actions(message)

    def _is_worded(self) -> bool:
        """Whether the operator has words of his own for the message's body."""
        return self._template("text", "slack.default.text") is not None


def _understood(delivery: Delivery) -> Delivery:
    """Slack answers some refusals with 200: a webhook says `ok` or why not, the API says so in JSON."""
    said = delivery.detail.partition(": ")[2].replace(" ", "")
    if not delivery.ok or said in ("", "ok") or '"ok":true' in said:
        return delivery
    if said.startswith("{") and '"ok":false' not in said:
        return delivery
    return replace(delivery, ok=False, retry="rate" in said or "internal_error" in said)


def _own(message: Notification) -> dict[str, str]:
    """Backbeat's own message."""
    severities = {alert.labels.get("severity").lower() for alert in message.firing}
    worst = next(iter(severities)) if len(severities) == 1 else ""
    lines = [_line(alert, message) for alert in message.alerts[:_SHOWN]]
    left_out = max(0, len(message.alerts) - _SHOWN) + message.truncated_alerts
    if left_out:
        lines.append(f"… and {left_out} more")
    return {
        "color": _COLOURS.get(worst, _DANGER) if message.firing else _GOOD,
        "title": escape(subject(message)),
        "title_link": web_url(f"{message.external_url}/alerts"),
        "fallback": escape(subject(message)),
        "text": "\n".join(lines),
        "footer": escape(
            f"Backbeat to {message.receiver}" + (f": {message.reason}" if message.reason else "")
        ),
    }


def _line(alert: Alert, message: Notification) -> str:
    """What, value against threshold, since when (Slack shows it in the reader's time zone), which one."""
    known = alert.annotations
    what = known.get("summary") or known.get("description") or known.get("message")
    is_resolved = alert.resolved_at(message.now_ms)
    headline = f"*{escape(alert.name)}*" + (f" {escape(what)}" if what else "")
    measured = "" if is_resolved else escape(str(measure(alert)))
    when = f"resolved {_moment(alert.ends_at_ms)}" if is_resolved else f"since {_moment(alert.starts_at_ms)}"
    common = dict(message.common_labels)
    apart = escape(", ".join(f"{name}={value}" for name, value in alert.labels if name not in common))
    facts = [measured, when, f"`{apart}`" if apart else ""]
    return headline + "\n" + " · ".join(fact for fact in facts if fact)


def _moment(ms: int) -> str:
    """Shown in the reader's own time zone."""
    fallback = datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"<!date^{ms // 1000}^{{date_short_pretty}} {{time_secs}}|{fallback}>"


def _own_fields(message: Notification) -> list[dict[str, object]]:
    """What all alerts of the message have alike."""
    return [
        {"title": escape(name), "value": escape(value), "short": len(value) < 40}
        for name, value in message.common_labels
        if name != "alertname"
    ]


def _own_actions(message: Notification) -> list[dict[str, str]]:
    if not message.firing:
        return []
    known = message.common_annotations
    offered = {
        "Dashboard": dashboard_url(message.external_url, message.firing[0], message.now_ms),
        "Runbook": known.get("runbook_url") or known.get("runbook"),
        "Silence": silence_url(message.external_url, message.common_labels),
    }
    return [{"type": "button", "text": name, "url": url} for name, url in offered.items() if web_url(url)]
