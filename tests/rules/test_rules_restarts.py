"""A few of the restarts of `restarts` in every run; `make torture` makes 500."""

from __future__ import annotations

from pathlib import Path

import restarts


async def test_for_survives_restarts_at_random_moments(tmp_path: Path) -> None:
    report = await restarts.run(8, 7, tmp_path / "data")
    assert report.firing
    assert report.pending
    assert (report.lost, report.off) == ([], []), str(report)
