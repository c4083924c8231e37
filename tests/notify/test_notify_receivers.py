"""What answers of receivers mean, and what each channel does about them; against a server on loopback."""

import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from msgspec import Struct, field
from msgspec.structs import replace
from yarl import URL

from backbeat.config.alertmanager import (
    AlertmanagerConfig,
    Integration,
    Receiver,
    Route,
    SlackConfig,
    WebhookConfig,
)
from backbeat.config.aws import Credentials
from backbeat.config.chats import (
    AppriseConfig,
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
from backbeat.config.secret import Secret
from backbeat.httpclient import Session
from backbeat.model.alerts import Alert, Channel, Delivery, Notification
from backbeat.model.labels import Labels
from backbeat.notify import build_channels, new_session
from backbeat.notify.sigv4 import signed
from backbeat.notify.telegram import visible_length

CANARY = "s3cret-canary"
NOW_MS = 1_700_000_000_000


class Server(Struct):
    """Answers in turn; the last answer goes on."""

    url: str = ""
    answers: Sequence[tuple[int, Any]] = ((200, {}),)
    headers: dict[str, str] = field(default_factory=dict)
    got: list[tuple[str, str, Any]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        read = orjson.loads(body) if body[:1] in b"{[" and body else body.decode()
        status, said = self.answers[min(len(self.got), len(self.answers) - 1)]
        self.got.append((request.method, request.path_qs, read))
        text = said if isinstance(said, str) else orjson.dumps(said).decode()
        return web.Response(status=status, text=text, headers=self.headers)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    state = Server()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", state.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    state.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield state
    await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    async with new_session() as opened:
        yield opened


def secret(text: str = CANARY) -> SecretSource:
    return SecretSource(Secret(text))


def build(session: Session, *integrations: Integration) -> Sequence[Channel]:
    config = AlertmanagerConfig("", "", Route("team"), (Receiver("team", integrations),))
    return build_channels(config, session)["team"]


def message(*, is_over: bool = False, alerts: int = 1, **labels: str) -> Notification:
    made = [
        Alert(
            Labels.of({"alertname": "Slow", "n": str(number), **labels}),
            Labels.of(summary="too slow"),
            NOW_MS - 60_000,
            NOW_MS - 1000 if is_over else 0,
        )
        for number in range(alerts)
    ]
    return Notification("team", "{}:{}", Labels.of(alertname="Slow"), made, NOW_MS, "http://bb.example")


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


async def test_pagerduty_v1_is_asked_again_after_403(session: Session, server: Server) -> None:
    by_service = build(session, PagerdutyConfig(service_key=secret()))[0]
    assert list(by_service.retried()) == [403]  # type: ignore[attr-defined]


async def test_pagerduty_leaves_out_details_that_are_too_long(session: Session, server: Server) -> None:
    (channel,) = build(session, PagerdutyConfig(routing_key=secret(), url=server.url))
    assert (await channel.send(message(alerts=1200, long="x" * 300))).ok
    body = server.got[0][2]
    assert list(body["payload"]["custom_details"]) == ["error"]
    assert body["payload"]["summary"].startswith("[FIRING:1200] Slow")


async def test_incidentio_is_told_of_the_first_alert_of_too_many(session: Session, server: Server) -> None:
    (channel,) = build(session, IncidentioConfig(url=secret(server.url), alert_source_token=secret()))
    assert (await channel.send(message(alerts=2000, long="x" * 300))).ok
    body = server.got[0][2]
    assert (len(body["alerts"]), body["truncatedAlerts"], body["version"]) == (1, 1999, "1")


async def test_opsgenie_stops_where_a_step_fails(session: Session, server: Server) -> None:
    (channel,) = build(session, OpsgenieConfig(api_key=secret(), api_url=server.url, update_alerts=True))
    server.answers = [(202, {}), (503, "busy"), (202, {})]
    delivery = await channel.send(message())
    assert (delivery.ok, delivery.retry, len(server.got)) == (False, True, 2)
    server.got.clear()
    assert (await channel.send(message(is_over=True))).ok
    assert server.got[0][1].endswith("/close?identifierType=alias")


async def test_telegram_waits_as_told_and_falls_back_to_plain_text(session: Session, server: Server) -> None:
    (channel,) = build(
        session, TelegramConfig(server.url, secret("1:t"), 5, message="a_b", parse_mode="Markdown")
    )
    server.answers = [(429, {"ok": False, "parameters": {"retry_after": 31}})]
    assert (await channel.send(message())).retry_after_ms == 31_000
    server.got.clear()
    broken = {"ok": False, "description": "Bad Request: can't parse entities: byte offset 2"}
    server.answers = [(400, broken), (200, {"ok": True})]
    assert (await channel.send(message())).ok
    assert [body.get("parse_mode") for *_, body in server.got] == ["Markdown", None]


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ('<a href="http://h.example/' + "x" * 5000 + '">é</a> &amp; <b>b</b>', 5),
        ("a < b", 5),
        ("<a title='>'>x</a>", 1),
        ("&lt;&#65;&#x1F600;&quot", 4),
        ("&copy; &ampx; &#0; &#99999999;", 30),
        ("<!-- x -->a", 11),
        ("a<b", 3),
    ],
)
def test_what_telegram_counts_of_html(text: str, length: int) -> None:
    assert visible_length(text) == length


async def test_telegram_sends_the_subject_of_html_that_is_too_long(session: Session, server: Server) -> None:
    (channel,) = build(session, TelegramConfig(server.url, secret("1:t"), 5))
    assert (await channel.send(message(alerts=100, note="<b>"))).ok
    text = server.got[0][2]["text"]
    assert text.startswith("[FIRING:100] Slow")
    assert len(text) < 300


async def test_wechat_asks_for_a_token_anew_when_it_is_over(session: Session, server: Server) -> None:
    (channel,) = build(session, WechatConfig(secret(), "corp", server.url))
    token = (200, {"errcode": 0, "access_token": "T", "expires_in": 7200})
    server.answers = [
        token,
        (200, {"errcode": 0}),
        (200, {"errcode": 42001}),
        token,
        (200, {"errcode": 81013}),
    ]
    first, over, refused = [await channel.send(message()) for _ in range(3)]
    assert first.ok
    assert (over.ok, over.retry) == (False, True)
    assert (refused.ok, refused.retry) == (False, False)
    paths = [path.partition("?")[0] for _, path, _ in server.got]
    assert paths == ["/gettoken", "/message/send", "/message/send", "/gettoken", "/message/send"]


@pytest.mark.parametrize(
    ("said", "ok", "retry"),
    [({"success": True}, True, False), ({"success": False}, False, False), ("<html>", False, True)],
)
async def test_rocketchat_refuses_with_200(
    session: Session, server: Server, said: Any, ok: bool, retry: bool
) -> None:
    (channel,) = build(session, RocketchatConfig(server.url, secret(), secret()))
    server.answers = [(200, said)]
    delivery = await channel.send(message())
    assert (delivery.ok, delivery.retry) == (ok, retry)


def issue(category: str) -> dict[str, Any]:
    return {"issues": [{"key": "P-1", "fields": {"status": {"statusCategory": {"key": category}}}}]}


JIRA = JiraConfig(
    project="P",
    issue_type="Bug",
    resolve_transition="Close",
    reopen_transition="Reopen",
    reopen_duration_ms=3_600_000,
)
OFFERED = {"transitions": [{"id": "7", "name": "Reopen"}, {"id": "8", "name": "Close"}]}


@pytest.mark.parametrize(
    ("is_over", "found", "steps"),
    [
        pytest.param(False, {"issues": []}, ["POST /search", "POST /issue"], id="made"),
        pytest.param(True, {"issues": []}, ["POST /search"], id="nothing to resolve"),
        pytest.param(False, issue("new"), ["POST /search", "PUT /issue/P-1"], id="still open"),
        pytest.param(
            False,
            issue("done"),
            ["POST /search", "PUT /issue/P-1", "GET /issue/P-1/transitions", "POST /issue/P-1/transitions"],
            id="reopened",
        ),
        pytest.param(
            True,
            issue("new"),
            ["POST /search", "PUT /issue/P-1", "GET /issue/P-1/transitions", "POST /issue/P-1/transitions"],
            id="resolved",
        ),
    ],
)
async def test_jira_keeps_one_issue_a_group(
    session: Session, server: Server, is_over: bool, found: Any, steps: list[str]
) -> None:
    (channel,) = build(session, replace(JIRA, api_url=server.url))
    server.answers = [(200, found), (200, {}), (200, OFFERED), (204, "")]
    assert (await channel.send(message(is_over=is_over))).ok
    assert [f"{method} {path}" for method, path, _ in server.got] == steps
    if len(steps) == 4:
        assert server.got[3][2] == {"transition": {"id": "8" if is_over else "7"}}


async def test_jira_says_which_transition_is_missing(session: Session, server: Server) -> None:
    (channel,) = build(session, replace(JIRA, api_url=server.url))
    server.answers = [(200, issue("new")), (200, {}), (200, {"transitions": []})]
    delivery = await channel.send(message(is_over=True))
    assert (delivery.ok, delivery.retry) == (False, False)
    assert delivery.detail == "issue P-1 offers no transition 'Close'"


async def test_jira_cloud_is_told_in_its_document_format(session: Session, server: Server) -> None:
    (channel,) = build(session, replace(JIRA, api_url=f"{server.url}/rest/api/3", api_type="cloud"))
    server.answers = [(200, {"issues": []}), (201, {})]
    assert (await channel.send(message())).ok
    assert [path for _, path, _ in server.got] == ["/rest/api/3/search/jql", "/rest/api/3/issue"]
    document = server.got[1][2]["fields"]["description"]
    assert document["type"] == "doc"
    assert "Alerts Firing" in document["content"][0]["content"][0]["text"]


SLACK_API = "{}/api/chat.postMessage"


async def test_slack_changes_the_message_that_it_sent(session: Session, server: Server) -> None:
    config = SlackConfig(secret(SLACK_API.format(server.url)), app_token=secret("xoxb"), update_message=True)
    (channel,) = build(session, config)
    server.answers = [(200, {"ok": True, "ts": "1.5", "channel": "C1"})]
    first = await channel.send(message())
    assert dict(first.remember) == {"ts": "1.5", "channel": "C1"}
    again = await channel.send(replace(message(is_over=True), remembered=first.remember))
    assert again.remember == first.remember
    assert [path for _, path, _ in server.got] == ["/api/chat.postMessage", "/api/chat.update"]
    assert (server.got[1][2]["ts"], server.got[1][2]["channel"]) == ("1.5", "C1")


async def test_slack_answers_the_first_message_in_its_thread(session: Session, server: Server) -> None:
    api = secret(SLACK_API.format(server.url))
    config = SlackConfig(api, app_token=secret("xoxb"), post_updates_to_thread=True)
    both = replace(config, update_message=True)
    first = Labels.of(ts="1.5", channel="C1")
    server.answers = [(200, {"ok": True, "ts": "1.6", "channel": "C1"})] * 3
    for channel in build(session, config, both):
        delivery = await channel.send(replace(message(), remembered=first))
        assert (delivery.ok, delivery.remember) == (True, first)
    paths = [path.rpartition(".")[2] for _, path, _ in server.got]
    assert paths == ["postMessage", "update", "postMessage"]
    assert [said.get("thread_ts") for _, _, said in server.got] == ["1.5", None, "1.5"]
    assert [said.get("ts") for _, _, said in server.got] == [None, "1.5", None]
    assert {said["channel"] for _, _, said in server.got} == {"C1"}


async def test_slack_says_nothing_in_the_thread_of_what_it_could_not_change(
    session: Session, server: Server
) -> None:
    config = SlackConfig(
        secret(SLACK_API.format(server.url)), update_message=True, post_updates_to_thread=True
    )
    (channel,) = build(session, config)
    server.answers = [(429, "")]
    told = replace(message(), remembered=Labels.of(ts="1.5", channel="C1"))
    delivery = await channel.send(told)
    assert (delivery.ok, delivery.retry, len(server.got)) == (False, True, 1)


async def test_slack_posts_anew_where_the_message_is_gone(session: Session, server: Server) -> None:
    config = SlackConfig(secret(SLACK_API.format(server.url)), update_message=True)
    (channel,) = build(session, config)
    server.answers = [
        (200, {"ok": False, "error": "message_not_found"}),
        (200, {"ok": True, "ts": "2.5", "channel": "C1"}),
    ]
    told = replace(message(), remembered=Labels.of(ts="1.5", channel="C1"))
    delivery = await channel.send(told)
    assert delivery.ok
    assert dict(delivery.remember)["ts"] == "2.5"


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


def test_signature_of_the_test_suite_of_aws() -> None:
    headers = signed(
        URL("https://example.amazonaws.com/"),
        b"Param1=value1",
        "application/x-www-form-urlencoded",
        region="us-east-1",
        service="service",
        who=Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        now_s=1_440_938_160,
    )
    assert headers["authorization"].endswith(
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
    )


async def test_sns_takes_a_role_and_keeps_it(
    session: Session, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"{server.url}/sts")
    account = SigV4(
        *("eu", "AK", secret()),
        role_arn="arn:role",
        external_id="ext",
        session_name="watch",
        tags=(("team", "on call"),),
    )
    (channel,) = build(session, SnsConfig(account, api_url=f"{server.url}/sns", topic_arn="arn:t.fifo"))
    keys = "<AccessKeyId>A2</AccessKeyId><SecretAccessKey>S2</SecretAccessKey><SessionToken>T2</SessionToken>"
    server.answers = [(200, keys), (200, "")]
    told = replace(message(), idempotency_key="once")
    assert (await channel.send(told)).ok
    assert (await channel.send(told)).ok
    assert [path for _, path, _ in server.got] == ["/sts", "/sns", "/sns"]
    assert "ExternalId=ext" in server.got[0][2]
    assert "RoleSessionName=watch&" in server.got[0][2]
    assert "Tags.member.1.Key=team&Tags.member.1.Value=on+call" in server.got[0][2]
    assert "MessageDeduplicationId=once" in server.got[1][2]


async def test_sns_says_whose_keys_are_missing(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    (channel,) = build(session, SnsConfig(SigV4("eu"), topic_arn="t"))
    delivery = await channel.send(message())
    assert delivery == Delivery(False, detail=delivery.detail)
    assert "sigv4.access_key" in delivery.detail


async def test_apprise_sends_and_says_why_it_could_not(session: Session, server: Server) -> None:
    pytest.importorskip("apprise")
    url = server.url.replace("http://", "json://") + f"/{CANARY}"
    own, worded = build(
        session,
        AppriseConfig(secret(url)),
        AppriseConfig(secret(url), title="{{ .Status }}", body="b {{ .Status }}"),
    )
    assert (await own.send(message())).ok
    assert (await worded.send(message(is_over=True))).ok
    first, second = (body for *_, body in server.got)
    assert (first["title"], first["type"]) == ("[FIRING:1] Slow", "failure")
    assert "too slow" in first["message"]
    assert (second["title"], second["message"], second["type"]) == ("resolved", "b resolved", "success")
    server.answers = [(500, CANARY)]
    refused = await own.send(message())
    assert (refused.ok, refused.retry) == (False, True)
    assert "500" in refused.detail
    assert CANARY not in refused.detail
