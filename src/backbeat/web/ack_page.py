"""The page that a signed link of a message opens: what it is about, and one button that acknowledges it.

Plain HTML without a script, for a phone at night. Opening it changes nothing, since mail scanners open links
too; only the form's POST acknowledges, and of that only the alerts that the page showed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from backbeat.alerting import Alerting, AlertView, BadLink, ExpiredLink, GroupView, UnknownAlert
from backbeat.templating.pages import page
from backbeat.web.bodies import MAX_BODY_BYTES
from backbeat.web.dispatch import Route
from backbeat.web.ingest_api import read_body

_PAGE = Path(__file__).with_name("templates") / "acknowledge.html.j2"
_SHOWN = 20
_COOKIE = "backbeat_name"
_A_YEAR_S = 365 * 86_400
_MEANS = "Nobody is reminded of what is acknowledged until it resolves or grows worse."
_LONGEST = {"by": 100, "comment": 500}


class AckPage:
    def __init__(self, alerting: Alerting) -> None:
        self._alerting = alerting

    def routes(self) -> list[Route]:
        return [
            Route("/ack/{token}", self.ask, methods=["GET"]),
            Route("/ack/{token}", self.acknowledge, methods=["POST"]),
        ]

    async def ask(self, request: Request) -> Response:
        """What the link is about; changes nothing."""
        found = self._group(request)
        if isinstance(found, Response):
            return found
        name = unquote(request.cookies.get(_COOKIE, ""))
        title = f"Acknowledge {_count(found.alerts)}?"
        words = f"Sent to {found.receiver}. {_MEANS}"
        return _page(title, words, found.alerts, name=name, asks=True)

    async def acknowledge(self, request: Request) -> Response:
        """The one confirming click."""
        found = self._group(request)
        if isinstance(found, Response):
            return found
        said = await _form(request)
        seen = said["alerts"].split(".")
        wanted = [view.fingerprint for view in found.alerts if view.fingerprint in seen]
        by = said["by"] or f"somebody of {found.receiver}, by a link"
        try:
            made = await self._alerting.acknowledge(wanted, by, said["comment"])
        except UnknownAlert:
            return _page("Nothing to acknowledge", "None of these alerts fires any more.")
        names = {each.fingerprint for each in made}
        done = [view for view in found.alerts if view.fingerprint in names]
        answer = _page(f"Acknowledged by {by}", _MEANS, done)
        if said["by"]:
            answer.set_cookie(
                _COOKIE, quote(said["by"]), max_age=_A_YEAR_S, path="/", httponly=True, samesite="lax"
            )
        return answer

    def _group(self, request: Request) -> GroupView | Response:
        """The link's group as it is now, or the page that says why there is none."""
        try:
            found = self._alerting.linked_group(request.path_params["token"])
        except ExpiredLink as expired:
            words = f"{expired}; use a newer message, or the alerts page."
            return _page("The link has expired", words, status=410)
        except BadLink as bad:
            return _page("The link is not valid", f"{bad}; use the alerts page.", status=404)
        if found is None:
            return _page("Nothing to acknowledge", "The alerts of this message have resolved.")
        return found


async def _form(request: Request) -> dict[str, str]:
    """The fields of the form, empty where they are missing; too long a text is cut."""
    raw = await read_body(request, MAX_BODY_BYTES) or b""
    fields = parse_qs(raw.decode("utf-8", "replace"), errors="replace")
    texts = {name: " ".join(fields.get(name, [""])[0].split()) for name in ("alerts", "by", "comment")}
    return {name: text[: _LONGEST.get(name)] for name, text in texts.items()}


def _page(
    title: str,
    words: str,
    views: Sequence[AlertView] = (),
    *,
    name: str = "",
    asks: bool = False,
    status: int = 200,
) -> HTMLResponse:
    alerts = [
        {
            "fingerprint": view.fingerprint,
            "name": view.alert.name,
            "severity": view.alert.labels.get("severity"),
            "summary": view.alert.annotations.get("summary") or view.alert.annotations.get("description"),
            "since": _moment(view.alert.starts_at_ms),
            "by": view.status.acknowledged_by,
        }
        for view in views
    ]
    text = page(_PAGE).render(title=title, words=words, alerts=alerts, shown=_SHOWN, name=name, asks=asks)
    return HTMLResponse(text, status, headers={"cache-control": "no-store"})


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _count(views: Sequence[AlertView]) -> str:
    return views[0].alert.name if len(views) == 1 else f"{len(views)} alerts"
