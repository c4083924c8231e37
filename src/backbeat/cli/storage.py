"""`backbeat storage stats|verify|repair`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import asdict, replace
from rich.console import Console
from rich.table import Table

from backbeat.cli.data_directory import samples_of
from backbeat.model.clock import now_ms
from backbeat.model.errors import WorldFailure
from backbeat.storage import Storage, StorageOptions, open_storage
from backbeat.storage.inspection import damages
from backbeat.storage.stats import StorageStats, cardinality_of

_FOREVER = 2**62


def run_stats(data: Path, limit: int, *, as_json: bool) -> int:
    """Print what the data directory holds. Raises BackbeatError."""
    storage = _open(data)
    try:
        every = storage.series((), -_FOREVER, _FOREVER)
        stats = replace(storage.stats(0), **asdict(cardinality_of(every, limit)))
    finally:
        storage.close()
    if as_json:
        more = {"series": len(every), "bytes_per_sample": stats.bytes_per_sample}
        print(json.dumps({**more, **asdict(stats)}, indent=2))
    else:
        _show(Console(), stats, len(every))
    return 0


def run_verify(data: Path) -> int:
    """Check every checksum and change nothing; 1 where something is damaged. Raises BackbeatError."""
    found = damages(samples_of(data))
    for line in found:
        print(line)
    if found:
        print(
            f"{len(found)} damaged places; `backbeat storage repair --data {data}` keeps their bytes "
            "and writes the rest anew"
        )
        return 1
    print(f"{data}: everything is whole")
    return 0


def run_repair(data: Path) -> int:
    """Put damaged bytes into quarantine and write the rest anew. Raises BackbeatError."""
    found = damages(samples_of(data))
    # Opening mends the log and restores copies; what was damaged is kept.
    storage = _open(data)
    try:
        done = storage.repair()
    except OSError as error:
        raise WorldFailure(f"{data}: {error}; nothing was taken away, try again") from error
    finally:
        storage.close()
    for line in [*found, *done]:
        print(line)
    print(
        f"damaged bytes are kept in {samples_of(data) / 'quarantine'}"
        if found
        else f"{data}: nothing to repair"
    )
    return 0


def _open(data: Path) -> Storage:
    return open_storage(samples_of(data), StorageOptions(retention_time_ms=0), now_ms)


def _show(console: Console, stats: StorageStats, series: int) -> None:
    table = Table(show_header=False, box=None)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in (
        ("series", f"{series:,}"),
        ("samples", f"{stats.samples:,} ({stats.samples_in_memory:,} not in a block yet)"),
        ("from", _moment(stats.min_ms)),
        ("to", _moment(stats.max_ms)),
        ("blocks", f"{stats.blocks:,}, {stats.block_bytes:,} bytes"),
        ("bytes a sample, in blocks", f"{stats.bytes_per_sample:.2f}"),
        ("log", f"{stats.log_bytes:,} bytes"),
    ):
        table.add_row(name, value)
    console.print(table)
    for title, rows in (
        ("metrics by series", stats.metric_names),
        ("labels by values", stats.label_value_counts),
        ("labels by series", stats.label_names),
        ("label values by series", stats.label_pairs),
    ):
        if rows:
            top = _table()
            for name, count in rows:
                top.add_row(name, f"{count:,}")
            console.print(f"\n[bold]{title}")
            console.print(top)


def _table() -> Table:
    table = Table(show_header=False, box=None)
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    return table


def _moment(ms: int | None) -> str:
    return "–" if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")
