"""Typed settings of alertmanager.yml; attribute names are the YAML field names, durations end in `_ms`."""

from __future__ import annotations

from msgspec import Struct, field

from backbeat.config.chats import ChatConfig, ChatField
from backbeat.config.http_client import NO_SECRET, TLS, HTTPClient, SecretSource
from backbeat.config.pagers import PagerConfig
from backbeat.model.matchers import Matcher


class TimeRange(Struct, frozen=True):
    """Minutes of the day, [start, end)."""

    start_minute: int
    end_minute: int


class TimeInterval(Struct, frozen=True):
    """One entry of a time interval; an empty field means any. Ranges are inclusive pairs.

    weekdays: 0 = Sunday … 6; days_of_month: negative counts from the end; months: 1…12.
    """

    times: tuple[TimeRange, ...] = ()
    weekdays: tuple[tuple[int, int], ...] = ()
    days_of_month: tuple[tuple[int, int], ...] = ()
    months: tuple[tuple[int, int], ...] = ()
    years: tuple[tuple[int, int], ...] = ()
    location: str = "UTC"


class EmailConfig(Struct, frozen=True):
    to: str
    from_: str
    smarthost: str
    """host:port"""
    hello: str = "localhost"
    auth_username: str = ""
    auth_password: SecretSource = NO_SECRET
    auth_secret: SecretSource = NO_SECRET
    auth_identity: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    """templates; names in canonical case"""
    html: str | None = None
    """template; None: Backbeat's own mail"""
    text: str | None = None
    require_tls: bool = True
    implicit_tls: bool = False
    """TLS from the first byte (port 465)"""
    tls: TLS = field(default_factory=TLS)
    send_resolved: bool = False
    thread_by: str = ""
    """'': no threading; 'none' or 'daily': threading.thread_by_date"""


class SlackConfirm(Struct, frozen=True):
    """Asked before an action is taken."""

    text: str = ""
    title: str = ""
    ok_text: str = ""
    dismiss_text: str = ""


class SlackAction(Struct, frozen=True):
    """A link, or where it has no URL, a button with a name."""

    type: str = ""
    text: str = ""
    url: str = ""
    style: str = ""
    name: str = ""
    value: str = ""
    confirm: SlackConfirm | None = None


class SlackConfig(Struct, frozen=True):
    """All texts are templates; None means Backbeat's own message."""

    api_url: SecretSource
    channel: str = ""
    username: str | None = None
    color: str | None = None
    title: str | None = None
    title_link: str | None = None
    pretext: str | None = None
    text: str | None = None
    fallback: str | None = None
    footer: str | None = None
    callback_id: str | None = None
    icon_emoji: str | None = None
    icon_url: str | None = None
    image_url: str | None = None
    thumb_url: str | None = None
    link_names: bool = False
    short_fields: bool = False
    mrkdwn_in: tuple[str, ...] = ()
    fields: tuple[ChatField, ...] = ()
    actions: tuple[SlackAction, ...] = ()
    app_token: SecretSource = NO_SECRET
    """where set, `api_url` is the URL of Slack's API, and this logs in there as a bearer token"""
    message_text: str | None = None
    update_message: bool = False
    post_updates_to_thread: bool = False
    timeout_ms: int = 0
    http: HTTPClient = field(default_factory=HTTPClient)
    send_resolved: bool = False


class WebhookConfig(Struct, frozen=True):
    url: SecretSource
    """a template since it may hold {{ }}"""
    max_alerts: int = 0
    timeout_ms: int = 0
    payload: object = None
    """instead of Alertmanager's JSON; every text in it is a template"""
    http: HTTPClient = field(default_factory=HTTPClient)
    send_resolved: bool = True


Integration = EmailConfig | SlackConfig | WebhookConfig | PagerConfig | ChatConfig


class Receiver(Struct, frozen=True):
    name: str
    integrations: tuple[Integration, ...] = ()


class Route(Struct, frozen=True):
    """A node of the routing tree with what it inherits already filled in."""

    receiver: str
    matchers: tuple[Matcher, ...] = ()
    continue_: bool = False
    group_by: tuple[str, ...] = ()
    group_by_all: bool = False
    group_wait_ms: int = 30_000
    group_interval_ms: int = 300_000
    repeat_interval_ms: int = 14_400_000
    mute_time_intervals: tuple[str, ...] = ()
    active_time_intervals: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    routes: tuple[Route, ...] = ()


class InhibitRule(Struct, frozen=True):
    source_matchers: tuple[Matcher, ...]
    target_matchers: tuple[Matcher, ...]
    equal: tuple[str, ...] = ()
    name: str = ""


class AlertmanagerConfig(Struct, frozen=True):
    path: str
    text: str
    """the file as read, with secrets masked"""
    route: Route
    receivers: tuple[Receiver, ...]
    resolve_timeout_ms: int = 300_000
    inhibit_rules: tuple[InhibitRule, ...] = ()
    time_intervals: tuple[tuple[str, tuple[TimeInterval, ...]], ...] = ()
    templates: tuple[str, ...] = ()
    """paths of template files, globs expanded"""
