"""Remote-write messages, encoded by hand as senders do."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import cramjam

Pairs = Sequence[tuple[str, str]]


def varint(number: int) -> bytes:
    number &= 2**64 - 1
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def delimited(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def labels(pairs: Pairs) -> bytes:
    return b"".join(
        delimited(1, delimited(1, name.encode()) + delimited(2, value.encode())) for name, value in pairs
    )


def sample(at_ms: int, value: float) -> bytes:
    number = b"" if value == 0 else b"\x09" + struct.pack("<d", value)
    return delimited(2, number + (b"\x10" + varint(at_ms) if at_ms else b""))


def exemplar(pairs: Pairs, value: float, at_ms: int) -> bytes:
    return delimited(3, labels(pairs) + b"\x11" + struct.pack("<d", value) + b"\x18" + varint(at_ms))


def series(pairs: Pairs, *samples: tuple[int, float], more: bytes = b"") -> bytes:
    return delimited(1, labels(pairs) + b"".join(sample(*each) for each in samples) + more)


def metadata(kind: int, metric: str, text: str, unit: str = "") -> bytes:
    return delimited(
        3,
        b"\x08"
        + varint(kind)
        + delimited(2, metric.encode())
        + delimited(4, text.encode())
        + delimited(5, unit.encode()),
    )


def body(parts: Iterable[bytes]) -> bytes:
    return bytes(cramjam.snappy.compress_raw(b"".join(parts)))
