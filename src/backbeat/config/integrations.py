"""From the integrations of a receiver to their typed values, filled in from `global`.

In:  sections that were read without mistakes. Out: a settings struct for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from backbeat.config.alertmanager import EmailConfig, Integration, SlackConfig, WebhookConfig
from backbeat.config.chats import (
    AppriseConfig,
    DiscordConfig,
    MattermostConfig,
    MsteamsConfig,
    Msteamsv2Config,
    RocketchatConfig,
    TelegramConfig,
    WebexConfig,
    WechatConfig,
)
from backbeat.config.filling import Inherited, filled
from backbeat.config.http_client import NO_SECRET, SecretSource
from backbeat.config.http_fields import secret_source, tls
from backbeat.config.pagers import (
    IncidentioConfig,
    JiraConfig,
    OpsgenieConfig,
    PagerdutyConfig,
    PushoverConfig,
    SnsConfig,
    VictoropsConfig,
)
from backbeat.config.receiver_fields import DEFAULT_SLACK_APP_URL, RECEIVERS, canonical_header
from backbeat.config.schema import Section
from backbeat.config.secret import Secret

_IMPLICIT_TLS_PORT = "465"
Build = Callable[[Section | None, Section | None], Iterable[Integration]]
"""From the section (None where it is null) and `global`."""


def integrations(receiver: Section, shared: Section | None) -> tuple[Integration, ...]:
    """Every integration of a receiver, in the order in which Alertmanager keeps them."""
    return tuple(
        made for kind in _ORDER for item in receiver.get(kind) or () for made in _BUILDERS[kind](item, shared)
    )


def _plainly(kind: type[Integration], inherited: Inherited | None = None) -> Build:
    def build(own: Section | None, shared: Section | None) -> Iterable[Integration]:
        yield filled(kind, own, shared, inherited)

    return build


def _email(own: Section | None, shared: Section | None) -> Iterable[Integration]:
    assert own is not None  # a null entry is a mistake

    def either(name: str, shared_name: str) -> object:
        for section, field in ((own, name), (shared, shared_name)):
            if section is not None and (value := section.get(field)) is not None:
                return value
        return None

    implicit = either("force_implicit_tls", "smtp_force_implicit_tls")
    required = either("require_tls", "smtp_require_tls")
    tls_section = either("tls_config", "smtp_tls_config")
    threading = own.get("threading")
    mail = filled(
        EmailConfig,
        own,
        shared,
        _MAIL_INHERITS,
        headers=tuple((canonical_header(name), value) for name, value in own.get("headers") or ()),
        require_tls=required is None or required is True,
        tls=tls(tls_section if isinstance(tls_section, Section) else None),
        thread_by=threading.get("thread_by_date", "") if threading and threading.get("enabled") else "",
    )
    if implicit is None:
        implicit = mail.smarthost.rpartition(":")[2] == _IMPLICIT_TLS_PORT
    yield replace(mail, implicit_tls=implicit is True)


_MAIL_INHERITS = {
    name: f"smtp_{name}"
    for name in (
        *("from", "smarthost", "hello"),
        *("auth_username", "auth_password", "auth_secret", "auth_identity"),
    )
}


def _slack(own: Section | None, shared: Section | None) -> Iterable[Integration]:
    url, token = _slack_login(own, shared)
    slack = filled(SlackConfig, own, shared, api_url=url, app_token=token)
    actions = tuple(
        replace(each, name="", value="", confirm=None) if each.url else each for each in slack.actions
    )
    yield replace(slack, actions=actions)


def _slack_login(own: Section | None, shared: Section | None) -> tuple[SecretSource, SecretSource]:
    """(URL, token): a webhook's URL, or the URL of Slack's API with a token."""
    token = secret_source(own, "app_token", "app_token_file") if own is not None else NO_SECRET
    url = secret_source(own, "api_url", "api_url_file") if own is not None else NO_SECRET
    http = own.get("http_config") if own is not None else None
    logs_in = http is not None and http.get("authorization") is not None
    if not token and not logs_in and not (own is not None and own.get("api_url")) and shared is not None:
        token = secret_source(shared, "slack_app_token", "slack_app_token_file")
    if token:
        app_url = own.get("app_url") if own is not None else ""
        if not app_url and shared is not None:
            app_url = shared.get("slack_app_url")
        return SecretSource(Secret(app_url or DEFAULT_SLACK_APP_URL)), token
    if not url and shared is not None:
        url = secret_source(shared, "slack_api_url", "slack_api_url_file")
    return url, NO_SECRET


def _incidentio(own: Section | None, shared: Section | None) -> Iterable[Integration]:
    assert own is not None  # a null entry is a mistake
    url = own.get("url")
    source = SecretSource(Secret(url)) if url else secret_source(own, "", "url_file")
    yield filled(IncidentioConfig, own, shared, url=source)


def _telegram(own: Section | None, shared: Section | None) -> Iterable[Integration]:
    assert own is not None  # a null entry is a mistake
    inherited = {"bot_token": "telegram_bot_token", "api_url": "telegram_api_url"}
    yield filled(TelegramConfig, own, shared, inherited, chat_id_file=secret_source(own, "", "chat_id_file"))


def _msteamsv2(own: Section | None, shared: Section | None) -> Iterable[Integration]:
    """Its http_config takes the proxy of `global` where it names none, as Alertmanager's alone does."""
    made = filled(Msteamsv2Config, own, shared)
    proxy = filled(Msteamsv2Config, None, shared).http.proxy_url
    has_own = made.http.proxy_url or made.http.proxy_from_environment
    yield made if has_own else replace(made, http=replace(made.http, proxy_url=proxy))


def _apprise(own: Section | None, shared: Section | None) -> Iterable[Integration]:
    """One for each URL, so that one that fails is tried again alone."""
    assert own is not None  # a null entry is a mistake
    for url in own.get("urls") or ():
        yield filled(AppriseConfig, own, url=SecretSource(url))


_BUILDERS: dict[str, Build] = {
    "webhook_configs": _plainly(WebhookConfig),
    "email_configs": _email,
    "pagerduty_configs": _plainly(PagerdutyConfig, {"url": "pagerduty_url"}),
    "opsgenie_configs": _plainly(
        OpsgenieConfig, {"api_key": "opsgenie_api_key", "api_url": "opsgenie_api_url"}
    ),
    "wechat_configs": _plainly(
        WechatConfig,
        {"api_secret": "wechat_api_secret", "corp_id": "wechat_api_corp_id", "api_url": "wechat_api_url"},
    ),
    "slack_configs": _slack,
    "incidentio_configs": _incidentio,
    "pushover_configs": _plainly(PushoverConfig),
    "victorops_configs": _plainly(
        VictoropsConfig, {"api_key": "victorops_api_key", "api_url": "victorops_api_url"}
    ),
    "sns_configs": _plainly(SnsConfig),
    "discord_configs": _plainly(DiscordConfig),
    "msteams_configs": _plainly(MsteamsConfig),
    "msteamsv2_configs": _msteamsv2,
    "telegram_configs": _telegram,
    "webex_configs": _plainly(WebexConfig, {"api_url": "webex_api_url"}),
    "jira_configs": _plainly(JiraConfig, {"api_url": "jira_api_url"}),
    "rocketchat_configs": _plainly(
        RocketchatConfig,
        {
            "token": "rocketchat_token",
            "token_id": "rocketchat_token_id",
            "api_url": "rocketchat_api_url",
        },
    ),
    "mattermost_configs": _plainly(MattermostConfig, {"webhook_url": "mattermost_webhook_url"}),
    "apprise_configs": _apprise,
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
