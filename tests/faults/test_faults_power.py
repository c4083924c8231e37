"""A few power cuts; `make torture` makes five hundred of each kind."""

import power_cut
import pytest


@pytest.mark.parametrize(
    "fsync_ms", [pytest.param(0, id="fsync at every append"), pytest.param(1000, id="every second")]
)
def test_a_power_cut_costs_no_more_than_what_was_not_fsynced_yet(fsync_ms: int) -> None:
    report = power_cut.run(10, 4, fsync_ms)
    assert report.faults == []
    assert report.acknowledged > 1000
