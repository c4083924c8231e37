"""What a real Alertmanager and Backbeat did otherwise: what arrived, when, and what their APIs answered."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from peer_stage import Arrival, Json, Play, Side, Timeline

_TOLERANCE_S = 1.2
_TIMES = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def differences(play: Play, line: Timeline) -> list[str]:
    """What the two sides did otherwise in one timeline; empty where they agree."""
    theirs, ours = play.sides
    found = [
        *_compare_arrivals(_of(theirs.sink.hooks, line), _of(ours.sink.hooks, line), _hook_line, line.times),
        *_compare_arrivals(_of(theirs.sink.mails, line), _of(ours.sink.mails, line), _mail_line, line.times),
    ]
    for (name, key), answers in theirs.looks.items():
        if name == line.name:
            for path, answer in answers.items():
                mine = _plain(ours, ours.looks[name, key][path])
                found.extend(f"at {key} {path}{each}" for each in unlike(_plain(theirs, answer), mine))
    return found


def _of(arrivals: Sequence[Arrival], line: Timeline) -> dict[str, list[Arrival]]:
    """A timeline's arrivals by receiver and group: only within a group does order mean anything."""
    found: dict[str, list[Arrival]] = defaultdict(list)
    for each in arrivals:
        if re.fullmatch(re.escape(line.name) + r"(/.*)? \d+|" + re.escape(line.name), each.receiver):
            key = each.body.get("groupKey") or each.body.get("subject", "").split()[1]
            found[f"{each.receiver} {key}"].append(each)
    return found


def _compare_arrivals(
    theirs: Mapping[str, list[Arrival]], ours: Mapping[str, list[Arrival]], show: Json, times: bool
) -> list[str]:
    found = []
    for key in sorted(theirs.keys() | ours.keys()):
        told, mine = theirs.get(key, []), ours.get(key, [])
        wrong = unlike([show(each) for each in told], [show(each) for each in mine])
        late = [
            f"{a.at_s:.1f}s != {b.at_s:.1f}s"
            for a, b in zip(told, mine, strict=False)
            if times and abs(a.at_s - b.at_s) > _TOLERANCE_S
        ]
        if wrong or late:
            found.append(f"{key}: {wrong} {late}\n  theirs {_brief(told)}\n  ours   {_brief(mine)}")
    return found


def _hook_line(arrival: Arrival) -> Json:
    return {"answered": arrival.status, **{k: v for k, v in arrival.body.items() if k != "externalURL"}}


def _mail_line(arrival: Arrival) -> Json:
    return arrival.body


def _brief(arrivals: Sequence[Arrival]) -> list[str]:
    found = []
    for each in arrivals:
        names = [f"{a['labels'].get('alertname')}:{a['status'][0]}" for a in each.body.get("alerts", ())]
        shown = ",".join(names) or each.body.get("subject")
        found.append(f"{each.at_s:.1f}s {each.status} {each.body.get('status', '')} {shown}")
    return found


def _plain(side: Side, answer: Json) -> Json:
    """An answer with the ids of silences, and so their order, replaced by names, which both sides share."""
    if isinstance(answer, dict):
        plain = {key: _plain(side, each) for key, each in answer.items() if key != "updatedAt"}
        return {key: sorted(each) if key == "silencedBy" else each for key, each in plain.items()}
    if isinstance(answer, list):
        return [_plain(side, each) for each in answer]
    return side.silence_names.get(answer, answer) if isinstance(answer, str) else answer


def unlike(theirs: Json, ours: Json, where: str = "") -> list[str]:
    """Where two JSON values differ. Times may differ a little; ours may say more than theirs."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        if "silencedBy" in theirs and "mutedBy" not in theirs:
            # Before 0.28, a state said nothing of time intervals.
            is_quiet = ours["silencedBy"] or ours["inhibitedBy"]
            ours = {**ours, "state": "suppressed" if is_quiet else "active"}
        missing = [f"{where}.{key}: ours lacks it" for key in theirs if key not in ours]
        shared = [
            each for key in theirs if key in ours for each in unlike(theirs[key], ours[key], f"{where}.{key}")
        ]
        return missing + shared
    if isinstance(theirs, list) and isinstance(ours, list):
        if len(theirs) != len(ours):
            return [f"{where}: {len(theirs)} != {len(ours)} entries: {theirs!r:.600} != {ours!r:.600}"]
        return [
            each
            for i, (a, b) in enumerate(zip(theirs, ours, strict=True))
            for each in unlike(a, b, f"{where}[{i}]")
        ]
    if theirs == ours:
        return []
    if isinstance(theirs, str) and isinstance(ours, str) and _TIMES.match(theirs) and _TIMES.match(ours):
        apart_s = abs((datetime.fromisoformat(theirs) - datetime.fromisoformat(ours)).total_seconds())
        return [] if apart_s <= _TOLERANCE_S else [f"{where}: {theirs} != {ours}"]
    return [f"{where}: {theirs!r:.300} != {ours!r:.300}"]
