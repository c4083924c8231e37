"""Where the samples of a data directory are."""

from __future__ import annotations

from pathlib import Path

from backbeat.model.errors import WorldFailure


def samples_of(data: Path) -> Path:
    """The samples of a server's data directory, or of a snapshot. Raises WorldFailure if there are none."""
    if is_snapshot(data):
        return data
    if not (data / "samples").is_dir():
        reason = "holds no samples" if data.is_dir() else "does not exist"
        raise WorldFailure(f"data directory {data} {reason}; name the one of `serve --data` with --data")
    return data / "samples"


def is_snapshot(data: Path) -> bool:
    """Whether blocks or a log lie in the directory itself."""
    return (data / "blocks").is_dir() or (data / "wal").is_dir()
