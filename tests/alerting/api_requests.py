"""Requests to /api/v2 from a seed: sound, odd and wrong ones, of a kind that people and programs send.

Pure. Two programs that get the same list and answer alike have the same alerts, groups and silences then.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from msgspec import Struct

NOBODY = "00000000-0000-4000-8000-000000000000"
SCENARIO = "api"
_NAMES = ("q", "severity", "e", "job", "instance", "zone")
_VALUES = ("a", "b", "critical", "warning", "x y", "ü", 'qu"ote', "back\\slash", "1.5", "a|b", "li\nne")
_ODD_NAMES = ("", "1st", "with space", "da-sh", "ünï", "dot.ted", "__meta", "le", "na\tme", "{}", "💥")
_ODD_VALUES: tuple[Any, ...] = ("", None, 1, True, [], {}, "x" * 300)
_PAST = ("2020-01-01T00:00:00Z", "2024-02-29T23:59:59.999Z", "2025-06-01T12:00:00+02:00")
_FUTURE = ("2049-01-01T00:00:00Z", "2050-12-31T23:59:59.123456789Z", "2060-06-01T12:00:00-07:00")
_ODD_TIMES: tuple[Any, ...] = (
    "",
    None,
    0,
    "0001-01-01T00:00:00Z",
    "yesterday",
    "2024-01-01",
    "2024-01-01T00:00:00",
    "2024-01-01 00:00:00Z",
    "2024-13-01T00:00:00Z",
    "2024-02-30T00:00:00Z",
    "2024-01-01T00:00:00z",
    "2024-01-01T24:00:00Z",
    "2024-01-01T00:00:00.000+0000",
    "1700000000",
    "10000-01-01T00:00:00Z",
)
_SWITCHES = ("active", "silenced", "inhibited", "muted", "unprocessed")
_SAID = ("true", "false", "1", "0", "yes", "no", "", "TRUE", "on", "maybe")
_FILTERS = (
    "{0}={1}",
    '{0}="{1}"',
    '{0}!="{1}"',
    '{0}=~"{1}"',
    '{0}!~"{1}"',
    "{{{0}={1}}}",
    "{0} = {1}",
    '"{0}"="{1}"',
    '{{{0}="{1}",e!="b"}}',
    "{0}=~{1}.*",
    "{0}={1},",
    "{0}",
    "={1}",
    '{0}="{1}',
    "{0}=='{1}'",
    "{0}=~(",
    '{0}="a" e="b"',
    "{{}}",
    "",
    "{{",
    '{0}="{1}"}}',
    "{0}=~",
    "{0}=",
    '{0}="\\x"',
    "{0}!{1}",
    "!{0}={1}",
)

_CLASSIC_FILTERS = ('{0}="{1}"', '{0}!="{1}"', '{0}=~"{1}"', '{0}!~"{1}"', "{0}", "={1}", "{0}=~(")


class Ask(Struct, frozen=True):
    """body None: none is sent. `{silence:N}` in a path or body stands for the id of the Nth silence made."""

    method: str
    path: str
    body: str | None = None
    content_type: str | None = "application/json"

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.body or ''} {self.content_type or 'no content type'}"


def requests(seed: int, count: int, *, modern: bool = True) -> Iterator[Ask]:
    """modern: with what Alertmanager knows since 0.28, such as names in UTF-8 and dates alone."""
    dice = _Dice(seed, modern)
    kinds = (_alerts, _silence, _get, _get, _silences_get, _silence_by_id, _odd)
    weights = (5, 5, 4, 4, 2, 2, 1)
    for _ in range(count):
        (kind,) = dice.choices(kinds, weights)
        yield kind(dice)


class _Dice(random.Random):
    def __init__(self, seed: int, modern: bool) -> None:
        super().__init__(seed)
        self.modern = modern
        self.names = _ODD_NAMES if modern else ("__meta", "le")
        self.times = _ODD_TIMES if modern else _ODD_TIMES[:4]
        self.filters = _FILTERS if modern else _CLASSIC_FILTERS
        self.unknown = (NOBODY, NOBODY.upper()) if modern else ("nonsense",)


def _alerts(dice: _Dice) -> Ask:
    alerts: list[Any] = [_alert(dice) for _ in range(dice.choice((0, 1, 1, 1, 2, 3)))]
    if dice.random() < 0.05:
        alerts.append(dice.choice((1, "x", [], {})))
    body: Any = alerts if dice.random() < 0.97 else dice.choice(({}, None, "x", 1, alerts[:1] and alerts[0]))
    return Ask("POST", "/api/v2/alerts", json.dumps(body))


def _alert(dice: _Dice) -> dict[str, Any]:
    alert: dict[str, Any] = {
        "labels": {"alertname": dice.choice("AB"), "scenario": SCENARIO, **_labels(dice)}
    }
    if dice.random() < 0.04:
        alert["labels"] = dice.choice((None, {}, [], "x", {"a": ""}, {"": "x"}, {"a": 1}))
    if dice.random() < 0.5:
        alert["annotations"] = _labels(dice)
    if dice.random() < 0.03:
        alert["annotations"] = dice.choice((None, {}, [], "x", {"a": ""}, {"": "x"}, {"a": 1}))
    if dice.random() < 0.4:
        alert["startsAt"] = _time(dice, _PAST)
    if dice.random() < 0.4:
        alert["endsAt"] = _time(dice, _FUTURE if dice.random() < 0.8 else _PAST)
    if dice.random() < 0.3:
        alert["generatorURL"] = dice.choice(
            ("http://x/y?z=1", "http://x/y?z=1", "", None, 1, "ftp://a", "/a b")
        )
    if dice.random() < 0.05:
        alert[dice.choice(("status", "fingerprint", "updatedAt", "receivers", "unknown"))] = dice.choice(
            ("x", None, [], {}, 1)
        )
    return alert


def _labels(dice: _Dice) -> dict[str, Any]:
    found: dict[str, Any] = {dice.choice(_NAMES): dice.choice(_VALUES) for _ in range(dice.randrange(4))}
    if dice.random() < 0.08:
        found[dice.choice(dice.names)] = dice.choice(_VALUES)
    if dice.random() < 0.08:
        found[dice.choice(_NAMES)] = dice.choice(_ODD_VALUES)
    return found


def _time(dice: _Dice, sound: Sequence[str]) -> Any:
    return dice.choice(dice.times) if dice.random() < 0.15 else dice.choice(sound)


def _silence(dice: _Dice) -> Ask:
    body: dict[str, Any] = {
        "matchers": [_matcher(dice) for _ in range(dice.choice((1, 1, 2, 2, 3)))],
        "startsAt": _time(dice, _PAST if dice.random() < 0.7 else _FUTURE[:1]),
        "endsAt": _time(dice, _FUTURE if dice.random() < 0.9 else _PAST),
        "createdBy": dice.choice(("ann", "bob", "ann", "")),
        "comment": dice.choice(("deploy", "ü ✓", "deploy", "")),
    }
    # Two that are alike would not be told apart when they are listed.
    body["comment"] += f" {dice.randrange(10**9)}" if body["comment"] else ""
    if dice.random() < 0.08:
        del body[dice.choice(list(body))]
    if dice.random() < 0.08:
        body[dice.choice(list(body))] = dice.choice((None, 1, "", [], {}, ["x"], [1]))
    if dice.random() < 0.3:
        body["id"] = dice.choice(
            (
                f"{{silence:{dice.randrange(20)}}}",
                f"{{silence:{dice.randrange(20)}}}",
                NOBODY,
                "x",
                "",
                None,
                1,
            )
        )
    if dice.random() < 0.05:
        body[dice.choice(("status", "updatedAt", "unknown", "annotations"))] = dice.choice(
            ("x", {}, [], None, {"a": "b"})
        )
    return Ask("POST", "/api/v2/silences?confirmed=true", json.dumps(body))


def _matcher(dice: _Dice) -> dict[str, Any]:
    one: dict[str, Any] = {
        "name": dice.choice(_NAMES) if dice.random() < 0.9 else dice.choice(dice.names),
        "value": dice.choice(_VALUES),
        "isRegex": dice.random() < 0.3,
    }
    if dice.random() < 0.5:
        one["isEqual"] = dice.random() < 0.7
    if dice.random() < 0.1:
        one[dice.choice(list(one))] = dice.choice(("", None, 1, "(", ".*", True, [], {}))
    if dice.random() < 0.05:
        del one[dice.choice(list(one))]
    return one


def _get(dice: _Dice) -> Ask:
    path = dice.choice(("/api/v2/alerts", "/api/v2/alerts/groups"))
    return Ask("GET", path + _query(dice, (*_SWITCHES, "receiver")))


def _silences_get(dice: _Dice) -> Ask:
    return Ask("GET", "/api/v2/silences" + _query(dice, ()))


def _query(dice: _Dice, names: Sequence[str]) -> str:
    said: list[tuple[str, str]] = []
    for _ in range(dice.choice((0, 0, 1, 1, 2))):
        value = dice.choice(_VALUES).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        said.append(("filter", dice.choice(dice.filters).format(dice.choice(_NAMES), value)))
    for name in names:
        if name == "receiver" and dice.random() < 0.2:
            said.append((name, dice.choice(("api", "api/.*", "ap", "(", "", "api|nobody", ".*"))))
        elif name != "receiver" and dice.random() < 0.15:
            said.append((name, dice.choice(_SAID)))
    return "?" + "&".join(f"{name}={quote(value)}" for name, value in said) if said else ""


def _silence_by_id(dice: _Dice) -> Ask:
    name = dice.choice((f"{{silence:{dice.randrange(20)}}}",) * 4 + (*dice.unknown, "nonsense", "%20"))
    return Ask(dice.choice(("GET", "GET", "DELETE" if dice.modern else "GET")), f"/api/v2/silence/{name}")


def _odd(dice: _Dice) -> Ask:
    path = dice.choice(
        ("/api/v2/alerts", "/api/v2/silences", "/api/v2/receivers", "/api/v2/alerts/groups", "/api/v2/x")
    )
    method = dice.choice(("PUT", "PATCH", "DELETE", "POST", "GET", "OPTIONS"))
    body = dice.choice(
        (None, "", "not json", "[", "[]", "{}", "null", "[]x", '[{"labels":{"a":"b","a":"c"}}]')
    )
    types = ("application/json", "application/json; charset=utf-8", "text/plain", "application/xml", None)
    return Ask(method, path, body if method != "GET" else None, dice.choice(types))
