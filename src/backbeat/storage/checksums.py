"""CRC-32 of many parts at once: that of a whole from those of its parts, without a look at the parts.

A CRC is linear: what the bytes before contribute depends on how many bytes come after, and on nothing else.
So a file of a million records is checked by one pass over all of it, as fast as memory gives it and without
holding the interpreter, and by this arithmetic over the checksums that the records carry.
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from backbeat.model.arrays import Int64s

UInt32s: TypeAlias = NDArray[np.uint32]
UInt8s: TypeAlias = NDArray[np.uint8]

_POLYNOMIAL = 0xEDB88320
_BITS = (np.arange(256)[:, None] >> np.arange(8) & 1).astype(np.bool_)
"""(byte, bit)"""


def of_rows(rows: UInt8s) -> UInt32s:
    """CRC-32 of each row of a few bytes. rows: (rows, bytes)"""
    count = rows.shape[1]
    found = np.full(len(rows), zlib.crc32(bytes(count)), np.uint32)
    for place in range(count):
        found ^= _of_byte(count - 1 - place)[rows[:, place]]
    return found


def joined(crcs: UInt32s, sizes: Int64s) -> int:
    """CRC-32 of parts one behind the other. crcs, sizes: (parts,) the CRC-32 and the bytes of each."""
    return int(np.bitwise_xor.reduce(followed(crcs, sizes.sum() - np.cumsum(sizes)), initial=0))


def followed(crcs: UInt32s, counts: Int64s) -> UInt32s:
    """What each CRC contributes to that of a whole in which so many bytes come after its part."""
    found = crcs
    for power in range(int(counts.max(initial=0)).bit_length()):
        has = (counts >> power & 1).astype(np.bool_)
        found = np.where(has, _applied(_followed_by(power), found), found)
    return found


@cache
def _of_byte(followers: int) -> UInt32s:
    """(byte,) what a byte contributes when so many follow."""
    if followers:
        return _applied(_followed_by(0), _of_byte(followers - 1))
    zero = zlib.crc32(b"\0")
    return np.array([zlib.crc32(bytes([byte])) ^ zero for byte in range(256)], np.uint32)


@cache
def _followed_by(power: int) -> UInt32s:
    """(4, 256) for each byte of a CRC its share of the contribution when 2 ** power bytes follow."""
    images = np.uint32(1) << np.arange(32, dtype=np.uint32)
    if power:
        for _ in range(2):
            images = _applied(_followed_by(power - 1), images)
    else:
        for _ in range(8):
            images = np.where(images & 1, images >> 1 ^ np.uint32(_POLYNOMIAL), images >> 1)
    shares = np.where(_BITS, images.reshape(4, 1, 8), np.uint32(0))
    found: UInt32s = np.bitwise_xor.reduce(shares, axis=2)
    return found


def _applied(shares: UInt32s, crcs: UInt32s) -> UInt32s:
    found: UInt32s = shares[0][crcs & 255]
    for place in (1, 2, 3):
        found = found ^ shares[place][crcs >> np.uint32(8 * place) & 255]
    return found
