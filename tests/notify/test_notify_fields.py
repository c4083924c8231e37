"""No field of a receiver is read by nobody: each that is set changes what is sent, or how."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
import yaml
from channel_sink import ANSWERS
from msgspec.structs import fields

from backbeat.cli.check import parsers
from backbeat.config import kinds, secret_kinds
from backbeat.config.alertmanager import EmailConfig, Integration
from backbeat.config.chats import AppriseConfig
from backbeat.config.http_fields import HTTP_CONFIG, TLS_CONFIG
from backbeat.config.load import Reader
from backbeat.config.receiver_fields import RECEIVERS, SEND_RESOLVED_BY_DEFAULT
from backbeat.config.schema import Anything, ListOf, MapOf, StructOf
from backbeat.model.alerts import Alert, Delivery, Notification
from backbeat.model.labels import Labels
from backbeat.notify.channel import HttpChannel, Tools
from backbeat.notify.channels import _CHANNELS, channel_of
from backbeat.notify.http import Answer, Request
from backbeat.notify.texts import Texts

HOOK = {"webhook_url": "http://h.example/hook"}
NOBODY: Any = None
TEXTS = Texts()
BASES: dict[str, dict[str, Any]] = {
    "email_configs": {"to": "t@x", "from": "f@x", "smarthost": "h:25"},
    "slack_configs": {"api_url": "https://slack.com/api/chat.postMessage"},
    "webhook_configs": {"url": "http://h.example/hook"},
    "pagerduty_configs": {"routing_key": "r"},
    "opsgenie_configs": {"api_key": "k"},
    "incidentio_configs": {"url": "http://h.example/hook"},
    "pushover_configs": {"user_key": "u", "token": "t"},
    "victorops_configs": {"api_key": "k", "routing_key": "r"},
    "sns_configs": {
        "topic_arn": "arn",
        "sigv4": {"region": "r", "access_key": "a", "secret_key": "s"},
    },
    "apprise_configs": {"urls": ["json://127.0.0.1:1/x"]},
    "discord_configs": HOOK,
    "msteams_configs": HOOK,
    "msteamsv2_configs": HOOK,
    "telegram_configs": {"bot_token": "b", "chat_id": 5},
    "webex_configs": {"room_id": "r", "http_config": {"authorization": {"credentials": "c"}}},
    "wechat_configs": {"api_secret": "s", "corp_id": "c"},
    "jira_configs": {"project": "P", "issue_type": "Bug", "api_url": "http://j.example/rest/api/2"},
    "rocketchat_configs": {"token": "t", "token_id": "i"},
    "mattermost_configs": HOOK,
}
NEEDS = {  # what a field has no effect, or no right, without; None: without what
    "slack_configs.app_url": {"app_token": "t", "api_url": ""},
    "slack_configs.app_token": {"api_url": None},
    "slack_configs.app_token_file": {"api_url": None},
    "slack_configs.short_fields": {"fields": [{"title": "t", "value": "v"}]},
    "rocketchat_configs.short_fields": {"fields": [{"title": "t", "value": "v"}]},
    "pagerduty_configs.service_key": {"routing_key": None},
    "pagerduty_configs.service_key_file": {"routing_key": None},
    "sns_configs.phone_number": {"topic_arn": None},
    "sns_configs.target_arn": {"topic_arn": None},
    "sns_configs.sigv4.external_id": {"sigv4.role_arn": "arn"},
    "sns_configs.sigv4.session_name": {"sigv4.role_arn": "arn"},
    "sns_configs.sigv4.tags": {"sigv4.role_arn": "arn"},
    "sns_configs.sigv4.use_fips_sts_endpoint": {"sigv4.role_arn": "arn"},
    "sns_configs.sigv4.profile": {"sigv4.access_key": None, "sigv4.secret_key": None},
    "email_configs.threading.thread_by_date": {
        "threading.enabled": True,
        "threading.thread_by_date": "daily",
    },
    "email_configs.threading.enabled": {"threading.thread_by_date": "daily"},
    "telegram_configs.chat_id_file": {"chat_id": None},
    "jira_configs.resolve_transition": {"is_over": True},
    "jira_configs.reopen_duration": {"reopen_transition": "Reopen"},
    "jira_configs.reopen_transition": {"reopen_duration": "5m"},
    "mattermost_configs.priority.requested_ack": {"priority.priority": "urgent"},
    "mattermost_configs.priority.persistent_notifications": {"priority.priority": "urgent"},
    **{f"jira_configs.{name}.enable_update": {"is_over": True} for name in ("summary", "description")},
}
VALUES: dict[str, Any] = {
    "telegram_configs.parse_mode": "Markdown",
    "wechat_configs.message_type": "markdown",
    "jira_configs.api_type": "cloud",
    "jira_configs.resolve_transition": "Close",
    "jira_configs.reopen_transition": "Reopen",
    "sns_configs.sigv4.profile": "own",
    "opsgenie_configs.responders[].type": "team",
    "email_configs.threading.thread_by_date": "none",
    "email_configs.smarthost": "other:25",
    "apprise_configs.urls[]": "json://127.0.0.1:2/y",
    "slack_configs.actions[].url": "http://other.example",
    "webhook_configs.max_alerts": 1,
    "incidentio_configs.max_alerts": 1,
    "victorops_configs.message_type": "INFO",
    "discord_configs.avatar_url": "http://a.example/b.png",
}
WITHOUT_EFFECT = {
    "rocketchat_configs.link_names",
    "rocketchat_configs.actions[].type",
    "sns_configs.use_aws_http_client",
    "sns_configs.sigv4.service_name",
}
"""as in Alertmanager; the first and the third are told of at load"""


def fields_of(path: str, struct: StructOf) -> Iterator[tuple[str, Any]]:
    """(path, kind) of every field, those inside of others too; an item of a list is `[]`."""
    for name, kind in struct.fields.items():
        yield from _inside(f"{path}.{name}", kind)


def _inside(path: str, kind: Any) -> Iterator[tuple[str, Any]]:
    if kind in (HTTP_CONFIG, TLS_CONFIG) or not isinstance(kind, StructOf | ListOf):
        yield path, kind
        if type(kind).__name__ == "_JiraField":
            yield f"{path}.template", kinds.TEMPLATE
            yield f"{path}.enable_update", kinds.FLAG
    elif isinstance(kind, StructOf):
        yield from fields_of(path, kind)
    else:
        yield from _inside(f"{path}[]", kind.item)


ALL = [each for name, struct in RECEIVERS.items() for each in fields_of(name, struct)]


def value_of(path: str, kind: Any, folder: Path) -> Any:
    """Something else than the field's default."""
    if path in VALUES:
        return VALUES[path]
    if path.endswith(".send_resolved"):
        return path.partition(".")[0] not in SEND_RESOLVED_BY_DEFAULT
    if path.endswith("_file"):
        (folder / "secret").write_text("http://file.example/x" if "url" in path else "77")
        return "secret"
    match kind:
        case kinds.Flag():
            return not path.endswith(("enable_update", "require_tls"))
        case kinds.Integer():
            return 7
        case kinds.GoDuration() | kinds.Duration():
            return "7m"
        case MapOf(value=Anything()) | MapOf():
            return {"own": "more"}
        case Anything():
            return {"own": ["more", 1]}
        case kinds.Url() | secret_kinds.SecretUrl():
            return "http://other.example/more"
        case StructOf():
            if kind is TLS_CONFIG:
                return {"insecure_skip_verify": True}
            return {"http_headers": {"X-Own": {"values": ["more"]}}, "authorization": {"credentials": "c"}}
    return "more@x" if path.startswith("email_configs") else "more"


def settings(path: str, value: Any) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """(kind, the settings that the field is set beside, and with it)."""
    kind, _, rest = path.partition(".")
    base = yaml.safe_load(yaml.safe_dump(BASES[kind]))
    needs = NEEDS.get(path, {})
    for name, each in needs.items():
        if name != "is_over" and each is not None:
            _set(base, name, each)
    changed = yaml.safe_load(yaml.safe_dump(base))
    for name in (name for name, each in needs.items() if each is None):
        _set(changed, name, None)
    _neighbours(kind, rest, base)
    _neighbours(kind, rest, changed)
    _set(changed, rest, value)
    for name in ("url", "api_url", "webhook_url", "bot_token", "api_key", "user_key", "token", "token_id"):
        if rest == f"{name}_file" and name in changed:
            del changed[name]
    if rest in ("routing_key_file", "api_secret_file"):
        del changed[rest.removesuffix("_file")]
    return kind, base, changed


def _neighbours(kind: str, rest: str, into: dict[str, Any]) -> None:
    """Other fields of the same item, which may be required."""
    if "[]" not in rest or rest.endswith("[]"):
        return
    field = rest.split("[]")[0]
    item: dict[str, Any] = {
        "fields": {"title": "t", "value": "v"},
        "actions": {"type": "button", "text": "x", **({"name": "n"} if kind == "slack_configs" else {})},
        "images": {"src": "s"},
        "links": {"href": "h"},
        "responders": {"name": "n", "type": "user"},
        "attachments": {"text": "x"},
    }[field]
    if rest.startswith("attachments[].fields[]"):
        item = {"fields": [{"title": "t", "value": "v"}]}
    if ".confirm." in rest:
        item = {**item, "confirm": {"text": "x"}}
    into[field] = [dict(item)]


def _set(into: Any, path: str, value: Any) -> None:
    name, _, rest = path.partition(".")
    if name.endswith("[]"):
        items = into.setdefault(name[:-2], [{}])
        if not rest:
            into[name[:-2]] = [value]
        else:
            _set(items[0], rest, value)
    elif rest:
        _set(into.setdefault(name, {}), rest, value)
    elif value in (None, ""):
        into.pop(name, None)
    else:
        into[name] = value


def load(folder: Path, kind: str, item: dict[str, Any]) -> Integration:
    path = folder / "alertmanager.yml"
    receivers = [{"name": "team", kind: [item]}]
    path.write_text(yaml.safe_dump({"route": {"receiver": "team"}, "receivers": receivers}))
    reader = Reader(parsers(), {"HOME": str(folder)})
    config = reader.alertmanager(path)
    assert config is not None, list(map(str, reader.findings))
    return config.receivers[0].integrations[0]


async def effects(integration: Integration, *, is_over: bool) -> list[Any]:
    """Everything that depends on the settings: requests, credentials, time limits."""
    channel = channel_of(integration, Tools(NOBODY, TEXTS))
    if not isinstance(channel, HttpChannel):
        return [integration]
    asked: list[Any] = []

    async def ask(request: Request) -> Answer:
        asked.append((request.method, request.url, request.body, sorted(request.headers.items())))
        return Answer(Delivery(True), 200, said(channel.kind, request, is_over=is_over))

    channel.outlet.ask = ask  # type: ignore[method-assign]
    ends_at_ms = 2000 if is_over else 0
    alerts = [Alert(Labels.of(alertname="Slow", n=n), Labels.of(), 1000, ends_at_ms) for n in "12"]
    told = Notification("team", "k", Labels.of(alertname="Slow"), alerts, 3000, "http://x")
    delivery = await channel.send(told)
    assert delivery.ok, delivery
    way = channel.outlet
    return [*asked, channel.send_resolved, way._client._http, way._wait_s, delivery.remember]


def said(kind: str, request: Request, *, is_over: bool) -> bytes:
    if "/search" in request.url:
        status = {"statusCategory": {"key": "new" if is_over else "done"}}
        return orjson.dumps({"issues": [{"key": "OPS-7", "fields": {"status": status}}]})
    if request.url.endswith("/transitions"):
        return orjson.dumps({"transitions": [{"id": "1", "name": "Close"}, {"id": "2", "name": "Reopen"}]})
    if b"AssumeRole" in request.body:
        keys = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        return "".join(f"<{name}>x</{name}>" for name in keys).encode()
    if kind == "slack":
        return b'{"ok": true, "ts": "1.5", "channel": "C1"}'
    answer = ANSWERS.get(kind, {"errcode": 0, "access_token": "t"})
    return answer.encode() if isinstance(answer, str) else orjson.dumps(answer)


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of AWS with two profiles, and a clock that stands, since signatures hold the time."""
    (tmp_path / ".aws").mkdir()
    keys = "aws_access_key_id = {0}\naws_secret_access_key = {0}\n"
    profiles = "".join(f"[{name}]\n{keys.format(name)}" for name in ("default", "own"))
    (tmp_path / ".aws" / "credentials").write_text(profiles)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("backbeat.notify.aws.time", SimpleNamespace(time=lambda: 1.0, monotonic=lambda: 1.0))


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(("path", "kind"), [pytest.param(*each, id=each[0]) for each in ALL])
async def test_every_field_has_an_effect(path: str, kind: Any, tmp_path: Path) -> None:
    name, base, changed = settings(path, value_of(path, kind, tmp_path))
    is_over = "is_over" in NEEDS.get(path, {})
    before = await effects(load(tmp_path, name, base), is_over=is_over)
    after = await effects(load(tmp_path, name, changed), is_over=is_over)
    assert (before == after) == (path in WITHOUT_EFFECT)


@pytest.mark.parametrize(
    ("config", "module"), [(EmailConfig, "email"), (AppriseConfig, "apprise")], ids=["email", "apprise"]
)
def test_every_setting_is_read(config: type, module: str) -> None:
    """Of the channels that are not asked over HTTP; what each does is tested beside a real server."""
    source = Path(str(importlib.import_module(f"backbeat.notify.{module}").__file__)).read_text()
    unread = [field.name for field in fields(config) if f"config.{field.name}" not in source]
    assert unread == []


def test_every_default_template_is_offered() -> None:
    """A receiver without texts of its own calls templates that exist."""
    called = [
        name
        for config in _CHANNELS
        for field in fields(config)
        for name in re.findall(r'template "([^"]+)"', str(field.default))
    ]
    assert len(called) > 30
    assert set(called) <= set(TEXTS._set.names)
