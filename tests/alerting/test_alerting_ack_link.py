"""A message bears a link; whoever opens it sees what it is about, and one click acknowledges it."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bcrypt
import httpx
import pytest
from aiosmtpd.smtp import SMTP
from alert_story import DOWN, HOUR, MINUTE, START, UP, Inbox, Story, config
from msgspec.structs import replace

from backbeat.alerting import BadLink, ExpiredLink
from backbeat.alerting.ack_links import GOOD_FOR_MS, AckLinks, group_digest
from backbeat.config.alertmanager import EmailConfig, Route
from backbeat.config.web import WebConfig
from backbeat.model.alerts import Alert, Notification
from backbeat.model.labels import Labels
from backbeat.notify.channel import Tools
from backbeat.notify.email import EmailChannel
from backbeat.notify.slack import _own_actions
from backbeat.notify.texts import Texts
from backbeat.web.ack_page import AckPage
from backbeat.web.app import build_app
from backbeat.web.dispatch import Dispatcher
from backbeat.web.responses import on_error

LINKS = AckLinks(b"k" * 32, "https://b.example/base/")
TOOLS = Tools(None, Texts())  # type: ignore[arg-type]  # mail needs no HTTP session
PASSWORDS = WebConfig(users=(("ann", bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()),))


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Story]:
    settings = config(Route("team", group_by=("job",), group_wait_ms=1000, repeat_interval_ms=HOUR))
    async with Story(tmp_path / "state.db", settings, {"team": [Inbox()]}) as story:
        yield story


@pytest.fixture
async def browser(story: Story) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who has not signed in, at a Backbeat that asks for passwords."""
    routes = AckPage(story.alerting).routes()
    app = build_app(routes, hosts=["backbeat.example"], web=PASSWORDS, check_host=True)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://backbeat.example",
        headers={"sec-fetch-site": "same-origin"},
    ) as one:
        yield one


def _inbox(story: Story) -> Inbox:
    inbox = story.channels["team"][0]
    assert isinstance(inbox, Inbox)
    return inbox


def _told(story: Story) -> str:
    """The path of the link in the newest message."""
    inbox = _inbox(story)
    url = inbox.tried[-1].acknowledge_url
    assert url.startswith("http://backbeat.example/ack/")
    return urlsplit(url).path


async def test_opening_it_shows_what_it_is_about_and_changes_nothing(
    story: Story, browser: httpx.AsyncClient
) -> None:
    slow = replace(story.alert("Slow", job="web"), annotations=Labels.of(summary="<b>2 s</b>"))
    await story.fire(slow, story.alert("Other", job="db"))
    await story.pass_time(MINUTE)
    inbox = _inbox(story)
    url = next(each.acknowledge_url for each in inbox.taken if each.group_labels.get("job") == "web")
    for _ in range(2):  # a mail scanner, and then somebody
        page = await browser.get(urlsplit(url).path)
        assert page.status_code == 200
        assert "Acknowledge Slow?" in page.text
        assert "&lt;b&gt;2 s&lt;/b&gt;" in page.text
        assert "Other" not in page.text
    assert story.alerting.acknowledgements() == []
    head = await browser.head(urlsplit(url).path)
    assert (head.status_code, story.alerting.acknowledgements()) == (200, [])


async def test_one_click_acknowledges_and_remembers_the_name(
    story: Story, browser: httpx.AsyncClient
) -> None:
    await story.fire(story.alert("Slow", job="web"))
    await story.pass_time(MINUTE)
    path = _told(story)
    page = await browser.get(path)
    done = await browser.post(path, data=_fields(page.text) | {"by": "Änn <x>", "comment": "on it"})
    assert "Acknowledged by Änn &lt;x&gt;" in done.text
    (one,) = story.alerting.acknowledgements()
    assert (one.labels.get("alertname"), one.created_by, one.comment) == ("Slow", "Änn <x>", "on it")
    again = await browser.get(path)
    assert 'value="Änn &lt;x&gt;"' in again.text
    assert "acknowledged by Änn &lt;x&gt;" in again.text
    await story.pass_time(5 * HOUR)
    inbox = _inbox(story)
    assert inbox.lines == ["1s firing Slow"]


async def test_without_a_name_it_says_whose_message_it_was(story: Story, browser: httpx.AsyncClient) -> None:
    await story.fire(story.alert("Slow", job="web"))
    await story.pass_time(MINUTE)
    path = _told(story)
    await browser.post(path, data=_fields((await browser.get(path)).text))
    assert story.alerting.acknowledgements()[0].created_by == "somebody of team, by a link"


async def test_only_what_the_page_showed_is_acknowledged(story: Story, browser: httpx.AsyncClient) -> None:
    await story.fire(story.alert("Slow", job="web"))
    await story.pass_time(MINUTE)
    path = _told(story)
    fields = _fields((await browser.get(path)).text)
    await story.fire(story.alert("Late", job="web"))
    await browser.post(path, data=fields | {"by": "ann"})
    assert [each.labels.get("alertname") for each in story.alerting.acknowledgements()] == ["Slow"]
    assert (await browser.post(path, data={"alerts": "0" * 16})).text.count("Nothing to acknowledge") == 2


async def test_what_has_resolved_or_expired_or_is_forged_says_so(
    story: Story, browser: httpx.AsyncClient
) -> None:
    slow = story.alert("Slow", job="web")
    await story.fire(slow)
    await story.pass_time(MINUTE)
    path = _told(story)
    forged = await browser.get(path[:-3] + ("AAA" if path[-3:] != "AAA" else "BBB"))
    assert (forged.status_code, "The link is not valid" in forged.text) == (404, True)
    assert (await browser.post("/ack/x", data={"alerts": slow.fingerprint})).status_code == 404
    other_site = await browser.post(path, headers={"sec-fetch-site": "cross-site"})
    assert other_site.status_code == 403
    await story.resolve(slow)
    over = await browser.get(path)
    assert "The alerts of this message have resolved." in over.text
    story.now_ms += GOOD_FOR_MS + MINUTE
    expired = await browser.post(path, data={"alerts": slow.fingerprint})
    assert (expired.status_code, "older than a week" in expired.text) == (410, True)
    assert (await browser.get("/acknowledgements")).status_code == 401


async def test_the_link_is_the_same_after_a_restart_and_in_a_message_that_is_sent_late(story: Story) -> None:
    inbox = _inbox(story)
    inbox.answer = DOWN
    await story.fire(story.alert("Slow", job="web"))
    await story.pass_time(MINUTE)
    before = inbox.tried[-1].acknowledge_url
    await story.restart()
    inbox.answer = UP
    await story.pass_time(2 * MINUTE)
    assert inbox.taken[0].acknowledge_url == before
    found = story.alerting.linked_group(before.rpartition("/")[2])
    assert found is not None
    assert [view.alert.name for view in found.alerts] == ["Slow"]


async def test_a_message_of_a_resolution_has_no_link(story: Story) -> None:
    slow = story.alert("Slow", job="web")
    await story.fire(slow)
    await story.pass_time(MINUTE)
    await story.resolve(slow)
    await story.pass_time(10 * MINUTE)
    inbox = _inbox(story)
    assert [bool(each.acknowledge_url) for each in inbox.taken] == [True, False]


def test_a_link_names_its_group_for_a_week() -> None:
    url = LINKS.url('{}:{job="web"}', "team", START)
    assert url.startswith("https://b.example/base/ack/")
    token = url.rpartition("/")[2]
    assert len(token) == 44
    assert LINKS.read(token, START) == group_digest('{}:{job="web"}', "team")
    assert LINKS.read(token, START + GOOD_FOR_MS) == group_digest('{}:{job="web"}', "team")
    with pytest.raises(ExpiredLink):
        LINKS.read(token, START + GOOD_FOR_MS + 1000)


@pytest.mark.parametrize("position", range(0, 44, 3))
def test_a_changed_link_is_none(position: int) -> None:
    token = LINKS.url("g", "team", START).rpartition("/")[2]
    changed = "A" if token[position] != "A" else "B"
    with pytest.raises(BadLink):
        LINKS.read(token[:position] + changed + token[position + 1 :], START)
    with pytest.raises(BadLink):
        AckLinks(b"other", "").read(token, START)


@pytest.mark.parametrize("token", ["", "x", "ä", "A" * 43, "A" * 44, "A" * 4000])
def test_nonsense_is_no_link(token: str) -> None:
    with pytest.raises(BadLink):
        LINKS.read(token, START)


def _fields(page: str) -> dict[str, str]:
    found = re.search(r'name="alerts" value="([0-9a-f.]+)"', page)
    assert found
    return {"alerts": found[1]}


async def test_from_the_mailbox_to_quiet(tmp_path: Path) -> None:
    """A real mail by SMTP; the link in it is opened by a scanner, then by somebody, who clicks."""
    mails: list[EmailMessage] = []

    class Mailbox:
        async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: N802
            mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
            return "250 taken"

    smtp = await asyncio.get_running_loop().create_server(lambda: SMTP(Mailbox()), "127.0.0.1", 0)
    host = f"127.0.0.1:{smtp.sockets[0].getsockname()[1]}"
    channel = EmailChannel(EmailConfig("on-call@x.org", "bb@x.org", host, require_tls=False), TOOLS)
    settings = config(Route("team", group_by=("job",), group_wait_ms=1000, repeat_interval_ms=HOUR))
    async with Story(tmp_path / "state.db", settings, {"team": [channel]}) as story:
        await story.fire(story.alert("Slow", job="web"))
        await story.pass_time(2 * HOUR)
        assert len(mails) == 2
        plain, html = (mails[-1].get_body((kind,)) for kind in ("plain", "html"))
        assert plain is not None
        assert html is not None
        url = re.search(r"^Acknowledge: (\S+)", plain.get_content(), re.MULTILINE)
        assert url is not None
        assert f'href="{url[1]}"' in html.get_content()
        app = Dispatcher(AckPage(story.alerting).routes(), on_error)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://b") as browser:
            path = urlsplit(url[1]).path
            await browser.get(path)
            await story.pass_time(2 * HOUR)
            assert len(mails) == 4
            await browser.post(path, data=_fields((await browser.get(path)).text) | {"by": "ann"})
        await story.pass_time(12 * HOUR)
        assert len(mails) == 4
    smtp.close()
    await smtp.wait_closed()


def test_slack_and_templates_have_the_link() -> None:
    alerts = (Alert(Labels.of(alertname="Slow")),)
    told = Notification("team", "g", Labels(), alerts, START, "http://b", acknowledge_url="http://b/ack/x")
    assert Texts().render("{{ .AcknowledgeURL }}", told) == "http://b/ack/x"
    buttons = _own_actions(told)
    assert buttons[0] == {"type": "button", "text": "Acknowledge", "url": "http://b/ack/x"}
