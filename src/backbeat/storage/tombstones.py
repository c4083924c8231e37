"""What was deleted from a block, until compaction rewrites it without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from msgspec import Struct

from backbeat.model.arrays import Bools, Int64s
from backbeat.storage.files import Quarantine, write_durably
from backbeat.storage.keys import Keys
from backbeat.storage.records import Damage, Kind, delete_record, read_delete, scan


class Tombstone(Struct, frozen=True):
    """No sample of these series in [start_ms, end_ms] counts any more."""

    start_ms: int
    end_ms: int
    keys: Keys


class Tombstones:
    """The tombstones of one block, kept beside it in a file of log records."""

    def __init__(self, path: Path, quarantine: Quarantine) -> None:
        self._path = path
        self._entries: tuple[Tombstone, ...] = ()
        if path.exists():
            content = path.read_bytes()
            found = []
            for item in scan(content):
                if isinstance(item, Damage):
                    quarantine.keep(
                        f"blocks/{path.parent.name}/tombstones-{item.start}",
                        content[item.start : item.end],
                        "a tombstone is damaged: what it deleted is back",
                    )
                elif item.kind == Kind.DELETE:
                    found.append(Tombstone(*read_delete(item.payload)))
            self._entries = tuple(found)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, tombstone: Tombstone) -> None:
        """Durable before this returns. Raises OSError."""
        entries = (*self._entries, tombstone)
        write_durably(
            self._path, b"".join(delete_record(each.start_ms, each.end_ms, each.keys) for each in entries)
        )
        self._entries = entries

    def deleted(self, keys: Keys, times: Int64s) -> Bools | None:
        """(keys, times): which cells are deleted; None: none of them."""
        result: Bools | None = None
        for each in self._entries:
            if not len(times) or each.end_ms < times[0] or each.start_ms > times[-1]:
                continue
            cells = np.isin(keys, each.keys)[:, None] & (times >= each.start_ms) & (times <= each.end_ms)
            result = cells if result is None else result | cells
        return result
