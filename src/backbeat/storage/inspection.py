"""Looking over a data directory that no process holds: every checksum, without changing a byte.

Out: a line for each damage, with what it costs. Mending is `Storage.repair`'s.
"""

from __future__ import annotations

import zlib
from pathlib import Path

from backbeat.model.errors import WorldFailure
from backbeat.storage.block_index import PAGE_SERIES, BlockIndex, DamagedIndex
from backbeat.storage.block_writer import BlockMeta
from backbeat.storage.files import DELETING, WRITING
from backbeat.storage.locking import DirectoryLock
from backbeat.storage.records import Damage, scan
from backbeat.storage.wal import definition_files, segments


def damages(directory: Path) -> list[str]:
    """Every damaged place. Raises WorldFailure where the directory is held or unreadable."""
    lock = DirectoryLock(directory)
    try:
        found = _of_log(directory / "wal")
        blocks = directory / "blocks"
        for path in sorted(blocks.iterdir()) if blocks.is_dir() else []:
            if path.is_dir() and not path.name.endswith((DELETING, WRITING)):
                found += _of_block(path)
        return found
    except OSError as error:
        raise WorldFailure(f"data directory {directory}: {error}; check its disk and permissions") from error
    finally:
        lock.release()


def _of_log(directory: Path) -> list[str]:
    if not directory.is_dir():
        return []  # a snapshot is blocks alone
    paths = [*definition_files(directory), *(path for _, path in segments(directory))]
    return [
        f"{path}: bytes {item.start} to {item.end} are no whole record"
        + (" (the file was cut there, as a crash does; nothing acknowledged is lost)" if item.at_end else "")
        for path in paths
        for item in scan(path.read_bytes())
        if isinstance(item, Damage)
    ]


def _of_block(path: Path) -> list[str]:
    found: list[str] = []
    wholes = 0
    for name in ("meta.json", "meta-copy.json"):
        try:
            BlockMeta.from_bytes((path / name).read_bytes())
            wholes += 1
        except (OSError, ValueError) as error:
            found.append(
                f"{path / name}: damaged ({error}); its copy serves" if wholes else _both(path / name)
            )
    index: BlockIndex | None = None
    for name in ("index", "index-copy"):
        try:
            index = BlockIndex.from_bytes((path / name).read_bytes())
        except (OSError, DamagedIndex):
            found.append(f"{path / name}: damaged; its copy serves if that is whole")
    if index is None:
        return [*found, f"{path}: no copy of its index is whole; none of its samples can be read"]
    return found + _of_chunks(path / "chunks", index)


def _both(path: Path) -> str:
    return f"{path}: damaged; its copy serves if that is whole"


def _of_chunks(path: Path, index: BlockIndex) -> list[str]:
    content = path.read_bytes()
    found: list[str] = []

    def check(offset: int, length: int, crc: int, what: str) -> None:
        piece = content[offset : offset + length]
        if len(piece) != length or zlib.crc32(piece) != crc:
            found.append(f"{path}: {length} bytes at {offset} fail their checksum: {what}")

    chunks = index.chunks
    for number in range(len(chunks["cohort"])):
        row = {name: int(column[number]) for name, column in chunks.items()}
        span = f"{row['min_ms']} to {row['max_ms']} ms"
        head_length = row["times_length"] + row["mask_length"]
        check(row["head_offset"], head_length, row["head_crc"], f"{row['samples']} samples of {span}")
        pages = (row["series_count"] + PAGE_SERIES - 1) // PAGE_SERIES
        for page in range(row["first_page"], row["first_page"] + pages):
            check(
                int(index.page_offsets[page]),
                int(index.page_lengths[page]),
                int(index.page_crcs[page]),
                f"up to {PAGE_SERIES} series of {span}",
            )
    return found
