"""/api/v1/rules: page by page."""

from __future__ import annotations

from typing import Any, cast

import httpx

from backbeat.model.labels import NO_LABELS
from backbeat.rules import GroupStatus, RuleStatus
from backbeat.rules.status import Health
from backbeat.web.dispatch import Dispatcher
from backbeat.web.responses import on_error
from backbeat.web.state_api import StateAPI

NOTHING = cast("Any", None)


class Rules:
    def groups(self) -> list[GroupStatus]:
        rule = RuleStatus("recording", "a:b", "b", NO_LABELS, Health.OK, "", 0.0, 0)
        return [GroupStatus(name, "f.yml", 1000, 0, 0, 0.0, 0, [rule]) for name in "abc"]


async def test_groups_come_page_by_page() -> None:
    routes = StateAPI(cast("Any", Rules()), NOTHING, NOTHING, NOTHING, 0).routes()
    served = Dispatcher(routes, on_error)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://backbeat") as asking:

        async def ask(**params: str) -> Any:
            return (await asking.get("/api/v1/rules", params=params)).json()

        first = (await ask(group_limit="2"))["data"]
        last = (await ask(group_limit="2", group_next_token=first["groupNextToken"]))["data"]
        wrong = await ask(group_limit="2", group_next_token="x")
        alone = await ask(group_next_token="x")
        none = await ask(group_limit="0")
        other = await ask(type="alert")
    assert [each["name"] for each in first["groups"] + last["groups"]] == ["a", "b", "c"]
    assert "groupNextToken" not in last
    assert "were rule groups changed?" in wrong["error"]
    assert "group_limit needs to be present" in alone["error"]
    assert "greater than 0" in none["error"]
    assert other["data"] == {"groups": []}
