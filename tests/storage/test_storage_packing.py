"""What is packed in memory comes back to the bit, whichever rows are asked for."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from backbeat.storage.packing import group_series, pack, unpack


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_rows_come_back_to_the_bit(data: st.DataObject) -> None:
    samples = data.draw(st.sampled_from([1, 2, 9, 32, 120, 5000, 9000]))
    together = group_series(samples)
    few = {1, 2, together - 1, together, together + 1, 2 * together + 1}
    series = data.draw(st.sampled_from(sorted(each for each in few if each and each * samples < 40_000)))
    fill = data.draw(st.integers(0, 2**64 - 1))
    bits = np.full((series, samples), fill, np.uint64)
    own = data.draw(arrays.arrays(np.uint64, 50, elements=st.integers(0, 2**64 - 1)))
    bits.flat[np.linspace(0, bits.size - 1, len(own)).astype(int)] = own
    matrix = bits.view(np.float64)
    groups = pack(matrix)
    assert len(groups) == -(-series // together)
    rows = np.array(data.draw(st.lists(st.integers(0, series - 1), max_size=20)), np.int32)
    assert (unpack(groups, rows, samples).view(np.uint64) == bits[rows]).all()
    everyone = np.arange(series, dtype=np.int32)
    assert (unpack(groups, everyone, samples).view(np.uint64) == bits).all()


def test_counters_take_about_a_byte_a_sample() -> None:
    rng = np.random.default_rng(1)
    counters = np.cumsum(rng.poisson(rng.exponential(20, (500, 1)), (500, 120)), axis=1).astype(np.float64)
    assert sum(map(len, pack(counters))) < 1.5 * counters.size
