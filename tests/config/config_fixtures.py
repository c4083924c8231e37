"""Types of the fixtures in conftest.py."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from backbeat.config.backbeat import Config


class Write(Protocol):
    def __call__(self, **files: str) -> Path: ...


class Load(Protocol):
    def __call__(self, environment: dict[str, str] | None = None, **files: str) -> Config: ...


class Mistakes(Protocol):
    def __call__(self, environment: dict[str, str] | None = None, **files: str) -> list[str]: ...
