"""Timelines of silences and time intervals: data, and nothing else."""

from __future__ import annotations

from peer_stage import Timeline, expire, fire, look, resolve, silence
from peer_words import (
    ALL_DAY,
    LONG_AGO,
    TOKYO,
    around_now,
    hooks,
    only_today,
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
