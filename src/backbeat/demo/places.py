"""Where the example service and the instrument package lie: in the installed package, or in a clone."""

from __future__ import annotations

import os
from pathlib import Path

from backbeat.model.errors import WorldFailure

_PACKAGE = Path(__file__).parents[1]
_CLONE = _PACKAGE.parents[1]


def import_paths() -> list[Path]:
    """Directories from which `normaldance` and `backbeat_instrument` can be imported."""
    installed = _PACKAGE / "examples"
    if (installed / "normaldance").is_dir():
        return [installed]
    clone = [_CLONE / "examples", _CLONE / "instrument" / "src"]
    if not (clone[0] / "normaldance").is_dir():
        raise WorldFailure(
            f"the example service is neither in {installed} nor in {clone[0]}; "
            "install Backbeat again, or run the demo from a clone of the project"
        )
    return clone


def service_environment() -> dict[str, str]:
    """The environment in which `python -m normaldance` works."""
    paths = [str(path) for path in import_paths()]
    if existing := os.environ.get("PYTHONPATH"):
        paths.append(existing)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
