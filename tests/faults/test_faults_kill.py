"""A few kills of the whole server; `make torture` does many."""

import os

import pytest
from kill_server import run


@pytest.mark.timeout(120)
def test_a_killed_server_keeps_what_it_acknowledged() -> None:
    report = run(int(os.environ.get("BACKBEAT_KILLS", "4")), seed=7)
    assert report.faults == []
    assert report.acknowledged > 0
    assert report.scraped > 0
