"""The profile's heartbeat: the message comes every minute, on the profile's own files."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from backbeat.alerting.routing import match
from backbeat.model.labels import Labels
from backbeat.profile import profile_text, write_profile
from backbeat.settings import read_config

sys.path.insert(0, str(Path(__file__).parents[1] / "alerting"))
from alert_story import MINUTE, Inbox, Story


async def test_the_heartbeat_is_heard_every_minute_and_reaches_nobody_else(tmp_path: Path) -> None:
    written = {path.name: path for path in write_profile(tmp_path / "profile")}
    for name in ("smtp_password", "slack_webhook_url"):
        (written["README.txt"].parent / name).write_text("https://hooks.example.com/x")
    alertmanager = read_config(tmp_path / "profile").alertmanager
    assert alertmanager is not None
    (rule,) = yaml.safe_load(profile_text("watchdog_rules.yml"))["groups"][0]["rules"]
    labels = Labels.of({"alertname": rule["alert"], **rule["labels"]})
    assert [route.receiver for route in match(alertmanager.route, labels)] == ["heartbeat"]
    heartbeat = Inbox(send_resolved=False)
    async with Story(tmp_path / "state.db", alertmanager, {"heartbeat": [heartbeat]}) as story:
        await story.fire(story.alert("Watchdog", severity="none"))
        await story.pass_time(10 * MINUTE)
    assert heartbeat.lines == [f"{60 * minute}s firing Watchdog" for minute in range(11)]
