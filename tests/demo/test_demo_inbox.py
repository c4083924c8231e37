"""The inbox: what is sent to it comes out of its API and its pages."""

from collections.abc import AsyncIterator
from email.message import EmailMessage
from typing import Any

import aiosmtplib
import httpx
import pytest

from backbeat.demo.inbox import inbox_app, running_inbox
from backbeat.demo.messages import Content, Mailbox, slack_content, webhook_content
from backbeat.demo.ports import Ports


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
async def client(mailbox: Mailbox) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(inbox_app(mailbox, lambda: 1_700_000_000_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://inbox") as opened:
        yield opened


async def messages(client: httpx.AsyncClient, after: int = 0) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await client.get(f"/api/messages?after={after}")).json()["messages"]
    return listed


async def test_slack_and_webhook_newest_first(client: httpx.AsyncClient) -> None:
    attachment = {"title": "[RESOLVED] Slow", "color": "good"}
    sent = await client.post("/slack", json={"channel": "#a", "attachments": [attachment]})
    assert sent.text == "ok"
    labels = {"alertname": "Slow"}
    body = {"status": "firing", "receiver": "critical", "commonLabels": labels, "alerts": [{}, {}]}
    assert (await client.post("/webhook", json=body)).status_code == 200
    webhook, slack = await messages(client)
    assert (webhook["kind"], webhook["title"], webhook["to"]) == (
        "webhook",
        "Slow firing (2 alerts)",
        "critical",
    )
    assert (slack["kind"], slack["title"], slack["status"]) == ("slack", "[RESOLVED] Slow", "resolved")
    assert slack["body"]["attachments"] == [attachment]
    assert await messages(client, after=1) == [webhook]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
@pytest.mark.parametrize("path", ["/slack", "/webhook"])
async def test_what_is_no_json_object_is_refused(client: httpx.AsyncClient, path: str, body: bytes) -> None:
    assert (await client.post(path, content=body)).status_code == 400
    assert await messages(client) == []


async def test_a_body_without_end_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post("/webhook", content=b" " * 6_000_000)).status_code == 400


@pytest.mark.parametrize("payload", [{}, {"attachments": []}, {"attachments": "x"}, {"attachments": [1]}])
def test_odd_slack_messages_are_shown_too(payload: dict[str, Any]) -> None:
    assert slack_content(payload).title == "(no title)"


@pytest.mark.parametrize("payload", [{}, {"alerts": 1}, {"commonLabels": 1}])
def test_odd_webhook_calls_are_shown_too(payload: dict[str, Any]) -> None:
    assert webhook_content(payload).title.startswith("webhook call")


async def test_pages_load_nothing_from_elsewhere(client: httpx.AsyncClient, mailbox: Mailbox) -> None:
    for path in ("/", "/inbox.css", "/inbox.js"):
        answer = await client.get(path)
        assert answer.status_code == 200
        assert "default-src 'self'" in answer.headers["content-security-policy"]
    mailbox.add(Content("mail", "t", "", "", {"text": ""}, "<script>alert(1)</script>"), 0)
    mail = await client.get("/messages/1/html")
    assert "sandbox allow-popups" in mail.headers["content-security-policy"]
    assert "default-src 'none'" in mail.headers["content-security-policy"]
    assert (await client.get("/messages/2/html")).status_code == 404


async def test_mail_comes_over_smtp_with_its_parts_and_pictures(free_ports: Ports) -> None:
    mail = EmailMessage()
    mail["Subject"] = "[FIRING:1] HighErrorRate – тест"
    mail["From"], mail["To"] = "backbeat@example.com", "oncall@example.com"
    mail.set_content("text part")
    mail.add_alternative("<p>html part <img src='cid:chart'></p>", subtype="html")
    html = mail.get_payload()[1]
    assert isinstance(html, EmailMessage)
    html.add_related(b"PNG", "image", "png", cid="<chart>")
    async with running_inbox("127.0.0.1", free_ports.inbox, free_ports.smtp) as mailbox:
        await aiosmtplib.send(mail, hostname="127.0.0.1", port=free_ports.smtp)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{free_ports.inbox}") as client:
            (received,) = await messages(client)
            shown = (await client.get("/messages/1/html")).text
    assert received["title"] == "[FIRING:1] HighErrorRate – тест"
    assert (received["status"], received["to"]) == ("firing", "oncall@example.com")
    assert received["body"]["text"].strip() == "text part"
    assert "html part <img src='data:image/png;base64,UE5H'>" in shown
    assert mailbox.get(1) is not None


def test_mailbox_keeps_the_newest_500() -> None:
    mailbox = Mailbox()
    for number in range(510):
        mailbox.add(Content("webhook", str(number), "", "", {}), 0)
    kept = mailbox.newer_than(0)
    assert (len(kept), kept[0].id, kept[-1].id) == (500, 510, 11)
