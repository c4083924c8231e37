"""A series' key: 64 bits that name it across restarts, blocks and cohorts.

The key stands for the labels wherever arrays of series are compared. It is a BLAKE2b digest, so two of ten
million series share one with a probability of about 3 in a million.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from backbeat.model.labels import Labels

Keys = NDArray[np.uint64]


def key_of(labels: Labels) -> int:
    # These surrogates become the bytes FE and FF, which occur in no UTF-8 text.
    text = "\udcff".join([f"{name}\udcfe{value}" for name, value in labels])
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "little")


def find_sorted(haystack: NDArray[np.generic], needles: NDArray[np.generic]) -> NDArray[np.intp]:
    """Place of each needle in a sorted array without repetitions, or -1."""
    if len(haystack) == 0:
        return np.full(len(needles), -1, np.intp)
    places = np.searchsorted(haystack, needles)
    places[places == len(haystack)] = 0
    places[haystack[places] != needles] = -1
    return places
