"""What the engine needs from storage, and nothing more."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Protocol

from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher
from backbeat.model.samples import SampleBlock, Sheet


class Queryable(Protocol):
    """Series as arrays. Called from worker threads; must be safe while samples are appended."""

    def read(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[SampleBlock | Sheet]:
        """Samples in [start_ms, end_ms] of every series that all matchers accept.

        Each series is in exactly one block or sheet. Series without a sample in the range may be left out.
        """
        ...

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[Labels]:
        """The label sets of series with samples in the range, sorted."""
        ...

    def label_names(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[str]: ...

    def label_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> Sequence[str]: ...


class Watched(Protocol):
    """A store that tells the engine which of its results still hold, and what is at hand or too much."""

    def read_in_batches(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> Iterator[Sequence[SampleBlock | Sheet]]:
        """As `Queryable.read`, a few series at a time where they are very many, each in one batch."""
        ...

    def written_since(self, mark: int) -> tuple[int, int]:
        """A mark for the next look, and the time of the oldest sample changed since `mark`.

        A mark beyond all others (2**62) asks for the next one alone.
        A select that begins after this call returns sees all that was written before the new mark.
        """
        ...

    @property
    def oldest_ms(self) -> int:
        """No sample is older; there may be none as old."""
        ...

    def at_hand(self, matchers: Sequence[Matcher], start_ms: int) -> int | None:
        """How many series a read from `start_ms` on gives, where it would take well under a ms; else None."""
        ...

    def stamp(self, matchers: Sequence[Matcher]) -> Hashable:
        """Another value than before, if a select with these matchers may give other samples than before."""
        ...
