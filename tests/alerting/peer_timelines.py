"""The timelines that a real Alertmanager and Backbeat must answer alike: data, and nothing else.

Without other words: group_by alertname, group_wait 1 s, group_interval 2 s (so flushes at 1, 3, 5, … s after
the first alert), repeat_interval 1 h, one webhook. Actions keep half a second away from flushes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace
from peer_quiet import MUTING, SILENCING
from peer_routes import INHIBITING, ROUTING
from peer_stage import Step, Timeline, fire, look, resolve, silence
from peer_words import (
    ALL_DAY,
    hooks,
)

END_S = 14.0

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
