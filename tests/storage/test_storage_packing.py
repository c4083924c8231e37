"""What is packed in memory comes back to the bit, whichever rows are asked for."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from backbeat.storage.packing import GROUP_SERIES, pack, unpack


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_rows_come_back_to_the_bit(data: st.DataObject) -> None:
    series = data.draw(st.sampled_from([1, 2, GROUP_SERIES - 1, GROUP_SERIES, GROUP_SERIES + 1, 200]))
    samples = data.draw(st.integers(1, 9))
    bits = data.draw(arrays.arrays(np.uint64, (series, samples), elements=st.integers(0, 2**64 - 1)))
    matrix = bits.view(np.float64)
    groups = pack(matrix)
    assert len(groups) == -(-series // GROUP_SERIES)
    rows = np.array(data.draw(st.lists(st.integers(0, series - 1), max_size=20)), np.int32)
    assert (unpack(groups, rows, samples).view(np.uint64) == bits[rows]).all()
    everyone = np.arange(series, dtype=np.int32)
    assert (unpack(groups, everyone, samples).view(np.uint64) == bits).all()


def test_counters_take_about_a_byte_a_sample() -> None:
    rng = np.random.default_rng(1)
    counters = np.cumsum(rng.poisson(rng.exponential(20, (500, 1)), (500, 120)), axis=1).astype(np.float64)
    assert sum(map(len, pack(counters))) < 1.5 * counters.size
