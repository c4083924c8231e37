"""A few of the kills of `kill_notify` in every run; BACKBEAT_KILLS asks for more."""

from __future__ import annotations

import os

import kill_notify
import pytest


@pytest.mark.timeout(600)
async def test_kill_minus_nine_loses_no_notification_and_doubles_at_most_one() -> None:
    report = await kill_notify.run(kills=int(os.environ.get("BACKBEAT_KILLS", "10")), seed=7)
    assert report.lost == [], str(report)
    assert report.most_doubled_by_one_kill <= 1, str(report)
    assert report.killed_before_2xx > 0, str(report)
