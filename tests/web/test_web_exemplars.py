"""query_exemplars: grouped by series, for every selector of the query."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import httpx

from backbeat.model.appender import Exemplar
from backbeat.model.labels import Labels
from backbeat.storage import StorageOptions, open_storage
from backbeat.web.dispatch import Dispatcher
from backbeat.web.responses import on_error
from backbeat.web.state_api import StateAPI

NOTHING = cast("Any", None)


async def test_exemplars_of_every_selector_by_series(tmp_path: Path) -> None:
    storage = open_storage(tmp_path, StorageOptions(), lambda: 0)
    series = {name: Labels.of({"__name__": name}) for name in ("a_total", "b_total", "c_total")}
    trace = Labels.of({"trace_id": "7"})
    storage.append_exemplars([Exemplar(each, trace, 6.0, 1_500) for each in series.values()])
    served = Dispatcher(StateAPI(NOTHING, storage, NOTHING, NOTHING, 0).routes(), on_error)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://backbeat") as asking:
        query = "sum(rate(a_total[5m])) / (b_total offset 1m)"
        found = await asking.post("/api/v1/query_exemplars", data={"query": query, "start": "1", "end": "2"})
        later = await asking.get("/api/v1/query_exemplars?query=a_total&start=2")
    storage.close()
    told = [{"labels": {"trace_id": "7"}, "value": "6", "timestamp": 1.5}]
    assert found.json()["data"] == [
        {"seriesLabels": {"__name__": name}, "exemplars": told} for name in ("a_total", "b_total")
    ]
    assert later.json() == {"status": "success", "data": []}
