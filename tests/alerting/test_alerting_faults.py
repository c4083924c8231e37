"""The faults of `alerting_faults` in small; `make torture` has the full sizes."""

from __future__ import annotations

from pathlib import Path

import alerting_faults


async def test_silences_that_were_acknowledged_outlive_a_kill() -> None:
    acknowledged, lost = await alerting_faults.kill_after_silences(kills=3, seed=7)
    assert acknowledged >= 3
    assert lost == 0


async def test_reloads_at_random_moments_change_nothing_that_is_told(tmp_path: Path) -> None:
    undisturbed, reloaded = await alerting_faults.reload_at_random(40, 7, tmp_path)
    assert undisturbed.total() > 20
    assert reloaded == undisturbed


async def test_many_alerts_at_once_are_all_told(tmp_path: Path) -> None:
    told, _ = await alerting_faults.many_at_once(3_000, tmp_path)
    assert told == 3_000


async def test_a_label_of_a_megabyte_is_refused_with_a_word(tmp_path: Path) -> None:
    said = await alerting_faults.too_large(tmp_path)
    assert said == "invalid value of text: found 1000000 characters, expected UTF-8 up to 4096"
