"""Secrets: from files and the environment, and never shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from config_fixtures import Load, Mistakes

from backbeat.config.alertmanager import EmailConfig, SlackConfig
from backbeat.config.alertmanager_fields import ALERTMANAGER as FIELDS
from backbeat.config.backbeat import Config
from backbeat.config.findings import ConfigErrors
from backbeat.config.load import load_config
from backbeat.config.schema import ListOf, StructOf

CANARY = "canary-7f3a"
RECEIVER = "route: {receiver: a}\nreceivers:\n- name: a\n"
PROMETHEUS = f"""
# a comment with password: {CANARY}
scrape_configs:
- job_name: a
  basic_auth: {{username: u, password: '{CANARY}'}}
  proxy_url: http://user:{CANARY}@proxy:3128
  http_headers: {{X-Key: {{secrets: [{CANARY}]}}}}
- job_name: b
  authorization: {{credentials: &token {CANARY}}}
- job_name: c
  bearer_token: *token
- job_name: d
  oauth2: {{client_id: i, client_secret: {CANARY}, token_url: 'http://t'}}
  tls_config: {{cert: c, key: |
      {CANARY}
    }}
- job_name: e
  consul_sd_configs: [{{server: s, token: {CANARY}}}]
remote_write: [{{url: 'https://u:{CANARY}@h/', sigv4: {{access_key: a, secret_key: {CANARY}}}}}]
"""
PROMETHEUS = PROMETHEUS.replace("key: |\n      canary-7f3a\n    }", "key: canary-7f3a}")
ALERTMANAGER = f"""
global:
  smtp_smarthost: m:25
  smtp_from: f
  smtp_auth_password: {CANARY}
  slack_api_url: https://hooks/{CANARY}
route: {{receiver: a}}
receivers:
- name: a
  email_configs: [{{to: t, auth_secret: {CANARY}}}]
  slack_configs: [{{channel: '#c', api_url: 'https://hooks/{CANARY}'}}, {{app_token: {CANARY}}}]
  webhook_configs: [{{url: 'https://h/{CANARY}'}}, {{url: 'https://h/{CANARY}/{{{{ .Status }}}}'}}]
  pagerduty_configs: [{{routing_key: {CANARY}}}]
  discord_configs: [{{webhook_url: 'https://h/{CANARY}'}}]
  telegram_configs: [{{bot_token: {CANARY}, chat_id: 1}}]
"""
BACKBEAT = f"state: postgresql://u:{CANARY}@h/db\n"
WEB = "basic_auth_users: {admin: '$2b$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234'}\n"


def everything(config: Config) -> str:
    """All texts of a configuration but those whose place is a field of plain text."""
    assert config.alertmanager is not None
    return "\n".join(
        (config.prometheus.text, *config.prometheus.pools, config.alertmanager.text, *config.warnings)
    )


def test_no_text_that_is_shown_holds_a_secret(load: Load) -> None:
    config = load(prometheus=PROMETHEUS, alertmanager=ALERTMANAGER, backbeat=BACKBEAT, web=WEB)
    assert config.alertmanager is not None
    shown = everything(config)
    assert CANARY not in shown
    assert shown.count("<secret>") >= 18
    assert "http://user:<secret>@proxy:3128" in shown
    assert CANARY not in repr(config.alertmanager)
    assert config.backbeat.state == f"postgresql://u:{CANARY}@h/db"


def test_masked_text_is_the_same_configuration_otherwise(load: Load) -> None:
    text = (
        "global: {scrape_interval: 15s, external_labels: {a: 'yes', b: \"x: y\", c: '#d'}}\n"
        "scrape_configs:\n- job_name: 'ä 1'\n  params: {m: ['1', '', 'null']}\n  relabel_configs:\n"
        "  - &step {target_label: x, replacement: 'a''b'}\n  - <<: *step\n    target_label: y\n"
    )
    before = load(prometheus=text).prometheus
    after = load(prometheus=before.text).prometheus
    assert (after.scrape_configs, after.external_labels) == (before.scrape_configs, before.external_labels)
    assert after.text == before.text


@pytest.mark.parametrize(
    "text",
    [
        PROMETHEUS.replace("job_name: e", "job_nam: e").replace("chat_id", "chat"),
        PROMETHEUS.replace("bearer_token: *token", "bearer_token: *token\n  bearer_token_file: x"),
        f"scrape_configs: [{{job_name: a, bearer_token: [{CANARY}]}}]\n",
        f"scrape_configs: [{{job_name: a, proxy_url: 'http://u:{CANARY}@h:x'}}]\n",
        f"scrape_configs: [{{job_name: a, basic_auth: {{password: {CANARY}, password_file: x}}}}]\n",
    ],
)
def test_no_finding_repeats_a_secret(mistakes: Mistakes, text: str) -> None:
    found = mistakes(prometheus=text)
    assert found
    assert CANARY not in "\n".join(found)


@pytest.mark.parametrize(
    "url", [f"{CANARY}", f"ftp://{CANARY}", f"http://h:{CANARY}", "http://h/{{ " + CANARY]
)
def test_no_finding_repeats_a_secret_url(mistakes: Mistakes, url: str) -> None:
    found = mistakes(alertmanager=RECEIVER + f"  webhook_configs: [{{url: '{url}'}}]\n")
    assert found
    assert CANARY not in "\n".join(found)


def test_variables_that_are_set_take_their_place(load: Load) -> None:
    text = (
        "global: {smtp_smarthost: '${HOST}:587', smtp_from: '${FROM}',"
        " smtp_auth_password: '${SMTP_PASSWORD}'}\n"
        + RECEIVER
        + "  email_configs: [{to: '${TO}'}]\n  slack_configs: [{api_url: '${SLACK_WEBHOOK_URL}'}]\n"
    )
    environment = {
        "HOST": "mail",
        "FROM": "f@x",
        "TO": "t@x",
        "SMTP_PASSWORD": "pw",
        "SLACK_WEBHOOK_URL": "https://hooks/x",
    }
    alertmanager = load(environment, alertmanager=text).alertmanager
    assert alertmanager is not None
    mail, slack = alertmanager.receivers[0].integrations
    assert isinstance(mail, EmailConfig)
    assert isinstance(slack, SlackConfig)
    assert (mail.smarthost, mail.from_, mail.to) == ("mail:587", "f@x", "t@x")
    assert mail.auth_password.read() == "pw"
    assert slack.api_url.read() == "https://hooks/x"


def test_a_variable_that_is_not_set_is_no_url(mistakes: Mistakes) -> None:
    (found,) = mistakes(alertmanager=RECEIVER + "  slack_configs: [{api_url: '${SLACK_WEBHOOK_URL}'}]\n")
    assert found.endswith(
        "receivers[0].slack_configs[0].api_url: the environment variable SLACK_WEBHOOK_URL is not set: "
        "set the environment variable SLACK_WEBHOOK_URL or use api_url_file, "
        "or write $${SLACK_WEBHOOK_URL} for the text ${SLACK_WEBHOOK_URL} itself"
    )


def test_a_variable_that_is_not_set_is_a_mistake_in_any_field(mistakes: Mistakes) -> None:
    text = "route: {receiver: a, group_wait: '${WAIT}', matchers: ['team=${TEAM}']}\n"
    found = mistakes(alertmanager=text + "receivers: [{name: '${NAME}'}, {name: a}]\n")
    assert re.findall(r"variable (\w+) is not set:", "\n".join(found)) == ["WAIT", "TEAM", "NAME"]


@pytest.mark.parametrize(
    ("field", "hint"),
    [
        ("global: {smtp_auth_password: '${X}'}\n", " or use smtp_auth_password_file"),
        ("global: {http_config: {authorization: {credentials: '${X}'}}}\n", " or use credentials_file"),
        ("global: {http_config: {proxy_url: '${X}'}}\n", ""),
        ("global: {opsgenie_api_url: '${X}'}\n", ""),
    ],
)
def test_a_file_is_named_where_the_field_has_one(mistakes: Mistakes, field: str, hint: str) -> None:
    (found,) = mistakes(alertmanager=field + "route: {receiver: a}\nreceivers: [{name: a}]\n")
    assert f"set the environment variable X{hint}, or write" in found


def test_every_secret_may_stand_in_a_file() -> None:
    """Alertmanager has none for AWS keys, which come from the environment or a profile there."""
    without = {f"{path}.{name}" for path, name in _secrets_without_a_file(FIELDS, "")}
    assert without <= {".receivers.sns_configs.sigv4.secret_key", ".event_recorder.webhook_outputs.url"}


def _secrets_without_a_file(kind: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(kind, ListOf):
        yield from _secrets_without_a_file(kind.item, path)
    for name, inner in kind.fields.items() if isinstance(kind, StructOf) else ():
        if "Secret" in type(inner).__name__ and f"{name}_file" not in kind.fields:
            yield path, name
        yield from _secrets_without_a_file(inner, f"{path}.{name}")


def test_variables_reach_any_field_and_are_not_shown(load: Load) -> None:
    text = "route: {receiver: '${NAME}', group_wait: '${WAIT}'}\nreceivers: [{name: '${NAME}'}]\n"
    alertmanager = load({"NAME": "night", "WAIT": "7s"}, alertmanager=text).alertmanager
    assert alertmanager is not None
    assert (alertmanager.route.receiver, alertmanager.route.group_wait_ms) == ("night", 7000)
    assert "${NAME}" in alertmanager.text
    assert "night" not in alertmanager.text


def test_a_doubled_dollar_is_the_text_itself(load: Load) -> None:
    text = (
        "global: {smtp_auth_password: 'a$${NOPE}$b'}\n"
        + RECEIVER
        + "  email_configs: [{to: x@y, from: x@y, smarthost: 'm:25', auth_username: u}]\n"
    )
    alertmanager = load(alertmanager=text).alertmanager
    assert alertmanager is not None
    (mail,) = alertmanager.receivers[0].integrations
    assert isinstance(mail, EmailConfig)
    assert mail.auth_password.read() == "a${NOPE}$b"


def test_a_secret_file_that_is_not_there_is_a_mistake_where_it_is_to_be_used(tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").write_text("global: {}\n")
    text = RECEIVER + "  slack_configs: [{api_url_file: secrets/url}]\n"
    (tmp_path / "alertmanager.yml").write_text(text)
    with pytest.raises(ConfigErrors, match=r"api_url_file: the file \S+/secrets/url is not there"):
        load_config(tmp_path, is_to_run=True)


def test_a_secret_file_that_is_not_there_is_said(load: Load) -> None:
    text = RECEIVER + "  slack_configs: [{api_url_file: secrets/url}]\n"
    config = load(alertmanager=text)
    assert config.alertmanager is not None
    (slack,) = config.alertmanager.receivers[0].integrations
    assert isinstance(slack, SlackConfig)
    assert slack.api_url.file == f"{config.directory}/secrets/url"
    assert "there is no file" in config.warnings[0]
