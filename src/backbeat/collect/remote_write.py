"""The remote-write 1.0 receiver: what `/api/v1/write` answers.

In:  the body and headers of one POST.
Out: samples and exemplars to the appender; an HTTP status and, where something was refused, why.
The answer is 2xx only if every sample was taken: 400 is for ever, 503 asks the sender to come again.
"""

from __future__ import annotations

import asyncio

from backbeat.collect.exposition import Metadata
from backbeat.collect.metrics import CollectMetrics
from backbeat.collect.write_request import (
    MalformedRequest,
    RequestTooLarge,
    WriteDecoder,
    WriteRequest,
    decompress,
)
from backbeat.model.appender import Appended, Appender, StorageUnavailable

_INLINE_BYTES = 256 * 1024
_METADATA_KEPT = 20_000
_PROTOBUF = "application/x-protobuf"
_V1 = "prometheus.WriteRequest"


class RemoteWriteReceiver:
    """Takes requests for one appender."""

    def __init__(self, appender: Appender, metrics: CollectMetrics | None = None) -> None:
        self._appender = appender
        self._metrics = metrics or CollectMetrics()
        self._decoder = WriteDecoder()
        self._decoding = asyncio.Lock()
        self.metadata: dict[str, Metadata] = {}
        """what senders said about their metrics, the newest 20,000"""

    async def receive(
        self, body: bytes, content_encoding: str = "", content_type: str = ""
    ) -> tuple[int, str]:
        """Take one request: (HTTP status, message), the message empty where all went well."""
        status, message = await self._receive(body, content_encoding, content_type)
        if status >= 300:
            self._metrics.receive_refused.labels(str(status)).inc()
        return status, message

    async def _receive(self, body: bytes, content_encoding: str, content_type: str) -> tuple[int, str]:
        refused = _unsupported(content_encoding, content_type)
        if refused:
            return 415, refused
        try:
            request = await self._decode(body)
        except RequestTooLarge as error:
            return 413, str(error)
        except MalformedRequest as error:
            return 400, str(error)
        try:
            return self._store(request)
        except StorageUnavailable as error:
            return 503, f"storage takes no samples: {error}"

    async def _decode(self, body: bytes) -> WriteRequest:
        async with self._decoding:
            if len(body) <= _INLINE_BYTES:
                return self._decoder.decode(decompress(body))
            return await asyncio.to_thread(lambda: self._decoder.decode(decompress(body)))

    def _store(self, request: WriteRequest) -> tuple[int, str]:
        appended = Appended()
        if request.series:
            appended = self._appender.append_samples(request.series, request.times, request.values)
        if request.exemplars:
            self._appender.append_exemplars(request.exemplars)
        self._keep_metadata(request.metadata)
        self._metrics.received.inc(appended.stored)
        reasons = _refusals(appended)
        if request.histograms:
            reasons.append(f"native histograms are not supported ({request.histograms} left out)")
        return (400, "; ".join(reasons)) if reasons else (204, "")

    def _keep_metadata(self, found: dict[str, Metadata]) -> None:
        for name, said in found.items():
            self.metadata.pop(name, None)
            self.metadata[name] = said
        while len(self.metadata) > _METADATA_KEPT:
            del self.metadata[next(iter(self.metadata))]


def _refusals(appended: Appended) -> list[str]:
    """Why samples were refused, in Prometheus's words."""
    return [
        f"{reason} ({count} of them; the others are stored)"
        for count, reason in (
            (appended.out_of_order, "out of order sample"),
            (appended.conflicting, "duplicate sample for timestamp"),
            (appended.too_far_ahead, "out of bounds: sample too far in the future"),
        )
        if count
    ]


def _unsupported(content_encoding: str, content_type: str) -> str:
    """Why the headers cannot be served; empty where they can. Absent headers mean remote-write 1.0."""
    if content_encoding.strip().lower() not in ("", "snappy"):
        return f"Content-Encoding {content_encoding[:40]!r}, expected snappy"
    media, *parameters = [part.strip() for part in content_type.split(";")]
    if media.lower() not in ("", _PROTOBUF):
        return f"Content-Type {media[:60]!r}, expected {_PROTOBUF}"
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "proto" and value.strip() != _V1:
            return f"message {value[:60]!r}, expected {_V1} (remote-write 1.0)"
    return ""
