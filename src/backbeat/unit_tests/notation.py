"""The notation of series in tests: `up{job="a"}` and `0+10x3 _ stale 7x2`.

In:  text. Out: labels, or values in order, absent ones marked. Mistakes are NotationErrors.
"""

from __future__ import annotations

import re

import numpy as np

from backbeat.model.arrays import Bools, Float64s
from backbeat.model.errors import BackbeatError
from backbeat.model.labels import NO_LABELS, Labels
from backbeat.model.matchers import MatchOp
from backbeat.model.results import QueryError
from backbeat.model.samples import STALE
from backbeat.promql.parser import parse_selector

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[iI][nN][fF]|[nN][aA][nN]"
_ITEM = re.compile(
    rf"(?P<value>_|stale|[+-]?(?:{_NUMBER}))(?:(?P<step>[+-](?:{_NUMBER}))(?=x))?(?:x(?P<times>\d+))?"
)
_MOST_VALUES = 10_000_000


class NotationError(BackbeatError):
    """A series or its values as a test writes them, with a mistake."""


def labels_of(text: str) -> Labels:
    """The labels of `metric{name="value"}`. Raises NotationError."""
    if text.strip() in ("", "{}"):
        return NO_LABELS
    try:
        matchers = parse_selector(text)
    except QueryError as error:
        raise NotationError(f'{error}; expected a series such as up{{job="web"}}') from error
    for matcher in matchers:
        if matcher.op is not MatchOp.EQUAL:
            raise NotationError(
                f'found {matcher.name}{matcher.op}"{matcher.value}" in a series, expected = and its value'
            )
    return Labels.of({matcher.name: matcher.value for matcher in matchers})


def values_of(text: str) -> tuple[Float64s, Bools]:
    """(values,) and which of them are there. `a+bxn` and `axn` are n + 1 values, `_xn` is n absent ones.

    Raises NotationError.
    """
    values: list[np.ndarray] = []
    present: list[np.ndarray] = []
    total = 0
    for item in text.split():
        if item.startswith("{{"):
            raise NotationError("native histograms are not supported; write plain numbers")
        match = _ITEM.fullmatch(item)
        if match is None:
            raise NotationError(f"found {item[:80]!r}, expected a number, a+bxn, a-bxn, axn, _, _xn or stale")
        value, step, times = match["value"], match["step"], int((match["times"] or "0")[:9])
        if step is not None and value in ("_", "stale"):
            raise NotationError(f"found {item[:80]!r}: only a number can grow")
        count = times if value == "_" and match["times"] is not None else times + 1
        total += count
        if total > _MOST_VALUES:
            raise NotationError(f"more than {_MOST_VALUES} values; test a shorter time")
        first = {"_": 0.0, "stale": STALE}.get(value)
        numbers = np.full(count, float(value) if first is None else first)
        if step is not None:
            # Added one after the other, as a sum of many steps would differ in its last digits.
            numbers[1:] = float(step)
            numbers = np.cumsum(numbers)
        values.append(numbers)
        present.append(np.full(count, value != "_"))
    if not values:
        return np.empty(0), np.empty(0, bool)
    return np.concatenate(values), np.concatenate(present)
