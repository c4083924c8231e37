"""The built pages: what a path answers, and to whom."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from backbeat.web.dispatch import Dispatcher
from backbeat.web.pages import Pages
from backbeat.web.responses import on_error

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
FRAME, SCRIPT, WORDS = (
    "<title>Backbeat</title>",
    "code()",
    "Not found. The dashboard is at /, the API at /api/v1/.\n",
)


def client(static: Path) -> httpx.AsyncClient:
    app = Dispatcher(Pages(static).routes(), on_error)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1:9090")


@pytest.fixture
def static(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text(FRAME)
    (tmp_path / "index.js").write_text(SCRIPT)
    (tmp_path / "secret.txt").write_text("not of the build")
    (tmp_path / "manifest.json").write_text(json.dumps({"index.html": {"file": "index.js"}}))
    return tmp_path


@pytest.mark.parametrize(
    ("path", "headers", "status", "body"),
    [
        pytest.param("/alerts", BROWSER, 200, FRAME, id="a page"),
        pytest.param("/index.js", {}, 200, SCRIPT, id="a file of the build"),
        pytest.param("/secret.txt", {}, 404, WORDS, id="a file beside the build"),
        pytest.param("/nowhere", BROWSER, 404, FRAME, id="no page: a person gets the frame, which says so"),
        pytest.param("/nowhere", {"accept": "*/*"}, 404, WORDS, id="no page: a program gets words"),
        pytest.param("/api/nowhere", BROWSER, 404, WORDS, id="no API: words for all"),
    ],
)
async def test_what_a_path_answers(
    static: Path, path: str, headers: dict[str, str], status: int, body: str
) -> None:
    async with client(static) as http:
        answer = await http.get(path, headers=headers)
    assert (answer.status_code, answer.text) == (status, body)


async def test_pages_that_are_not_built_say_how_to_build_them(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        answer = await http.get("/", headers=BROWSER)
    assert (answer.status_code, "make ui" in answer.text) == (503, True)
