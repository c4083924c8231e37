"""What the store holds, how much room it takes, and how it does."""

from __future__ import annotations

import shutil

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from backbeat.storage import Storage
from backbeat.web.dispatch import Route
from backbeat.web.moments import rfc3339
from backbeat.web.responses import success
from backbeat.web.state_api import retention


class StorageAPI:
    """Described in docs/backbeat-api.md."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def routes(self) -> list[Route]:
        return [Route("/api/backbeat/v1/storage", self.storage, methods=["GET"])]

    async def storage(self, request: Request) -> Response:
        return success(request, await anyio.to_thread.run_sync(self._read))

    def _read(self) -> dict[str, object]:
        stats, health = self._storage.stats(0), self._storage.health()
        disk = shutil.disk_usage(self._storage.directory)
        return {
            "directory": str(self._storage.directory),
            "retention": retention(self._storage.options),
            "series": stats.series_in_memory,
            "samplesInMemory": stats.samples_in_memory,
            "samplesInBlocks": stats.samples_in_blocks,
            "blocks": stats.blocks,
            "bytesPerSample": round(stats.bytes_per_sample, 3),
            "blockBytes": stats.block_bytes,
            "logBytes": stats.log_bytes,
            "memoryBytes": stats.memory_chunk_bytes,
            "diskBytes": disk.total,
            "diskFreeBytes": disk.free,
            "oldest": None if stats.min_ms is None else rfc3339(stats.min_ms),
            "newest": None if stats.max_ms is None else rfc3339(stats.max_ms),
            "takesSamples": not health.unavailable,
            "damages": health.damages,
            "tornTails": health.torn_tails,
            "writeFailures": health.write_failures,
            "syncFailures": health.sync_failures,
        }
