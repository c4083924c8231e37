"""Fields of the receiver integrations that post to a chat or a ticket system."""

from __future__ import annotations

from backbeat.config.kinds import DURATION, FLAG, INTEGER, TEMPLATE, TEXT, GoDuration, Url
from backbeat.config.nodes import Node, Scalar
from backbeat.config.schema import Anything, Kind, ListOf, MapOf, Reading, Section, StructOf, quoted
from backbeat.config.secret_kinds import SECRET, SecretUrl

_WEBHOOK_URL = SecretUrl(file_field="webhook_url_file")
_HTTP_URL = Url(http=True)


def _templates(*names: str) -> dict[str, Kind]:
    return dict.fromkeys(names, TEMPLATE)


def _one_url(section: Section) -> None:
    section.exactly_one("webhook_url", "webhook_url_file")


class _JiraField:
    """A template, or a mapping of `template` and `enable_update`."""

    empty = None
    _struct = StructOf("a Jira field", {"template": TEMPLATE, "enable_update": FLAG})

    def read(self, node: Node, path: str, reading: Reading) -> object:
        return (TEMPLATE if isinstance(node, Scalar) else self._struct).read(node, path, reading)


def _check_jira(section: Section) -> None:
    section.require("project", "issue_type")
    kind = section.get("api_type", "auto")
    if kind not in ("auto", "cloud", "datacenter") and "api_type" not in section.broken:
        section.error("api_type", f"found {quoted(kind)}, expected one of auto, cloud, datacenter")


def _check_telegram(section: Section) -> None:
    section.at_most_one("bot_token", "bot_token_file")
    section.exactly_one("chat_id", "chat_id_file")
    mode = section.get("parse_mode", "HTML")
    if mode not in ("", "Markdown", "MarkdownV2", "HTML"):
        section.error(
            "parse_mode", f"found {quoted(mode)}, expected one of Markdown, MarkdownV2, HTML or nothing"
        )


def _check_wechat(section: Section) -> None:
    kind = section.get("message_type", "") or "text"
    if kind not in ("text", "markdown"):
        section.error("message_type", f"found {quoted(kind)}, expected one of text, markdown")
    section.at_most_one("api_secret", "api_secret_file")


def _check_webex(section: Section) -> None:
    if not section.has("room_id"):
        section.error("room_id", "missing room_id on webex_config")
    http = section.get("http_config")
    if "http_config" not in section.broken and (http is None or http.get("authorization") is None):
        section.error("http_config", "missing webex_configs.http_config.authorization")


def _check_rocketchat(section: Section) -> None:
    section.at_most_one("token", "token_file")
    section.at_most_one("token_id", "token_id_file")
    if section.has("link_names"):
        section.warn("link_names", "has no effect: Rocket.Chat links names in any case")


def _check_mattermost(section: Section) -> None:
    section.at_most_one("webhook_url", "webhook_url_file")


_MATTERMOST_FIELD = StructOf(
    "a Mattermost field",
    {**_templates("title", "value"), "short": FLAG},
    lambda section: section.require("title", "value"),
)
_MATTERMOST_SHARED: dict[str, Kind] = {
    **_templates(
        "fallback", "color", "pretext", "text", "author_name", "author_link", "author_icon", "title"
    ),
    **_templates("title_link", "thumb_url", "footer", "footer_icon", "image_url"),
    "fields": ListOf(_MATTERMOST_FIELD),
}

CHATS: dict[str, StructOf] = {
    "discord_configs": StructOf(
        "discord_configs",
        {
            "webhook_url": _WEBHOOK_URL,
            "webhook_url_file": TEXT,
            **_templates("content", "title", "message", "username", "avatar_url"),
        },
        _one_url,
    ),
    "msteams_configs": StructOf(
        "msteams_configs",
        {"webhook_url": _WEBHOOK_URL, "webhook_url_file": TEXT, **_templates("title", "summary", "text")},
        _one_url,
    ),
    "msteamsv2_configs": StructOf(
        "msteamsv2_configs",
        {"webhook_url": _WEBHOOK_URL, "webhook_url_file": TEXT, **_templates("title", "text")},
        _one_url,
    ),
    "telegram_configs": StructOf(
        "telegram_configs",
        {
            "api_url": _HTTP_URL,
            "bot_token": SECRET,
            **dict.fromkeys(("bot_token_file", "chat_id_file", "parse_mode"), TEXT),
            "chat_id": INTEGER,
            "message_thread_id": INTEGER,
            "message": TEMPLATE,
            "disable_notifications": FLAG,
            "timeout": GoDuration(),
        },
        _check_telegram,
    ),
    "webex_configs": StructOf(
        "webex_configs", {"api_url": _HTTP_URL, **_templates("message", "room_id")}, _check_webex
    ),
    "wechat_configs": StructOf(
        "wechat_configs",
        {
            "api_secret": SECRET,
            **dict.fromkeys(("api_secret_file", "corp_id", "message_type"), TEXT),
            "api_url": _HTTP_URL,
            **_templates("message", "to_user", "to_party", "to_tag", "agent_id"),
        },
        _check_wechat,
    ),
    "jira_configs": StructOf(
        "jira_configs",
        {
            "api_url": _HTTP_URL,
            "api_type": TEXT,
            **_templates("project", "priority", "issue_type", "reopen_transition", "resolve_transition"),
            "wont_fix_resolution": TEMPLATE,
            "summary": _JiraField(),
            "description": _JiraField(),
            "labels": ListOf(TEMPLATE),
            "reopen_duration": DURATION,
            "fields": MapOf(Anything()),
        },
        _check_jira,
        instead={"custom_fields": "did you mean `fields`?"},
    ),
    "rocketchat_configs": StructOf(
        "rocketchat_configs",
        {
            "api_url": _HTTP_URL,
            **dict.fromkeys(("token", "token_id"), SECRET),
            **dict.fromkeys(("token_file", "token_id_file"), TEXT),
            **_templates("channel", "color", "title", "title_link", "text", "emoji", "icon_url", "image_url"),
            **_templates("thumb_url", "message_text"),
            **dict.fromkeys(("short_fields", "link_names"), FLAG),
            "fields": ListOf(StructOf("a field", {**_templates("title", "value"), "short": FLAG})),
            # The originals carry no YAML names, so their Go names in lower case are the fields.
            "actions": ListOf(
                StructOf(
                    "an action",
                    {
                        **_templates("type", "text", "url", "imageurl", "webviewheightratio", "msg"),
                        "msgprocessingtype": TEXT,
                        "iswebview": FLAG,
                        "msginchatwindow": FLAG,
                    },
                )
            ),
        },
        _check_rocketchat,
    ),
    "mattermost_configs": StructOf(
        "mattermost_configs",
        {
            **_MATTERMOST_SHARED,
            "webhook_url": _WEBHOOK_URL,
            "webhook_url_file": TEXT,
            **_templates("channel", "username", "icon_url", "icon_emoji", "type"),
            "attachments": ListOf(StructOf("an attachment", _MATTERMOST_SHARED)),
            "props": StructOf("props", {"card": TEMPLATE}),
            "priority": StructOf(
                "priority", {"priority": TEMPLATE, "requested_ack": FLAG, "persistent_notifications": FLAG}
            ),
        },
        _check_mattermost,
    ),
}
