"""The words that `backbeat alerts` and `backbeat route` print."""

from __future__ import annotations

from typing import Any

import pytest

from backbeat.cli import oncall
from backbeat.model.errors import WorldFailure

WAY = {
    "path": ["{}", '{severity="critical"}'],
    "receiver": "pager",
    "integrations": [],
    "groupBy": ["alertname"],
    "groupKey": '{}/{severity="critical"}:{alertname="X"}',
    "groupWaitMs": 30_000,
    "groupIntervalMs": 300_000,
    "repeatIntervalMs": 14_400_000,
    "muted": "",
}


def test_a_route_shows_path_times_and_that_nobody_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = {"routes": [WAY], "silencedBy": ["s1"], "inhibitedBy": "", "reachesSomebody": False}
    asked: list[Any] = []
    monkeypatch.setattr(oncall, "ask", lambda *given: asked.append(given) or answer)
    assert oncall.run_route("http://b", ["severity=critical"]) == 0
    assert asked == [("http://b", "route", [("label", "severity=critical")])]
    assert capsys.readouterr().out.splitlines() == [
        '{} → {severity="critical"} → pager',
        "  told by   nobody: the receiver has no integration",
        '  group_by  alertname: {}/{severity="critical"}:{alertname="X"}',
        "  group_wait 30s, group_interval 5m, repeat_interval 4h",
        "silenced now by s1",
        "nobody would be told now",
    ]


def test_an_alert_of_which_nothing_is_known_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(oncall, "ask", lambda *given: [{"trail": []}])
    assert oncall.run_why("http://b", "Nope") == 1
    assert "Nope: nothing is known of it" in capsys.readouterr().out


def test_a_receiver_that_does_not_take_a_test_message_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = {"integration": "slack[0]", "ok": False, "answer": "HTTP 404: no_team"}
    monkeypatch.setattr(oncall, "ask", lambda *given, **more: [answer])
    assert oncall.run_notify("http://b", "pager") == 1
    assert capsys.readouterr().out == "pager by slack: FAILED HTTP 404: no_team\n"


@pytest.mark.parametrize(
    ("url", "said"), [("file:///etc", "expected a URL"), ("http://127.0.0.1:1", "is Backbeat running there")]
)
def test_a_server_that_cannot_be_asked_is_named(url: str, said: str) -> None:
    with pytest.raises(WorldFailure, match=said):
        oncall.run_why(url, "X")
