"""Which blocks to merge, and which to give up: pure decisions over block descriptions, and the merge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from backbeat.storage.assemble import Part
from backbeat.storage.block import Block
from backbeat.storage.block_writer import write_block
from backbeat.storage.chunks import HeadChunk
from backbeat.storage.head import Placed, parts_of


def blocks_to_merge(
    blocks: Sequence[Block], spans: Sequence[int], complete_ms: int
) -> tuple[int, int, list[Block]] | None:
    """The first window [start, end) that ended by `complete_ms` and has several blocks, smallest first."""
    for span in spans:
        windows: dict[int, list[Block]] = defaultdict(list)
        for block in blocks:
            start = block.meta.start_ms // span * span
            if block.meta.end_ms <= start + span <= complete_ms:
                windows[start].append(block)
        for start, members in sorted(windows.items()):
            if len(members) > 1:
                return start, start + span, members
    return None


def blocks_to_drop(
    blocks: Sequence[tuple[Block, int]], newest_ms: int, retention_ms: int, size_limit: int, other_bytes: int
) -> list[Block]:
    """Blocks past the retention by time, then the oldest until the size fits.

    blocks: with their sizes in bytes, oldest first; other_bytes: what else counts, such as the log
    """
    dropped = [block for block, _ in blocks if retention_ms and block.meta.max_ms < newest_ms - retention_ms]
    if size_limit:
        kept = [(block, size) for block, size in blocks if block not in dropped]
        total = other_bytes + sum(size for _, size in kept)
        for block, size in kept:
            if total <= size_limit:
                break
            dropped.append(block)
            total -= size
    return dropped


def merge(blocks: Sequence[Block], directory: Path, start_ms: int, end_ms: int) -> Path | None:
    """Write one block with everything in these, but what was deleted; None if nothing is left.

    Raises OSError, UnreadableBlock.
    """
    return write_block(directory, start_ms, end_ms, _cohorts(blocks), [block.meta.id for block in blocks])


def snapshot_parts(
    found: Sequence[tuple[Placed, Sequence[HeadChunk]]],
) -> Iterator[tuple[str, Sequence[Part]]]:
    """All samples of these chunks, by cohort."""
    for each in found:
        yield from parts_of([each], -(2**63), 2**63 - 1).items()


def _cohorts(blocks: Sequence[Block]) -> Iterator[tuple[str, Sequence[Part]]]:
    by_cohort: dict[str, list[Part]] = defaultdict(list)
    for block in blocks:
        for cohort, parts in block.all_parts().items():
            by_cohort[cohort] += parts
    yield from by_cohort.items()
