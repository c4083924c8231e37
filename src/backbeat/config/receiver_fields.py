"""Fields of every receiver integration of Alertmanager 0.35, and the rules that one alone can break.

What an integration takes from `global` is filled in, and missed, in `alertmanager_rules`.
"""

from __future__ import annotations

from backbeat.config.apprise_urls import AppriseUrl
from backbeat.config.aws import NoAccount, find_account
from backbeat.config.filling import filled
from backbeat.config.http_fields import HTTP_CONFIG, TLS_CONFIG
from backbeat.config.kinds import COUNT, FLAG, TEMPLATE, TEXT, GoDuration, Url
from backbeat.config.pagers import SigV4
from backbeat.config.receiver_chats import CHATS
from backbeat.config.remote_fields import SIGV4
from backbeat.config.schema import Anything, Check, Kind, ListOf, MapOf, Section, StructOf, quoted
from backbeat.config.secret_kinds import SECRET, FromEnvironment, HostPort, SecretUrl

HTTP_URL = Url(http=True)
DEFAULT_SLACK_APP_URL = "https://slack.com/api/chat.postMessage"
TEMPLATES = MapOf(TEMPLATE)
_SEND: dict[str, Kind] = {"send_resolved": FLAG}
_HTTP: dict[str, Kind] = {**_SEND, "http_config": HTTP_CONFIG}
_GO_DURATION = GoDuration()
_TEXT_DURATION = GoDuration(bare=False)


def templates(*names: str) -> dict[str, Kind]:
    return dict.fromkeys(names, TEMPLATE)


def canonical_header(name: str) -> str:
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))


def _check_email(section: Section) -> None:
    if not section.has("to"):
        section.error("to", "missing to address in email config")
    for name in ("auth_password", "auth_secret"):
        if section.has(name) and section.has(f"{name}_file"):
            section.warn(name, f"both {name} and {name}_file are set; the file is used")
    names: set[str] = set()
    for name, _ in section.get("headers") or ():
        if canonical_header(name) in names:
            section.error("headers", f"duplicate header {quoted(canonical_header(name))} in email config")
        names.add(canonical_header(name))
    threading = section.get("threading")
    if threading is not None and threading.get("enabled"):
        for name in names & {"References", "In-Reply-To"}:
            section.error("headers", f"threading.enabled conflicts with custom {name} header")
        if threading.get("thread_by_date", "") not in ("none", "daily"):
            threading.error("thread_by_date", "threading.thread_by_date must be either 'none' or 'daily'")


EMAIL = StructOf(
    "email_configs",
    {
        **_SEND,
        **dict.fromkeys(("to", "from", "hello", "auth_username", "auth_identity"), FromEnvironment()),
        **dict.fromkeys(("auth_password", "auth_secret"), SECRET),
        **dict.fromkeys(("auth_password_file", "auth_secret_file"), TEXT),
        "smarthost": HostPort(),
        "headers": TEMPLATES,
        **templates("html", "text"),
        "require_tls": FLAG,
        "force_implicit_tls": FLAG,
        "tls_config": TLS_CONFIG,
        "threading": StructOf("threading", {"enabled": FLAG, "thread_by_date": TEXT}),
    },
    _check_email,
    instead={
        "body": "did you mean `text` or `html`?",
        "message": "did you mean `text` or `html`?",
        "subject": "a subject belongs under `headers`, as `Subject: …`",
        "recipient": "did you mean `to`?",
        "password": "did you mean `auth_password` or `auth_password_file`?",
        "username": "did you mean `auth_username`?",
        "host": "did you mean `smarthost`?",
    },
)


def _check_action(section: Section) -> None:
    section.require("type", "text")
    if not section.has("url") and not section.has("name"):
        section.error("", "missing name or url in Slack action configuration")


def _check_slack(section: Section) -> None:
    section.at_most_one("api_url", "api_url_file")
    section.at_most_one("app_token", "app_token_file")
    url = "api_url" if section.has("api_url") else "api_url_file"
    token = "app_token" if section.has("app_token") else "app_token_file"
    if section.has(url) and section.has(token):
        section.error(
            token, "at most one of api_url/api_url_file & app_token/app_token_file must be configured"
        )


SLACK = StructOf(
    "slack_configs",
    {
        **_HTTP,
        "api_url": SecretUrl(file_field="api_url_file"),
        "api_url_file": TEXT,
        "app_token": SECRET,
        "app_token_file": TEXT,
        "app_url": HTTP_URL,
        **templates("channel", "username", "color", "title", "title_link", "pretext", "text", "message_text"),
        **templates("footer", "fallback", "callback_id", "icon_emoji", "icon_url", "image_url", "thumb_url"),
        "fields": ListOf(
            StructOf(
                "a Slack field",
                {**templates("title", "value"), "short": FLAG},
                lambda section: section.require("title", "value"),
            )
        ),
        "actions": ListOf(
            StructOf(
                "a Slack action",
                {
                    **templates("type", "text", "url", "style", "name", "value"),
                    "confirm": StructOf(
                        "confirm",
                        templates("text", "title", "ok_text", "dismiss_text"),
                        lambda section: section.require("text"),
                    ),
                },
                _check_action,
            )
        ),
        "mrkdwn_in": ListOf(TEXT),
        **dict.fromkeys(("short_fields", "link_names", "update_message", "post_updates_to_thread"), FLAG),
        "timeout": _GO_DURATION,
    },
    _check_slack,
    instead={
        "webhook_url": "did you mean `api_url`?",
        "url": "did you mean `api_url`?",
        "message": "did you mean `text`?",
        "body": "did you mean `text`?",
    },
)


def _check_webhook(section: Section) -> None:
    section.exactly_one("url", "url_file")


WEBHOOK = StructOf(
    "webhook_configs",
    {
        **_HTTP,
        "url": SecretUrl(templated=True, file_field="url_file"),
        "url_file": TEXT,
        "max_alerts": COUNT,
        "timeout": _GO_DURATION,
        "payload": Anything(),
    },
    _check_webhook,
    instead={"api_url": "did you mean `url`?", "webhook_url": "did you mean `url`?"},
)


def _check_pagerduty(section: Section) -> None:
    keys = ("routing_key", "service_key", "routing_key_file", "service_key_file")
    if not any(section.has(name) for name in keys):
        section.error("", "missing service or routing key in PagerDuty config")
    section.at_most_one("routing_key", "routing_key_file")
    section.at_most_one("service_key", "service_key_file")


def _check_opsgenie(section: Section) -> None:
    section.at_most_one("api_key", "api_key_file")
    for each in section.sections("responders"):
        if not (each.has("id") or each.has("username") or each.has("name")):
            each.error("", "has to have at least one of id, username or name specified")
        kind = each.get("type", "")
        if "{{" not in kind and kind.lower() not in ("team", "teams", "user", "escalation", "schedule"):
            each.error(
                "type", f"found {quoted(kind)}, expected one of team, teams, user, escalation, schedule"
            )


def _check_incidentio(section: Section) -> None:
    section.exactly_one("url", "url_file")
    section.at_most_one("alert_source_token", "alert_source_token_file")
    token = section.has("alert_source_token") or section.has("alert_source_token_file")
    http = section.get("http_config")
    logs_in = http is not None and http.get("authorization") is not None
    if logs_in and token:
        section.error(
            "", "cannot specify alert_source_token or its file when using http_config.authorization"
        )
    if http is not None and not logs_in and not token:
        section.error(
            "",
            "at least one of alert_source_token, alert_source_token_file or http_config.authorization "
            "must be configured",
        )


def _check_pushover(section: Section) -> None:
    section.exactly_one("user_key", "user_key_file")
    section.exactly_one("token", "token_file")
    section.at_most_one("monospace", "html")


_VICTOROPS_OWN = frozenset(
    (
        *("routing_key", "message_type", "state_message", "entity_display_name", "monitoring_tool"),
        *("entity_id", "entity_state"),
    )
)


def _check_victorops(section: Section) -> None:
    if not section.has("routing_key"):
        section.error("routing_key", "missing Routing key in VictorOps config")
    section.at_most_one("api_key", "api_key_file")
    for name, _ in section.get("custom_fields") or ():
        if name in _VICTOROPS_OWN:
            section.error(
                "custom_fields", f"custom field {name} cannot be used as it conflicts with the fixed fields"
            )


def _check_sns(section: Section) -> None:
    given = [name for name in ("target_arn", "topic_arn", "phone_number") if section.has(name)]
    # Upstream compares in a chain, so that all three together pass as well as one alone.
    if len(given) % 2 == 0:
        section.error("", "must provide either a Target ARN, Topic ARN, or Phone Number for SNS config")
    if section.has("use_aws_http_client"):
        section.warn("use_aws_http_client", "has no effect: AWS_CA_BUNDLE counts in any case")
    if "sigv4" in section.broken:
        return
    try:
        find_account(filled(SigV4, section.get("sigv4")), section.reading.environment)
    except NoAccount as error:
        report = section.error if section.reading.files_must_exist else section.warn
        report("sigv4", str(error))
    except (OSError, ValueError):
        pass  # a file that is not there is told of where it is read


def _struct(what: str, fields: dict[str, Kind], check: Check | None = None, **instead: str) -> StructOf:
    return StructOf(what, {**_HTTP, **fields}, check, instead)


RECEIVERS: dict[str, StructOf] = {
    "email_configs": EMAIL,
    "slack_configs": SLACK,
    "webhook_configs": WEBHOOK,
    "pagerduty_configs": _struct(
        "pagerduty_configs",
        {
            **dict.fromkeys(("service_key", "routing_key"), SECRET),
            **dict.fromkeys(("service_key_file", "routing_key_file"), TEXT),
            "url": HTTP_URL,
            **templates(
                "client", "client_url", "description", "source", "severity", "class", "component", "group"
            ),
            "details": MapOf(Anything()),
            "images": ListOf(StructOf("an image", templates("src", "alt", "href"))),
            "links": ListOf(StructOf("a link", templates("href", "text"))),
            "timeout": _GO_DURATION,
        },
        _check_pagerduty,
    ),
    "opsgenie_configs": _struct(
        "opsgenie_configs",
        {
            "api_key": SECRET,
            "api_key_file": TEXT,
            "api_url": HTTP_URL,
            **templates("message", "description", "source", "entity", "actions", "tags", "note", "priority"),
            "details": TEMPLATES,
            "responders": ListOf(StructOf("a responder", templates("id", "name", "username", "type"))),
            "update_alerts": FLAG,
        },
        _check_opsgenie,
        teams="teams belong under `responders`, as `- name: …, type: team`",
    ),
    "incidentio_configs": _struct(
        "incidentio_configs",
        {
            "url": HTTP_URL,
            **dict.fromkeys(("url_file", "alert_source_token_file"), TEXT),
            "alert_source_token": SECRET,
            "max_alerts": COUNT,
            "timeout": _GO_DURATION,
            "metadata": TEMPLATES,
        },
        _check_incidentio,
    ),
    "pushover_configs": _struct(
        "pushover_configs",
        {
            **dict.fromkeys(("user_key", "token"), SECRET),
            **dict.fromkeys(("user_key_file", "token_file"), TEXT),
            **templates("title", "message", "url", "url_title", "device", "sound", "priority"),
            **dict.fromkeys(("retry", "expire", "ttl"), _TEXT_DURATION),
            "html": FLAG,
            "monospace": FLAG,
        },
        _check_pushover,
    ),
    "victorops_configs": _struct(
        "victorops_configs",
        {
            "api_key": SECRET,
            "api_key_file": TEXT,
            "api_url": HTTP_URL,
            "routing_key": TEXT,
            **templates("message_type", "state_message", "entity_display_name", "monitoring_tool"),
            "custom_fields": TEMPLATES,
        },
        _check_victorops,
    ),
    "sns_configs": _struct(
        "sns_configs",
        {
            "sigv4": SIGV4,
            **templates("api_url", "topic_arn", "phone_number", "target_arn", "subject", "message"),
            "attributes": TEMPLATES,
            "use_aws_http_client": FLAG,
        },
        _check_sns,
    ),
    "apprise_configs": StructOf(
        "apprise_configs",
        {**_SEND, "urls": ListOf(AppriseUrl(), "missing URL"), **templates("title", "body")},
        lambda section: section.require("urls"),
        instead={"url": "did you mean `urls`?", "http_config": "the URL of the apprise library says it all"},
    ),
    **{
        name: StructOf(each.what, {**_HTTP, **each.fields}, each.check, each.instead)
        for name, each in CHATS.items()
    },
}
SEND_RESOLVED_BY_DEFAULT = frozenset(RECEIVERS) - {
    "email_configs",
    "slack_configs",
    "wechat_configs",
    "rocketchat_configs",
}
