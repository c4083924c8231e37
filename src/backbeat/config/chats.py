"""Typed settings of receivers that post to a chat; attribute names are the YAML field names.

Texts are templates; their defaults are Alertmanager's.
"""

from __future__ import annotations

from msgspec import Struct, field

from backbeat.config.http_client import NO_SECRET, HTTPClient, SecretSource


class ChatField(Struct, frozen=True):
    title: str = ""
    value: str = ""
    short: bool | None = None


class DiscordConfig(Struct, frozen=True):
    webhook_url: SecretSource = NO_SECRET
    content: str = ""
    title: str = '{{ template "discord.default.title" . }}'
    message: str = '{{ template "discord.default.message" . }}'
    username: str = ""
    avatar_url: str = ""
    http: HTTPClient = field(default_factory=HTTPClient)
    send_resolved: bool = True


class MsteamsConfig(Struct, frozen=True):
    webhook_url: SecretSource = NO_SECRET
    title: str = '{{ template "msteams.default.title" . }}'
    summary: str = '{{ template "msteams.default.summary" . }}'
    text: str = '{{ template "msteams.default.text" . }}'
    http: HTTPClient = field(default_factory=HTTPClient)
    send_resolved: bool = True


class Msteamsv2Config(Struct, frozen=True):
    webhook_url: SecretSource = NO_SECRET
    title: str = '{{ template "msteamsv2.default.title" . }}'
    text: str = '{{ template "msteamsv2.default.text" . }}'
    http: HTTPClient = field(default_factory=HTTPClient)
    send_resolved: bool = True


class TelegramConfig(Struct, frozen=True):
    api_url: str = "https://api.telegram.org"
    bot_token: SecretSource = NO_SECRET
    chat_id: int = 0
    chat_id_file: SecretSource = NO_SECRET
    message_thread_id: int = 0
    message: str = '{{ template "telegram.default.message" . }}'
    disable_notifications: bool = False
    parse_mode: str = "HTML"
    timeout_ms: int = 0
    http: HTTPClient = field(default_factory=HTTPClient)
    send_resolved: bool = True


class WebexConfig(Struct, frozen=True):
    api_url: str = "https://webexapis.com/v1/messages"
    message: str = '{{ template "webex.default.message" . }}'
    room_id: str = ""
    http: HTTPClient = field(default_factory=HTTPClient)
    send_resolved: bool = True


class WechatConfig(Struct, frozen=True):
    api_secret: SecretSource = NO_SECRET
    corp_id: str = ""
    api_url: str = "https://qyapi.weixin.qq.com/cgi-bin/"
    message: str = '{{ template "wechat.default.message" . }}'
    message_type: str = "text"
    to_user: str = '{{ template "wechat.default.to_user" . }}'
    to_party: str = '{{ template "wechat.default.to_party" . }}'
    to_tag: str = '{{ template "wechat.default.to_tag" . }}'
    agent_id: str = '{{ template "wechat.default.agent_id" . }}'
    http: HTTPClient = field(default_factory=HTTPClient)
    send_resolved: bool = False


class RocketchatAction(Struct, frozen=True):
    """`type` is always a button."""

    text: str = ""
    url: str = ""
    imageurl: str = ""
    iswebview: bool = False
    webviewheightratio: str = ""
    msg: str = ""
    msginchatwindow: bool = False
    msgprocessingtype: str = ""


class RocketchatConfig(Struct, frozen=True):
    api_url: str = "https://open.rocket.chat/"
    token: SecretSource = NO_SECRET
    token_id: SecretSource = NO_SECRET
    channel: str = ""
    color: str = '{{ if eq .Status "firing" }}red{{ else }}green{{ end }}'
    title: str = '{{ template "rocketchat.default.title" . }}'
    title_link: str = '{{ template "rocketchat.default.titlelink" . }}'
    text: str = '{{ template "rocketchat.default.text" . }}'
    message_text: str = ""
    emoji: str = '{{ template "rocketchat.default.emoji" . }}'
    icon_url: str = '{{ template "rocketchat.default.iconurl" . }}'
    image_url: str = ""
    thumb_url: str = ""
    short_fields: bool = False
    fields: tuple[ChatField, ...] = ()
    actions: tuple[RocketchatAction, ...] = ()
    http: HTTPClient = field(default_factory=HTTPClient)
    send_resolved: bool = False


class MattermostAttachment(Struct, frozen=True):
    fallback: str = ""
    color: str = ""
    pretext: str = ""
    text: str = ""
    author_name: str = ""
    author_link: str = ""
    author_icon: str = ""
    title: str = ""
    title_link: str = ""
    thumb_url: str = ""
    footer: str = ""
    footer_icon: str = ""
    image_url: str = ""
    fields: tuple[ChatField, ...] = ()


class MattermostProps(Struct, frozen=True):
    card: str = ""


class MattermostPriority(Struct, frozen=True):
    priority: str = ""
    requested_ack: bool = False
    persistent_notifications: bool = False


class MattermostConfig(MattermostAttachment, frozen=True):
    """Without `attachments`, its own texts are the one attachment."""

    webhook_url: SecretSource = NO_SECRET
    channel: str = ""
    username: str = '{{ template "mattermost.default.username" . }}'
    color: str = '{{ template "mattermost.default.color" . }}'
    text: str = '{{ template "mattermost.default.text" . }}'
    title: str = '{{ template "mattermost.default.title" . }}'
    title_link: str = '{{ template "mattermost.default.titlelink" . }}'
    fallback: str = '{{ template "mattermost.default.fallback" . }}'
    icon_url: str = ""
    icon_emoji: str = ""
    attachments: tuple[MattermostAttachment, ...] = ()
    type: str = ""
    props: MattermostProps = MattermostProps()
    priority: MattermostPriority = MattermostPriority()
    http: HTTPClient = field(default_factory=HTTPClient)
    send_resolved: bool = True


class AppriseConfig(Struct, frozen=True):
    """One URL of the apprise library. None: Backbeat's own words."""

    url: SecretSource
    title: str | None = None
    body: str | None = None
    send_resolved: bool = True


ChatConfig = (
    DiscordConfig
    | MsteamsConfig
    | Msteamsv2Config
    | TelegramConfig
    | WebexConfig
    | WechatConfig
    | RocketchatConfig
    | MattermostConfig
    | AppriseConfig
)
