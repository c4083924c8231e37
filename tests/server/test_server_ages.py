"""prometheus.yml's storage section reaches the store: how late samples may come, how long they stay."""

from __future__ import annotations

import struct
from pathlib import Path

import cramjam
import pytest

from backbeat.collect.remote_write import RemoteWriteReceiver
from backbeat.config.load import load_config
from backbeat.settings import storage_options
from backbeat.storage import Storage, StorageOptions, open_storage
from backbeat.web.state_api import retention

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000


def options_of(directory: Path, tsdb: str) -> StorageOptions:
    (directory / "prometheus.yml").write_text(f"storage: {{tsdb: {tsdb}}}\n")
    config = load_config(directory)
    assert config.warnings == ()
    return storage_options(config)


def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


def request(name: str, at_ms: int, value: float) -> bytes:
    """A write request of one sample; protobuf leaves a time of 0 out."""
    stamp, rest = b"", at_ms & (2**64 - 1)
    while rest:
        stamp += bytes([rest & 0x7F | (0x80 if rest > 0x7F else 0)])
        rest >>= 7
    label = field(1, field(1, b"__name__") + field(2, name.encode()))
    sample = field(2, b"\x09" + struct.pack("<d", value) + (b"\x10" + stamp if stamp else b""))
    return bytes(cramjam.snappy.compress_raw(field(1, label + sample)))


def times_of(storage: Storage) -> list[int]:
    return sorted(at for block in storage.select((), -(2**62), 2**62) for at in block.times.tolist())


@pytest.mark.parametrize("oldest_ms", [-86_400_000, 0, 1, NOW_MS - 400 * 24 * HOUR_MS])
async def test_remote_write_of_any_age_into_an_empty_store(tmp_path: Path, oldest_ms: int) -> None:
    storage = open_storage(tmp_path / "data", options_of(tmp_path, "{}"), lambda: NOW_MS)
    receiver = RemoteWriteReceiver(storage)
    sent = [oldest_ms + step for step in (0, 15_000, 30_000)]
    for at in sent:
        assert await receiver.receive(request("m", at, 1.5), "snappy") == (204, "")
    storage.maintain()
    assert times_of(storage) == sent
    storage.close()


async def test_the_out_of_order_window_of_the_file_counts(tmp_path: Path) -> None:
    options = options_of(tmp_path, "{out_of_order_time_window: 1h}")
    storage = open_storage(tmp_path / "data", options, lambda: NOW_MS)
    receiver = RemoteWriteReceiver(storage)
    assert (await receiver.receive(request("m", NOW_MS, 1), "snappy"))[0] == 204
    assert (await receiver.receive(request("m", NOW_MS - HOUR_MS, 1), "snappy"))[0] == 204
    status, said = await receiver.receive(request("m", NOW_MS - HOUR_MS - 1, 1), "snappy")
    assert (status, said.partition(" (")[0]) == (400, "out of order sample")
    assert times_of(storage) == [NOW_MS - HOUR_MS, NOW_MS]
    storage.close()


async def test_a_moment_at_the_end_of_all_numbers_is_refused(tmp_path: Path) -> None:
    storage = open_storage(tmp_path / "data", options_of(tmp_path, "{}"), lambda: NOW_MS)
    receiver = RemoteWriteReceiver(storage)
    for at in (-(2**63), 2**63 - 1):
        assert (await receiver.receive(request("m", at, 1), "snappy"))[0] == 400
    storage.flush()
    assert times_of(storage) == []
    storage.close()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("{}", "15d"),
        ("{retention: {time: 30d}}", "30d"),
        ("{retention: {time: 30d, size: 10GB}}", "30d or 10737418240B"),
        ("{retention: {size: 10GB, percentage: 80}}", "15d or 80%"),
    ],
)
def test_retention_is_read_and_told(tmp_path: Path, said: str, told: str) -> None:
    assert retention(options_of(tmp_path, said)) == told
