"""Backfill: samples of files into a data directory that no server holds.

A sample that is there already is recognised, so a file can be imported again after a mistake was mended.
Where a series has another value at that very moment, the one that is there stays, and that is counted.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from msgspec import Struct
from msgspec.structs import replace

from backbeat.exchange.openmetrics import read
from backbeat.model.appender import Appended
from backbeat.model.clock import Now
from backbeat.model.errors import WorldFailure
from backbeat.storage import Storage, StorageOptions, open_storage

FLUSH_SAMPLES = 5_000_000
"""so many are held in memory before they become blocks"""
_EVERY_AGE_MS = 2**60
_GZIP = b"\x1f\x8b"


class Imported(Struct, frozen=True):
    """What became of a file's samples."""

    stored: int = 0
    duplicate: int = 0
    conflicting: int = 0
    too_far_ahead: int = 0
    lines: int = 0

    def plus(self, appended: Appended, lines: int) -> Imported:
        return Imported(
            self.stored + appended.stored,
            self.duplicate + appended.duplicate,
            self.conflicting + appended.conflicting,
            self.too_far_ahead + appended.too_far_ahead,
            lines,
        )


def open_for_import(directory: Path, now: Now) -> Storage:
    """The data directory, which takes samples of any age and forgets none. Raises WorldFailure."""
    options = replace(
        StorageOptions(), out_of_order_window_ms=_EVERY_AGE_MS, retention_time_ms=0, retention_size_bytes=0
    )
    return open_storage(directory, options, now)


def import_file(storage: Storage, path: Path, progress: Callable[[Imported], None]) -> Imported:
    """Import one OpenMetrics file, gzipped or not; everything of it is durable when this returns.

    Raises FileMistake (what came before the mistake stays, and is recognised next time), WorldFailure.
    """
    done, held = Imported(), 0
    try:
        with _opened(path) as file:
            for batch in read(str(path), file):
                appended = storage.append_samples(batch.series, batch.times, batch.values)
                done = done.plus(appended, batch.line)
                held += appended.stored
                if held >= FLUSH_SAMPLES:
                    storage.flush()
                    held = 0
                storage.compress()
                progress(done)
    except (OSError, EOFError) as error:
        raise WorldFailure(
            f"{path}: {error}; the file could not be read to its end, import it again"
        ) from error
    finally:
        storage.flush()
    storage.compact()
    return done


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as file:
        is_gzip = file.read(2) == _GZIP
        file.seek(0)
        if not is_gzip:
            yield file
            return
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield cast("BinaryIO", unpacked)
