"""What a query does, as the API tells it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from backbeat.promql.engine import Engine
from backbeat.promql.local import LocalQuerier
from backbeat.web.dispatch import Dispatcher
from backbeat.web.explain_api import ExplainAPI
from backbeat.web.responses import on_error


class Nothing:
    """A store without series."""

    def read(self, *_: object) -> list[Any]:
        return []

    series = label_names = label_values = read


async def asked(params: dict[str, str]) -> httpx.Response:
    querier = LocalQuerier(Engine(Nothing()))
    served = Dispatcher(ExplainAPI(querier, lambda: 60_000).routes(), on_error)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://backbeat") as client:
        answer = await client.post("/api/backbeat/v1/explain", data=params)
    querier.close()
    return answer


async def test_a_tree_with_costs_and_places() -> None:
    answer = (await asked({"query": "1 + sum(up)"})).json()["data"]
    tree = answer["tree"]
    assert (tree["kind"], tree["start"], tree["end"], answer["steps"]) == ("binary", 0, 11, 1)
    number, total = tree["children"]
    assert (number["kind"], total["kind"], total["text"]) == ("number", "aggregation", "sum(up)")
    assert total["cost"]["series"] == 0
    assert total["children"][0]["read"]["series"] == 0


async def test_a_range_is_explained_over_all_its_steps() -> None:
    answer = await asked({"query": "vector(time())", "start": "0", "end": "60", "step": "15"})
    data = answer.json()["data"]
    assert (data["steps"], data["tree"]["cost"]["samples"]) == (5, 5)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        pytest.param({"query": "sum("}, "1:5: parse error: unclosed left parenthesis", id="query"),
        pytest.param({"query": "up", "start": "0"}, 'invalid parameter "end"', id="a start without an end"),
        pytest.param(
            {"query": "up[5m]"}, 'invalid expression type "range vector"', id="nothing to draw over time"
        ),
    ],
)
async def test_what_is_wrong_is_said(params: dict[str, str], said: str) -> None:
    answer = await asked(params)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
