"""Prometheus's hash of a label set, so that limit_ratio chooses the same series as Prometheus does.

xxHash64 (seed 0) over each name and value, preceded by its length.
"""

from __future__ import annotations

from functools import lru_cache

from backbeat.model.labels import Labels

_MASK = 0xFFFFFFFFFFFFFFFF
_P1, _P2, _P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
_P4, _P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5


def _rotate(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & _MASK


def _round(lane: int, word: int) -> int:
    return _rotate((lane + word * _P2) & _MASK, 31) * _P1 & _MASK


def _stripes(text: bytes) -> int:
    lanes = [(_P1 + _P2) & _MASK, _P2, 0, -_P1 & _MASK]
    for at in range(0, len(text) - 31, 32):
        for lane in range(4):
            word = int.from_bytes(text[at + 8 * lane : at + 8 * lane + 8], "little")
            lanes[lane] = _round(lanes[lane], word)
    one, two, three, four = lanes
    mixed = (_rotate(one, 1) + _rotate(two, 7) + _rotate(three, 12) + _rotate(four, 18)) & _MASK
    for lane in lanes:
        mixed = ((mixed ^ _round(0, lane)) * _P1 + _P4) & _MASK
    return mixed


def xxhash64(text: bytes) -> int:
    mixed = _stripes(text) if len(text) >= 32 else _P5
    mixed = (mixed + len(text)) & _MASK
    at = len(text) // 32 * 32
    while at + 8 <= len(text):
        mixed ^= _round(0, int.from_bytes(text[at : at + 8], "little"))
        mixed = (_rotate(mixed, 27) * _P1 + _P4) & _MASK
        at += 8
    if at + 4 <= len(text):
        mixed ^= int.from_bytes(text[at : at + 4], "little") * _P1 & _MASK
        mixed = (_rotate(mixed, 23) * _P2 + _P3) & _MASK
        at += 4
    for byte in text[at:]:
        mixed ^= byte * _P5 & _MASK
        mixed = _rotate(mixed, 11) * _P1 & _MASK
    mixed = (mixed ^ (mixed >> 33)) * _P2 & _MASK
    mixed = (mixed ^ (mixed >> 29)) * _P3 & _MASK
    return mixed ^ (mixed >> 32)


def _sized(text: str) -> bytes:
    body = text.encode("utf-8", "surrogatepass")
    size = len(body)
    return (bytes([size]) if size < 255 else b"\xff" + size.to_bytes(3, "little")) + body


@lru_cache(maxsize=1 << 16)
def sample_offset(labels: Labels) -> float:
    """The label set's place between 0 and 1."""
    text = b"".join(_sized(name) + _sized(value) for name, value in labels)
    return xxhash64(text) / float(_MASK)
