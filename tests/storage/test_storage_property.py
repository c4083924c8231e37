"""Whatever the order of appends, upkeep and restarts: a select answers what was acknowledged."""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from storage_model import Model, as_samples

from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.model.samples import STALE
from backbeat.storage import Storage, StorageOptions, open_storage

SERIES = [Labels.of(__name__=f"m{number % 3}", n=str(number)) for number in range(12)]
EVERYTHING = (-(2**62), 2**62)
VALUES = st.one_of(
    st.integers(-5, 5).map(float),
    st.floats(allow_nan=True),
    st.just(STALE),
    st.just(-0.0),
    st.just(float("nan")),
)
TIMES = st.integers(0, 40).map(lambda step: step * 1000)
SERIES_NUMBERS = st.lists(st.integers(0, len(SERIES) - 1), min_size=1, max_size=8, unique=True)
MATCHERS = st.sampled_from(
    [
        (),
        (Matcher("__name__", MatchOp.EQUAL, "m1"),),
        (Matcher("n", MatchOp.REGEX, "1.*"),),
        (Matcher("n", MatchOp.NOT_EQUAL, "3"), Matcher("__name__", MatchOp.REGEX, "m0|m2")),
        (Matcher("absent", MatchOp.EQUAL, ""), Matcher("n", MatchOp.NOT_REGEX, ".")),
    ]
)


class StorageMachine(RuleBasedStateMachine):
    @initialize(window_ms=st.sampled_from([0, 5_000, 60_000]))
    def start(self, window_ms: int) -> None:
        self._directory = tempfile.TemporaryDirectory()
        # Not the subject here, and most of the time otherwise.
        self._no_fsync = mock.patch("os.fsync")
        self._no_fsync.start()
        self.options = StorageOptions(
            out_of_order_window_ms=window_ms,
            head_span_ms=4_000,
            cut_delay_ms=2_000,
            chunk_rows=5,
            segment_bytes=3_000,
            compaction_spans=(12_000, 24_000),
            retention_time_ms=0,
        )
        self.now_ms = 20_000
        self.model = Model(window_ms=window_ms)
        self.open()

    def open(self) -> None:
        self.storage: Storage = open_storage(Path(self._directory.name), self.options, lambda: self.now_ms)
        self.cohorts = {name: self.storage.cohort(name) for name in ("a", "b")}
        self.columns: dict[tuple[str, tuple[int, ...]], np.ndarray] = {}

    @rule(name=st.sampled_from("ab"), numbers=SERIES_NUMBERS, at=TIMES, data=st.data())
    def append_row(self, name: str, numbers: list[int], at: int, data: st.DataObject) -> None:
        values = data.draw(st.lists(VALUES, min_size=len(numbers), max_size=len(numbers)))
        key = (name, tuple(numbers))
        if key not in self.columns:
            self.columns[key] = self.cohorts[name].columns([SERIES[each] for each in numbers])
        self.model.now_ms = self.now_ms
        expected = self.model.append([(SERIES[n], at, v) for n, v in zip(numbers, values, strict=True)])
        assert self.cohorts[name].append(at, self.columns[key], np.array(values)) == expected

    @rule(
        samples=st.lists(
            st.tuples(st.integers(0, len(SERIES) - 1), TIMES, VALUES),
            min_size=1,
            max_size=30,
            unique_by=lambda each: (each[0], each[1]),
        )
    )
    def append_samples(self, samples: list[tuple[int, int, float]]) -> None:
        self.model.now_ms = self.now_ms
        expected = self.model.append([(SERIES[n], at, value) for n, at, value in samples])
        numbers, times, values = zip(*samples, strict=True)
        found = self.storage.append_samples([SERIES[n] for n in numbers], np.array(times), np.array(values))
        assert found == expected

    @rule()
    def maintain(self) -> None:
        self.now_ms += 700_000
        self.storage.maintain()

    @rule()
    def flush(self) -> None:
        self.storage.flush()

    @rule()
    def rewrite_definitions(self) -> None:
        self.storage._keeper.rewrite_definitions()

    @rule(matchers=MATCHERS, start=TIMES, length=TIMES)
    def delete(self, matchers: tuple[Matcher, ...], start: int, length: int) -> None:
        self.storage.delete_series(matchers, start, start + length)
        self.model.delete(matchers, start, start + length)

    @rule()
    def clean_tombstones(self) -> None:
        self.storage.clean_tombstones()

    @rule(crash=st.booleans())
    def reopen(self, crash: bool) -> None:
        if crash:
            # As kill -9 leaves it: nothing is flushed by us, the lock is let go by the system.
            self.storage._lock.release()
        else:
            self.storage.close()
        self.open()
        assert self.storage.replayed.torn_tails == self.storage.replayed.damages == 0
        assert self.storage.replayed.unreadable_rows == 0
        # After a restart the newest sample is what is still stored.
        self.model.newest = {series: max(known) for series, known in self.model.samples.items() if known}

    @rule(matchers=MATCHERS, start=TIMES, length=TIMES)
    def select(self, matchers: tuple[Matcher, ...], start: int, length: int) -> None:
        expected = self.model.select(matchers, start, start + length)
        assert as_samples(self.storage.select(matchers, start, start + length)) == expected
        for _ in range(2):  # what a look finds, the next may have at hand
            assert self.storage.series_at_hand(matchers, start, start + length) in (None, sorted(expected))
            assert self.storage.series(matchers, start, start + length) == sorted(expected)

    @invariant()
    def everything_is_there(self) -> None:
        if hasattr(self, "storage"):
            assert as_samples(self.storage.select((), *EVERYTHING)) == self.model.select((), *EVERYTHING)

    def teardown(self) -> None:
        if hasattr(self, "storage"):
            self.storage.close()
            self._no_fsync.stop()
            self._directory.cleanup()


TestStorage = StorageMachine.TestCase
TestStorage.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
