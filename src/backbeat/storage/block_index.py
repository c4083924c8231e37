"""The index of a block: its series, chunks, pages and streams. Byte layout: docs/formats/storage.md.

Series here are rows of a cohort's chunks, numbered so that each chunk holds a run of them. A series' labels
are references into a table of label pairs; turning that around gives the postings.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from functools import cached_property

import cramjam
import numpy as np
import orjson

from backbeat.model.arrays import Int32s, Int64s
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher
from backbeat.storage.codec import Bytes8, decode_whole_numbers, encode_whole_numbers
from backbeat.storage.keys import Keys, find_sorted
from backbeat.storage.matching import accepted_values, refused_values

PAGE_SERIES = 64
"""streams that share a checksum"""
_MAGIC = b"BBindex1"

CHUNK_FIELDS = (
    "cohort",
    "first_series",
    "series_count",
    "min_ms",
    "max_ms",
    "samples",
    "head_offset",
    "times_length",
    "mask_length",
    "head_crc",
    "first_page",
    "first_stream",
)


class DamagedIndex(ValueError):
    """The bytes are no whole index."""


class BlockIndex:
    """Columnar tables; every array is (rows of that table,)."""

    def __init__(
        self,
        cohorts: list[str],
        pairs: list[tuple[str, str]],
        pair_bounds: Int64s,
        pair_refs: Int64s,
        keys: Keys,
        chunks: dict[str, Int64s],
        page_offsets: Int64s,
        page_lengths: Int64s,
        page_crcs: Int64s,
        stream_kinds: Bytes8,
        stream_lengths: Int32s,
    ) -> None:
        self.cohorts = cohorts
        self.pairs = pairs
        self.pair_bounds = pair_bounds
        self.pair_refs = pair_refs.astype(np.int32)
        self.keys = keys
        self.chunks = chunks
        self.page_offsets = page_offsets
        self.page_lengths = page_lengths
        self.page_crcs = page_crcs
        self.stream_kinds = stream_kinds
        self.stream_lengths = stream_lengths

    @property
    def size_bytes(self) -> int:
        """Memory it takes, roughly."""
        return (
            300 * len(self.pairs)
            + 12 * len(self.pair_refs)
            + 24 * len(self.keys)
            + 5 * len(self.stream_kinds)
        )

    def labels(self, series: Iterable[int]) -> list[Labels]:
        pairs, refs, bounds = self.pairs, self.pair_refs, self.pair_bounds
        return [
            Labels([pairs[ref] for ref in refs[bounds[each] : bounds[each + 1]].tolist()]) for each in series
        ]

    def match(self, matchers: Sequence[Matcher]) -> Int32s:
        """Series that all matchers accept, sorted."""
        result = np.arange(len(self.keys), dtype=np.int32)
        for matcher in sorted(matchers, key=lambda each: each.matches_empty):
            values = self._values.get(matcher.name, {})
            if matcher.matches_empty:
                unwanted = self._union(values[value] for value in refused_values(matcher, values))
                result = result[find_sorted(unwanted, result) < 0]
            else:
                wanted = self._union(values[value] for value in accepted_values(matcher, values))
                small, large = (result, wanted) if len(result) < len(wanted) else (wanted, result)
                result = small[find_sorted(large, small) >= 0]
        return result

    def names(self) -> list[str]:
        return list(self._values)

    def values(self, name: str) -> list[str]:
        return list(self._values.get(name, ()))

    def of_keys(self, keys: Keys) -> Int32s:
        """Series with these keys, sorted."""
        found: Int32s = np.flatnonzero(np.isin(self.keys, keys)).astype(np.int32)
        return found

    def _union(self, pairs: Iterable[int]) -> Int32s:
        order, bounds = self._postings
        lists = [order[bounds[pair] : bounds[pair + 1]] for pair in pairs]
        if len(lists) == 1:
            return lists[0]
        return np.sort(np.concatenate(lists)) if lists else np.empty(0, np.int32)

    @cached_property
    def _values(self) -> dict[str, dict[str, int]]:
        """Label name to value to pair."""
        result: dict[str, dict[str, int]] = {}
        for number, (name, value) in enumerate(self.pairs):
            result.setdefault(name, {})[value] = number
        return result

    @cached_property
    def _postings(self) -> tuple[Int32s, Int64s]:
        """Series by pair, and where each pair's series begin."""
        series = np.repeat(np.arange(len(self.keys), dtype=np.int32), np.diff(self.pair_bounds))
        order = np.argsort(self.pair_refs, kind="stable")
        bounds = np.searchsorted(self.pair_refs[order], np.arange(len(self.pairs) + 1))
        return series[order], bounds

    def to_bytes(self) -> bytes:
        names = sorted({name for name, _ in self.pairs})
        name_of = {name: number for number, name in enumerate(names)}
        texts = orjson.dumps(
            [
                self.cohorts,
                names,
                [name_of[name] for name, _ in self.pairs],
                [value for _, value in self.pairs],
            ]
        )
        sections = [
            bytes(cramjam.zstd.compress(texts, level=9)),
            encode_whole_numbers(np.diff(self.pair_bounds)),
            encode_whole_numbers(self.pair_refs),
            self.keys.tobytes(),
            *(encode_whole_numbers(self.chunks[name]) for name in CHUNK_FIELDS),
            encode_whole_numbers(self.page_offsets),
            encode_whole_numbers(self.page_lengths),
            encode_whole_numbers(self.page_crcs),
            encode_whole_numbers(self.stream_kinds),
            encode_whole_numbers(self.stream_lengths),
        ]
        lengths = np.array([len(section) for section in sections], np.int64).tobytes()
        body = b"".join((len(sections).to_bytes(8, "little"), lengths, *sections))
        return b"".join((_MAGIC, zlib.crc32(body).to_bytes(8, "little"), body))

    @classmethod
    def from_bytes(cls, content: bytes) -> BlockIndex:
        """Raises DamagedIndex."""
        if content[:8] != _MAGIC or zlib.crc32(content[16:]) != int.from_bytes(content[8:16], "little"):
            raise DamagedIndex
        count = int.from_bytes(content[16:24], "little")
        lengths = np.frombuffer(content, np.int64, count, 24)
        ends = 24 + 8 * count + np.cumsum(lengths)
        sections = [
            content[end - length : end] for end, length in zip(ends.tolist(), lengths.tolist(), strict=True)
        ]
        texts, pair_counts, refs, keys, *rest = sections
        cohorts, names, name_refs, values = orjson.loads(bytes(cramjam.zstd.decompress(texts)))
        numbers = [decode_whole_numbers(section) for section in rest]
        offsets, page_lengths, crcs, kinds, stream_lengths = numbers[len(CHUNK_FIELDS) :]
        return cls(
            cohorts,
            [(names[name], value) for name, value in zip(name_refs, values, strict=True)],
            np.concatenate([[0], np.cumsum(decode_whole_numbers(pair_counts))]),
            decode_whole_numbers(refs),
            np.frombuffer(keys, np.uint64),
            dict(zip(CHUNK_FIELDS, numbers, strict=False)),
            offsets,
            page_lengths,
            crcs,
            kinds.astype(np.uint8),
            stream_lengths.astype(np.int32),
        )
