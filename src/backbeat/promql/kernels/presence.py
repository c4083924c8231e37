"""Presence that is True in every cell, which is the usual one: kept as one cell, known without a look at all.

Such an array has strides of 0 and cannot be written to; else it is an array as any other.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from backbeat.promql.kernels.arrays import Bools

_STILL = (0, 0)


@lru_cache(maxsize=1024)
def everywhere(shape: tuple[int, int]) -> Bools:
    """True in every cell."""
    return np.broadcast_to(np.True_, shape)


def is_everywhere(present: Bools) -> bool:
    """Whether every cell is True."""
    return count_present(present) == present.size


def count_present(present: Bools) -> int:
    if present.strides == _STILL:
        return present.size if present.size and present.item(0) else 0
    return int(np.count_nonzero(present))


def both(one: Bools, two: Bools) -> Bools:
    """Where both are True; of one shape."""
    if one.strides == _STILL and is_everywhere(one):
        return two
    return one if two.strides == _STILL and is_everywhere(two) else one & two
