"""One full disk under the real server; `make torture` fills it twenty times."""

import full_disk
import pytest


@pytest.mark.timeout(120)
def test_a_full_disk_refuses_samples_keeps_alerting_and_recovers_by_itself() -> None:
    try:
        report = full_disk.run(fills=1, seed=3, longest_full_s=1)
    except PermissionError as refusal:
        pytest.skip(f"this user cannot mount a small disk: {refusal}")
    assert report.faults == []
    assert report.refused > 0
    assert report.told > 0
