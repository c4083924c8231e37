"""The functions of Prometheus's annotation, label and console templates.

In:  the moment, the address people reach us under, and a way to ask a query. Out: functions by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from backbeat.model.durations import parse_duration
from backbeat.model.errors import DurationError
from backbeat.model.results import QueryError
from backbeat.templating.errors import FunctionFailure
from backbeat.templating.functions import humanize, words
from backbeat.templating.functions.checks import anything, items, number, takes, text
from backbeat.templating.gotime import Duration, Time
from backbeat.templating.values import Record

Query = Callable[[str], Sequence["Sample"]]


class Sample(Record):
    """One element of a query's result: `.Labels` and `.Value`."""

    __slots__ = ("labels", "number")

    def __init__(self, labels: Mapping[str, str], value: float) -> None:
        self.labels = labels
        self.number = value

    def fields(self) -> Mapping[str, object]:
        return {"Labels": self.labels, "Value": self.number}


def _no_query(_: str) -> Sequence[Sample]:
    raise FunctionFailure("queries are not available here")


def prometheus_functions(
    *, query: Query = _no_query, now_s: float = 0.0, external_url: str = ""
) -> dict[str, Callable[..., object]]:
    """All functions, for rendering at `now_s` (seconds since the epoch); `query` answers at that moment.

    For parsing alone, the defaults do. `query` may raise QueryError or FunctionFailure.
    """

    @takes(text)
    def ask(expr: str) -> Sequence[Sample]:
        try:
            return list(query(expr))
        except QueryError as error:
            raise FunctionFailure(str(error)) from None

    return {
        **_TIMELESS,
        "query": ask,
        "now": takes()(lambda: now_s),
        "externalURL": takes()(lambda: external_url),
        "pathPrefix": takes()(lambda: urlsplit(external_url).path),
    }


def _sample(value: object) -> Sample:
    if not isinstance(value, Sample):
        raise FunctionFailure("expected a sample, as `query` and `first` give")
    return value


def _samples(value: object) -> list[Sample]:
    return [_sample(one) for one in items(value)]


@takes(_samples)
def _first(samples: Sequence[Sample]) -> Sample:
    if not samples:
        raise FunctionFailure("first() called on vector with no elements")
    return samples[0]


@takes(text, _samples)
def _sort_by_label(label: str, samples: Sequence[Sample]) -> list[Sample]:
    return sorted(samples, key=lambda sample: sample.labels.get(label, ""))


@takes(rest=anything)
def _args(*values: object) -> Mapping[str, object]:
    """Several arguments for one template: arg0, arg1, ..."""
    return {f"arg{index}": value for index, value in enumerate(values)}


@takes(number)
def _to_time(seconds: float) -> Time:
    if not math.isfinite(seconds):
        raise FunctionFailure("value is NaN or Inf")
    return Time.of_seconds(seconds)


@takes(text)
def _parse_duration(value: str) -> float:
    sign, value = (-1, value[1:]) if value.startswith("-") else (1, value)
    try:
        return sign * parse_duration(value) / 1000
    except (DurationError, ValueError) as error:
        raise FunctionFailure(str(error)) from None


@takes(text, anything)
def _tmpl(name: str, _: object) -> str:
    raise FunctionFailure(f'template "{name}" cannot be reached from here')


_TIMELESS: Mapping[str, Callable[..., object]] = {
    "args": _args,
    "first": _first,
    "graphLink": words.graph_link,
    "humanize": humanize.humanize,
    "humanize1024": humanize.humanize_1024,
    "humanizeDuration": humanize.humanize_duration,
    "humanizePercentage": humanize.humanize_percentage,
    "humanizeTimestamp": humanize.humanize_timestamp,
    "label": takes(text, _sample)(lambda label, sample: sample.labels.get(label, "")),
    "match": words.match,
    "parseDuration": _parse_duration,
    "reReplaceAll": words.re_replace_all,
    "safeHtml": words.safe_html,
    "sortByLabel": _sort_by_label,
    "stripDomain": words.strip_domain,
    "stripPort": words.strip_port,
    "strvalue": takes(_sample)(lambda sample: sample.labels.get("__value__", "")),
    "tableLink": words.table_link,
    "title": words.title,
    "tmpl": _tmpl,
    "toDuration": takes(number)(Duration),
    "toLower": words.to_lower,
    "toTime": _to_time,
    "toUpper": words.to_upper,
    "urlQueryEscape": words.url_query_escape,
    "value": takes(_sample)(lambda sample: sample.number),
}
