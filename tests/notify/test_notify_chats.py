"""What each chat means by its answers, and what its channel does about them; against a server on loopback."""

from typing import Any

import pytest
from msgspec.structs import replace
from receiver_server import CANARY, Server, build, message, secret

from backbeat.config.alertmanager import (
    SlackConfig,
)
from backbeat.config.chats import (
    AppriseConfig,
    RocketchatConfig,
    TelegramConfig,
    WechatConfig,
)
from backbeat.httpclient import Session
from backbeat.model.labels import Labels
from backbeat.notify.telegram import visible_length


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
