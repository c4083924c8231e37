"""What rules write arrives in storage, however long a rule had nothing to write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backbeat.model.labels import Labels
from backbeat.rules.vector import Vector
from backbeat.rules.writer import GroupWriter, RuleWriter
from backbeat.storage import StorageOptions, cohort, open_storage


def test_a_rule_that_returned_nothing_for_long_writes_its_series_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that a column is given up for good after a few others instead of thousands.
    monkeypatch.setattr(cohort, "_LEAST_DORMANT", 2)
    storage = open_storage(tmp_path / "data", StorageOptions(), lambda: 10**9)
    group = GroupWriter(storage, "rules/g")
    seldom, often = RuleWriter(group), RuleWriter(group)
    alert = Vector([Labels.of(__name__="ALERTS", alertname="Seldom")], np.ones(1))
    nothing = Vector([], np.empty(0))
    assert seldom.write(1000, alert).stored == 1
    for number in range(20):
        at_ms = 2000 + 1000 * number
        seldom.write(at_ms, nothing)
        often.write(at_ms, Vector([Labels.of(__name__="ALERTS", pod=str(number))], np.ones(1)))
        storage.flush()
    assert seldom.write(100_000, alert).stored == 1
    storage.close()
