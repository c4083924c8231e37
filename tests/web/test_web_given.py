"""Who asks for the same range again gets the same bytes, as long as they are what would be answered now."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from backbeat.model.labels import Labels
from backbeat.promql.engine import Engine
from backbeat.promql.local import LocalQuerier
from backbeat.storage import Storage, StorageOptions, open_storage
from backbeat.web import query_api
from backbeat.web.dispatch import Dispatcher
from backbeat.web.query_api import QueryAPI
from backbeat.web.responses import on_error

START_S = 10_000
RANGE = {"query": "sum(requests_total)", "start": START_S, "end": START_S + 3000, "step": 15}


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    storage = open_storage(tmp_path, StorageOptions(), lambda: (START_S + 4000) * 1000)
    for at_s in range(START_S, START_S + 3000, 15):
        write(storage, at_s)
    yield storage
    storage.close()


@pytest.fixture
def querier(storage: Storage) -> Iterator[LocalQuerier]:
    querier = LocalQuerier(Engine(storage, watched=storage))
    yield querier
    querier.close()


@pytest.fixture
async def client(querier: LocalQuerier) -> httpx.AsyncClient:
    served = Dispatcher(QueryAPI(querier, lambda: 0).routes(), on_error)
    headers = {"accept-encoding": "identity"}
    transport = httpx.ASGITransport(served)
    return httpx.AsyncClient(transport=transport, base_url="http://backbeat/api/v1", headers=headers)


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was written anew."""
    queries: list[str] = []
    render = query_api.render_answer

    def noted(*given: object, **more: object) -> bytes:
        queries.append(str(more["asked"]))
        return render(*given, **more)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(query_api, "render_answer", noted)
    return queries


def write(storage: Storage, at_s: int) -> None:
    series = [Labels.of({"__name__": "requests_total"})]
    storage.append_samples(series, np.array([at_s * 1000]), np.array([float(at_s)]))


async def test_the_same_again_is_not_computed_again(
    client: httpx.AsyncClient, storage: Storage, rendered: list[str]
) -> None:
    first = await client.get("/query_range", params=RANGE)
    write(storage, START_S + 3001)
    again = await client.get("/query_range", params=RANGE)
    by_form = await client.post("/query_range", data=RANGE)
    assert first.content == again.content == by_form.content
    assert first.headers == again.headers
    assert len(rendered) == 1


async def test_what_was_written_since_is_in_the_answer(
    client: httpx.AsyncClient, storage: Storage, rendered: list[str]
) -> None:
    first = await client.get("/query_range", params=RANGE)
    write(storage, START_S + 3000)
    again = await client.get("/query_range", params=RANGE)
    assert again.json() != first.json()
    assert again.json()["data"]["result"][0]["values"][-1] == [START_S + 3000, str(START_S + 3000)]
    assert len(rendered) == 2


async def test_who_takes_gzip_gets_it_and_nobody_else(client: httpx.AsyncClient) -> None:
    plain = await client.get("/query_range", params=RANGE)
    async with client.stream(
        "GET", "/query_range", params=RANGE, headers={"accept-encoding": "gzip"}
    ) as answer:
        packed = b"".join([piece async for piece in answer.aiter_raw()])
    assert (await client.get("/query_range", params=RANGE)).content == plain.content
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed) == plain.content


@pytest.mark.parametrize("more", [{"stats": "all"}, {"nocache": "1"}])
async def test_what_tells_of_its_own_computation_is_computed(
    client: httpx.AsyncClient, rendered: list[str], more: dict[str, str]
) -> None:
    for _ in range(2):
        assert (await client.get("/query_range", params=RANGE | more)).status_code == 200
    assert len(rendered) == 2
