"""What the remote-write receiver takes, refuses, and answers."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_appender import MemoryAppender
from prometheus_client import CollectorRegistry
from write_messages import body, exemplar, labels, metadata, sample, series, varint

from backbeat.collect.exposition import Metadata
from backbeat.collect.metrics import CollectMetrics
from backbeat.collect.remote_write import RemoteWriteReceiver
from backbeat.collect.write_request import MalformedRequest, WriteDecoder, decompress
from backbeat.model.labels import Labels
from backbeat.model.samples import STALE, STALE_BITS

NOW = 1_700_000_000_000
UP = (("__name__", "up"), ("job", "a"))
DOWN = (("__name__", "down"), ("job", "a"))


def of(pairs: tuple[tuple[str, str], ...]) -> Labels:
    return Labels.of(pairs)


@pytest.fixture
def store() -> MemoryAppender:
    return MemoryAppender()


@pytest.fixture
def receiver(store: MemoryAppender) -> RemoteWriteReceiver:
    return RemoteWriteReceiver(store, CollectMetrics(CollectorRegistry()))


async def test_samples_arrive_on_the_slow_way_and_on_the_fast_one(
    store: MemoryAppender, receiver: RemoteWriteReceiver
) -> None:
    for n in range(4):
        request = body([series(UP, (NOW + n, n)), series(DOWN, (NOW + n, -0.5 * n))])
        assert await receiver.receive(request, "snappy", "application/x-protobuf") == (204, "")
    assert store.samples == {
        of(UP): [(NOW + n, n) for n in range(4)],
        of(DOWN): [(NOW + n, -0.5 * n) for n in range(4)],
    }


async def test_many_samples_a_series(store: MemoryAppender, receiver: RemoteWriteReceiver) -> None:
    for start in (0, NOW, NOW + 100, 2**42):
        samples = [(start + n, n) for n in range(5)]
        assert (await receiver.receive(body([series(UP, *samples), series(DOWN, (start, 1))])))[0] == 204
    assert len(store.samples[of(UP)]) == 20


async def test_the_stale_marker_keeps_its_bits(store: MemoryAppender, receiver: RemoteWriteReceiver) -> None:
    for n in range(3):
        await receiver.receive(body([series(UP, (NOW + n, STALE))]))
    values = np.array([value for _, value in store.samples[of(UP)]])
    assert values.view(np.int64).tolist() == [STALE_BITS] * 3


async def test_a_series_whose_labels_begin_another(
    store: MemoryAppender, receiver: RemoteWriteReceiver
) -> None:
    """`up{}` and `up{a="b"}`: the bytes of the second's labels begin with those of the first."""
    short, long = (("__name__", "up"),), (("__name__", "up"), ("a", "b" * 3))
    for n in range(3):
        for pairs in (short, long):
            for value in (0.0, 1.0):
                await receiver.receive(body([series(pairs, (NOW + 10 * n + int(value), value))]))
    assert [value for _, value in store.samples[of(short)]] == [0, 1] * 3
    assert [value for _, value in store.samples[of(long)]] == [0, 1] * 3


async def test_exemplars_and_metadata(store: MemoryAppender, receiver: RemoteWriteReceiver) -> None:
    more = exemplar((("trace_id", "x"),), 0.5, NOW)
    request = body([series(UP, (NOW, 1), more=more), metadata(2, "up", "Whether.", "s")])
    assert await receiver.receive(request) == (204, "")
    (kept,) = store.exemplars
    assert (kept.series, kept.labels, kept.value, kept.timestamp_ms) == (
        of(UP),
        Labels.of(trace_id="x"),
        0.5,
        NOW,
    )
    assert receiver.metadata == {"up": Metadata("gauge", "Whether.", "s")}


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ((("job", "a"),), "no metric name"),
        ((("a", "1"), ("__name__", "up")), "not sorted"),
        ((("__name__", "up"), ("a", "1"), ("a", "2")), "twice"),
        ((("__name__", "up"), ("a", "")), "empty"),
        ((("", "x"), ("__name__", "up")), "empty"),
        ((("__name__", "up"), ("a", "x" * 5000)), "longer than 4096"),
        ((("__name__", "up"), *((f"l{n:02}", "x") for n in range(40))), "41 labels"),
    ],
)
async def test_bad_labels(
    store: MemoryAppender, receiver: RemoteWriteReceiver, pairs: tuple[tuple[str, str], ...], reason: str
) -> None:
    for _ in range(2):
        status, message = await receiver.receive(body([series(UP, (NOW, 1)), series(pairs, (NOW, 1))]))
        assert (status, store.samples) == (400, {})
        assert reason in message


@pytest.mark.parametrize(
    ("request_body", "status"),
    [
        (b"", 400),
        (b"\xff" * 20, 400),
        (b"not snappy", 400),
        (body([b"\x0a\xff\x01"]), 400),
        (body([b"\x0a\x02\x0a\x09"]), 400),
        (body([b"\xff\xff\xff"]), 400),
        (varint(32 * 1024 * 1024 + 1) + b"\x00", 413),
        (varint(2**60) + b"\x00", 413),
        (varint(1000) + b"\x00x", 400),
        (bytes(32 * 1024 * 1024 + 1), 413),
    ],
)
async def test_bad_bodies(receiver: RemoteWriteReceiver, request_body: bytes, status: int) -> None:
    assert (await receiver.receive(request_body))[0] == status


@pytest.mark.parametrize(
    ("encoding", "content_type", "status"),
    [
        ("", "", 204),
        ("snappy", "application/x-protobuf;proto=prometheus.WriteRequest", 204),
        ("Snappy", "application/x-protobuf; charset=utf-8", 204),
        ("gzip", "application/x-protobuf", 415),
        ("snappy", "application/json", 415),
        ("snappy", "application/x-protobuf;proto=io.prometheus.write.v2.Request", 415),
    ],
)
async def test_headers(receiver: RemoteWriteReceiver, encoding: str, content_type: str, status: int) -> None:
    assert (await receiver.receive(body([series(UP, (NOW, 1))]), encoding, content_type))[0] == status


async def test_refused_samples_are_named_and_the_others_kept(
    store: MemoryAppender, receiver: RemoteWriteReceiver
) -> None:
    store.window_ms = 0
    await receiver.receive(body([series(UP, (NOW, 1))]))
    status, message = await receiver.receive(body([series(UP, (NOW - 1, 1)), series(DOWN, (NOW, 1))]))
    assert status == 400
    assert message.startswith("out of order sample")
    assert of(DOWN) in store.samples
    assert await receiver.receive(body([series(UP, (NOW, 1))])) == (204, "")
    status, message = await receiver.receive(body([series(UP, (NOW, 2))]))
    assert (status, message.startswith("duplicate sample for timestamp")) == (400, True)


async def test_storage_that_is_full(store: MemoryAppender, receiver: RemoteWriteReceiver) -> None:
    store.full = True
    assert await receiver.receive(body([series(UP, (NOW, 1))])) == (
        503,
        "storage takes no samples: disk full",
    )


async def test_native_histograms_are_refused_with_a_word(
    store: MemoryAppender, receiver: RemoteWriteReceiver
) -> None:
    status, message = await receiver.receive(body([series(UP, (NOW, 1)), series(DOWN, more=b"\x22\x00")]))
    assert (status, "native histograms" in message) == (400, True)
    assert of(UP) in store.samples


def test_labels_after_samples() -> None:
    content = sample(NOW, 1) + labels(UP)
    message = b"\x0a" + varint(len(content)) + content
    assert WriteDecoder().decode(message).series == [of(UP)]


def test_the_cache_is_bounded() -> None:
    decoder = WriteDecoder(cached_series=10)
    for n in range(100):
        pairs = (("__name__", "up"), ("n", str(n % 30)))
        assert decoder.decode(series(pairs, (NOW, 1))).series == [of(pairs)]
    assert len(decoder._labels) + len(decoder._old_labels) <= 20


VALUES = st.one_of(st.floats(), st.just(0.0), st.just(STALE))
TIMES = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(NOW, NOW + 10**6))
SERIES = st.lists(
    st.tuples(st.integers(0, 5), st.lists(st.tuples(TIMES, VALUES), max_size=3)), min_size=1, max_size=8
)


@settings(max_examples=100, deadline=None)
@given(requests=st.lists(SERIES, min_size=1, max_size=4))
def test_what_was_encoded_is_decoded(requests: list[list[tuple[int, list[tuple[int, float]]]]]) -> None:
    decoder = WriteDecoder()
    for request in requests:
        pairs = [
            (("__name__", "up"), ("x", "y" * name)) if name else (("__name__", "up"),) for name, _ in request
        ]
        message = b"".join(series(own, *samples) for own, (_, samples) in zip(pairs, request, strict=True))
        decoded = decoder.decode(message)
        expected = [
            (of(own), at, value)
            for own, (_, samples) in zip(pairs, request, strict=True)
            for at, value in samples
        ]
        assert decoded.series == [each[0] for each in expected]
        assert decoded.times.tolist() == [each[1] for each in expected]
        # Protobuf leaves out a zero, and its sign with it.
        sent = struct.pack(f"<{len(expected)}d", *[each[2] or 0.0 for each in expected])
        assert decoded.values.tobytes() == sent


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_bytes_decode_or_are_malformed(data: st.DataObject) -> None:
    decoder = WriteDecoder()
    message = bytearray(series(UP, (NOW, 1)) + series(DOWN, (NOW, 0)) + metadata(1, "up", "x"))
    decoder.decode(bytes(message))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(message) - 1))
        message[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        decoded = decoder.decode(bytes(message))
    except MalformedRequest:
        return
    assert len(decoded.series) == len(decoded.times) == len(decoded.values)


@given(st.binary(max_size=40))
def test_any_bytes_decompress_or_are_malformed(raw: bytes) -> None:
    try:
        decompress(raw, 1000)
    except ValueError:
        return
