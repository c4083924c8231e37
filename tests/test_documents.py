"""The documents say what is so: links lead somewhere; rooms, settings and metrics are those of the code."""

from __future__ import annotations

import re
import tomllib
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from backbeat.config.backbeat import BackbeatConfig
from backbeat.config.backbeat_fields import BACKBEAT
from backbeat.config.schema import StructOf
from backbeat.config.web_fields import WEB
from backbeat.model.clock import now_ms
from backbeat.profile import profile_text
from backbeat.promql.lexer import AGGREGATORS
from backbeat.promql.signatures import SIGNATURES
from backbeat.server import Backbeat
from backbeat.settings import read_config, storage_options
from backbeat.storage import open_storage
from backbeat.web.openapi import document

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "backbeat"
PREFIX = "/api/backbeat/v1"
OUTSIDE = ("http://", "https://", "mailto:")
PAGES = sorted(
    path
    for folder in ("", "docs", "ui", "instrument", "examples/normaldance")
    for path in (ROOT / folder).glob("**/*.md" if folder == "docs" else "*.md")
)


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def headings(path: Path) -> set[str]:
    """The anchors of a page, as code hosts make them."""
    titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if link.startswith(OUTSIDE):
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), f"{link}: there is no such file"
        assert not anchor or anchor in headings(target), f"{link}: {target.name} has no such heading"


def test_every_page_is_named_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name.name for name in (ROOT / "docs").glob("*.md") if f"(docs/{name.name})" not in readme] == []


def test_the_architecture_has_every_room() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    table = "".join(re.findall(r"^\| \d+ \|.*$", page("architecture.md"), re.MULTILINE))
    shown = set(re.findall(r"`(\w+)/`", table))
    assert shown == rooms


def test_every_room_is_in_a_layer() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    named = {room.strip().removeprefix("backbeat.") for layer in layers for room in layer.split("|")}
    modules = {
        path.stem for path in PACKAGE.iterdir() if (path / "__init__.py").exists() or path.suffix == ".py"
    }
    assert modules - named == {"__init__", "__main__"}


def test_every_function_and_aggregation_is_documented() -> None:
    table = page("promql.md").partition("## What there is")[2].partition("\n## ")[0]
    names = set(re.findall(r"`(\w+)`", table)) - {"by", "without", "le"}
    assert names == SIGNATURES.keys() | AGGREGATORS


def test_every_operation_of_backbeats_own_api_is_documented() -> None:
    said = re.sub(r"\{[^}]*\}", "{}", page("backbeat-api.md"))
    paths = {re.sub(r"\{[^}]*\}", "{}", path.removeprefix(PREFIX)) for path in document()["paths"]}
    assert sorted(path for path in paths if path not in said) == []


def settings() -> dict[str, str]:
    """The default of each setting of backbeat.yml, as docs/operation.md tells it."""
    section = page("operation.md").partition("## Settings of `backbeat.yml`")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)`(?: \(or `(\w+)`\))? \| ([^|]*) \|", section, re.MULTILINE)
    return {name: default for *names, default in rows for name in names if name}


def test_every_setting_is_documented_and_no_other() -> None:
    assert set(settings()) == set(BACKBEAT.fields)


def test_the_documented_defaults_are_those_in_force(tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").touch()
    written = [f"{name}: {text.strip('`')}" for name, text in settings().items() if text.startswith("`")]
    (tmp_path / "backbeat.yml").write_text("\n".join(written), encoding="utf-8")
    assert len(written) > len(BACKBEAT.fields) / 2
    assert read_config(tmp_path).backbeat == BackbeatConfig()


def test_every_setting_of_web_yml_is_documented() -> None:
    tls, http = WEB.fields["tls_server_config"], WEB.fields["http_server_config"]
    assert isinstance(tls, StructOf)
    assert isinstance(http, StructOf)
    section = page("operation.md").partition("## Security")[2].partition("\n## ")[0]
    assert {*WEB.fields, *tls.fields, *http.fields} - set(re.findall(r"`(\w+)", section)) == set()


def test_the_profile_shows_every_setting() -> None:
    shown = set(re.findall(r"^# (\w+):", profile_text("backbeat.yml"), re.MULTILINE))
    assert shown == set(BACKBEAT.fields)


async def test_every_metric_is_documented(tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").touch()
    config = read_config(tmp_path)
    async with AsyncExitStack() as stack:
        storage = open_storage(tmp_path / "samples", storage_options(config), now_ms)
        stack.callback(storage.close)
        server = Backbeat(tmp_path, config, storage, "http://127.0.0.1:9090", "127.0.0.1")
        await server.start(stack, f"sqlite:///{tmp_path}/state.db")
        families = list(server.registry.collect())
    names = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    assert sorted(names - set(re.findall(r"`(\w+)`", page("own-metrics.md")))) == []
