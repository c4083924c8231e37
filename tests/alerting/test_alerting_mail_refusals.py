"""A real mail server that takes one recipient and refuses another: the refused one alone is tried again."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP
from alert_story import HOUR, MINUTE, SECOND, Story, config
from msgspec import Struct, field

from backbeat.config.alertmanager import EmailConfig, Route
from backbeat.notify.channel import Tools
from backbeat.notify.email import EmailChannel
from backbeat.notify.texts import Texts
from backbeat.state.records import EventKind, MessageState

ANN, BOB, CAT = "ann@x.org", "bob@x.org", "cat@x.org"
LATER, NOBODY = "450 greylisted, come back", "550 no such user"
ROUTE = Route(
    "team",
    group_by=("alertname",),
    group_wait_ms=SECOND,
    group_interval_ms=5 * MINUTE,
    repeat_interval_ms=4 * HOUR,
)


class MailServer(Struct):
    """refuses: what it says to a recipient; at_close: what it says when it has read the mail."""

    refuses: dict[str, str] = field(default_factory=dict)
    at_close: str = "250 taken"
    asked: list[str] = field(default_factory=list)
    mails: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    address: str = ""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        self.asked.append(address)
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 ok"

    # aiosmtpd calls it so.
    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.at_close.startswith("250"):
            mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
            assert isinstance(mail, EmailMessage)
            self.mails.append((list(envelope.rcpt_tos), mail))
        return self.at_close

    def told(self, address: str) -> list[str]:
        """Subjects of the mails that this recipient has got."""
        return [str(mail["Subject"]) for recipients, mail in self.mails if address in recipients]


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    handler = MailServer()
    listening = await asyncio.get_running_loop().create_server(lambda: SMTP(handler), "127.0.0.1", 0)
    handler.address = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield handler
    listening.close()
    await listening.wait_closed()


def story(path: Path, server: MailServer, *to: str, send_resolved: bool = False) -> Story:
    settings = EmailConfig(
        ", ".join(to),
        "bb@x.org",
        server.address,
        require_tls=False,
        send_resolved=send_resolved,
        headers=(
            ("Subject", "{{ .Status }} {{ range .Alerts }}{{ .Labels.alertname }}{{ .Labels.i }} {{ end }}"),
        ),
    )
    channel = EmailChannel(settings, Tools(None, Texts()))  # type: ignore[arg-type]  # mail needs no HTTP session
    return Story(path / "state.db", config(ROUTE), {"team": [channel]})


async def test_who_was_refused_for_now_is_tried_again_alone_over_a_restart(
    server: MailServer, tmp_path: Path
) -> None:
    server.refuses = {BOB: LATER}
    async with story(tmp_path, server, ANN, BOB) as told:
        await told.fire(told.alert("Slow"))
        await told.pass_time(10 * SECOND)
        assert (server.told(ANN), server.told(BOB)) == (["firing Slow"], [])
        (waiting,) = told.alerting.messages()
        assert (waiting.state, waiting.notification.left) == (MessageState.WAITING, (BOB,))
        assert BOB in waiting.last_error
        assert "450 greylisted" in waiting.last_error

        await told.restart()
        await told.pass_time(10 * MINUTE)
        assert server.asked.count(ANN) == 1, "the flushes between them change nothing"
        assert server.asked.count(BOB) > 5

        server.refuses = {}
        await told.pass_time(2 * MINUTE)
        assert (server.told(ANN), server.told(BOB)) == (["firing Slow"], ["firing Slow"])
        assert server.mails[0][1]["Message-ID"] == server.mails[1][1]["Message-ID"]
        assert not told.alerting.messages()
        await told.pass_time(3 * HOUR)
        assert len(server.mails) == 2
        await told.pass_time(HOUR)
        assert server.mails[2][0] == [ANN, BOB], "repeat_interval counts from the first mail, for both"


async def test_a_refusal_for_good_is_told_and_not_tried_again(server: MailServer, tmp_path: Path) -> None:
    server.refuses = {BOB: NOBODY, CAT: LATER}
    async with story(tmp_path, server, ANN, BOB, CAT) as told:
        await told.fire(told.alert("Slow"))
        await told.pass_time(SECOND)
        (receiver,) = told.alerting.plan().receivers
        assert "550 no such user" in receiver.integrations[0].reached.last_error
        await told.pass_time(5 * MINUTE)
        assert server.asked.count(BOB) == 1
        server.refuses = {BOB: NOBODY}
        await told.pass_time(2 * MINUTE)
        assert [len(server.told(each)) for each in (ANN, BOB, CAT)] == [1, 0, 1]
        assert server.asked.count(BOB) == 1
        assert not told.alerting.messages()
        words = "2 of 3 recipients refused: bob@x.org (550 no such user, not tried again), cat@x.org (450"
        first, last = [
            each.detail for each in await told.alerting.history() if each.kind is EventKind.DELIVERED
        ]
        assert words in first
        assert "refused" not in last
        trail = [each.detail for each in await told.alerting.history(fingerprint=_fingerprint(told))]
        assert any(words in detail for detail in trail)


async def test_who_is_refused_for_good_at_a_later_try_leaves_a_dead_letter(
    server: MailServer, tmp_path: Path
) -> None:
    server.refuses = {BOB: LATER}
    async with story(tmp_path, server, ANN, BOB) as told:
        await told.fire(told.alert("Slow"))
        await told.pass_time(10 * SECOND)
        server.refuses = {BOB: NOBODY}
        await told.pass_time(20 * MINUTE)
        (dead,) = told.alerting.dead_letters()
        assert "550 no such user" in dead.last_error
        assert (server.told(ANN), server.told(BOB)) == (["firing Slow"], [])


async def test_a_failure_at_close_counts_for_everybody_and_later_for_those_who_are_left(
    server: MailServer, tmp_path: Path
) -> None:
    server.refuses, server.at_close = {BOB: LATER}, "452 disk full"
    async with story(tmp_path, server, ANN, BOB) as told:
        await told.fire(told.alert("Slow"))
        await told.pass_time(MINUTE)
        assert not server.mails
        (waiting,) = told.alerting.messages()
        assert not waiting.notification.left
        server.at_close = "250 taken"
        await told.pass_time(2 * MINUTE)
        assert server.told(ANN) == ["firing Slow"]
        server.refuses, server.at_close = {}, "452 disk full"
        await told.pass_time(5 * MINUTE)
        assert server.told(BOB) == []
        server.at_close = "250 taken"
        await told.pass_time(2 * MINUTE)
        assert (server.told(ANN), server.told(BOB)) == (["firing Slow"], ["firing Slow"])


async def test_those_who_are_left_read_what_is_true_by_then(server: MailServer, tmp_path: Path) -> None:
    server.refuses = {BOB: LATER}
    async with story(tmp_path, server, ANN, BOB) as told:
        one, two = told.alert("Slow", i="1"), told.alert("Slow", i="2")
        await told.fire(one, two)
        await told.pass_time(MINUTE)
        await told.resolve(one)
        await told.pass_time(6 * MINUTE)
        await told.resolve(two)
        await told.pass_time(6 * MINUTE)
        server.refuses = {}
        await told.pass_time(2 * MINUTE)
        assert server.told(ANN) == ["firing Slow1 Slow2"], "it does not ask for what has resolved"
        assert server.told(BOB) == ["resolved Slow2"], "he was never told that it fired"
        assert not told.alerting.messages()
        assert not told.alerting.alerts()


async def test_news_goes_to_all_and_takes_the_place_of_what_was_left(
    server: MailServer, tmp_path: Path
) -> None:
    server.refuses = {BOB: LATER}
    async with story(tmp_path, server, ANN, BOB, send_resolved=True) as told:
        one = told.alert("Slow", i="1")
        await told.fire(one)
        await told.pass_time(MINUTE)
        await told.fire(told.alert("Slow", i="2"))
        await told.pass_time(5 * MINUTE)
        assert server.told(ANN) == ["firing Slow1", "firing Slow1 Slow2"]
        server.refuses = {}
        await told.pass_time(2 * MINUTE)
        assert server.told(BOB) == ["firing Slow1 Slow2"]
        assert not told.alerting.messages()


def _fingerprint(told: Story) -> str:
    (alert,) = told.alerting.alerts()
    return alert.fingerprint
