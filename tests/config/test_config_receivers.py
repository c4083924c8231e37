"""Receivers of every kind: what they take from `global`, and what cannot be sent is refused with a word."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from config_fixtures import Load, Mistakes

from backbeat.cli.check import parsers
from backbeat.config.alertmanager import Integration, SlackAction, SlackConfig, SlackConfirm, WebhookConfig
from backbeat.config.chats import AppriseConfig, Msteamsv2Config, TelegramConfig, WechatConfig
from backbeat.config.http_client import SecretSource
from backbeat.config.load import Reader
from backbeat.config.pagers import (
    IncidentioConfig,
    JiraConfig,
    JiraText,
    OpsgenieConfig,
    PagerdutyConfig,
    PagerdutyImage,
    PushoverConfig,
    SnsConfig,
)
from backbeat.config.secret import Secret

HEAD = "route: {receiver: team}\nreceivers:\n- name: team\n"


def secret(text: str) -> SecretSource:
    return SecretSource(Secret(text))


def one(load: Load, kind: str, item: str, before: str = "") -> Integration:
    config = load(alertmanager=f"{before}{HEAD}  {kind}_configs:\n  - {item}\n").alertmanager
    assert config is not None
    (found,) = config.receivers[0].integrations
    return found


def test_what_is_not_said_comes_from_global_or_has_a_default(load: Load) -> None:
    assert one(
        load, "pagerduty", "{routing_key: k, images: [{src: s}], class: c, details: {a: {b: [1]}}}"
    ) == (
        PagerdutyConfig(
            routing_key=secret("k"),
            images=(PagerdutyImage("s"),),
            class_="c",
            details=(("a", {"b": [1]}),),
        )
    )
    shared = "global: {opsgenie_api_key: k, opsgenie_api_url: 'http://o/', wechat_api_secret: s, "
    shared += "wechat_api_corp_id: c, jira_api_url: 'http://j/'}\n"
    assert one(load, "opsgenie", "", shared) == OpsgenieConfig(secret("k"), "http://o/")
    assert one(load, "wechat", "{message_type: markdown}", shared) == WechatConfig(
        secret("s"), "c", message_type="markdown"
    )
    jira = one(
        load, "jira", "{project: P, issue_type: B, summary: S, description: {enable_update: false}}", shared
    )
    assert jira == JiraConfig(
        "http://j/",
        project="P",
        issue_type="B",
        summary=JiraText("S"),
        description=JiraText(JiraConfig().description.template, enable_update=False),
    )


def test_durations_flags_and_files(load: Load, tmp_path: Path) -> None:
    (tmp_path / "id").write_text("5")
    pushover = one(
        load, "pushover", "{user_key: u, token: t, retry: 2m, ttl: 1h, html: true, send_resolved: false}"
    )
    assert pushover == PushoverConfig(
        secret("u"), secret("t"), retry_ms=120_000, ttl_ms=3_600_000, html=True, send_resolved=False
    )
    telegram = one(load, "telegram", "{bot_token: t, chat_id_file: id, parse_mode: ''}")
    assert telegram == TelegramConfig(
        bot_token=secret("t"), chat_id_file=SecretSource(None, str(tmp_path / "id")), parse_mode=""
    )
    incident = one(load, "incidentio", "{url: 'http://i/x', alert_source_token: t, timeout: 3s}")
    assert incident == IncidentioConfig(secret("http://i/x"), secret("t"), timeout_ms=3000)


def test_slack_actions_and_a_webhooks_payload(load: Load) -> None:
    slack = one(
        load,
        "slack",
        "{api_url: 'http://s/x', actions: [{type: button, text: a, name: n, confirm: {text: sure}},"
        " {type: button, text: b, url: 'http://u', name: gone, confirm: {text: gone}}]}",
    )
    assert isinstance(slack, SlackConfig)
    assert slack.actions == (
        SlackAction("button", "a", name="n", confirm=SlackConfirm("sure")),
        SlackAction("button", "b", "http://u"),
    )
    hook = one(load, "webhook", "{url: 'http://h/', payload: {a: ['{{ .Status }}', 1, true, null]}}")
    assert isinstance(hook, WebhookConfig)
    assert hook.payload == {"a": ["{{ .Status }}", 1, True, None]}


def test_teams_takes_the_proxy_of_global_beside_settings_of_its_own(load: Load) -> None:
    shared = "global: {http_config: {proxy_url: 'http://proxy:1'}}\n"
    item = "{webhook_url: 'http://t/x', http_config: {follow_redirects: false}}"
    teams = one(load, "msteamsv2", item, shared)
    assert isinstance(teams, Msteamsv2Config)
    assert (teams.http.proxy_url, teams.http.follow_redirects) == ("http://proxy:1", False)


APPRISE = f"{HEAD}  apprise_configs: [{{urls: ['json://127.0.0.1/one', 'ntfy://host/two'], title: T}}]\n"


def test_each_url_of_apprise_is_a_channel_of_its_own(load: Load) -> None:
    pytest.importorskip("apprise")
    config = load(alertmanager=APPRISE).alertmanager
    assert config is not None
    assert config.receivers[0].integrations == (
        AppriseConfig(secret("json://127.0.0.1/one"), "T"),
        AppriseConfig(secret("ntfy://host/two"), "T"),
    )
    assert "127.0.0.1/one" not in config.text


def test_apprise_is_refused_where_it_is_not_installed(
    mistakes: Mistakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "backbeat.config.apprise_urls.find_spec", lambda name: None if name == "apprise" else found(name)
    )
    place = "alertmanager.yml:4:29: receivers[0].apprise_configs[0].urls[0]: "
    why = "the apprise library is not installed; install it with: pip install 'backbeat[apprise]'"
    assert mistakes(alertmanager=APPRISE)[0] == place + why


def test_a_url_that_apprise_does_not_know_is_refused_unseen(
    mistakes: Mistakes, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("apprise")
    (found,) = mistakes(alertmanager=f"{HEAD}  apprise_configs: [{{urls: ['nowhere://canary']}}]\n")
    assert "expected a URL that the apprise library knows" in found
    assert "canary" not in found + caplog.text


@pytest.mark.parametrize(
    ("sigv4", "environment", "said"),
    [
        ("", {}, "no AWS region is known; set sigv4.region"),
        ("region: eu", {}, "no AWS keys are known; set sigv4.access_key"),
        ("region: eu, profile: none", {"AWS_ACCESS_KEY_ID": "A"}, "no AWS keys are known"),
        ("region: eu, access_key: a, secret_key: s", {}, ""),
        ("", {"AWS_REGION": "eu", "AWS_ACCESS_KEY_ID": "A"}, ""),
    ],
)
def test_sns_needs_somebody_to_ask_for(
    tmp_path: Path, sigv4: str, environment: dict[str, str], said: str
) -> None:
    """A mistake where it is to be sent from here, a remark where the file is only checked."""
    path = tmp_path / "alertmanager.yml"
    path.write_text(f"{HEAD}  sns_configs: [{{topic_arn: t, sigv4: {{{sigv4}}}}}]\n")
    for is_to_run in (False, True):
        reader = Reader(parsers(), {"HOME": str(tmp_path), **environment}, is_to_run=is_to_run)
        config = reader.alertmanager(path)
        told = [str(finding) for finding in reader.findings]
        assert (said in told[0]) if said else not told
        assert (config is None) == bool(said and is_to_run)
        if config is not None:
            assert isinstance(config.receivers[0].integrations[0], SnsConfig)


@pytest.mark.parametrize(
    ("kind", "item", "said"),
    [
        ("rocketchat", "{token: t, token_id: i, link_names: true}", "link_names: has no effect"),
        (
            "sns",
            "{topic_arn: t, use_aws_http_client: true, sigv4: {region: e, access_key: a, secret_key: s}}",
            "use_aws_http_client: has no effect",
        ),
    ],
)
def test_what_has_no_effect_is_told(load: Load, kind: str, item: str, said: str) -> None:
    warnings: Any = load(alertmanager=f"{HEAD}  {kind}_configs: [{item}]\n").warnings
    assert said in warnings[0]
