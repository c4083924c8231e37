"""Rows that stay in the log's files after a start, until upkeep compresses them a second later.

Copying them would take memory that is new to the process, page by page, which costs more than all else that a
start does with them. The files are mapped: nothing writes to a log file that was there before the start, and
one that is deleted lives on for as long as it is mapped.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.lib.stride_tricks import sliding_window_view

from backbeat.model.arrays import Bools, Float64s, Int32s, Int64s
from backbeat.storage.chunks import run_of

MOST_MAPPED = 128
"""files; each keeps a descriptor for as long as something of it is in use"""


def content_of(path: Path, *, is_mapped: bool = True) -> memoryview:
    """What a file holds; mapped: without a copy of it, where that is possible. Raises OSError."""
    with path.open("rb", buffering=0) as file:
        if not is_mapped:
            return memoryview(file.read())
        size = os.fstat(file.fileno()).st_size
        try:
            _fetch(file.fileno(), size)
            return memoryview(mmap.mmap(file.fileno(), size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ))
        except (OSError, ValueError):
            # An empty file, or one that cannot be mapped; a disk that cannot read it says so here.
            file.seek(0)
            return memoryview(file.read())


def _fetch(file: int, size: int) -> None:
    """Let the system read the file now: an error later, at an access to memory, would end the process."""
    with open(os.devnull, "wb", buffering=0) as nowhere:
        at = 0
        while at < size and (count := os.sendfile(nowhere.fileno(), file, at, size - at)):
            at += count


class LoggedRows(Struct, frozen=True):
    """Rows of one layout in the log.

    pieces: of one log file after the other: all of it as float64, and (rows,) the cell where each row begins
    places: (columns,) which cells of a row are meant
    """

    pieces: Sequence[tuple[Float64s, Int64s]]
    places: Int32s

    def __len__(self) -> int:
        return sum(len(starts) for _, starts in self.pieces)

    def between(self, first: int, last: int) -> LoggedRows:
        """Rows [first, last)."""
        pieces, before = [], 0
        for room, starts in self.pieces:
            own = starts[max(first - before, 0) : max(last - before, 0)]
            if len(own):
                pieces.append((room, own))
            before += len(starts)
        return LoggedRows(pieces, self.places)

    def matrix(self) -> Float64s:
        """(rows, columns) a copy."""
        run = run_of(self.places)
        if run is None:
            parts = [room[starts[:, None] + self.places] for room, starts in self.pieces]
        else:
            width = len(self.places)
            parts = [sliding_window_view(room, width)[starts + run.start] for room, starts in self.pieces]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


class LoggedChunk:
    """A chunk of rows in the log, each with a sample in every cell."""

    def __init__(self, times: Int64s, columns: Int32s, rows: LoggedRows) -> None:
        """columns: sorted, and in the order of the rows' places"""
        self.times: Int64s = times
        self.columns: Int32s = columns
        self._rows = rows

    def read(self, rows: Int32s, first: int, last: int) -> tuple[Float64s, Bools | None]:
        chosen = self._rows.between(first, last)
        return LoggedRows(chosen.pieces, chosen.places[rows]).matrix().T, None

    def presence(self, rows: Int32s | None, first: int, last: int) -> Bools | None:
        return None

    @property
    def size_bytes(self) -> int:
        return 8 * len(self.times) * len(self.columns)
