"""Mail against SMTP servers that encrypt, ask for a login, or fail at every stage."""

import asyncio
import email
import email.policy
import hmac
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from backbeat.config.alertmanager import EmailConfig
from backbeat.config.http_client import TLS, SecretSource
from backbeat.config.secret import Secret
from backbeat.model.alerts import Alert, Notification
from backbeat.model.labels import Labels
from backbeat.notify.channel import Tools
from backbeat.notify.email import EmailChannel
from backbeat.notify.texts import Texts

NOW_MS = 1_700_000_000_000
PASSWORD = "p4ssw0rd-canary"


def notification(**annotations: str) -> Notification:
    alert = Alert(
        Labels.of(alertname="Slow", severity="critical"), Labels.of(annotations), NOW_MS - 60_000, 0, NOW_MS
    )
    return Notification(
        "team", "{}:{}", Labels.of(alertname="Slow"), [alert], NOW_MS, "http://bb", idempotency_key="k"
    )


def channel(host: str, **settings: Any) -> EmailChannel:
    settings = {"require_tls": False, **settings}
    return EmailChannel(EmailConfig("on-call@x.org", "bb@x.org", host, **settings), Tools(None, Texts()))  # type: ignore[arg-type]


def secret(text: str) -> SecretSource:
    return SecretSource(Secret(text))


class Inbox:
    """Handler of a real server; knows CRAM-MD5 as well."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.logins: list[str] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 taken"

    def log_in(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        self.logins.append(mechanism)
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)


class Cram:
    async def auth_CRAM__MD5(self, server: Any, args: list[str]) -> AuthResult:  # noqa: N802
        challenge = b"<1.2@x.org>"
        told = await server.challenge_auth(challenge)
        expected = b"me " + hmac.new(PASSWORD.encode(), challenge, "md5").hexdigest().encode()
        return AuthResult(success=told == expected, handled=False)


class CramInbox(Inbox, Cram):
    pass


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Any]]:
    servers = []

    async def start(handler: Any, *, tls: ssl.SSLContext | None = None, **settings: Any) -> str:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(handler, **settings), "127.0.0.1", 0, ssl=tls)
        servers.append(server)
        return f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()


def server_context(certificate: tuple[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


class IdentityInbox(Inbox):
    async def auth_PLAIN(self, server: Any, args: list[str]) -> AuthResult:  # noqa: N802
        self.logins = b64decode(args[1]).decode().split("\0")
        return AuthResult(success=True)


async def test_a_login_in_the_name_of_another(
    serve: Callable[..., Any], certificate: tuple[str, str]
) -> None:
    inbox = IdentityInbox()
    context = server_context(certificate)
    host = await serve(inbox, tls_context=context, require_starttls=True, auth_required=True)
    sender = channel(
        host,
        require_tls=True,
        tls=TLS(ca_file=certificate[0]),
        auth_username="me",
        auth_password=secret(PASSWORD),
        auth_identity="team",
    )
    assert (await sender.send(notification())).ok
    assert inbox.logins == ["team", "me", PASSWORD]


async def test_headers_of_the_settings_win(serve: Callable[..., Any]) -> None:
    inbox = Inbox()
    own = {"Message-Id": "<own@x.org>", "References": "<thread@x.org>", "X-Team": "{{ .Receiver }}"}
    assert (await channel(await serve(inbox), headers=tuple(own.items())).send(notification())).ok
    (mail,) = inbox.mails
    assert mail.get_all("Message-Id") == ["<own@x.org>"]
    assert mail.get_all("References") == ["<thread@x.org>"]
    assert mail["X-Team"] == "team"


@pytest.mark.parametrize("only", ["PLAIN", "LOGIN"])
async def test_starttls_with_login(
    serve: Callable[..., Any], certificate: tuple[str, str], only: str
) -> None:
    inbox = Inbox()
    host = await serve(
        inbox,
        tls_context=server_context(certificate),
        require_starttls=True,
        authenticator=inbox.log_in,
        auth_required=True,
        auth_exclude_mechanism={"PLAIN", "LOGIN"} - {only},
    )
    login = {"auth_username": "me", "auth_password": secret(PASSWORD)}
    trusting = channel(host, require_tls=True, tls=TLS(ca_file=certificate[0]), **login)
    assert (await trusting.send(notification())).ok
    assert inbox.logins == [only]
    assert len(inbox.mails) == 1

    wrong = channel(
        host,
        require_tls=True,
        tls=TLS(ca_file=certificate[0]),
        auth_username="me",
        auth_password=secret("no"),
    )
    refused = await wrong.send(notification())
    assert (refused.ok, refused.retry) == (False, True), "a password can be put right"
    assert "login" in refused.detail

    doubting = await channel(host, require_tls=True, **login).send(notification())
    assert (doubting.ok, doubting.retry) == (False, True)
    assert len(inbox.mails) == 1
    for each in (refused, doubting):
        assert PASSWORD not in each.detail


async def test_cram_md5(serve: Callable[..., Any]) -> None:
    inbox = CramInbox()
    host = await serve(inbox, auth_require_tls=False, authenticator=inbox.log_in)
    good = channel(host, auth_username="me", auth_secret=secret(PASSWORD))
    assert (await good.send(notification())).ok
    bad = await channel(host, auth_username="me", auth_secret=secret("no")).send(notification())
    assert (bad.ok, bad.retry) == (False, True)
    assert len(inbox.mails) == 1


async def test_tls_from_the_first_byte(serve: Callable[..., Any], certificate: tuple[str, str]) -> None:
    inbox = Inbox()
    host = await serve(inbox, tls=server_context(certificate))
    mail = channel(host, implicit_tls=True, require_tls=True, tls=TLS(ca_file=certificate[0]))
    assert (await mail.send(notification())).ok
    assert len(inbox.mails) == 1


SCRIPT = {
    "EHLO": "250 x",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go on",
    ".": "250 taken",
    "QUIT": "221 bye",
}


@asynccontextmanager
async def scripted(answers: dict[str, str]) -> AsyncIterator[str]:
    """A server that answers each command as told; an empty answer closes the connection."""
    done = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        in_data = False
        writer.write((answers.get("hello", "220 x") + "\r\n").encode())
        while line := (await reader.readline()).decode().strip("\r\n"):
            if in_data and line != ".":
                while (await reader.readline()) != b".\r\n":
                    pass
                line = "."
            answer = answers.get(line.split(" ")[0].upper(), "250 ok")
            in_data = line == "DATA" and answer.startswith("354")
            if not answer:
                break
            writer.write(f"{answer}\r\n".encode())
            if line == "QUIT":
                break
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        done.set()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await done.wait()


@pytest.mark.parametrize(
    ("stage", "answer", "ok", "retry"),
    [
        ("hello", "554 no service", False, True),
        ("MAIL", "450 later", False, True),
        ("MAIL", "550 you are nobody", False, False),
        ("RCPT", "450 greylisted", False, True),
        ("RCPT", "550 no such user", False, False),
        ("DATA", "451 later", False, True),
        ("DATA", "", False, True),
        (".", "452 disk full", False, True),
        (".", "554 refused", False, False),
        (".", "", False, True),
        ("QUIT", "", True, False),
        ("QUIT", "500 what", True, False),
    ],
)
async def test_a_failure_at_any_stage_before_the_mail_was_taken_is_no_success(
    stage: str, answer: str, ok: bool, retry: bool
) -> None:
    async with scripted({**SCRIPT, stage: answer}) as host:
        delivery = await channel(host).send(notification())
    assert (delivery.ok, delivery.retry) == (ok, retry), delivery.detail


async def test_nobody_listens() -> None:
    delivery = await channel("127.0.0.1:1").send(notification())
    assert (delivery.ok, delivery.retry) == (False, True)


@pytest.fixture
async def inbox(serve: Callable[..., Any]) -> SimpleNamespace:
    handler = Inbox()
    return SimpleNamespace(host=await serve(handler), mails=handler.mails)


async def test_umlauts_headers_and_parts(inbox: SimpleNamespace) -> None:
    headers = (
        ("Subject", "Störung: {{ .CommonAnnotations.summary }}"),
        ("X-Runbook", "{{ .CommonAnnotations.summary }}\r\nBcc: evil@x.org"),
        ("Reply-To", "team@x.org"),
    )
    assert (await channel(inbox.host, headers=headers).send(notification(summary="zu langsam – 2 µs"))).ok
    (mail,) = inbox.mails
    assert mail["Subject"] == "Störung: zu langsam – 2 µs"
    assert "evil" in mail["X-Runbook"]
    assert mail["Bcc"] is None
    assert mail["Date"]
    assert mail["Reply-To"] == "team@x.org"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert all(part["Content-Transfer-Encoding"] == "quoted-printable" for part in mail.iter_parts())
    assert "µs" in mail.get_body(("plain",)).get_content()


async def test_the_same_message_again_has_the_same_id(inbox: SimpleNamespace) -> None:
    sender = channel(inbox.host)
    for _ in range(2):
        assert (await sender.send(notification())).ok
    first, second = inbox.mails
    assert first["Message-ID"] == second["Message-ID"]


@pytest.mark.parametrize(
    ("settings", "kinds"),
    [
        ({"html": ""}, ["text/plain"]),
        ({"text": ""}, ["text/html"]),
        ({"text": "{{ .Status }}", "html": "<p>{{ .Status }}</p>"}, ["text/plain", "text/html"]),
        ({"text": "", "html": ""}, ["text/plain"]),
    ],
)
async def test_parts_follow_the_settings(
    inbox: SimpleNamespace, settings: dict[str, str], kinds: list[str]
) -> None:
    assert (await channel(inbox.host, **settings).send(notification())).ok
    (mail,) = inbox.mails
    found = [part.get_content_type() for part in mail.walk() if not part.is_multipart()]
    assert found == kinds


async def test_template_files_replace_the_default_mail(inbox: SimpleNamespace, tmp_path: Path) -> None:
    own = tmp_path / "own.tmpl"
    own.write_text('{{ define "email.default.html" }}<b>{{ .CommonLabels.alertname }}</b>{{ end }}')
    config = EmailConfig("a@x.org", "bb@x.org", inbox.host, require_tls=False)
    assert (await EmailChannel(config, Tools(None, Texts([str(own)]))).send(notification())).ok
    assert inbox.mails[0].get_body(("html",)).get_content().strip() == "<b>Slow</b>"


async def test_a_broken_template_costs_no_mail(inbox: SimpleNamespace) -> None:
    broken = channel(inbox.host, html="<p>{{ .Nope.No }}</p>", headers=(("Subject", "{{ nope }}"),))
    assert (await broken.send(notification(summary="<script>"))).ok
    (mail,) = inbox.mails
    assert "template error" in mail["Subject"]
    assert "template error" in mail.get_body(("html",)).get_content()


async def test_a_broken_address_is_said(inbox: SimpleNamespace) -> None:
    config = EmailConfig("{{ .Nope.No }}", "bb@x.org", inbox.host, require_tls=False)
    delivery = await EmailChannel(config, Tools(None, Texts())).send(notification())
    assert (delivery.ok, delivery.retry) == (False, False)
    assert "address" in delivery.detail
