"""Mail over SMTP: plain, STARTTLS or TLS from the first byte, with login."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses
from typing import TYPE_CHECKING

from backbeat.config.alertmanager import EmailConfig
from backbeat.httpclient import tls_context
from backbeat.model.alerts import Delivery, Notification
from backbeat.notify import mail
from backbeat.notify.channel import Tools
from backbeat.templating import TemplateError

if TYPE_CHECKING:
    import aiosmtplib

_TIMEOUT_S = 50.0
_AUTHENTICATED = 235
_PERMANENT = 500
_SHOWN = 5
_CONTROL = r"[\x00-\x1f\x7f\x85\u2028\u2029]+"
_ADDRESSES = frozenset({"from", "to", "cc", "bcc", "reply-to", "sender"})
_OURS = frozenset({"date", "content-type", "mime-version", "bcc"})
_DEFAULT_SUBJECT = '{{ template "email.default.subject" . }}'


class _Refused(Exception):
    """The mail cannot be written with these settings; the text says why."""


class EmailChannel:
    kind = "email"

    def __init__(self, config: EmailConfig, tools: Tools) -> None:
        self.send_resolved = config.send_resolved
        self._config = config
        self._texts = tools.texts

    async def send(self, notification: Notification) -> Delivery:
        import aiosmtplib  # with the first mail, and not with every start

        try:
            message, sender, recipients = await asyncio.to_thread(
                self._write, self._texts.routed(notification)
            )
            if notification.left:
                # The others have it. Who is no longer among the recipients is not told after all.
                recipients = [each for each in recipients if each in notification.left]
            if not recipients:
                return Delivery(True, detail="nobody of those who were left is a recipient any more")
            async with asyncio.timeout(_TIMEOUT_S):
                return await self._hand_over(message, sender, recipients)
        except _Refused as error:
            return Delivery(False, detail=str(error))
        except TimeoutError:
            return Delivery(False, retry=True, detail=f"no answer from the mail server in {_TIMEOUT_S:g} s")
        except aiosmtplib.SMTPAuthenticationError as error:
            return Delivery(False, retry=True, detail=f"the mail server refused the login ({error.code})")
        except aiosmtplib.SMTPRecipientsRefused as error:
            refused = {each.recipient: (each.code, each.message) for each in error.recipients}
            is_for_now = any(code < _PERMANENT for code, _ in refused.values())
            return Delivery(False, retry=is_for_now, detail=f"all recipients refused: {_words(refused)}")
        except (aiosmtplib.SMTPConnectResponseError, aiosmtplib.SMTPHeloError) as error:
            # Refused before anything was said of this mail: the server or the network may change its mind.
            return Delivery(
                False, retry=True, detail=f"the mail server refused the connection ({error.code})"
            )
        except aiosmtplib.SMTPResponseException as error:
            said = " ".join(error.message.split())[:200]
            return Delivery(False, retry=error.code < 500, detail=f"mail server: {error.code} {said}")
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            return Delivery(False, retry=True, detail=f"mail server: {type(error).__name__}")

    async def _hand_over(self, message: EmailMessage, sender: str, recipients: list[str]) -> Delivery:
        import aiosmtplib

        config = self._config
        host, _, port = config.smarthost.rpartition(":")
        context = tls_context(config.tls)
        client = aiosmtplib.SMTP(
            hostname=host.strip("[]"),
            port=int(port),
            local_hostname=config.hello or "localhost",
            use_tls=config.implicit_tls,
            start_tls=False,
            tls_context=context,
            timeout=_TIMEOUT_S,
        )
        async with client:
            await client.ehlo()
            if not config.implicit_tls:
                if client.supports_extension("starttls"):
                    await client.starttls(server_hostname=config.tls.server_name or None, tls_context=context)
                    await client.ehlo()
                elif config.require_tls:
                    told = "the mail server does not offer STARTTLS (require_tls: false sends without)"
                    return Delivery(False, retry=True, detail=told)
            await self._log_in(client)
            refused, said = await client.send_message(message, sender=sender, recipients=recipients)
        return _taken(" ".join(said.split())[:200], refused, len(recipients))

    async def _log_in(self, client: aiosmtplib.SMTP) -> None:
        """By the shared secret where the server knows how, else by the password."""
        config, name = self._config, self._config.auth_username
        if not name:
            return
        has_cram = "cram-md5" in client.supported_auth_methods
        if config.auth_secret and (has_cram or not config.auth_password):
            await client.auth_crammd5(name, config.auth_secret.read())
        elif config.auth_identity and "plain" in client.supported_auth_methods:
            await _log_in_as(client, config.auth_identity, name, config.auth_password.read())
        else:
            await client.login(name, config.auth_password.read())

    def written(self, told: Notification) -> EmailMessage:
        """The mail as it would be sent; where that is not possible, the mail says why instead."""
        try:
            return self._write(told)[0]
        except _Refused as error:
            message = EmailMessage()
            message["Subject"] = f"cannot be sent: {error}"
            message.set_content(f"cannot be sent: {error}")
            return message

    def _write(self, told: Notification) -> tuple[EmailMessage, str, list[str]]:
        """Raises _Refused."""
        config = self._config
        sender = _addresses("from", self._address(config.from_, told))
        recipients = _addresses("to", self._address(config.to, told))
        headers = {"From": config.from_, "To": config.to, "Subject": _DEFAULT_SUBJECT} | dict(config.headers)
        message = EmailMessage()
        for name, template in headers.items():
            if name.lower() in _ADDRESSES:
                value = self._address(template, told)
                _addresses(name, value)
            else:
                value = self._texts.render(template, told)
            if name.lower() not in _OURS:
                # An alert's text with a line break must neither add a header nor stop the mail.
                message[name] = re.sub(_CONTROL, " ", value).strip()
        _thread(message, told, config.thread_by, sender[0].rpartition("@")[2])
        (subtype, body), *better = self._bodies(told)
        message.set_content(body, subtype=subtype, cte="quoted-printable")
        for subtype, body in better:
            message.add_alternative(body, subtype=subtype, cte="quoted-printable")
        return message, sender[0], recipients

    def _bodies(self, told: Notification) -> list[tuple[str, str]]:
        """The parts, the better one last; a part that the settings leave empty is left out."""
        config, texts = self._config, self._texts
        html = texts.own("email.default.html") if config.html is None else config.html
        text = texts.own("email.default.text") if config.text is None else config.text
        parts = [
            ("plain", mail.text(told) if text is None else texts.render(text, told)),
            ("html", mail.html(told) if html is None else texts.render(html, told, html=True)),
        ]
        return [part for part in parts if part[1]] or [("plain", mail.text(told))]

    def _address(self, template: str, told: Notification) -> str:
        """Raises _Refused: an error's text is no address."""
        try:
            return self._texts.strict(template, told)
        except TemplateError as error:
            raise _Refused(f"the template of a mail address failed: {error}") from error


def _taken(said: str, refused: Mapping[str, tuple[int, str]], asked: int) -> Delivery:
    """The server took the mail for at least one recipient. refused: code and words by recipient."""
    if not refused:
        return Delivery(True, detail=said)
    why = f"{len(refused)} of {asked} recipients refused: {_words(refused)}"
    left = tuple(each for each, (code, _) in refused.items() if code < _PERMANENT)
    return Delivery(True, detail=f"{said}; {why}", left=left, refused=why)


def _words(refused: Mapping[str, tuple[int, str]]) -> str:
    """Who was refused with which words, the first few."""
    shown = [
        f"{recipient} ({code} {' '.join(said.split())[:100]}"
        f"{'' if code < _PERMANENT else ', not tried again'})"
        for recipient, (code, said) in list(refused.items())[:_SHOWN]
    ]
    return ", ".join(shown + ["…"] * (len(refused) > _SHOWN))


async def _log_in_as(client: aiosmtplib.SMTP, identity: str, name: str, password: str) -> None:
    """PLAIN in the name of another (RFC 4616), which the library cannot say."""
    import aiosmtplib

    proof = base64.b64encode(f"{identity}\0{name}\0{password}".encode())
    answer = await client.execute_command(b"AUTH", b"PLAIN", proof)
    if answer.code != _AUTHENTICATED:
        raise aiosmtplib.SMTPAuthenticationError(answer.code, answer.message)


def _addresses(name: str, value: str) -> list[str]:
    """The bare addresses of a list. Raises _Refused."""
    from email.headerregistry import Address

    if re.search(_CONTROL, value):
        raise _Refused(f"line breaks are not allowed in the mail's {name} address")
    found = [address for _, address in getaddresses([value])]
    try:
        checked = [Address(addr_spec=address).addr_spec for address in found if address]
    except (ValueError, IndexError) as error:
        raise _Refused(f"the mail's {name} address is not valid, expected name@example.org") from error
    if not checked or not all("@" in address for address in checked):
        raise _Refused(f"the mail's {name} address is not valid, expected name@example.org")
    return checked


def _thread(message: EmailMessage, told: Notification, thread_by: str, domain: str) -> None:
    """Each attempt has the same Message-ID, and all mails of a group refer to the same first one."""
    when = datetime.fromtimestamp(told.now_ms / 1000, UTC)
    day = f"{when:%Y-%m-%d}" if thread_by == "daily" else ""
    key = told.idempotency_key or f"{told.group_key}\n{told.receiver}\n{told.now_ms}"
    root = f"<{_digest(f'{told.receiver}|{told.group_key}|{day}')}@{domain}>"
    own = {"Message-ID": f"<{_digest(key)}@{domain}>", "References": root, "In-Reply-To": root}
    for name, value in own.items():
        if name not in message:  # the settings may have headers of their own
            message[name] = value
    message["Date"] = format_datetime(when)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]
