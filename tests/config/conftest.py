"""What the tests of configuration share: writing files, and reading them with the real parsers."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_fixtures import Load, Mistakes, Write

from backbeat.cli.check import parsers
from backbeat.config.backbeat import Config
from backbeat.config.findings import ConfigErrors
from backbeat.config.load import Reader, load_with


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files into one directory: write(prometheus="…", rules="…") makes prometheus.yml and rules.yml."""

    def make(**files: str) -> Path:
        for name, text in files.items():
            (tmp_path / f"{name}.yml").write_text(text, encoding="utf-8")
        if "prometheus" not in files and not (tmp_path / "prometheus.yml").exists():
            (tmp_path / "prometheus.yml").write_text("", encoding="utf-8")
        return tmp_path

    return make


@pytest.fixture
def load(write: Write) -> Load:
    """Write the files and load the directory."""

    def make(environment: dict[str, str] | None = None, **files: str) -> Config:
        return load_with(Reader(parsers(), environment or {}), write(**files))

    return make


@pytest.fixture
def mistakes(load: Load, tmp_path: Path) -> Mistakes:
    """The errors of the files, without the directory in front."""

    def make(environment: dict[str, str] | None = None, **files: str) -> list[str]:
        try:
            load(environment, **files)
        except ConfigErrors as errors:
            return [str(each).removeprefix(f"{tmp_path}/") for each in errors.errors]
        return []

    return make
