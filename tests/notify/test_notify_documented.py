"""docs/notifications.md says what is so: its examples load, and it knows every field."""

import re
from pathlib import Path

import pytest

from backbeat.cli.check import parsers
from backbeat.config.http_fields import HTTP_FIELDS, TLS_CONFIG
from backbeat.config.load import Reader
from backbeat.config.receiver_fields import RECEIVERS
from backbeat.config.schema import ListOf, StructOf

PAGE = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
ENVIRONMENT = {"AWS_SECRET": "s"}


@pytest.mark.parametrize("text", EXAMPLES, ids=[re.findall(r"(\w+)_configs", text)[0] for text in EXAMPLES])
def test_examples_load_without_a_remark(text: str, tmp_path: Path) -> None:
    if "apprise" in text:
        pytest.importorskip("apprise")
    for name in re.findall(r"_file: ([\w.]+)", text):
        (tmp_path / name).write_text("http://file.example/1")
    path = tmp_path / "alertmanager.yml"
    path.write_text(text, encoding="utf-8")
    reader = Reader(parsers(), ENVIRONMENT, is_to_run=True)
    config = reader.alertmanager(path)
    assert list(map(str, reader.findings)) == []
    assert config is not None
    assert config.receivers[0].integrations


def test_every_receiver_has_an_example() -> None:
    shown = {kind for text in EXAMPLES for kind in re.findall(r"\w+_configs", text)}
    assert set(RECEIVERS) - shown == {"msteams_configs"}


def test_every_field_is_named() -> None:
    named = set(re.findall(r"`(?:sigv4\.|global\.|http_config\.)?(\w+)", PAGE))
    fields = {name for struct in RECEIVERS.values() for name in _names(struct)}
    fields |= set(HTTP_FIELDS) - {"bearer_token", "bearer_token_file"}
    assert sorted(fields - named) == []


def _names(struct: StructOf) -> set[str]:
    """The names of all fields, those inside of others too."""
    found: set[str] = set()
    for name, kind in struct.fields.items():
        found.add(name)
        inner = kind.item if isinstance(kind, ListOf) else kind
        if isinstance(inner, StructOf) and inner is not TLS_CONFIG and name != "http_config":
            found |= _names(inner)
    return found
