"""What a query answers, as arrays, and the seam through which everyone asks.

`Querier` is implemented by the local engine and by a client of any Prometheus-compatible HTTP API.
Nothing above the engine may reach around it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, field

from backbeat.model.errors import BackbeatError
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher

if TYPE_CHECKING:  # so that parsing a query, as `backbeat check` does, needs no NumPy
    from backbeat.model.arrays import Bools, Float64s, Int64s
    from backbeat.model.samples import SampleBlock


class Notes(Struct, frozen=True):
    """Annotations of a query, in the order they arose, each once; shown as `warnings` and `infos`."""

    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()


class Matrix(Struct, frozen=True):
    """A vector at every step: instant vectors have one step.

    labels:  (series,) in result order (sorted where the expression sorts)
    steps:   (steps,) ms
    values:  (series, steps) float64
    present: (series, steps); False means no sample, whatever `values` holds
    A series without any present step is left out.
    """

    labels: Sequence[Labels]
    steps: Int64s
    values: Float64s
    present: Bools


class Scalar(Struct, frozen=True):
    """A number at every step; values: (steps,)."""

    steps: Int64s
    values: Float64s


class Text(Struct, frozen=True):
    """A string literal's result."""

    value: str


class RawSamples(Struct, frozen=True):
    """The result of a bare range selector (`x[5m]`): samples at their own times, stale markers removed."""

    blocks: Sequence[SampleBlock]


class Answer(Struct, frozen=True):
    """A query's result with its annotations and the samples it touched."""

    value: Matrix | Scalar | Text | RawSamples
    notes: Notes = field(default_factory=Notes)
    samples_read: int = 0
    peak_samples: int = 0
    series_touched: int = 0
    """of all selectors together; a long range is read in pieces, and each counts its own"""
    holds: Callable[[], bool] | None = None
    """whether the same would be answered now; None where nobody knows"""


class QueryError(BackbeatError):
    """A query that could not be answered; `kind` is Prometheus's errorType."""

    kind = "execution"


class BadQuery(QueryError):
    """The query itself is wrong: parse or type error; the message shows the place."""

    kind = "bad_data"


class QueryTimeout(QueryError):
    kind = "timeout"


class QueryCanceled(QueryError):
    kind = "canceled"


class QueryTooLarge(QueryError):
    """More samples than a query may load into memory."""

    kind = "execution"


class Querier(Protocol):
    """Everything above the engine asks through this, in PromQL. Times are int ms since the epoch.

    Every method raises QueryError. Cancelling the awaiting task stops the computation.
    """

    async def instant(
        self, expr: str, at_ms: int, *, timeout_ms: int | None = None, lookback_ms: int | None = None
    ) -> Answer: ...

    async def range(
        self,
        expr: str,
        start_ms: int,
        end_ms: int,
        step_ms: int,
        *,
        timeout_ms: int | None = None,
        lookback_ms: int | None = None,
        anew: bool = False,
    ) -> Answer:
        """anew: compute everything, though an earlier query may have computed some of it."""
        ...

    async def series(
        self, selectors: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int, limit: int = 0
    ) -> Sequence[Labels]: ...

    async def label_names(
        self, selectors: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int, limit: int = 0
    ) -> Sequence[str]: ...

    async def label_values(
        self, name: str, selectors: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int, limit: int = 0
    ) -> Sequence[str]: ...
