"""/api/v1/scrape_pools: names, and what is in force for each."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import httpx

from backbeat.config.pools import pool_text
from backbeat.config.prometheus import PrometheusConfig, ScrapeConfig
from backbeat.web.dispatch import Dispatcher
from backbeat.web.responses import on_error
from backbeat.web.targets_api import TargetsAPI

NOTHING = cast("Any", None)


async def test_a_pool_tells_its_settings() -> None:
    scrapes = (ScrapeConfig("web"), ScrapeConfig("api", scrape_interval_ms=5000))
    prometheus = PrometheusConfig("", "", scrape_configs=scrapes, pools=tuple(map(pool_text, scrapes)))
    config = cast("Any", SimpleNamespace(prometheus=prometheus))
    served = Dispatcher(TargetsAPI(NOTHING, lambda: config).routes(), on_error)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://backbeat") as asking:

        async def ask(path: str, **params: str) -> Any:
            return (await asking.get(f"/api/v1/{path}", params=params)).json()

        assert (await ask("scrape_pools"))["data"] == {"scrapePools": ["api", "web"]}
        told = await ask("scrape_pools/config", scrapePool="api")
        missing = await ask("scrape_pools/config")
        unknown = await ask("scrape_pools/config", scrapePool='a"b')
    assert told["data"] == {"yaml": pool_text(scrapes[1])}
    assert "scrape_interval: 5s\n" in told["data"]["yaml"]
    assert (missing["errorType"], missing["error"]) == ("bad_data", "no scrapePool parameter provided")
    assert unknown["error"] == 'error retrieving scrape config: scrape pool "a\\"b" not found'
