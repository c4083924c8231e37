"""`backbeat import` and `backbeat export`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from backbeat.cli.data_directory import is_snapshot, samples_of
from backbeat.exchange.exporting import Selected, export
from backbeat.exchange.importing import Imported, import_file, open_for_import
from backbeat.model.clock import now_ms
from backbeat.model.errors import WorldFailure
from backbeat.promql.parser import parse_selector
from backbeat.storage import StorageOptions, open_storage


def run_import(paths: Sequence[Path], data: Path) -> int:
    """Import each file in turn. Raises BackbeatError at the first mistake."""
    storage = open_for_import(data if is_snapshot(data) else data / "samples", now_ms)
    try:
        for path in paths:
            done = import_file(storage, path, partial(_progress, path))
            _clear_line()
            print(f"{path}: {_told(done)}")
    finally:
        storage.close()
    return 0


def run_export(data: Path, out: Path, form: str, selectors: Sequence[str], start_ms: int, end_ms: int) -> int:
    """Export what the selectors choose. Raises BackbeatError."""
    matchers = [tuple(parse_selector(text)) for text in selectors] or [()]
    storage = open_storage(samples_of(data), StorageOptions(retention_time_ms=0), now_ms)
    try:
        done = export(storage, Selected(matchers, start_ms, end_ms), out, form, lambda name: None)
    except OSError as error:
        raise WorldFailure(f"{out}: {error}; nothing was written, choose another place with --out") from error
    finally:
        storage.close()
    print(f"{out}: {done.samples:,} samples of {done.series:,} series")
    return 0


def _progress(path: Path, so_far: Imported) -> None:
    if sys.stderr.isatty():
        print(f"\r{path}: line {so_far.lines:,}, {so_far.stored:,} samples", end="", file=sys.stderr)


def _clear_line() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)


def _told(done: Imported) -> str:
    told = [f"{done.stored:,} samples stored"]
    if done.duplicate:
        told.append(f"{done.duplicate:,} were there already")
    if done.conflicting:
        told.append(f"{done.conflicting:,} left out, for the series has another value at that moment")
    if done.too_far_ahead:
        told.append(f"{done.too_far_ahead:,} left out, for they are in the future")
    return ", ".join(told)
