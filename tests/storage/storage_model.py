"""A slow, obvious model of the storage: a dict of samples, and the rules of what is accepted."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from msgspec import Struct, field

from backbeat.model.appender import Appended
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher
from backbeat.model.samples import SampleBlock

FUTURE_MS = 600_000
Samples = dict[Labels, dict[int, int]]
"""bits of the value by series and time"""


def bits(value: float) -> int:
    return int(struct.unpack("<Q", struct.pack("<d", value))[0])


class Model(Struct):
    window_ms: int = 0
    now_ms: int = 10**13
    samples: Samples = field(default_factory=dict)
    newest: dict[Labels, int] = field(default_factory=dict)

    def append(self, batch: Sequence[tuple[Labels, int, float]]) -> Appended:
        """Samples of one call, each series in order of time."""
        counts = dict.fromkeys(("stored", "duplicate", "conflicting", "out_of_order", "too_far_ahead"), 0)
        newest = dict(self.newest)
        for series, at, value in sorted(batch, key=lambda each: (each[0], each[1])):
            known = self.samples.setdefault(series, {})
            if at > self.now_ms + FUTURE_MS:
                counts["too_far_ahead"] += 1
            elif at in known:
                counts["duplicate" if known[at] == bits(value) else "conflicting"] += 1
            elif at < newest.get(series, at) - self.window_ms:
                counts["out_of_order"] += 1
            else:
                known[at] = bits(value)
                self.newest[series] = max(at, self.newest.get(series, at))
                counts["stored"] += 1
        return Appended(**counts)

    def delete(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> None:
        for series, known in self.samples.items():
            if all(matcher.accepts(series) for matcher in matchers):
                for at in [at for at in known if start_ms <= at <= end_ms]:
                    del known[at]
                # What was deleted may come again.
                self.newest.pop(series, None)
                if known:
                    self.newest[series] = max(known)

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Samples:
        result: Samples = {}
        for series, known in self.samples.items():
            if all(matcher.accepts(series) for matcher in matchers):
                within = {at: value for at, value in known.items() if start_ms <= at <= end_ms}
                if within:
                    result[series] = within
        return result


def as_samples(blocks: Sequence[SampleBlock]) -> Samples:
    """What a select answered, checked for its promises on the way."""
    result: Samples = {}
    for block in blocks:
        assert block.values.flags.c_contiguous
        assert (block.times[1:] > block.times[:-1]).all()
        cells = block.values.view("u8").tolist()
        for row, series in enumerate(block.labels):
            assert series not in result, f"{series} is in two blocks"
            has = block.present[row].tolist() if block.present is not None else [True] * len(block.times)
            own = {
                at: cell
                for at, cell, there in zip(block.times.tolist(), cells[row], has, strict=True)
                if there
            }
            if own:
                result[series] = own
    return result
