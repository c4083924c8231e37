"""The admin API: refused unless enabled; deletes, and takes snapshots that open."""

from __future__ import annotations

from pathlib import Path

import httpx
import numpy as np

from backbeat.model.labels import Labels
from backbeat.storage import Storage, StorageOptions, open_storage
from backbeat.web.admin_api import AdminAPI
from backbeat.web.dispatch import Dispatcher
from backbeat.web.responses import on_error

NOW_MS = 1_000_000


def opened(directory: Path) -> Storage:
    return open_storage(directory, StorageOptions(), lambda: NOW_MS)


async def change(storage: Storage, path: str, *, enabled: bool = True) -> httpx.Response:
    routes = AdminAPI(storage, lambda: NOW_MS, enabled=enabled).routes()
    served = Dispatcher(routes, on_error)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://backbeat") as asking:
        return await asking.post(f"/api/v1/admin/tsdb/{path}")


async def test_it_is_off_unless_enabled(tmp_path: Path) -> None:
    storage = opened(tmp_path)
    answer = await change(storage, "delete_series?match[]=up", enabled=False)
    storage.close()
    assert answer.status_code == 500
    assert answer.json() == {"status": "error", "errorType": "unavailable", "error": "admin APIs disabled"}


async def test_deletion_and_a_snapshot_from_before_it(tmp_path: Path) -> None:
    storage = opened(tmp_path / "data")
    series = [Labels.of({"__name__": "up", "job": job}) for job in "ab"]
    storage.append_samples(series, np.array([NOW_MS, NOW_MS]), np.array([1.0, 2.0]))
    name = (await change(storage, "snapshot")).json()["data"]["name"]
    deleted = await change(storage, 'delete_series?match[]=up{job="a"}')
    cleaned = await change(storage, "clean_tombstones")
    wrong = await change(storage, "delete_series?match[]=up&match[]={")
    left = storage.series([], 0, NOW_MS)
    storage.close()
    assert (deleted.status_code, cleaned.status_code, wrong.status_code) == (204, 204, 400)
    assert wrong.json()["error"].startswith('invalid parameter "match[]": 1:')
    assert left == [series[1]]
    kept = opened(tmp_path / "data" / "snapshots" / name)
    assert kept.series([], 0, NOW_MS) == series
    kept.close()
