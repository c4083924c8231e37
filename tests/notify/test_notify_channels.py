"""Channels against real servers on loopback."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP

from backbeat.config.alertmanager import (
    AlertmanagerConfig,
    EmailConfig,
    Integration,
    Receiver,
    Route,
    SlackConfig,
    WebhookConfig,
)
from backbeat.config.http_client import SecretSource
from backbeat.config.secret import Secret
from backbeat.httpclient import Session
from backbeat.model.alerts import Alert, Channel, Notification
from backbeat.model.labels import Labels
from backbeat.notify import build_channels, new_session

NOW_MS = 1_700_000_000_000


def labels(**pairs: str) -> Labels:
    return Labels(sorted(pairs.items()))


def message(name: str = "Slow", *, resolved: bool = False) -> Notification:
    alert = Alert(
        labels(alertname=name, severity="warning", path="<b>&"),
        labels(summary="too slow", runbook_url="https://wiki.example/run", value="1.5"),
        starts_at_ms=NOW_MS - 60_500,
        ends_at_ms=NOW_MS - 1 if resolved else 0,
        generator_url="http://bb.example/explore?expr=rate%28x%5B5m%5D%29%20%3E%201",
    )
    return Notification(
        "team", "{}:{}", labels(alertname=name), [alert], NOW_MS, "http://bb.example", idempotency_key="k1"
    )


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    async with new_session() as opened:
        yield opened


@pytest.fixture
async def peer() -> AsyncIterator[SimpleNamespace]:
    """An HTTP server that answers `status`, and keeps what it got."""
    state = SimpleNamespace(status=200, headers={}, got=[], sent=[], url="", said="")

    async def answer(request: web.Request) -> web.Response:
        state.got.append(await request.json())
        state.sent.append(request.headers)
        return web.Response(
            status=state.status, headers=state.headers, text=state.said or f"no {request.path}"
        )

    app = web.Application()
    app.router.add_post("/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    state.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook/s3cret"
    yield state
    await runner.cleanup()


@pytest.fixture
async def mailbox() -> AsyncIterator[SimpleNamespace]:
    state = SimpleNamespace(mails=[], answer="250 taken", host="")

    class Handler:
        async def handle_DATA(self, server: object, session: object, envelope: SimpleNamespace) -> str:  # noqa: N802
            state.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
            return str(state.answer)

    server = await asyncio.get_running_loop().create_server(lambda: SMTP(Handler()), "127.0.0.1", 0)
    state.host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield state
    server.close()
    await server.wait_closed()


def channel(session: Session, integration: Integration, *templates: str) -> Channel:
    receivers = (Receiver("team", (integration,)),)
    config = AlertmanagerConfig("", "", Route("team"), receivers, templates=templates)
    return build_channels(config, session)["team"][0]


def secret(text: str) -> SecretSource:
    return SecretSource(Secret(text))


async def test_webhook_sends_version_4(session: Session, peer: SimpleNamespace) -> None:
    delivery = await channel(session, WebhookConfig(secret(peer.url))).send(message(resolved=True))
    assert delivery.ok
    assert "s3cret" not in delivery.detail
    body = peer.got[0]
    assert body["version"] == "4"
    assert body["status"] == body["alerts"][0]["status"] == "resolved"
    assert body["alerts"][0]["startsAt"] == "2023-11-14T22:12:19.5Z"
    assert body["alerts"][0]["endsAt"] == "2023-11-14T22:13:19.999Z"
    assert peer.sent[0]["Idempotency-Key"] == "k1"


@pytest.mark.parametrize(("status", "retry"), [(429, True), (503, True), (404, False), (302, False)])
async def test_status_decides_about_retry(
    session: Session, peer: SimpleNamespace, status: int, retry: bool
) -> None:
    peer.status, peer.headers = status, {"Retry-After": "7", "Location": "/other"}
    delivery = await channel(session, SlackConfig(secret(peer.url))).send(message())
    assert (delivery.ok, delivery.retry) == (False, retry)
    assert delivery.retry_after_ms == (7000 if retry else 0)
    assert len(peer.got) == 1
    assert "s3cret" not in delivery.detail


async def test_slack_escapes_and_survives_a_broken_template(session: Session, peer: SimpleNamespace) -> None:
    peer.said = "ok"
    config = SlackConfig(secret(peer.url), title="{{ .Nope.Such }}", pretext='{{ template "__subject" . }}')
    assert (await channel(session, config).send(message())).ok
    attachment = peer.got[0]["attachments"][0]
    assert "template error" in attachment["title"]
    assert attachment["pretext"] == "[FIRING:1] Slow (<b>& warning)"
    assert {"title": "path", "value": "&lt;b&gt;&amp;", "short": True} in attachment["fields"]
    assert attachment["color"] == "warning"


async def test_metadata_and_closed_ports(session: Session) -> None:
    blocked = await channel(session, WebhookConfig(secret("http://169.254.169.254/s3cret"))).send(message())
    assert not blocked.retry
    assert "link-local" in blocked.detail
    closed = await channel(session, WebhookConfig(secret("http://127.0.0.1:1/s3cret"))).send(message())
    assert (closed.retry, closed.detail) == (True, "connection refused")


async def test_mail_has_all_facts_in_both_parts(session: Session, mailbox: SimpleNamespace) -> None:
    config = EmailConfig("a@x.org, b@x.org", "bb@x.org", mailbox.host, require_tls=False)
    sender = channel(session, config)
    assert (await sender.send(message("Slow\r\nBcc: evil@x.org"))).ok
    assert (await sender.send(message(resolved=True))).ok
    first, second = mailbox.mails
    assert first["Bcc"] is None
    assert first["References"] == second["References"]
    text, html = (second.get_body((kind,)).get_content() for kind in ("plain", "html"))
    for fact in ("too slow", "warning", "1.5", "https://wiki.example/run", "resolved"):
        assert fact in text
        assert fact in html
    assert "Last value: 1.5 against > 1" in text
    assert "&lt;b&gt;&amp;" in html


async def test_mail_refusals(session: Session, mailbox: SimpleNamespace) -> None:
    plain = EmailConfig("a@x.org", "bb@x.org", mailbox.host, require_tls=False)
    mailbox.answer = "550 no"
    assert not (await channel(session, plain).send(message())).retry
    mailbox.answer = "451 later"
    assert (await channel(session, plain).send(message())).retry
    strict = await channel(session, EmailConfig("a@x.org", "bb@x.org", mailbox.host)).send(message())
    assert "STARTTLS" in strict.detail
    injected = EmailConfig("a@x.org\r\nb: c", "bb@x.org", mailbox.host, require_tls=False)
    assert "line breaks" in (await channel(session, injected).send(message())).detail
