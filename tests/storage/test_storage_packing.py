"""What is packed in memory comes back to the bit, whichever rows are asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from backbeat.model.arrays import Float64s, Int32s
from backbeat.storage.packing import Packed, group_series, pack, unpack_into

WIDEST = 2.0**63
STEPS = (
    0.0,
    1.0,
    -1.0,
    127.0,
    128.0,
    -128.0,
    -129.0,
    32767.0,
    32768.0,
    2.0**31 - 1,
    2.0**31,
    2.0**52,
    WIDEST,
)


def unpacked(packed: Packed, rows: Int32s) -> Float64s:
    out = np.full((len(rows), packed.samples + 2), 7.0)
    unpack_into(out[:, 1:-1], packed, rows)
    assert (out[:, [0, -1]] == 7.0).all()
    return out[:, 1:-1]


def assert_kept(matrix: Float64s, rows: Int32s) -> None:
    packed = pack(np.ascontiguousarray(matrix))
    everyone = np.arange(len(matrix), dtype=np.int32)
    assert unpacked(packed, everyone).tobytes() == matrix.tobytes()
    assert unpacked(packed, rows).tobytes() == matrix[rows].tobytes()


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_any_bits_come_back(data: st.DataObject) -> None:
    shape = (data.draw(st.integers(1, 70)), data.draw(st.integers(1, 9)))
    bits = data.draw(arrays.arrays(np.uint64, shape, elements=st.integers(0, 2**64 - 1)))
    whole = data.draw(arrays.arrays(np.float64, shape, elements=st.sampled_from(STEPS)))
    kinds = data.draw(arrays.arrays(np.int8, (shape[0], 1), elements=st.integers(0, 2)))
    matrix = np.choose(kinds, [bits.view(np.float64), whole, np.cumsum(whole, axis=1)])
    rows = data.draw(st.lists(st.integers(0, shape[0] - 1), max_size=20, unique=True))
    assert_kept(matrix, np.array(rows, np.int32))


@pytest.mark.parametrize("samples", [1, 2, 32, 120, 9000])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_series_of_several_groups_and_widths_come_back(samples: int, more: int) -> None:
    rng = np.random.default_rng(samples + more)
    count = min(max(1, group_series(samples, 1) + more), 40_000)
    matrix = np.cumsum(rng.integers(0, 100, (count, samples)), axis=1).astype(np.float64)
    matrix[::7] *= 1000.0
    matrix[3::11] += 0.5
    matrix[5::13, -1] = -0.0
    assert_kept(matrix, rng.permutation(count)[:50].astype(np.int32))


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([-WIDEST, WIDEST - 1024], id="the difference overflows to a small one"),
        pytest.param([0.0, -0.0], id="zeros of both signs"),
        pytest.param([1.0, np.nan, 1.0], id="no number"),
        pytest.param([np.inf, -np.inf], id="infinite"),
        pytest.param([WIDEST, WIDEST], id="whole, but not in 64 bits"),
    ],
)
def test_values_at_the_edge_come_back(values: list[float]) -> None:
    assert_kept(np.array([values, values[::-1]]), np.array([1], np.int32))


def test_counters_take_about_a_byte_a_sample() -> None:
    rng = np.random.default_rng(1)
    counters = np.cumsum(rng.poisson(rng.exponential(20, (500, 1)), (500, 120)), axis=1).astype(np.float64)
    assert pack(counters).size_bytes < 1.0 * counters.size
