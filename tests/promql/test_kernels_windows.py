"""Where windows lie in timestamps: every way to find it agrees with counting one by one."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from backbeat.promql.kernels.windows import Columns, half_open

FIRST_MS = 1_700_000_000_000


def _columns(groups: int, seed: int) -> Columns:
    """Groups of one series each, with up to 60 timestamps about 15 s apart; the values are their places."""
    rng = np.random.default_rng(seed)
    times = [
        FIRST_MS + np.unique(rng.integers(0, 60, rng.integers(1, 61))) * 15_000 + rng.integers(0, 15_000)
        for _ in range(groups)
    ]
    starts = np.cumsum([0, *map(len, times)])
    return Columns(
        np.arange(starts[-1], dtype=np.float64),
        starts[:-1],
        np.arange(groups),
        np.concatenate(times),
        starts,
    )


@pytest.mark.parametrize("groups", [1, 2, 5, 33, 80])
@pytest.mark.parametrize("length_ms", [1, 15_000, 60_000, 100_001, 300_000, 7_200_000])
def test_windows_hold_what_lies_in_them(groups: int, length_ms: int) -> None:
    columns = _columns(groups, seed=groups)
    first = int(columns.times[0])
    for step_ms, steps, begin in product(
        (0, 1_000, 15_000, 61_000), (1, 15, 16, 40), (-400_000, 0, 100_000, 2_000_000)
    ):
        # Some ends are the very timestamps of the first group.
        ends = first + begin + step_ms * np.arange(steps)
        found = half_open(columns, ends, length_ms)
        for group in range(groups):
            own = columns.times[columns.starts[group] : columns.starts[group + 1]]
            lo = (own <= ends[:, np.newaxis] - length_ms).sum(axis=1)
            hi = (own <= ends[:, np.newaxis]).sum(axis=1)
            assert found.lo[group].tolist() == lo.tolist()
            assert found.hi[group].tolist() == hi.tolist()


def test_windows_of_uneven_steps() -> None:
    columns = _columns(50, seed=1)
    ends = FIRST_MS + np.cumsum(np.arange(30)) * 1000
    found = half_open(columns, ends, 60_000)
    for group in range(50):
        own = columns.times[columns.starts[group] : columns.starts[group + 1]]
        assert found.hi[group].tolist() == [int((own <= end).sum()) for end in ends]
        assert found.lo[group].tolist() == [int((own <= end - 60_000).sum()) for end in ends]
