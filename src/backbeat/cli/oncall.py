"""`backbeat alerts …`, `backbeat route` and `backbeat notify`: questions and words to a running Backbeat."""

from __future__ import annotations

import urllib.parse
from collections.abc import Sequence
from typing import Any

from backbeat.cli.asking import ask, labels_text, me
from backbeat.model.durations import format_duration
from backbeat.model.integrations import spoken


def run_history(url: str, since: str, match: Sequence[str], text: str, limit: int) -> int:
    """Print what happened, oldest first. Raises WorldFailure."""
    asked = [("since", since), ("text", text), ("limit", str(limit)), *(("match", each) for each in match)]
    page = ask(url, "alerts/history", asked)
    for event in reversed(page["events"]):
        labels = labels_text(event["labels"])
        print(f"{event['at']}  {event['fingerprint'] or '-':16}  {event['words']}  {labels}")
    if page["nextBefore"]:
        print(f"there is more: the newest {limit} are shown, ask for others with --limit, --since or --match")
    elif not page["events"]:
        print("nothing happened that fits")
    return 0


def run_why(url: str, alert: str) -> int:
    """Print every decision about an alert; 1 where nothing is known of it. Raises WorldFailure."""
    path = f"alerts/{urllib.parse.quote(alert, safe='')}/trail"
    known = [each for each in ask(url, path, []) if each["trail"]]
    if not known:
        print(f"{alert}: nothing is known of it; name a fingerprint, or an alert that fires")
        return 1
    for each in known:
        print(f"{each['fingerprint']}  {labels_text(each['labels'])}")
        for event in each["trail"]:
            print(f"  {event['at']}  {event['words']}")
        print(f"  now: {_present(each['now'])}")
        for group in (each["now"] or {}).get("groups", ()):
            _print_standing(group)
    return 0


def run_route(url: str, labels: Sequence[str]) -> int:
    """Print which way an alert with these labels would take. Raises WorldFailure."""
    found = ask(url, "route", [("label", each) for each in labels])
    for way in found["routes"]:
        print(" → ".join(way["path"]) + f" → {way['receiver']}")
        integrations = ", ".join(map(spoken, way["integrations"]))
        print(f"  told by   {integrations or 'nobody: the receiver has no integration'}")
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
    answers = ask(url, f"receivers/{urllib.parse.quote(receiver, safe='')}/test", [], method="POST")
    for each in answers:
        became = "sent" if each["ok"] else "FAILED"
        print(f"{receiver} by {spoken(each['integration'])}: {became} {each['answer']}".rstrip())
    return 0 if all(each["ok"] for each in answers) else 1


def run_ack(url: str, alerts: Sequence[str], by: str, comment: str) -> int:
    """Acknowledge alerts and print which. Raises WorldFailure."""
    body = {"alerts": list(alerts), "createdBy": me(by, url), "comment": comment}
    for each in ask(url, "acknowledgements", method="POST", body=body):
        print(_acknowledged(each))
    return 0


def run_unack(url: str, alerts: Sequence[str], by: str) -> int:
    """Take back acknowledgements, by fingerprint or name; 1 where there is none. Raises WorldFailure."""
    found = [
        each
        for each in ask(url, "acknowledgements")
        if each["fingerprint"] in alerts or each["labels"].get("alertname") in alerts
    ]
    for each in found:
        ask(url, f"acknowledgements/{each['fingerprint']}", [("by", me(by, url))], "DELETE")
        print(f"{each['fingerprint']}  {labels_text(each['labels'])}  no longer acknowledged")
    if not found:
        print(f"{', '.join(alerts)}: not acknowledged")
    return 0 if found else 1


def run_acks(url: str) -> int:
    """Print who looks after which alert. Raises WorldFailure."""
    found = ask(url, "acknowledgements")
    for each in found:
        print(_acknowledged(each))
    if not found:
        print("no alert is acknowledged")
    return 0


def _print_standing(group: dict[str, Any]) -> None:
    """`pager by email[0]: told at …, repeated at …` for each that is to be told of the group."""
    for told in group["told"]:
        said = [f"told at {told['lastToldAt']}" if told["lastToldAt"] else "not told yet"]
        if told["waits"]:
            said.append(told["waits"])
        if told["nextRepeatAt"]:
            said.append(f"repeated at {told['nextRepeatAt']} if it still fires")
        elif told["lastToldAt"]:
            said.append("not repeated, since it is acknowledged" if group["acknowledged"] else "not repeated")
        print(f"    {group['receiver']} by {spoken(told['integration'])}: {', '.join(said)}")
    if group["told"]:
        others, flush = group["otherAlerts"], group["nextFlushAt"]
        print(f"    in the group {group['groupKey']} with {others} others, looked at again at {flush}")


def _acknowledged(each: dict[str, Any]) -> str:
    said = f": {each['comment']}" if each["comment"] else ""
    return (
        f"{each['fingerprint']}  {labels_text(each['labels'])}"
        f"  acknowledged by {each['createdBy']} at {each['at']}{said}"
    )


def _present(now: dict[str, Any] | None) -> str:
    if now is None:
        return "it does not fire"
    said = [f"{name} {', '.join(by)}" for name, key in _HELD if (by := now[key])]
    if now["acknowledgedBy"]:
        said.append(f"acknowledged by {now['acknowledgedBy']}")
    return "firing" + "".join(f", {each}" for each in said)


_HELD = (("silenced by", "silencedBy"), ("inhibited by", "inhibitedBy"), ("muted by", "mutedBy"))
