"""What holds for every receiver: retries, secrets, redirects, templates; with a server on loopback."""

import logging
from pathlib import Path

import pytest
from msgspec.structs import replace
from receiver_server import CANARY, Server, build, message, secret

from backbeat.config.alertmanager import (
    Integration,
    SlackConfig,
    WebhookConfig,
)
from backbeat.config.chats import (
    DiscordConfig,
    MattermostConfig,
    MsteamsConfig,
    RocketchatConfig,
    TelegramConfig,
    WechatConfig,
)
from backbeat.config.http_client import HTTPClient, OAuth2, SecretSource
from backbeat.config.pagers import (
    IncidentioConfig,
    JiraConfig,
    OpsgenieConfig,
    PagerdutyConfig,
    SigV4,
    SnsConfig,
    VictoropsConfig,
)
from backbeat.httpclient import Session
from backbeat.model.labels import Labels


def everyone(url: str) -> dict[str, Integration]:
    """Every receiver with a secret in its URL, its headers or its body."""
    hook = secret(f"{url}/{CANARY}")
    return {
        "webhook": WebhookConfig(hook, http=HTTPClient(authorization=secret())),
        "slack": SlackConfig(hook),
        "pagerduty": PagerdutyConfig(routing_key=secret(), url=url),
        "opsgenie": OpsgenieConfig(api_key=secret(), api_url=url),
        "victorops": VictoropsConfig(api_key=secret(), api_url=url, routing_key="r"),
        "incidentio": IncidentioConfig(url=secret(url), alert_source_token=secret()),
        "sns": SnsConfig(SigV4("eu", "AK", secret()), api_url=url, topic_arn="t"),
        "jira": JiraConfig(
            api_url=url, project="P", issue_type="Bug", http=HTTPClient(username="u", password=secret())
        ),
        "discord": DiscordConfig(hook),
        "msteams": MsteamsConfig(hook),
        "telegram": TelegramConfig(url, secret(), 5),
        "wechat": WechatConfig(secret(), "corp", url),
        "rocketchat": RocketchatConfig(url, secret(), secret()),
        "mattermost": MattermostConfig(webhook_url=hook),
    }


@pytest.mark.parametrize(
    ("status", "retry"), [(400, False), (403, False), (404, False), (429, True), (500, True), (503, True)]
)
async def test_statuses_that_are_tried_again(
    session: Session, server: Server, status: int, retry: bool
) -> None:
    """5xx and 429 are; and what a receiver says of a secret is not passed on."""
    server.answers = [(status, f"refused: {CANARY} Bearer {CANARY}")]
    server.headers = {"Retry-After": "7"}
    for name, integration in everyone(server.url).items():
        delivery = await build(session, integration)[0].send(message())
        assert (delivery.ok, delivery.retry) == (False, retry), name
        assert CANARY not in delivery.detail, name
        assert f"HTTP status {status}" in delivery.detail, name
        if name != "wechat":  # the wait is that of the token, and not passed on
            assert delivery.retry_after_ms == (7000 if retry else 0), name


async def test_secrets_stay_out_of_the_log(
    session: Session, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.answers = [(200, {"ok": True, "success": True, "access_token": CANARY})]
    for integration in everyone(server.url).values():
        await build(session, integration)[0].send(message())
    logged = [record.getMessage() for record in caplog.records if record.name != "aiohttp.access"]
    assert CANARY not in " ".join(logged)


async def test_a_secret_file_that_is_gone_is_tried_again(session: Session, tmp_path: Path) -> None:
    gone = SecretSource(None, str(tmp_path / "none"))
    channels = build(
        session,
        PagerdutyConfig(routing_key=gone),
        OpsgenieConfig(api_key=gone),
        DiscordConfig(gone),
        TelegramConfig(bot_token=gone, chat_id=5),
        WebhookConfig(gone),
    )
    for channel in channels:
        delivery = await channel.send(message())
        assert (delivery.ok, delivery.retry) == (False, True)
        assert "cannot be read" in delivery.detail


async def test_redirects_keep_the_message_or_are_refused(session: Session, server: Server) -> None:
    (channel,) = build(session, WebhookConfig(secret(f"{server.url}/first")))
    server.headers = {"Location": "/second"}
    server.answers = [(307, ""), (200, "")]
    assert (await channel.send(message())).ok
    assert [(method, path) for method, path, _ in server.got] == [("POST", "/first"), ("POST", "/second")]
    assert server.got[1][2]["version"] == "4"
    server.got.clear()
    server.answers = [(302, ""), (200, "")]
    lost = await channel.send(message())
    assert (lost.ok, lost.retry, len(server.got)) == (False, False, 1)
    assert "lose the message" in lost.detail
    server.got.clear()
    server.headers, server.answers = {"Location": "http://169.254.169.254/x"}, [(307, "")]
    caught = await channel.send(message())
    assert (caught.ok, caught.retry) == (False, False)
    assert "link-local" in caught.detail


async def test_a_token_by_oauth2_is_sent_and_never_shown(session: Session, server: Server) -> None:
    login = OAuth2("backbeat", f"{server.url}/token", secret())
    (channel,) = build(session, WebhookConfig(secret(f"{server.url}/hook"), http=HTTPClient(oauth2=login)))
    server.answers = [(200, {"access_token": "tok-canary"}), (500, "no Bearer tok-canary"), (200, "")]
    refused = await channel.send(message())
    assert (refused.retry, refused.detail) == (True, "HTTP status 500: no <secret>")
    assert (await channel.send(message())).ok
    assert [path for _, path, _ in server.got] == ["/token", "/hook", "/hook"]
    server.answers = [(400, CANARY)]
    (other,) = build(
        session, WebhookConfig(secret(server.url), http=HTTPClient(oauth2=replace(login, scopes=("s",))))
    )
    denied = await other.send(message())
    assert (denied.retry, denied.detail) == (True, "oauth2: the token_url answered HTTP status 400")


async def test_a_webhook_with_a_payload_of_its_own(session: Session, server: Server) -> None:
    payload = {
        "{{ .Status }}": ["{{ len .Alerts }}", True, None],
        "text": "{{ .CommonLabels.alertname }}!",
        "number as text": '{{ len .Alerts | printf "%d" | toJson }}',
    }
    (channel,) = build(session, WebhookConfig(secret(server.url), max_alerts=2, payload=payload))
    assert (await channel.send(message(alerts=5))).ok
    assert server.got[0][2] == {"firing": [2, True, None], "text": "Slow!", "number as text": "2"}


async def test_labels_of_the_route_are_templates(session: Session, server: Server) -> None:
    labels = {"team": "{{ .CommonLabels.team }}", "who": '{{ routeLabels "team" }} on call', "plain": "x"}
    told = replace(message(team="api"), route_labels=Labels.of(labels))
    hook = WebhookConfig(secret(server.url))
    said = WebhookConfig(secret(server.url), payload={"who": '{{ routeLabels "who" }}'})
    for channel in build(session, hook, said):
        assert (await channel.send(told)).ok
    assert server.got[0][2]["routeLabels"] == {"team": "api", "who": "api on call", "plain": "x"}
    assert server.got[1][2] == {"who": "api on call"}


async def test_a_failed_template_costs_no_message(session: Session, server: Server) -> None:
    broken = "{{ .Nope.Such }}"
    channels = build(
        session,
        DiscordConfig(secret(server.url), message=broken),
        PagerdutyConfig(routing_key=secret(), url=server.url, description=broken, severity=broken),
        MattermostConfig(webhook_url=secret(server.url), text=broken),
    )
    for channel in channels:
        assert (await channel.send(message())).ok
    discord, pagerduty, mattermost = (body for *_, body in server.got)
    assert "[FIRING:1] Slow (template error" in discord["embeds"][0]["description"]
    assert pagerduty["payload"]["severity"] == "error"
    assert "template error" in pagerduty["payload"]["summary"]
    assert "template error" in mattermost["attachments"][0]["text"]
