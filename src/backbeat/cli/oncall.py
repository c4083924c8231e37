"""`backbeat alerts history|why`, `backbeat route` and `backbeat notify`: questions to a running Backbeat."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import Any

from backbeat.model.durations import format_duration
from backbeat.model.errors import WorldFailure

_TIMEOUT_S = 90


def run_history(url: str, since: str, match: Sequence[str], text: str, limit: int) -> int:
    """Print what happened, oldest first. Raises WorldFailure."""
    asked = [("since", since), ("text", text), ("limit", str(limit)), *(("match", each) for each in match)]
    page = _get(url, "alerts/history", asked)
    for event in reversed(page["events"]):
        print(
            f"{event['at']}  {event['fingerprint'] or '-':16}  {event['words']}  {_labels(event['labels'])}"
        )
    if page["nextBefore"]:
        print(f"there is more: the newest {limit} are shown, ask for others with --limit, --since or --match")
    elif not page["events"]:
        print("nothing happened that fits")
    return 0


def run_why(url: str, alert: str) -> int:
    """Print every decision about an alert; 1 where nothing is known of it. Raises WorldFailure."""
    path = f"alerts/{urllib.parse.quote(alert, safe='')}/trail"
    known = [each for each in _get(url, path, []) if each["trail"]]
    if not known:
        print(f"{alert}: nothing is known of it; name a fingerprint, or an alert that fires")
        return 1
    for each in known:
        print(f"{each['fingerprint']}  {_labels(each['labels'])}")
        for event in each["trail"]:
            print(f"  {event['at']}  {event['words']}")
        print(f"  now: {_present(each['now'])}")
    return 0


def run_route(url: str, labels: Sequence[str]) -> int:
    """Print which way an alert with these labels would take. Raises WorldFailure."""
    found = _get(url, "route", [("label", each) for each in labels])
    for way in found["routes"]:
        print(" → ".join(way["path"]) + f" → {way['receiver']}")
        print(f"  told by   {', '.join(way['integrations']) or 'nobody: the receiver has no integration'}")
        print(f"  group_by  {', '.join(way['groupBy']) or '(one group)'}: {way['groupKey']}")
        times = (way[name] for name in ("groupWaitMs", "groupIntervalMs", "repeatIntervalMs"))
        wait, interval, repeat = (format_duration(each) for each in times)
        print(f"  group_wait {wait}, group_interval {interval}, repeat_interval {repeat}")
        if way["muted"]:
            print(f"  muted now: {way['muted']}")
    if found["silencedBy"]:
        print(f"silenced now by {', '.join(found['silencedBy'])}")
    if found["inhibitedBy"]:
        print(f"inhibited now by {found['inhibitedBy']}")
    if not found["reachesSomebody"]:
        print("nobody would be told now")
    return 0


def run_notify(url: str, receiver: str) -> int:
    """Send a test message and print the answers; 1 where one did not take it. Raises WorldFailure."""
    answers = _get(url, f"receivers/{urllib.parse.quote(receiver, safe='')}/test", [], method="POST")
    for each in answers:
        became = "sent" if each["ok"] else "FAILED"
        print(f"{receiver} {each['integration']}: {became} {each['answer']}".rstrip())
    return 0 if all(each["ok"] for each in answers) else 1


def _present(now: dict[str, list[str]] | None) -> str:
    if now is None:
        return "it does not fire"
    said = [f"{name} {', '.join(by)}" for name, key in _HELD if (by := now[key])]
    return "firing" + "".join(f", {each}" for each in said)


_HELD = (("silenced by", "silencedBy"), ("inhibited by", "inhibitedBy"), ("muted by", "mutedBy"))


def _labels(labels: dict[str, str]) -> str:
    pairs = (f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items())
    return "{" + ", ".join(pairs) + "}"


def _get(url: str, path: str, asked: Sequence[tuple[str, str]], method: str = "GET") -> Any:
    """The data of an answer of Backbeat's own API."""
    if not url.startswith(("http://", "https://")):
        raise WorldFailure(f"--url: found {url!r}, expected a URL such as http://127.0.0.1:9090")
    query = urllib.parse.urlencode([(name, value) for name, value in asked if value])
    address = f"{url.rstrip('/')}/api/backbeat/v1/{path}?{query}"
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, method=method, headers=headers)  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - the scheme is checked above
            return json.load(answer)["data"]
    except urllib.error.HTTPError as refusal:
        with refusal:
            said = refusal.read().decode(errors="replace")
        try:
            said = json.loads(said)["error"]
        except (ValueError, KeyError, TypeError):
            said = said.strip()[:200] or refusal.reason
        raise WorldFailure(f"{url}: HTTP {refusal.code}: {said}") from None
    except (OSError, ValueError) as failure:
        reason = getattr(failure, "reason", failure)
        raise WorldFailure(f"{url}: {reason}; is Backbeat running there? name it with --url") from None
