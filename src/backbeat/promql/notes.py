"""Annotations of a query, with Prometheus's texts: warnings and infos, each once, at a place in the query."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import Struct, field

from backbeat.model import gotext
from backbeat.model.results import Notes
from backbeat.promql.ast import Span

_WARNING = "PromQL warning: "
_INFO = "PromQL info: "


def _for_metric(name: str) -> str:
    return f" for metric name {gotext.quote(name)}" if name else ""


class _ForcedMonotonicity(Struct):
    """Many of these in one query are told as one."""

    span: Span
    first_ms: int
    last_ms: int
    lowest: float
    highest: float
    difference: float
    count: int


class NoteTaker(Struct):
    """Collects what a query's operators have to say: each text once, at the last place that had it."""

    query: str
    _warnings: dict[str, Span] = field(default_factory=dict)
    _infos: dict[str, Span] = field(default_factory=dict)
    _forced: dict[str, _ForcedMonotonicity] = field(default_factory=dict)

    def notes(self) -> Notes:
        forced = [self._told(text, one) for text, one in self._forced.items()]
        warnings, infos = (
            [f"{text} {self._place(span)}" for text, span in told.items()]
            for told in (self._warnings, self._infos)
        )
        return Notes(tuple(warnings), (*infos, *forced))

    @property
    def count(self) -> int:
        return len(self._warnings) + len(self._infos) + len(self._forced)

    def _place(self, span: Span) -> str:
        before = self.query[: span.start]
        line_start = before.rfind("\n") + 1
        column = len(before[line_start:].encode("utf-8", "replace")) + 1
        return f"({before.count(chr(10)) + 1}:{column})"

    def _warn(self, text: str, span: Span) -> None:
        self._warnings[_WARNING + text] = span

    def _tell(self, text: str, span: Span) -> None:
        self._infos[_INFO + text] = span

    def invalid_quantile(self, q: float, span: Span) -> None:
        self._warn(f"quantile value should be between 0 and 1, got {gotext.general(q)}", span)

    def invalid_strategy(self, strategy: float, span: Span) -> None:
        self._warn(f"strategy should be 0, 1, or 2 (default), using 2, got {gotext.general(strategy)}", span)

    def invalid_ratio(self, ratio: float, capped: float, span: Span) -> None:
        self._warn(
            f"ratio value should be between -1 and 1, got {gotext.general(ratio)}, "
            f"capping to {gotext.general(capped)}",
            span,
        )

    def bad_bucket_label(self, name: str, le: str, span: Span) -> None:
        text = f'bucket label "le" is missing or has a malformed value of {gotext.quote(le)}'
        self._warn(text + _for_metric(name), span)

    def sort_in_range_query(self, span: Span) -> None:
        self._warn("sort is ineffective for range queries since results are always ordered by labels", span)

    def possible_non_counter(self, name: str, span: Span) -> None:
        text = "metric might not be a counter, name does not end in _total/_sum/_count/_bucket:"
        self._tell(f"{text} {gotext.quote(name)}", span)

    def possible_non_counter_type(self, name: str, type_: str, span: Span) -> None:
        text = 'metric might not be a counter, __type__ label is not set to "counter" or "histogram", got'
        self._tell(f"{text} {gotext.quote(type_)}: {gotext.quote(name)}", span)

    def incompatible_types(self, op: str, span: Span) -> None:
        text = f'incompatible sample types encountered for binary operator "{op}": float {op} float'
        self._tell(text, span)

    def forced_monotonicity(
        self,
        name: str,
        span: Span,
        times_ms: tuple[int, int],
        buckets: tuple[float, float],
        most: float,
        count: int,
    ) -> None:
        """Counts of a histogram fell from a bucket to the next, in `count` histograms and steps."""
        text = (
            "input to histogram_quantile needed to be fixed for monotonicity (see "
            "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)"
        ) + _for_metric(name)
        known = self._forced.get(text)
        if known is None:
            self._forced[text] = _ForcedMonotonicity(span, *times_ms, *buckets, most, count)
            return
        known.first_ms, known.last_ms = min(known.first_ms, times_ms[0]), max(known.last_ms, times_ms[1])
        known.lowest, known.highest = min(known.lowest, buckets[0]), max(known.highest, buckets[1])
        known.difference = max(known.difference, most)
        known.count += count

    def _told(self, text: str, one: _ForcedMonotonicity) -> str:
        first, last = (
            datetime.fromtimestamp(at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            for at in (one.first_ms, one.last_ms)
        )
        return (
            f"{_INFO}{text}, from buckets {gotext.general(one.lowest)} to {gotext.general(one.highest)}, "
            f"with a max diff of {_two_digits(one.difference)}, over {one.count} samples "
            f"from {first} to {last} {self._place(one.span)}"
        )


def _two_digits(value: float) -> str:
    """Go's %.2g."""
    return format(value, ".2g")
