"""`backbeat silence add|list|expire|preview`: silences of a running Backbeat."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from backbeat.cli.asking import ask, labels_text, me
from backbeat.cli.moments import length_ms, moment_ms
from backbeat.model.errors import BackbeatError
from backbeat.web.moments import rfc3339

_TIMES = re.compile(r"\d\d:\d\d-\d\d:\d\d")

_EXPECTED = 'expected weekdays and times, such as "saturday 22:00-24:00"'


class WrongWindow(BackbeatError):
    """A text that is no weekly window."""


class Wanted(Struct, frozen=True):
    """What the options of `add` say."""

    matchers: Sequence[str]
    reason: str
    by: str
    lasts: str
    until: str
    begins: str
    every: Sequence[str]
    zone: str
    confirmed: bool


def run_add(url: str, wanted: Wanted) -> int:
    """Make a silence and print it, with what it mutes now. Raises WorldFailure, WrongMoment, WrongWindow."""
    if bool(wanted.lasts) == bool(wanted.until):
        raise WrongWindow("expected either --for, such as 2h, or --until, such as 2026-01-31T12:00:00Z")
    if wanted.lasts:
        length_ms(wanted.lasts, "--for")
    body: dict[str, Any] = {
        "matchers": list(wanted.matchers),
        "comment": wanted.reason,
        "createdBy": me(wanted.by, url),
        "confirmed": wanted.confirmed,
        "duration": wanted.lasts or None,
        "endsAt": rfc3339(moment_ms(wanted.until, "--until")) if wanted.until else None,
        "startsAt": rfc3339(moment_ms(wanted.begins, "--from")) if wanted.begins else None,
        "schedule": [window(each, wanted.zone) for each in wanted.every],
    }
    made = ask(url, "silences", method="POST", body=body)
    print(_line(made))
    _print_muted(made["mutes"], "it accepts")
    return 0


def run_list(url: str, match: Sequence[str], *, expired: bool) -> int:
    """Print silences: those that mute or will, or those that are over. Raises WorldFailure."""
    states = ["expired"] if expired else ["active", "pending"]
    asked = [*(("state", each) for each in states), *(("match", each) for each in match)]
    found = ask(url, "silences", asked)
    for each in found:
        print(_line(each))
    if not found:
        print("no silence is over" if expired else "nothing is silenced")
    return 0


def run_expire(url: str, ids: Sequence[str]) -> int:
    """End silences now. Raises WorldFailure."""
    for each in ids:
        ended = ask(url, f"silences/{urllib.parse.quote(each, safe='')}", method="DELETE")
        print(f"{ended['id']} {ended['state']}")
    return 0


def run_preview(url: str, matchers: Sequence[str]) -> int:
    """Print which firing alerts a silence would mute now. Raises WorldFailure."""
    found = ask(url, "silences/preview", method="POST", body={"matchers": list(matchers)})
    _print_muted(found["wouldMute"], "it would mute")
    return 0


def window(text: str, zone: str) -> dict[str, Any]:
    """`saturday 22:00-24:00`, `monday:friday,sunday`, `03:00-03:30`: an interval of a schedule.

    Names and times are checked by the server. Raises WrongWindow.
    """
    found: dict[str, Any] = {"location": zone} if zone else {}
    for part in text.split():
        if _TIMES.fullmatch(part):
            start, end = part.split("-")
            found.setdefault("times", []).append({"start_time": start, "end_time": end})
        elif not part[0].isdigit() and "weekdays" not in found:
            found["weekdays"] = part.split(",")
        else:
            raise WrongWindow(
                f'--every: found {text!r}, expected weekdays and times, as "saturday 22:00-24:00"'
            )
    if not found.keys() & {"times", "weekdays"}:
        raise WrongWindow(f"--every: found nothing, {_EXPECTED}")
    return found


def _line(silence: dict[str, Any]) -> str:
    matchers = ", ".join(silence["matchers"])
    every = f"  every {json.dumps(silence['schedule'])}" if silence["schedule"] else ""
    when = f"{silence['startsAt']} to {silence['endsAt']}"
    return (
        f"{silence['id']}  {silence['state']:7}  {when}  {{{matchers}}}{every}"
        f"  {silence['createdBy']}: {silence['comment']}"
    )


def _print_muted(alerts: Sequence[dict[str, Any]], words: str) -> None:
    print(f"{words} {len(alerts)} firing alert{'s' * (len(alerts) != 1)}")
    for each in alerts:
        print(f"  {each['fingerprint']}  {labels_text(each['labels'])}")
