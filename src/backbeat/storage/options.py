"""Settings of the embedded storage, with the defaults that a small machine wants."""

from __future__ import annotations

from msgspec import Struct

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


class StorageOptions(Struct, frozen=True):
    """Times in ms, sizes in bytes."""

    fsync_interval_ms: int = 1000
    """how much time a power cut may cost; 0: fsync at every append"""
    retention_time_ms: int = 15 * DAY_MS
    """counted back from the newest sample; 0: forever"""
    retention_size_bytes: int = 0
    """blocks and log together; 0: no limit"""
    retention_percent: float = 0.0
    """the same as a share of the disk; above 0 it counts instead of the bytes"""
    out_of_order_window_ms: int = 0
    """how much older than its series' newest sample a sample may be"""
    head_span_ms: int = 2 * HOUR_MS
    """blocks are cut at multiples of this"""
    cut_delay_ms: int = HOUR_MS
    """a span stays in memory this long after its end, for late samples and quick reads"""
    chunk_rows: int = 120
    """rows of an open chunk before it is compressed, at most"""
    segment_bytes: int = 64 << 20
    """the log goes on in a new file after this many bytes"""
    cache_bytes: int = 256 << 20
    """decoded chunks kept for the next query"""
    future_limit_ms: int = 10 * MINUTE_MS
    """samples further ahead of the clock are refused"""
    max_exemplars: int = 100_000
    compaction_spans: tuple[int, ...] = (6 * HOUR_MS, DAY_MS)
    """blocks of one such window are merged into one, each a multiple of the one before"""
