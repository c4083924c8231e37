"""Each fault really happens, and ends when it is switched off."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from normaldance import app as app_module
from normaldance import database, faults, media
from normaldance.app import build_app
from prometheus_client import CollectorRegistry


class Running:
    """The service, with its requests and its metrics."""

    def __init__(self, data_dir: Path) -> None:
        self.registry = CollectorRegistry()
        self.app = build_app(data_dir, self.registry)
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(
            transport=transport, base_url="http://service", headers={"X-User": "1"}
        )

    async def switch(self, **wanted: bool) -> httpx.Response:
        return await self.client.post("/chaos", json=wanted)

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Running]:
    running = Running(tmp_path)
    async with running.client:
        yield running
    running.app.state.service.database.close()


async def test_chaos_lists_and_switches(service: Running) -> None:
    before = (await service.client.get("/chaos")).json()
    assert set(before["faults"]) == set(before["descriptions"]) == set(faults.DESCRIPTIONS)
    assert not any(before["faults"].values())
    after = (await service.switch(cache_off=True, http_5xx=True)).json()["faults"]
    assert [name for name, on in after.items() if on] == ["cache_off", "http_5xx"]
    assert not any((await service.switch(cache_off=False, http_5xx=False)).json()["faults"].values())


@pytest.mark.parametrize(
    ("request_", "status", "message"),
    [
        pytest.param(
            {"json": {"slow_databse": True}}, 400, "choose one of: slow_database", id="unknown name"
        ),
        pytest.param({"json": {"cache_off": "yes"}}, 400, "expected an object", id="no boolean"),
        pytest.param({"json": [1]}, 400, "expected an object", id="no object"),
        pytest.param(
            {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "not JSON", id="no JSON"
        ),
        pytest.param({"data": {"cache_off": "true"}}, 415, "application/json", id="a form of another site"),
    ],
)
async def test_chaos_refuses(service: Running, request_: dict[str, Any], status: int, message: str) -> None:
    answer = await service.client.post("/chaos", **request_)
    assert answer.status_code == status
    assert message in answer.json()["error"]


async def test_slow_database_waits_inside_the_statement(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_SLOW_S", 0.2)
    await service.client.get("/api/library")
    assert service.value("db_query_duration_seconds_sum", operation="select") < 0.1
    await service.switch(slow_database=True)
    assert len((await service.client.get("/api/library")).json()["tracks"]) == 20
    assert service.value("db_query_duration_seconds_sum", operation="select") >= 0.2


async def test_cache_off_finds_nothing(service: Running) -> None:
    for _ in range(3):
        await service.client.get("/api/tracks/1")
    assert (service.value("cache_hits_total"), service.value("cache_misses_total")) == (2, 1)
    await service.switch(cache_off=True)
    for _ in range(3):
        await service.client.get("/api/tracks/1")
    assert (service.value("cache_hits_total"), service.value("cache_misses_total")) == (2, 4)


async def test_stream_errors_break_off_in_the_middle(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media._chance, "random", lambda: 0.2)
    whole = await service.client.get("/stream/1")
    assert whole.content[:4] == b"RIFF"
    assert len(whole.content) == 44 + 2 * 3 * 22_050
    await service.switch(stream_errors=True)
    assert len((await service.client.get("/stream/1")).content) < len(whole.content)
    assert (service.value("audio_streams_total"), service.value("audio_stream_errors_total")) == (2, 1)


async def test_slow_uploads_end_with_the_fault(service: Running, tmp_path: Path) -> None:
    stored = await service.client.post("/uploads", content=b"RIFF")
    assert stored.status_code == 201
    await service.switch(slow_uploads=True)
    slow = asyncio.create_task(service.client.post("/uploads", content=b"RIFF"))
    done, _ = await asyncio.wait([slow], timeout=0.5)
    assert not done
    await service.switch(slow_uploads=False)
    assert (await slow).status_code == 201
    assert service.value("upload_duration_seconds_count") == 2
    assert service.value("upload_duration_seconds_sum") >= 0.5
    assert len(list((tmp_path / "uploads").glob("*.wav"))) == 2


async def test_an_upload_that_is_too_large_leaves_nothing(
    service: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "MAX_UPLOAD_BYTES", 10)
    assert (await service.client.post("/uploads", content=b"x" * 11)).status_code == 413
    assert list((tmp_path / "uploads").iterdir()) == []
    assert service.value("upload_errors_total") == 1


async def test_http_5xx_fails_a_part_of_the_api(service: Running) -> None:
    await service.switch(http_5xx=True)
    statuses = {(await service.client.get("/api/tracks")).status_code for _ in range(30)}
    assert statuses == {200, 500}


async def test_rate_limit_refuses_each_client_on_its_own(service: Running) -> None:
    await service.switch(rate_limit=True)
    statuses = [(await service.client.get("/api/tracks")).status_code for _ in range(3)]
    assert statuses == [200, 429, 429]
    other = await service.client.get("/api/tracks", headers={"X-User": "2"})
    assert other.status_code == 200
    assert service.value("api_rate_limited_total") == 2


async def test_plays_reach_the_database(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "_WRITE_PLAYS_EVERY_S", 0.01)
    stored = service.app.state.service.database
    before = stored.track(7)["plays"]
    async with service.app.router.lifespan_context(service.app):
        await service.client.post("/api/tracks/7/plays")
        async with asyncio.timeout(5):
            while stored.track(7)["plays"] == before:  # noqa: ASYNC110 (the database gives no event)
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/healthz", 200),
        ("/api/tracks", 200),
        ("/api/tracks/999999", 404),
        ("/api/search?q=neon", 200),
        ("/api/search?q=%25", 200),
        ("/api/search", 400),
        ("/api/artists/nobody", 404),
        ("/api/library", 200),
    ],
)
async def test_answers(service: Running, path: str, status: int) -> None:
    assert (await service.client.get(path)).status_code == status
