"""Remote-write 1.0 requests as bytes: decompressed in bounds, cut into series, decoded to arrays.

In:  the snappy-compressed protobuf of one request.
Out: labels, times and values of its samples, its exemplars and metadata, or a MalformedRequest.
Pure apart from a cache of label bytes, which makes a sender that repeats its series cheap: a series is
cut out by the protobuf library, the bytes of its labels are looked up, and the samples of all series
are decoded together by NumPy.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import cramjam
import numpy as np
from msgspec import Struct, field

from backbeat.collect.exposition import Metadata
from backbeat.collect.identity import LabelLimitExceeded, LabelLimits
from backbeat.model.appender import Exemplar
from backbeat.model.arrays import Float64s, Int64s
from backbeat.model.labels import METRIC_NAME, Labels

MAX_DECODED_BYTES = 32 * 1024 * 1024
_CACHED_SERIES = 500_000
_TYPES = ("unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset")

# A sample as every sender writes it today: field 2 of 16 bytes, a double, and a timestamp of six bytes.
_SAMPLE = 18
_ZERO_SAMPLE = 9
"""the same without its value, which protobuf leaves out where it is 0"""
_HEAD = b"\x12\x10\x09"
_ZERO_HEAD = b"\x12\x07\x10"
_ZERO_VALUE = _HEAD + bytes(8) + b"\x10"


class MalformedRequest(ValueError):
    """A request that no retry will make right. HTTP 400."""


class RequestTooLarge(ValueError):
    """More than 32 MiB when decompressed. HTTP 413."""


class WriteRequest(Struct):
    """One decoded request; `series`, `times` and `values` are aligned."""

    series: list[Labels]
    times: Int64s
    values: Float64s
    exemplars: list[Exemplar] = field(default_factory=list)
    metadata: dict[str, Metadata] = field(default_factory=dict)
    histograms: int = 0
    """native histograms, which Backbeat does not store"""


def decompress(body: bytes, limit: int = MAX_DECODED_BYTES) -> bytes:
    """Undo the snappy block format; the length it declares is checked before anything is allocated."""
    if len(body) > limit:
        raise RequestTooLarge(f"request of {len(body)} bytes, the limit is {limit}")
    declared, _ = _varint(body, 0)
    if declared > limit:
        raise RequestTooLarge(f"request of {declared} bytes decompressed, the limit is {limit}")
    try:
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise MalformedRequest(f"not a snappy block: {error}") from error


class WriteDecoder:
    """Decodes requests; remembers the labels of the series it has seen."""

    def __init__(self, limits: LabelLimits = LabelLimits(), cached_series: int = _CACHED_SERIES) -> None:  # noqa: B008 (frozen)
        self._limits = limits
        self._room = cached_series
        # Two generations: what is still in use is found in the old one and moved to the new one.
        self._labels: dict[bytes, Labels] = {}
        self._old_labels: dict[bytes, Labels] = {}

    def decode(self, message: bytes) -> WriteRequest:
        """Decode a decompressed request. Raises MalformedRequest."""
        from backbeat.collect import write_messages as wire  # loaded by the first request: many are sent none

        try:
            request = wire.REQUEST.FromString(message)
            cut: list[bytes] = list(request.timeseries)
            metadata = _metadata(request.metadata)
            found = self._decode_known(cut) or self._decode_each(cut)
        except wire.DecodeError as error:
            raise MalformedRequest(f"not a write request: {error}") from error
        found.metadata = metadata
        return found

    def _decode_known(self, cut: list[bytes]) -> WriteRequest | None:
        """Decode series with known labels and one sample each; None where one is otherwise."""
        known = self._labels.get
        series = [known(each[:-_SAMPLE]) for each in cut]
        tails = [each[-_SAMPLE:] for each in cut]
        if None in series:
            for place, labels in enumerate(series):
                if labels is None:
                    each = cut[place]
                    labels = known(each[:-_ZERO_SAMPLE])
                    if labels is None or each[-_ZERO_SAMPLE:][:3] != _ZERO_HEAD:
                        return None
                    series[place] = labels
                    tails[place] = _ZERO_VALUE + each[-6:]
        decoded = _samples(b"".join(tails), len(cut))
        if decoded is None:
            return None
        return WriteRequest(series, *decoded)  # type: ignore[arg-type]  # no None is left in `series`

    def _decode_each(self, cut: list[bytes]) -> WriteRequest:
        """Decode series by series: new ones, many samples, exemplars."""
        series: list[Labels] = []
        times: list[int] = []
        values: list[float] = []
        request = WriteRequest(series, np.empty(0, np.int64), np.empty(0))
        from backbeat.collect import write_messages as wire

        for each in cut:
            end = _labels_end(each)
            rest = wire.SERIES.FromString(each[end:])
            if rest.labels:
                # Protobuf lets fields come in any order; no sender is known to make use of it.
                labels = self._checked(wire.SERIES.FromString(each).labels)
            else:
                labels = self._labels_of(each[:end])
            for sample in rest.samples:
                series.append(labels)
                times.append(sample.timestamp)
                values.append(sample.value)
            for exemplar in rest.exemplars:
                own = Labels.of((label.name, label.value) for label in exemplar.labels)
                request.exemplars.append(Exemplar(labels, own, exemplar.value, exemplar.timestamp))
            request.histograms += len(rest.histograms)
        request.times, request.values = np.array(times, np.int64), np.array(values, np.float64)
        return request

    def _labels_of(self, encoded: bytes) -> Labels:
        labels = self._labels.get(encoded)
        if labels is not None:
            return labels
        from backbeat.collect import write_messages as wire

        labels = self._old_labels.get(encoded) or self._checked(wire.SERIES.FromString(encoded).labels)
        if len(self._labels) >= self._room:
            self._old_labels, self._labels = self._labels, {}
        self._labels[encoded] = labels
        return labels

    def _checked(self, sent: Any) -> Labels:
        pairs = [(label.name, label.value) for label in sent]
        labels = Labels(pairs)
        names = [name for name, _ in pairs]
        if METRIC_NAME not in names:
            raise MalformedRequest(f"series {labels}: no metric name (label __name__)")
        for name, value in pairs:
            if not name or not value:
                raise MalformedRequest(f"series {labels}: empty name or value of label {name!r}")
        for name, following in itertools.pairwise(names):
            if name == following:
                raise MalformedRequest(f"series {labels}: label {name!r} twice")
            if name > following:
                raise MalformedRequest(f"series {labels}: labels not sorted, {name!r} before {following!r}")
        try:
            self._limits.check(labels)
        except LabelLimitExceeded as error:
            raise MalformedRequest(str(error)) from error
        return labels


def _samples(tails: bytes, count: int) -> tuple[Int64s, Float64s] | None:
    """Decode samples of the usual 18 bytes; None where one is of another form."""
    if len(tails) != count * _SAMPLE:
        return None
    cells = np.frombuffer(tails, np.uint8).reshape(count, _SAMPLE)
    if not ((cells[:, :3] == np.frombuffer(_HEAD, np.uint8)).all() and (cells[:, 11] == 0x10).all()):
        return None
    stamps = cells[:, 12:].astype(np.int64)
    if not ((stamps[:, :5] >= 0x80).all() and (stamps[:, 5] < 0x80).all()):
        return None
    times = (stamps & 0x7F) @ _SEPTETS
    return times, np.ascontiguousarray(cells[:, 3:11]).view(np.dtype("<f8")).reshape(count)


_SEPTETS: Int64s = np.array([1 << shift for shift in range(0, 42, 7)], np.int64)


def _labels_end(series: bytes) -> int:
    """Where the label fields at the beginning of an encoded series end. Raises MalformedRequest."""
    at = 0
    while at < len(series) and series[at] == 0x0A:
        length, at = _varint(series, at + 1)
        at += length
    if at > len(series):
        raise MalformedRequest("a label reaches beyond its series")
    return at


def _varint(encoded: bytes, at: int) -> tuple[int, int]:
    """The number at `at` and where it ends. Raises MalformedRequest."""
    number = 0
    for shift in range(0, 64, 7):
        if at >= len(encoded):
            break
        number |= (encoded[at] & 0x7F) << shift
        at += 1
        if encoded[at - 1] < 0x80:
            return number, at
    raise MalformedRequest("not a snappy block or not a write request: a length without an end")


def _metadata(encoded: Sequence[bytes]) -> dict[str, Metadata]:
    from backbeat.collect import write_messages as wire

    found = {}
    for each in map(wire.METADATA.FromString, encoded):
        kind = _TYPES[each.type] if 0 <= each.type < len(_TYPES) else "unknown"
        found[each.metric_family_name] = Metadata(kind, each.help, each.unit)
    return found
