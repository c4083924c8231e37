"""Slack: one attachment for a message, through an incoming webhook or, with a token, chat.postMessage.

A text of the settings is the operator's own, mrkdwn included; Backbeat's own message escapes what alerts say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from backbeat.config.alertmanager import SlackAction, SlackConfig, SlackConfirm
from backbeat.model.alerts import Alert, Delivery, Notification
from backbeat.model.labels import NO_LABELS, Labels
from backbeat.notify.channel import HttpChannel
from backbeat.notify.http import Answer, json_request, without_empty
from backbeat.notify.links import dashboard_url, silence_url, web_url
from backbeat.notify.measure import measure
from backbeat.notify.texts import subject
from backbeat.notify.wording import Wording, cut, secret
from backbeat.templating import TemplateError

_GOOD, _WARNING, _DANGER = "good", "warning", "danger"
_COLOURS = {"warning": _WARNING, "info": "#0b62c4"}
_SHOWN = 20
_LONGEST_TITLE = 1024
_TS, _CHANNEL = "ts", "channel"
_GONE = frozenset({"message_not_found", "thread_not_found", "cant_update_message", "edit_window_closed"})
"""the message that was to be changed or answered cannot be: a new one is posted"""
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


class SlackChannel(HttpChannel[SlackConfig]):
    kind = "slack"

    async def deliver(self, wording: Wording) -> Delivery:
        config, message = self.config, wording.message
        url = secret(config.api_url, "Slack's URL")
        token = secret(config.app_token, "Slack's token")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        said = await asyncio.to_thread(self.payload, message)
        goes_on = config.update_message or config.post_updates_to_thread
        known = dict(message.remembered) if goes_on else {}
        if known.keys() >= {_TS, _CHANNEL}:
            delivery = await self._followed(url, said, headers, known)
            if delivery is not None:
                return replace(delivery, remember=message.remembered)
        answer = await self.outlet.ask(json_request(url, said, headers))
        return replace(_understood(answer), remember=_place(answer) if goes_on else NO_LABELS)

    async def _followed(
        self, url: str, said: dict[str, object], headers: Mapping[str, str], first: Mapping[str, str]
    ) -> Delivery | None:
        """Change the group's first message, or answer it in its thread, or both; None where it is gone."""
        place = {**said, "channel": first[_CHANNEL]}
        delivery: Delivery | None = None
        if self.config.update_message:
            update_url = url.replace("/chat.postMessage", "/chat.update")
            answer = await self.outlet.ask(json_request(update_url, {**place, "ts": first[_TS]}, headers))
            if answer.json.get("error") in _GONE:
                return None
            delivery = _understood(answer)
        if self.config.post_updates_to_thread and (delivery is None or delivery.ok):
            answer = await self.outlet.ask(json_request(url, {**place, "thread_ts": first[_TS]}, headers))
            return None if answer.json.get("error") in _GONE else _understood(answer)
        return delivery

    def payload(self, message: Notification) -> dict[str, object]:
        config, texts = self.config, self.texts
        own = _own(message)
        attachment: dict[str, object] = {}
        for name, default in _ATTACHED.items():
            template = self._template(name, default)
            text = own.get(name, "") if template is None else texts.render(template, message)
            if text:
                attachment[name] = cut(text, _LONGEST_TITLE) if name == "title" else text
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
        configured: str | None = getattr(self.config, name)
        return self.texts.own(default) if configured is None else configured

    def _channel(self, message: Notification) -> str:
        """A channel that cannot be rendered is left out: the webhook has one of its own."""
        try:
            return self.texts.strict(self.config.channel, message).strip()
        except TemplateError:
            return ""

    def _fields(self, message: Notification) -> list[dict[str, object]]:
        if not self.config.fields:
            return [] if self._is_worded() else _own_fields(message)
        return [
            {
                "title": self.texts.render(field.title, message),
                "value": self.texts.render(field.value, message),
                "short": self.config.short_fields if field.short is None else field.short,
            }
            for field in self.config.fields
        ]

    def _actions(self, message: Notification) -> Sequence[Mapping[str, object]]:
        if not self.config.actions:
            return [] if self._is_worded() else _own_actions(message)
        return [self._action(action, message) for action in self.config.actions]

    def _action(self, action: SlackAction, message: Notification) -> dict[str, object]:
        told: dict[str, object] = self._rendered(action, message)
        if action.confirm is not None:
            told["confirm"] = self._rendered(action.confirm, message)
        return told

    def _rendered(self, texts: SlackAction | SlackConfirm, message: Notification) -> dict[str, object]:
        """The fields that are templates, by their names; without those that are empty."""
        values = ((name, getattr(texts, name)) for name in texts.__struct_fields__)
        rendered = {name: self.texts.render(text, message) for name, text in values if isinstance(text, str)}
        return without_empty(rendered)

    def _is_worded(self) -> bool:
        """Whether the operator has words of his own for the message's body."""
        return self._template("text", "slack.default.text") is not None


def _understood(answer: Answer) -> Delivery:
    """Slack answers some refusals with 200: a webhook says `ok` or why not, the API says so in JSON."""
    delivery, said = answer.delivery, answer.json
    if not delivery.ok or said.get("ok") is True or answer.body.strip() in (b"", b"ok"):
        return delivery
    if said and "ok" not in said:
        return delivery
    why = str(said.get("error") or answer.body)
    return replace(delivery, ok=False, retry="rate" in why or "internal_error" in why)


def _place(answer: Answer) -> Labels:
    """Where Slack's API put the message, for the next one to change it."""
    said = answer.json
    found = {_TS: said.get("ts"), _CHANNEL: said.get("channel")}
    return Labels.of({name: value for name, value in found.items() if isinstance(value, str) and value})


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
        "Acknowledge": message.acknowledge_url,
        "Dashboard": dashboard_url(message.external_url, message.firing[0], message.now_ms),
        "Runbook": known.get("runbook_url") or known.get("runbook"),
        "Silence": silence_url(message.external_url, message.common_labels),
    }
    return [{"type": "button", "text": name, "url": url} for name, url in offered.items() if web_url(url)]
