"""The local inbox: an SMTP server, endpoints for Slack and webhook calls, and a page that shows what came.

Messages live in memory and go nowhere.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backbeat.demo.messages import Content, Mailbox, mail_content, slack_content, webhook_content
from backbeat.demo.web_server import serving

_MAX_BYTES = 5 * 1024 * 1024
_PAGE = Path(__file__).parent / "page"
_PAGE_CSP = "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
# A mail is a stranger's HTML: no scripts, no origin, nothing fetched; its links open beside the inbox.
_MAIL_CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)


@asynccontextmanager
async def running_inbox(host: str, http_port: int, smtp_port: int) -> AsyncIterator[Mailbox]:
    """Receive on both ports while the block runs."""
    mailbox = Mailbox()
    loop = asyncio.get_running_loop()
    smtp = await loop.create_server(lambda: _smtp(mailbox), host, smtp_port)
    try:
        async with serving(inbox_app(mailbox), host, http_port):
            yield mailbox
    finally:
        smtp.close()


def inbox_app(mailbox: Mailbox, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> Starlette:
    """The HTTP side of the inbox."""
    run_id = uuid.uuid4().hex

    async def messages(request: Request) -> Response:
        """`?after=ID` leaves out what the caller has; another `run` means that ids began anew."""
        after = request.query_params.get("after", "0")
        if not after.isdecimal():
            return JSONResponse({"error": "after must be the id of a message"}, 400)
        newer = [message.as_json() for message in mailbox.newer_than(int(after))]
        return JSONResponse({"run": run_id, "messages": newer}, headers={"Cache-Control": "no-store"})

    async def mail_html(request: Request) -> Response:
        message = mailbox.get(int(request.path_params["message_id"]))
        if message is None or not message.content.html:
            return PlainTextResponse("no such mail\n", 404)
        return HTMLResponse(
            '<base target="_blank">' + message.content.html, headers={"Content-Security-Policy": _MAIL_CSP}
        )

    def receiver(read: Callable[[dict[str, Any]], Content], answer: str) -> Callable[[Request], Any]:
        async def receive(request: Request) -> Response:
            payload = await _json_object(request)
            if payload is None:
                return PlainTextResponse("invalid_payload\n", 400)
            mailbox.add(read(payload), now_ms())
            return PlainTextResponse(answer)

        return receive

    return Starlette(
        routes=[
            Route("/", _file("inbox.html")),
            Route("/inbox.css", _file("inbox.css")),
            Route("/inbox.js", _file("inbox.js")),
            Route("/favicon.ico", lambda _: Response(status_code=204)),
            Route("/api/messages", messages),
            Route("/messages/{message_id:int}/html", mail_html),
            Route("/slack", receiver(slack_content, "ok"), methods=["POST"]),
            Route("/webhook", receiver(webhook_content, ""), methods=["POST"]),
        ],
        middleware=[Middleware(_SecurityHeaders)],
    )


def _file(name: str) -> Callable[[Request], Response]:
    def answer(_: Request) -> Response:
        return FileResponse(_PAGE / name, headers={"Cache-Control": "no-cache"})

    return answer


async def _json_object(request: Request) -> dict[str, Any] | None:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BYTES:
            return None
    try:
        import orjson

        payload = orjson.loads(body)
    except ValueError:
        return None
    return payload if isinstance(payload, dict) else None


class _SecurityHeaders:
    """Pages may load only what this server serves; a mail has its own, stricter policy."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", _PAGE_CSP)
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
            await send(message)

        await self._app(scope, receive, with_headers)


def _smtp(mailbox: Mailbox) -> asyncio.Protocol:
    protocol: asyncio.Protocol = SMTP(
        _MailHandler(mailbox), data_size_limit=_MAX_BYTES, enable_SMTPUTF8=True, ident="Backbeat demo inbox"
    )
    return protocol


class _MailHandler:
    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(  # noqa: N802 (aiosmtpd's name)
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        raw = envelope.original_content or b""
        content = mail_content(raw, [str(address) for address in envelope.rcpt_tos])
        self._mailbox.add(content, time.time_ns() // 1_000_000)
        return "250 OK: shown in the inbox"
