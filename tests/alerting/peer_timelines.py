"""The timelines that a real Alertmanager and Backbeat must answer alike: data, and nothing else.

Without other words: group_by alertname, group_wait 1 s, group_interval 2 s (so flushes at 1, 3, 5, … s after
the first alert), repeat_interval 1 h, one webhook. Actions keep half a second away from flushes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace
from peer_stage import Step, Timeline, expire, fire, look, resolve, silence

END_S = 14.0
TOKYO = ZoneInfo("Asia/Tokyo")
ALL_DAY = [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]
LONG_AGO = [{"years": ["2000:2001"]}]


def hooks(*own: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"hook": list(own) or [{}]}


def around_now(zone: ZoneInfo) -> list[dict[str, Any]]:
    """Two hours before and after the present, as that zone's clocks show them; over midnight as well."""
    now = datetime.now(zone)
    begin, end = now - timedelta(hours=2), now + timedelta(hours=2)
    span = {"start_time": f"{begin:%H:%M}", "end_time": f"{end:%H:%M}"}
    if begin.date() == end.date():
        return [span]
    first, last = {**span, "end_time": "24:00"}, {**span, "start_time": "00:00"}
    return [each for each in (first, last) if each["start_time"] != each["end_time"]]


def only_today(shift_days: int = 0) -> list[dict[str, Any]]:
    day = datetime.now(UTC) + timedelta(days=shift_days)
    return [{"weekdays": [f"{day:%A}".lower()], "months": [str(day.month)], "years": [str(day.year)]}]


def inhibits(name: str, source: Sequence[str], target: Sequence[str], equal: Sequence[str]) -> dict[str, Any]:
    own = f'scenario="{name}"'
    return {
        "source_matchers": [own, *source],
        "target_matchers": [own, *target],
        "equal": list(equal),
    }


CRITICAL, WARNING = {"severity": "critical"}, {"severity": "warning"}
UP = {"signal": "up"}


def _by_severity(name: str, equal: Sequence[str] = ("signal",)) -> list[dict[str, Any]]:
    return [inhibits(name, ['severity="critical"'], ['severity="warning"'], equal)]


WAITING = (
    Timeline("one alert", (fire(0, "A"), look(2))),
    Timeline("a batch within group_wait", (fire(0, "A", {"i": "1"}), fire(0.3, "A", {"i": "2"}))),
    Timeline(
        "a late joiner waits for group_interval",
        (fire(0, "A", {"i": "1"}), fire(1.5, "A", {"i": "2"}), fire(2, "A", {"i": "3"}), look(4)),
    ),
    Timeline("resolved before group_wait", (fire(0, "A"), resolve(0.5, "A"), look(2))),
    Timeline("resolved", (fire(0, "A"), resolve(2, "A"), look(2.5), look(4))),
    Timeline(
        "one of two resolved",
        (fire(0, "A", {"i": "1"}), fire(0, "A", {"i": "2"}), resolve(2, "A", {"i": "1"}), look(4)),
    ),
    Timeline(
        "one resolves as another fires",
        (fire(0, "A", {"i": "1"}), resolve(2, "A", {"i": "1"}), fire(2.1, "A", {"i": "2"})),
    ),
    Timeline(
        "one fires as all others have resolved",
        (fire(0, "A", {"i": "1"}), resolve(2, "A", {"i": "1"}), fire(3.5, "A", {"i": "2"}), look(4)),
    ),
    Timeline("group_wait 0", (fire(0, "A"), fire(0.5, "A", {"i": "2"})), {"group_wait": "0s"}),
    Timeline("an old alert is not held by group_wait", (fire(0, "A", starts_s=-60), look(1.5))),
    Timeline(
        "repeat_interval",
        (fire(0, "A"), resolve(9, "A")),
        {"repeat_interval": "3s"},
    ),
    Timeline(
        "repeat_interval begins anew with news",
        (fire(0, "A", {"i": "1"}), fire(3.5, "A", {"i": "2"})),
        {"repeat_interval": "5s"},
    ),
    Timeline("repeat_interval below group_interval", (fire(0, "A"),), {"repeat_interval": "1s"}),
)

RESOLVING = (
    Timeline("fires again after it was told as resolved", (fire(0, "A"), resolve(2, "A"), fire(4, "A"))),
    Timeline(
        "a group that is over waits anew", (fire(0, "A"), resolve(2, "A"), fire(5.5, "A")), since=(0, 32)
    ),
    Timeline("fires again before it was told as resolved", (fire(0, "A"), resolve(1.5, "A"), fire(2.2, "A"))),
    Timeline(
        "flaps",
        (
            fire(0, "A"),
            resolve(0.3, "A"),
            fire(0.6, "A"),
            resolve(1.5, "A"),
            fire(2, "A"),
            resolve(2.4, "A"),
            fire(4, "A"),
            resolve(6, "A"),
            fire(6.3, "A"),
        ),
    ),
    Timeline(
        "flaps beside one that stays",
        (
            fire(0, "A", {"i": "stays"}),
            fire(0, "A", {"i": "flaps"}),
            resolve(1.5, "A", {"i": "flaps"}),
            fire(2.2, "A", {"i": "flaps"}),
            resolve(4, "A", {"i": "flaps"}),
            fire(6, "A", {"i": "flaps"}),
        ),
    ),
    Timeline(
        "fires and resolves between two flushes",
        (fire(0, "A", {"i": "1"}), fire(1.5, "A", {"i": "2"}), resolve(2.2, "A", {"i": "2"})),
    ),
    Timeline("resolve_timeout", (fire(0, "A", ends_s=None), look(2), look(5))),
    Timeline(
        "resolve_timeout is put off by word of it",
        (fire(0, "A", ends_s=None), fire(2, "A", ends_s=None), fire(4.5, "A", ends_s=None), look(6)),
    ),
    Timeline("endsAt passes", (fire(0, "A", ends_s=2), look(1.5), look(4))),
    Timeline(
        "endsAt is put off", (fire(0, "A", ends_s=2), fire(1.5, "A", ends_s=3), fire(3.5, "A", ends_s=3.2))
    ),
    Timeline("resolved, never having been heard of", (resolve(0, "A"), fire(0.2, "B"), look(2))),
    Timeline("resolved twice", (fire(0, "A"), resolve(2, "A"), resolve(3.6, "A"), look(4))),
    Timeline(
        "send_resolved false",
        (fire(0, "A"), resolve(2, "A"), fire(4, "A"), fire(4, "A", {"i": "2"}), resolve(8, "A")),
        receivers={"": hooks({"send_resolved": False})},
    ),
    Timeline(
        "send_resolved false, one of two resolves",
        (
            fire(0, "A", {"i": "1"}),
            fire(0, "A", {"i": "2"}),
            resolve(2, "A", {"i": "1"}),
            fire(4, "A", {"i": "3"}),
        ),
        receivers={"": hooks({"send_resolved": False})},
    ),
    Timeline(
        "send_resolved differs within a receiver",
        (fire(0, "A"), fire(0, "A", {"i": "2"}), resolve(2, "A"), resolve(4, "A", {"i": "2"})),
        receivers={"": hooks({"send_resolved": False}, {"send_resolved": True})},
    ),
    Timeline(
        "an earlier start is taken over",
        (fire(0, "A", starts_s=-0.2), fire(1.5, "A", starts_s=-3), fire(1.6, "A", {"i": "2"}), look(2)),
    ),
)

ROUTING = (
    Timeline(
        "continue",
        (fire(0, "A", CRITICAL), resolve(2, "A", CRITICAL), look(1.5)),
        {
            "routes": [
                {"receiver": "/a", "matchers": ['severity="critical"'], "continue": True},
                {"receiver": "/b", "matchers": ['severity=~"crit.*"']},
                {"receiver": "/c", "matchers": ['severity!=""']},
            ]
        },
        {"": hooks(), "/a": hooks(), "/b": hooks(), "/c": hooks()},
    ),
    Timeline(
        "nested routes",
        (
            fire(0, "A", {"team": "db", "severity": "critical"}),
            fire(0, "B", {"team": "db"}),
            fire(0, "C", {"team": "web"}),
            fire(0, "D", {"team": "web", "env": "dev"}),
            look(2),
        ),
        {
            "routes": [
                {
                    "matchers": ['team="db"'],
                    "receiver": "/db",
                    "group_by": ["team"],
                    "routes": [
                        {"matchers": ['severity="critical"'], "receiver": "/db pager", "continue": True},
                        {"matchers": ['alertname=~"A|X"'], "receiver": "/db log", "group_wait": "2s"},
                    ],
                },
                {"matchers": ['team=~"w.b"'], "routes": [{"matchers": ['env="dev"'], "receiver": "/dev"}]},
            ]
        },
        {"": hooks(), "/db": hooks(), "/db pager": hooks(), "/db log": hooks(), "/dev": hooks()},
    ),
    Timeline(
        "sibling routes that look alike",
        (fire(0, "A", CRITICAL), resolve(2, "A", CRITICAL), look(1.5)),
        {
            "routes": [
                {"matchers": ['severity="critical"'], "receiver": "/a", "continue": True},
                {"matchers": ['severity="critical"'], "receiver": "/b", "group_wait": "2s"},
            ]
        },
        {"": hooks(), "/a": hooks(), "/b": hooks()},
    ),
    Timeline(
        "group_by two labels, one absent",
        (
            fire(0, "A", {"job": "x", "i": "1"}),
            fire(0, "A", {"job": "x", "i": "2"}),
            fire(0, "A", {"job": "y"}),
            fire(0, "A"),
            look(2),
        ),
        {"group_by": ["alertname", "job"]},
    ),
    Timeline(
        "group_by every label",
        (fire(0, "A", {"i": "1"}), fire(0, "A", {"i": "2"}), resolve(2, "A", {"i": "1"}), look(1.5)),
        {"group_by": ["..."]},
    ),
    Timeline(
        "group_by a label nobody has",
        (fire(0, "A"), fire(0.2, "B"), fire(0.3, "C"), resolve(2, "B"), look(1.5)),
        {"group_by": ["nothing"]},
    ),
    Timeline(
        "classic match and match_re",
        (fire(0, "A", {"x": "1"}), fire(0, "B", {"x": "12"}), fire(0, "C", {"x": "3", "y": "q"})),
        {
            "routes": [
                {"match": {"x": "1"}, "receiver": "/one"},
                {"match_re": {"x": "1.|3", "y": "|q"}, "receiver": "/re"},
            ]
        },
        {"": hooks(), "/one": hooks(), "/re": hooks()},
    ),
    Timeline(
        "negative and empty matchers",
        (
            fire(0, "A"),
            fire(0, "B", {"x": "1"}),
            fire(0, "C", {"x": "2"}),
            fire(0, "D", {"x": "1", "y": "z"}),
            look(2),
        ),
        {
            "group_by": ["..."],
            "routes": [
                {"matchers": ['y!=""'], "receiver": "/y"},
                {"matchers": ['x=""'], "receiver": "/no x"},
                {"matchers": ["x!=1", "x!~'3.*'"], "receiver": "/other"},
            ],
        },
        {"": hooks(), "/y": hooks(), "/no x": hooks(), "/other": hooks()},
    ),
    Timeline(
        "UTF-8 matchers and names",
        (
            fire(0, "A", {"größe.in.m²": "1", "b": "ü"}),
            fire(0, "B", {"größe.in.m²": "2"}),
            look(2),
        ),
        {"routes": [{"matchers": ['"größe.in.m²"=~"1|3"', "b=ü"], "receiver": "/utf8"}]},
        {"": hooks(), "/utf8": hooks()},
        since=(0, 28),
    ),
    Timeline(
        "edges of label values",
        (
            fire(0, "A", {"q": 'say "hi"\\now', "n": "two\nlines", "t": "a\ttab", "u": "héllo ☃ 𝄞"}),
            fire(0, "A", {"q": "", "n": "  blank  ", "t": "{{ x }}", "u": "<b>&amp;</b>", "z": "z" * 3000}),
            look(2),
        ),
        {"group_by": ["q", "n", "t", "u"]},
    ),
    Timeline(
        "alerts are shown by job, instance, then labels",
        tuple(
            fire(0, name, {"instance": instance, **({"job": job} if job else {})})
            for name, job, instance in (
                ("Z", "b", "2"),
                ("Y", "a", "9"),
                ("X", "", "1"),
                ("W", "b", "1"),
                ("B", "b", "1"),
                ("C", "a", "10"),
            )
        ),
        {"group_by": ["nothing"]},
    ),
    Timeline(
        "common labels and annotations",
        (
            fire(0, "A", {"i": "1", "c": "x"}, annotations={"note": "same", "own": "1"}),
            fire(0, "A", {"i": "2", "c": "x"}, annotations={"note": "same", "own": "2"}),
            fire(1.5, "A", {"i": "1", "c": "x"}, annotations={"note": "new", "own": "1"}),
            fire(1.6, "A", {"i": "3", "c": "x"}, annotations={"note": "new"}),
            look(4),
        ),
    ),
)

_SELF = "matches both sides"
INHIBITING = (
    Timeline(
        "inhibition",
        (fire(0, "S", {**CRITICAL, **UP}), fire(0.1, "T", {**WARNING, **UP}), look(2)),
        inhibit=_by_severity("inhibition"),
    ),
    Timeline(
        "inhibition needs equal labels",
        (fire(0, "S", {**CRITICAL, **UP}), fire(0.1, "T", {**WARNING, "signal": "down"}), look(2)),
        inhibit=_by_severity("inhibition needs equal labels"),
    ),
    Timeline(
        "equal labels that both lack",
        (fire(0, "S", CRITICAL), fire(0.1, "T", WARNING), look(2)),
        inhibit=_by_severity("equal labels that both lack"),
    ),
    Timeline(
        "the source resolves",
        (
            fire(0, "S", {**CRITICAL, **UP}),
            fire(0.1, "T", {**WARNING, **UP}),
            resolve(4, "S", {**CRITICAL, **UP}),
            look(4.5),
        ),
        inhibit=_by_severity("the source resolves"),
    ),
    Timeline(
        "the source comes after the target was told",
        (
            fire(0, "T", {**WARNING, **UP}),
            fire(2, "S", {**CRITICAL, **UP}),
            resolve(4, "T", {**WARNING, **UP}),
            resolve(8, "S", {**CRITICAL, **UP}),
            look(3.5),
        ),
        inhibit=_by_severity("the source comes after the target was told"),
    ),
    Timeline(
        "a target resolves beside one that fires",
        (
            fire(0, "T", {**WARNING, **UP, "i": "1"}),
            fire(0, "T", {**WARNING, **UP, "i": "2"}),
            fire(0, "T", {"i": "3"}),
            fire(2, "S", {**CRITICAL, **UP}),
            resolve(4, "T", {**WARNING, **UP, "i": "1"}),
            resolve(6, "S", {**CRITICAL, **UP}),
        ),
        inhibit=_by_severity("a target resolves beside one that fires"),
    ),
    Timeline(
        "a silenced source inhibits",
        (
            silence(0, "of the source", ("severity", "=", "critical")),
            fire(0.3, "S", {**CRITICAL, **UP}),
            fire(0.4, "T", {**WARNING, **UP}),
            look(2),
        ),
        inhibit=_by_severity("a silenced source inhibits"),
    ),
    Timeline(
        "an inhibited source inhibits",
        (
            fire(0, "S", {"l": "1"}),
            fire(0.1, "M", {"l": "2"}),
            fire(0.2, "T", {"l": "3"}),
            look(2),
        ),
        inhibit=[
            inhibits("an inhibited source inhibits", ['l="1"'], ['l="2"'], []),
            inhibits("an inhibited source inhibits", ['l="2"'], ['l="3"'], []),
        ],
    ),
    Timeline(
        _SELF,
        (fire(0, "A", UP), fire(0.1, "B", UP), look(2)),
        inhibit=[inhibits(_SELF, ['signal="up"'], ['signal=~".+"'], [])],
    ),
    Timeline(
        "a pure source beside one that matches both sides",
        (fire(0, "Both", {**CRITICAL, **UP}), fire(0.1, "Pure", CRITICAL), look(2)),
        inhibit=[
            inhibits(
                "a pure source beside one that matches both sides",
                ['severity="critical"'],
                ['signal="up"'],
                [],
            )
        ],
    ),
    Timeline(
        "inhibition over receivers",
        (fire(0, "S", {**CRITICAL, **UP}), fire(0.1, "T", {**WARNING, **UP}), look(2)),
        {"routes": [{"matchers": ['severity="critical"'], "receiver": "/a"}]},
        {"": hooks(), "/a": hooks()},
        _by_severity("inhibition over receivers"),
    ),
)

SILENCING = (
    Timeline(
        "silenced before", (silence(0, "s", ("alertname", "=", "A")), fire(0.3, "A"), fire(0.3, "B"), look(2))
    ),
    Timeline(
        "silenced within group_wait",
        (fire(0, "A"), silence(0.4, "s", ("alertname", "=", "A")), look(1.5)),
    ),
    Timeline(
        "silenced after it was told",
        (fire(0, "A"), silence(1.6, "s", ("alertname", "=", "A")), resolve(4, "A"), look(3.5)),
    ),
    Timeline(
        "silence runs out",
        (silence(0, "s", ("alertname", "=", "A"), ends_s=2), fire(0.3, "A"), look(1.5), look(4)),
    ),
    Timeline(
        "silence is ended by hand",
        (silence(0, "s", ("alertname", "=", "A")), fire(0.3, "A"), look(1.8), expire(2.2, "s"), look(4)),
    ),
    Timeline(
        "silence begins later",
        (
            silence(0, "s", ("alertname", "=", "A"), starts_s=2, ends_s=6),
            fire(0, "A"),
            fire(1.5, "A", {"i": "2"}),
            look(1.7),
            look(4),
        ),
    ),
    Timeline(
        "silence of one of two",
        (
            silence(0, "s", ("i", "=", "1")),
            fire(0.3, "A", {"i": "1"}),
            fire(0.3, "A", {"i": "2"}),
            resolve(2, "A", {"i": "1"}),
            look(1.8),
        ),
    ),
    Timeline(
        "silences by pattern and by exclusion",
        (
            silence(0, "re", ("alertname", "=~", "A|B.*")),
            silence(0, "not", ("alertname", "=", "C"), ("env", "!=", "prod")),
            silence(0, "not re", ("alertname", "=", "D"), ("env", "!~", "p.*")),
            fire(0.3, "A"),
            fire(0.3, "Bx"),
            fire(0.3, "xB"),
            fire(0.3, "C"),
            fire(0.3, "C", {"env": "prod"}),
            fire(0.3, "D", {"env": "prod"}),
            fire(0.3, "D", {"env": "dev"}),
            look(2),
        ),
        {"group_by": ["..."]},
    ),
    Timeline(
        "silence is put off",
        (
            silence(0, "s", ("alertname", "=", "A"), ends_s=2),
            fire(0.3, "A"),
            silence(1.5, "s", ("alertname", "=", "A"), starts_s=-1.5, ends_s=5),
            look(2.8),
            look(8),
        ),
    ),
    Timeline(
        "silence gets other matchers",
        (
            silence(0, "s", ("alertname", "=", "A")),
            fire(0.3, "A"),
            fire(0.3, "B"),
            silence(2.2, "s", ("alertname", "=", "B")),
            look(2.8),
            resolve(4, "B"),
        ),
    ),
    Timeline(
        "two silences of one alert",
        (
            silence(0, "1", ("alertname", "=", "A")),
            silence(0.1, "2", ("alertname", "=", "A"), ends_s=8),
            fire(0.4, "A"),
            look(1.8),
            expire(2.2, "1"),
            look(3),
        ),
    ),
    Timeline(
        "silenced and resolved in silence, then again",
        (
            silence(0, "s", ("alertname", "=", "A"), ends_s=5),
            fire(0.3, "A"),
            resolve(2.2, "A"),
            fire(6, "A"),
        ),
    ),
)

MUTING = (
    Timeline(
        "muted",
        (fire(0, "A"), look(2), resolve(4, "A")),
        {"mute_time_intervals": ["/always"]},
        intervals={"/always": ALL_DAY},
    ),
    Timeline(
        "not muted now",
        (fire(0, "A"), look(2)),
        {"mute_time_intervals": ["/once"]},
        intervals={"/once": LONG_AGO},
    ),
    Timeline(
        "active now",
        (fire(0, "A"), look(2)),
        {"active_time_intervals": ["/once", "/today"]},
        intervals={"/once": LONG_AGO, "/today": only_today()},
    ),
    Timeline(
        "not active now",
        (fire(0, "A"), look(2)),
        {"active_time_intervals": ["/once", "/tomorrow"]},
        intervals={"/once": LONG_AGO, "/tomorrow": only_today(1)},
    ),
    Timeline(
        "active and muted at once",
        (fire(0, "A"), look(2)),
        {"active_time_intervals": ["/today"], "mute_time_intervals": ["/once", "/always"]},
        intervals={"/today": only_today(), "/once": LONG_AGO, "/always": ALL_DAY},
    ),
    Timeline(
        "muted by a clock far away",
        (fire(0, "A"), look(2)),
        {"mute_time_intervals": ["/there"]},
        intervals={"/there": [{"times": around_now(TOKYO), "location": "Asia/Tokyo"}]},
    ),
    Timeline(
        "not muted by the same hours elsewhere",
        (fire(0, "A"), look(2)),
        {"mute_time_intervals": ["/here"]},
        intervals={"/here": [{"times": around_now(TOKYO)}]},
    ),
    Timeline(
        "muted on one of two routes",
        (fire(0, "A"), look(2)),
        {
            "routes": [
                {"receiver": "/a", "continue": True, "mute_time_intervals": ["/always"]},
                {"receiver": "/b"},
            ]
        },
        {"": hooks(), "/a": hooks(), "/b": hooks()},
        intervals={"/always": ALL_DAY},
    ),
)

SENDING = (
    Timeline(
        "max_alerts",
        tuple(fire(0, "A", {"i": str(i)}) for i in range(5)),
        receivers={"": hooks({"max_alerts": 2})},
    ),
    Timeline(
        "max_alerts with resolved ones",
        (*(fire(0, "A", {"i": str(i)}) for i in range(4)), *(resolve(2, "A", {"i": i}) for i in "012")),
        receivers={"": hooks({"max_alerts": 2}, {"max_alerts": 4})},
    ),
    Timeline("a 503 is tried again", (fire(0, "A"),), answers={"": [503, 502, 200]}),
    Timeline("a broken connection is tried again", (fire(0, "A"),), answers={"": [0, 200]}),
    Timeline(
        "a 400 is not tried again before the next flush",
        (fire(0, "A"), resolve(4, "A")),
        answers={"": [400, 200]},
    ),
    Timeline(
        "one of two integrations refuses",
        (fire(0, "A"), resolve(4.2, "A")),
        receivers={"": hooks({}, {}), "/other": hooks()},
        answers={"": [200]},
    ),
    Timeline(
        "news while a receiver cannot be reached",
        (fire(0, "A", {"i": "1"}), fire(1.5, "A", {"i": "2"})),
        answers={"": [503, 200]},
        times=False,
    ),
)

MAILING = (
    Timeline(
        "mail",
        (
            fire(0, "A", annotations={"note": "mind the gap"}),
            fire(1.5, "A", {"i": "2"}, annotations={"note": "mind the gap"}),
            resolve(4, "A"),
        ),
        receivers={"": {"mail": [{}]}},
    ),
    Timeline(
        "mail-resolved",
        (fire(0, "A", annotations={"note": "ünïcode"}), resolve(2, "A")),
        receivers={"": {"mail": [{"send_resolved": True}]}},
    ),
    Timeline(
        "mail-to-two",
        (fire(0, "A"),),
        receivers={"": {"mail": [{"to": "mail-to-two@example.org, zoe@example.org"}]}},
    ),
    Timeline(
        "mail-and-hook",
        (fire(0, "A"), resolve(2, "A")),
        receivers={"": {"mail": [{"send_resolved": True}], "hook": [{}]}},
    ),
)

TIMELINES = (*WAITING, *RESOLVING, *ROUTING, *INHIBITING, *SILENCING, *MUTING, *SENDING, *MAILING)


# Played apart, since they change the whole process: at RELOAD_S the settings of RELOADED take the place of
# those of BEFORE_RELOAD; at RESTART_S both programs end and begin again, and senders send what still fires.
# Alertmanager begins its groups anew then, so that only what is told, and in which order, is compared.
RELOAD_S, RESTART_S = 3.9, 3.9
_TWO = {"": hooks(), "/b": hooks()}


def _changed(name: str, steps: Sequence[Step], *routes: Mapping[str, Any]) -> list[Timeline]:
    return [Timeline(name, steps, route, _TWO, times=False) for route in routes]


_RELOADS = (
    _changed("nothing changes", (fire(0, "A"),), {}, {}),
    _changed("resolves afterwards", (fire(0, "A"), resolve(6.2, "A")), {}, {}),
    _changed("is joined afterwards", (fire(0, "A"), fire(6.2, "A", {"i": "2"})), {}, {}),
    _changed(
        "goes to another receiver",
        (fire(0, "A"), resolve(8.2, "A")),
        {},
        {"receiver": "/b", "group_wait": "0s"},
    ),
    _changed("is grouped otherwise", (fire(0, "A", {"i": "1"}),), {}, {"group_by": ["alertname", "i"]}),
    _changed(
        "is muted afterwards", (fire(0, "A"), resolve(6.2, "A")), {}, {"mute_time_intervals": ["/always"]}
    ),
    _changed("is let through afterwards", (fire(0, "A"),), {"mute_time_intervals": ["/always"]}, {}),
)
BEFORE_RELOAD, RELOADED = (
    tuple(replace(pair[i], intervals={"/always": ALL_DAY}) for pair in _RELOADS) for i in (0, 1)
)
RESTARTED = (
    Timeline("still fires", (fire(0, "A"), fire(8, "A")), times=False),
    Timeline("resolved while it was away", (fire(0, "A"), fire(8, "A"), resolve(9.5, "A")), times=False),
    Timeline("joined by another", (fire(0, "A"), fire(8, "A"), fire(8, "A", {"i": "2"})), times=False),
    Timeline(
        "silenced", (silence(0, "s", ("alertname", "=", "A")), fire(0.3, "A"), fire(8, "A")), times=False
    ),
    Timeline(
        "repeats afterwards",
        (fire(0, "A"), fire(8, "A")),
        {"repeat_interval": "6s"},
        times=False,
    ),
)
