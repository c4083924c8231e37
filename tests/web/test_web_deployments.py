"""Deployments: what the samples say, what is told, and how they become one list."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from backbeat.model.labels import Labels
from backbeat.model.results import Matrix
from backbeat.promql.engine import Engine
from backbeat.promql.local import LocalQuerier
from backbeat.storage import StorageOptions, open_storage
from backbeat.web.deployments import Change, in_order, new_versions, starts
from backbeat.web.deployments_api import PATH, DeploymentsAPI
from backbeat.web.dispatch import Dispatcher
from backbeat.web.responses import on_error

NOW = 1_700_000_000_000


def matrix(rows: dict[tuple[str, str], list[float | None]], label: str) -> Matrix:
    """Steps of a minute from 0; None is no sample."""
    labels = [Labels.of({"job": job, label: value}) for job, value in rows]
    cells = [[np.nan if value is None else value for value in row] for row in rows.values()]
    present = np.array([[value is not None for value in row] for row in rows.values()])
    return Matrix(labels, np.arange(present.shape[1]) * 60_000, np.array(cells), present)


def test_a_version_is_new_where_its_job_had_another_before() -> None:
    found = matrix(
        {("api", "1"): [1, 1, None], ("api", "2"): [None, 1, 1], ("web", "7"): [None, 1, 1]}, "version"
    )
    assert new_versions(found) == [Change(60_000, "deployed", "api", "2")]


def test_a_start_is_told_once_and_only_where_it_lies_inside() -> None:
    rows: dict[tuple[str, str], list[float | None]] = {
        ("api", "a"): [10.2, 130.4, 130.4],
        ("api", "b"): [-5.0, -5.0, 130.9],
    }
    assert sorted(starts(matrix(rows, "instance"), 0, 180_000), key=lambda each: each.at_ms) == [
        Change(10_000, "restarted", "api"),
        Change(130_000, "restarted", "api"),
    ]


def test_a_restart_at_a_deployment_is_part_of_it() -> None:
    deployed = [Change(500_000, "deployed", "api", "2")]
    restarted = [
        Change(530_000, "restarted", "api"),
        Change(100_000, "restarted", "api"),
        Change(530_000, "restarted", "web"),
    ]
    told = [each.words for each in in_order(deployed, restarted)]
    assert told == ["api restarted", "api deployed: 2", "web restarted"]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    storage = open_storage(tmp_path, StorageOptions(), lambda: NOW)
    querier = LocalQuerier(Engine(storage))
    api = DeploymentsAPI(querier, storage, lambda: NOW)
    app = Dispatcher(api.routes(), on_error)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://backbeat") as made:
        yield made
    querier.close()
    storage.close()


async def test_what_is_told_is_listed(client: httpx.AsyncClient) -> None:
    told = await client.post(PATH, json={"service": "api", "version": "1.4.2"})
    assert told.json()["data"]["words"] == "api deployed: 1.4.2"
    await client.post(PATH, json={"service": "api", "at": (NOW - 60_000) / 1000})
    listed = (await client.get(PATH)).json()["data"]
    assert [(each["atMs"], each["version"]) for each in listed] == [(NOW - 60_000, ""), (NOW, "1.4.2")]
    early = await client.get(PATH, params={"start": NOW / 1000 - 7200, "end": NOW / 1000 - 3600})
    assert early.json()["data"] == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "the body is not JSON"),
        (b"[]", "must be a JSON object"),
        (b"{}", "service: say what"),
        (b'{"service": ""}', "service: say what"),
        (b'{"service": "a", "version": 7}', "version: expected a text"),
        (b'{"service": "a", "at": true}', "at: expected a moment"),
        (b'{"service": "a", "at": "soon"}', 'cannot parse "soon" to a valid timestamp'),
        (b'{"service": "a", "at": 1700099999}', "too far ahead"),
        (b'{"service": "%s"}' % (b"a" * 300), "at most 200"),
    ],
)
async def test_a_wrong_body_is_refused_with_a_reason(
    client: httpx.AsyncClient, body: bytes, said: str
) -> None:
    answer = await client.post(PATH, content=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


async def test_a_window_must_be_one(client: httpx.AsyncClient) -> None:
    answer = await client.get(PATH, params={"start": 2, "end": 1})
    assert answer.status_code == 400
    assert "end must be after start" in answer.json()["error"]
