"""/federate gives the newest samples as text that a scraper reads."""

from __future__ import annotations

from pathlib import Path

import httpx
import numpy as np
import pytest

from backbeat.model.labels import Labels
from backbeat.model.samples import STALE
from backbeat.storage import StorageOptions, open_storage
from backbeat.web.dispatch import Dispatcher
from backbeat.web.federate import FederateAPI
from backbeat.web.responses import on_error

NOW_MS = 1_700_000_000_000
EXTERNAL = Labels.of(dc="home", job="outer")


@pytest.fixture
async def client(tmp_path: Path):
    storage = open_storage(tmp_path / "data", StorageOptions(), lambda: NOW_MS)
    for name, more, at_ms, value in (
        ("up", {"job": "web", "instance": "a"}, NOW_MS - 1000, 1.0),
        ("up", {"job": "web", "instance": "b"}, NOW_MS - 299_000, 0.0),
        ("up", {"instance": "long ago"}, NOW_MS - 301_000, 1.0),
        ("up", {"instance": "ended"}, NOW_MS - 500, STALE),
        ("requests", {"path": 'a"b\\c\n'}, NOW_MS - 2000, 1e300),
        ("with.dot", {}, NOW_MS - 2000, float("inf")),
    ):
        labels = Labels.of({"__name__": name, **more})
        storage.append_samples([labels], np.array([at_ms]), np.array([value]))
    app = Dispatcher(FederateAPI(storage, lambda: NOW_MS, lambda: EXTERNAL).routes(), on_error)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://backbeat") as one:
        yield one
    storage.close()


async def federate(client: httpx.AsyncClient, *selectors: str) -> str:
    answer = await client.get("/federate", params={"match[]": list(selectors)})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return answer.text


async def test_newest_samples_by_name_with_external_labels(client: httpx.AsyncClient) -> None:
    assert await federate(client, 'up{job="web"}', "requests", "up") == (
        "# TYPE requests untyped\n"
        f'requests{{path="a\\"b\\\\c\\n",dc="home",instance="",job="outer"}} 1e+300 {NOW_MS - 2000}\n'
        "# TYPE up untyped\n"
        f'up{{instance="a",job="web",dc="home"}} 1 {NOW_MS - 1000}\n'
        f'up{{instance="b",job="web",dc="home"}} 0 {NOW_MS - 299_000}\n'
    )


async def test_names_that_need_quotes(client: httpx.AsyncClient) -> None:
    text = await federate(client, '{"with.dot"}')
    assert text.splitlines() == [
        '# TYPE {"with.dot"} untyped',
        f'{{"with.dot",dc="home",instance="",job="outer"}} +Inf {NOW_MS - 2000}',
    ]


async def test_nothing_chosen_is_nothing_and_a_mistake_is_told(client: httpx.AsyncClient) -> None:
    assert await federate(client) == ""
    assert await federate(client, "none") == ""
    answer = await client.get("/federate", params={"match[]": "up{"})
    assert answer.status_code == 400
    assert "parse error" in answer.text
