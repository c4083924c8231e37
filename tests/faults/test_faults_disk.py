"""One full, read-only and slow disk each under the real server; `make torture` makes them often."""

import bad_disk
import full_disk
import pytest
import read_only_disk


@pytest.mark.timeout(120)
def test_a_full_disk_refuses_samples_keeps_alerting_and_recovers_by_itself() -> None:
    try:
        report = full_disk.run(fills=1, seed=3, longest_full_s=1)
    except PermissionError as refusal:
        pytest.skip(str(refusal))
    assert report.faults == []
    assert report.refused > 0
    assert report.told > 0


@pytest.mark.timeout(120)
def test_a_read_only_and_a_slow_disk_and_no_descriptors_keep_alerting_and_lose_nothing() -> None:
    try:
        report = bad_disk.run(times=1, seed=3, longest_s=0.5)
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    assert report.faults == []
    assert report.refused > 0
    assert report.told > 0


@pytest.mark.timeout(120)
def test_a_file_system_that_linux_makes_read_only_keeps_alerting_and_loses_nothing() -> None:
    try:
        report = read_only_disk.run(times=1, seed=3, longest_s=0.5)
    except (PermissionError, FileNotFoundError) as missing:
        pytest.skip(str(missing))
    assert report.faults == []
    assert report.refused > 0
    assert report.told > 0
