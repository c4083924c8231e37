"""What every channel would say, without a receiver, a network or a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from backbeat.config.load import Reader
from backbeat.httpclient import Session
from backbeat.model.alerts import Alert, Notification
from backbeat.model.labels import Labels
from backbeat.notify.rehearsal import rehearsed

SETTINGS = """
route: {receiver: all}
receivers:
  - name: all
    apprise_configs: [{urls: ["json://localhost"]}]
    discord_configs: [{webhook_url_file: no}]
    email_configs: [{to: a@example.com, from: b@example.com, smarthost: "mail.example.com:25"}]
    incidentio_configs: [{url: "http://incidents.example", alert_source_token_file: no}]
    jira_configs: [{api_url: "http://jira.example", project: P, issue_type: Bug}]
    mattermost_configs: [{webhook_url_file: no}]
    msteams_configs: [{webhook_url_file: no}]
    msteamsv2_configs: [{webhook_url_file: no}]
    opsgenie_configs: [{api_key_file: no}]
    pagerduty_configs: [{routing_key_file: no}]
    pushover_configs: [{user_key_file: no, token_file: no}]
    rocketchat_configs: [{token_id_file: no, token_file: no, channel: "#c"}]
    slack_configs: [{api_url_file: no, channel: "#c"}]
    sns_configs: [{topic_arn: "arn:aws:sns:us-east-2:1:t", sigv4: {region: r, access_key: a, secret_key: b}}]
    telegram_configs: [{bot_token_file: no, chat_id: 5}]
    victorops_configs: [{api_key_file: no, routing_key: x}]
    webex_configs: [{room_id: x, http_config: {authorization: {credentials_file: no}}}]
    webhook_configs: [{url_file: no}]
    wechat_configs: [{api_secret_file: no, corp_id: c, agent_id: "1", to_user: u}]
"""
SAYS_NOTHING_ITSELF = {"apprise"}
MESSAGE = Notification(
    "all",
    "{}:{}",
    Labels.of(alertname="Slow"),
    (
        Alert(
            Labels.of(alertname="Slow"),
            Labels.of(summary="It is slow", description="slow"),
            1_760_000_000_000,
        ),
    ),
    1_760_000_010_000,
    "http://backbeat.example",
)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
async def test_every_channel_says_its_words_without_its_secrets(tmp_path: Path) -> None:
    (tmp_path / "alertmanager.yml").write_text(SETTINGS)
    config = Reader().alertmanager(tmp_path / "alertmanager.yml")
    assert config is not None
    said = {}
    async with Session() as session:
        for channel in rehearsed(config, session)["all"]:
            said[channel.kind] = await channel.words(MESSAGE)
    assert len(said) == 19
    assert {kind for kind, words in said.items() if "Slow" not in words.subject} == set()
    assert {kind for kind, words in said.items() if "low" not in words.text} == SAYS_NOTHING_ITSELF
