"""From the integrations of a receiver to their typed values, filled in from `global`.

In:  sections that were read without mistakes. Out: `EmailConfig`, `SlackConfig`, `WebhookConfig`, and
`OtherChannel` for what Backbeat cannot send yet.
"""

from __future__ import annotations

from collections.abc import Callable

from backbeat.config.alertmanager import (
    EmailConfig,
    Integration,
    OtherChannel,
    SlackAction,
    SlackConfig,
    SlackField,
    WebhookConfig,
)
from backbeat.config.http_client import NO_SECRET, HTTPClient, SecretSource
from backbeat.config.http_fields import http_client, secret_source, tls
from backbeat.config.receiver_fields import RECEIVERS, SEND_RESOLVED_BY_DEFAULT, canonical_header
from backbeat.config.schema import Section
from backbeat.config.secret import Secret

DEFAULT_SLACK_APP_URL = "https://slack.com/api/chat.postMessage"
_IMPLICIT_TLS_PORT = "465"


def integrations(receiver: Section, shared: Section | None) -> tuple[Integration, ...]:
    """Every integration of a receiver, in the order in which Alertmanager keeps them."""
    found: list[Integration] = []
    for kind in _ORDER:
        items = receiver.get(kind) or ()
        build = SUPPORTED.get(kind)
        for item in items:
            if build is None:
                default = kind in SEND_RESOLVED_BY_DEFAULT
                resolved = item.get("send_resolved", default) if item is not None else default
                found.append(OtherChannel(kind.removesuffix("_configs"), resolved))
            else:
                found.append(build(item, shared))
    return tuple(found)


def _shared(shared: Section | None, name: str) -> object:
    return shared.get(name) if shared is not None else None


def _text(own: Section | None, name: str, shared: Section | None, shared_name: str, default: str = "") -> str:
    for value in (own.get(name) if own is not None else None, _shared(shared, shared_name)):
        if isinstance(value, str) and value:
            return value
    return default


def _flag(own: Section | None, name: str, shared: Section | None, shared_name: str) -> bool | None:
    if own is not None and isinstance(value := own.get(name), bool):
        return value
    value = _shared(shared, shared_name)
    return value if isinstance(value, bool) else None


def _secret(own: Section | None, name: str, shared: Section | None, shared_name: str) -> SecretSource:
    """The integration's own secret, inline or in a file, else the one of `global`."""
    given = secret_source(own, name, f"{name}_file") if own is not None else NO_SECRET
    if given or shared is None:
        return given
    return secret_source(shared, shared_name, f"{shared_name}_file")


def _http(own: Section | None, shared: Section | None) -> HTTPClient:
    section = own.get("http_config") if own is not None else None
    if section is None and shared is not None:
        section = shared.get("http_config")
    return http_client(section)


def _email(own: Section | None, shared: Section | None) -> EmailConfig:
    assert own is not None  # a null entry is a mistake
    smarthost = _text(own, "smarthost", shared, "smtp_smarthost")
    implicit = _flag(own, "force_implicit_tls", shared, "smtp_force_implicit_tls")
    required = _flag(own, "require_tls", shared, "smtp_require_tls")
    tls_section = own.get("tls_config")
    if tls_section is None and shared is not None:
        tls_section = shared.get("smtp_tls_config")
    threading = own.get("threading")
    return EmailConfig(
        to=own.get("to", ""),
        from_=_text(own, "from", shared, "smtp_from"),
        smarthost=smarthost,
        hello=_text(own, "hello", shared, "smtp_hello", "localhost"),
        auth_username=_text(own, "auth_username", shared, "smtp_auth_username"),
        auth_password=_secret(own, "auth_password", shared, "smtp_auth_password"),
        auth_secret=_secret(own, "auth_secret", shared, "smtp_auth_secret"),
        auth_identity=_text(own, "auth_identity", shared, "smtp_auth_identity"),
        headers=tuple((canonical_header(name), value) for name, value in own.get("headers") or ()),
        html=own.get("html"),
        text=own.get("text"),
        require_tls=True if required is None else required,
        implicit_tls=smarthost.rpartition(":")[2] == _IMPLICIT_TLS_PORT if implicit is None else implicit,
        tls=tls(tls_section),
        send_resolved=own.get("send_resolved", False),
        thread_by=threading.get("thread_by_date", "") if threading and threading.get("enabled") else "",
    )


def _slack(own: Section | None, shared: Section | None) -> SlackConfig:
    url, token = _slack_login(own, shared)
    if own is None:
        return SlackConfig(api_url=url, app_token=token, http=_http(None, shared))
    return SlackConfig(
        api_url=url,
        app_token=token,
        channel=own.get("channel", ""),
        username=own.get("username"),
        color=own.get("color"),
        title=own.get("title"),
        title_link=own.get("title_link"),
        pretext=own.get("pretext"),
        text=own.get("text"),
        fallback=own.get("fallback"),
        footer=own.get("footer"),
        callback_id=own.get("callback_id"),
        icon_emoji=own.get("icon_emoji"),
        icon_url=own.get("icon_url"),
        image_url=own.get("image_url"),
        thumb_url=own.get("thumb_url"),
        link_names=own.get("link_names", False),
        short_fields=own.get("short_fields", False),
        mrkdwn_in=own.get("mrkdwn_in") or (),
        fields=tuple(
            SlackField(each.get("title", ""), each.get("value", ""), each.get("short"))
            for each in own.sections("fields")
        ),
        actions=tuple(_action(each) for each in own.sections("actions")),
        message_text=own.get("message_text"),
        update_message=own.get("update_message", False),
        timeout_ms=max(own.get("timeout", 0), 0),
        http=_http(own, shared),
        send_resolved=own.get("send_resolved", False),
    )


def _slack_login(own: Section | None, shared: Section | None) -> tuple[SecretSource, SecretSource]:
    """(URL, token): a webhook's URL, or the URL of Slack's API with a token."""
    token = secret_source(own, "app_token", "app_token_file") if own is not None else NO_SECRET
    url = secret_source(own, "api_url", "api_url_file") if own is not None else NO_SECRET
    http = own.get("http_config") if own is not None else None
    logs_in = http is not None and http.get("authorization") is not None
    if not token and not logs_in and not (own is not None and own.get("api_url")) and shared is not None:
        token = secret_source(shared, "slack_app_token", "slack_app_token_file")
    if token:
        app_url = _text(own, "app_url", shared, "slack_app_url", DEFAULT_SLACK_APP_URL)
        return SecretSource(Secret(app_url)), token
    if not url and shared is not None:
        url = secret_source(shared, "slack_api_url", "slack_api_url_file")
    return url, NO_SECRET


def _action(section: Section) -> SlackAction:
    url = section.get("url", "")
    return SlackAction(
        type=section.get("type", ""),
        text=section.get("text", ""),
        url=url,
        style=section.get("style", ""),
        name="" if url else section.get("name", ""),
        value="" if url else section.get("value", ""),
    )


def _webhook(own: Section | None, shared: Section | None) -> WebhookConfig:
    assert own is not None  # a null entry is a mistake
    return WebhookConfig(
        url=secret_source(own, "url", "url_file"),
        max_alerts=own.get("max_alerts", 0),
        timeout_ms=max(own.get("timeout", 0), 0),
        http=_http(own, shared),
        send_resolved=own.get("send_resolved", True),
    )


SUPPORTED: dict[str, Callable[[Section | None, Section | None], Integration]] = {
    "webhook_configs": _webhook,
    "email_configs": _email,
    "slack_configs": _slack,
}
_FIRST = (
    "webhook_configs",
    "email_configs",
    "pagerduty_configs",
    "opsgenie_configs",
    "wechat_configs",
    "slack_configs",
)
_ORDER = (*_FIRST, *(kind for kind in RECEIVERS if kind not in _FIRST))
