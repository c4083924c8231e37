"""Timelines of routes, groups and inhibition: data, and nothing else."""

from __future__ import annotations

from peer_stage import Timeline, fire, look, resolve, silence
from peer_words import (
    CRITICAL,
    UP,
    WARNING,
    by_severity,
    hooks,
    inhibits,
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
                        {"matchers": ['alertname=~"A|X"'], "receiver": "/db log", "group_wait": "1500ms"},
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
                {"matchers": ['severity="critical"'], "receiver": "/b", "group_wait": "1500ms"},
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
        inhibit=by_severity("inhibition"),
    ),
    Timeline(
        "inhibition needs equal labels",
        (fire(0, "S", {**CRITICAL, **UP}), fire(0.1, "T", {**WARNING, "signal": "down"}), look(2)),
        inhibit=by_severity("inhibition needs equal labels"),
    ),
    Timeline(
        "equal labels that both lack",
        (fire(0, "S", CRITICAL), fire(0.1, "T", WARNING), look(2)),
        inhibit=by_severity("equal labels that both lack"),
    ),
    Timeline(
        "the source resolves",
        (
            fire(0, "S", {**CRITICAL, **UP}),
            fire(0.1, "T", {**WARNING, **UP}),
            resolve(4, "S", {**CRITICAL, **UP}),
            look(4.5),
        ),
        inhibit=by_severity("the source resolves"),
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
        inhibit=by_severity("the source comes after the target was told"),
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
        inhibit=by_severity("a target resolves beside one that fires"),
    ),
    Timeline(
        "a silenced source inhibits",
        (
            silence(0, "of the source", ("severity", "=", "critical")),
            fire(0.3, "S", {**CRITICAL, **UP}),
            fire(0.4, "T", {**WARNING, **UP}),
            look(2),
        ),
        inhibit=by_severity("a silenced source inhibits"),
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
        by_severity("inhibition over receivers"),
    ),
)
