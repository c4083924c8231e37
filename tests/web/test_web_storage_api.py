"""What the store holds, as the Status page reads it."""

from __future__ import annotations

from pathlib import Path

import httpx
import numpy as np

from backbeat.model.labels import Labels
from backbeat.storage import StorageOptions, open_storage
from backbeat.web.dispatch import Dispatcher
from backbeat.web.moments import rfc3339
from backbeat.web.responses import on_error
from backbeat.web.storage_api import StorageAPI


async def test_room_samples_and_health_are_told(tmp_path: Path) -> None:
    storage = open_storage(tmp_path, StorageOptions(), lambda: 60_000)
    series = [Labels.of({"__name__": name}) for name in "ab"]
    storage.append_samples(series, np.array([30_000, 30_000]), np.array([1.0, 2.0]))
    served = Dispatcher(StorageAPI(storage).routes(), on_error)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://x") as client:
        told = (await client.get("/api/backbeat/v1/storage")).json()["data"]
    storage.close()
    assert (told["series"], told["samplesInMemory"], told["blocks"]) == (2, 2, 0)
    assert (told["oldest"], told["newest"]) == ("1970-01-01T00:00:30.000Z", "1970-01-01T00:00:30.000Z")
    assert (told["takesSamples"], told["damages"], told["directory"]) == (True, 0, str(tmp_path))
    assert told["logBytes"] > 0
    assert 0 < told["diskFreeBytes"] <= told["diskBytes"]


async def test_samples_of_years_that_rfc_3339_cannot_write_are_told_at_its_edge(tmp_path: Path) -> None:
    """A store without samples takes any time for its first, such as a deployment of the year -1199."""
    storage = open_storage(tmp_path, StorageOptions(), lambda: 60_000)
    storage.append_samples([Labels.of({"__name__": "a"})], np.array([-(10**14)]), np.array([1.0]))
    served = Dispatcher(StorageAPI(storage).routes(), on_error)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://x") as client:
        told = (await client.get("/api/backbeat/v1/storage")).json()["data"]
    storage.close()
    assert (told["oldest"], told["newest"]) == ("0001-01-01T00:00:00.000Z", "0001-01-01T00:00:00.000Z")


def test_a_moment_after_the_year_9999_is_written_as_its_end() -> None:
    assert rfc3339(2**62).startswith("9999-12-31T23:59:59.")
