"""Where the whole records of a file are, told by one checksum of it or, if that is wrong, one by one."""

from __future__ import annotations

import random
import zlib

import numpy as np
import pytest

from backbeat.storage import checksums
from backbeat.storage.records import HEADER, Damage, Kind, Record, frame, frames, scan


@pytest.mark.parametrize("seed", range(20))
def test_the_checksum_of_a_whole_follows_from_those_of_its_parts(seed: int) -> None:
    rng = random.Random(seed)
    parts = [rng.randbytes(rng.choice([0, 1, 7, 8, 100, 5000])) for _ in range(rng.randint(0, 40))]
    crcs = np.array([zlib.crc32(part) for part in parts], np.uint32)
    sizes = np.array([len(part) for part in parts], np.int64)
    assert checksums.joined(crcs, sizes) == zlib.crc32(b"".join(parts))


@pytest.mark.parametrize("size", [1, 8, 16])
def test_checksums_of_many_short_rows(size: int) -> None:
    rows = np.random.default_rng(size).integers(0, 256, (100, size), np.uint8)
    assert checksums.of_rows(rows).tolist() == [zlib.crc32(row.tobytes()) for row in rows]


def some_file(rng: random.Random) -> bytes:
    kinds = list(Kind)
    return b"".join(
        frame(rng.choice(kinds), rng.randbytes(rng.choice([0, 3, 8, 24, 1000])))
        for _ in range(rng.randint(0, 12))
    )


def damaged(rng: random.Random, content: bytes) -> bytes:
    broken = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
    return bytes(broken)


def check(content: bytes) -> list[Damage]:
    """That both ways of reading agree; returns the damages."""
    found, damages = frames(memoryview(content))
    one_by_one = list(scan(content))
    assert damages == [item for item in one_by_one if isinstance(item, Damage)]
    records = [item for item in one_by_one if isinstance(item, Record)]
    assert found.kinds.tolist() == [record.kind for record in records]
    assert found.payloads.tolist() == [record.offset + HEADER.size for record in records]
    payloads = [content[found.payload(place)] for place in range(len(records))]
    assert payloads == [bytes(record.payload) for record in records]
    return damages


@pytest.mark.parametrize("seed", range(100))
def test_records_of_a_file_that_is_whole_damaged_torn_or_followed_by_noise(seed: int) -> None:
    rng = random.Random(seed)
    content = some_file(rng) + frame(Kind.ROWS, bytes(24))
    assert check(content) == []
    check(damaged(rng, content))
    check(content[: rng.randrange(len(content))])
    assert check(content + rng.randbytes(rng.randint(1, 40)))


def test_a_flip_of_any_bit_is_noticed() -> None:
    content = frame(Kind.ROWS, bytes(range(24))) + frame(Kind.DELETE, b"abc")
    for bit in range(8 * (len(content) - 5)):
        broken = bytearray(content)
        broken[bit // 8] ^= 1 << bit % 8
        assert check(bytes(broken)), bit


def test_zeros_behind_a_payload_are_no_part_of_its_record() -> None:
    content = bytearray(frame(Kind.COHORT, b"abc") + frame(Kind.ROWS, bytes(24)))
    content[HEADER.size + 3] = 1
    assert check(bytes(content)) == []


def test_a_file_of_nothing() -> None:
    assert check(b"") == []
