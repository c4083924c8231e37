"""The range functions as slow, obvious loops over one window's samples: what the kernels must agree with.

A window is a list of (ms, value) in order, without stale markers; None is no result.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

Window = list[tuple[int, float]]


def extrapolated(window: Window, start: int, end: int, *, is_counter: bool, is_rate: bool) -> float | None:
    if len(window) < 2:
        return None
    (first_ms, first), (last_ms, last) = window[0], window[-1]
    result = last - first
    if is_counter:
        for (_, before), (_, after) in pairwise(window):
            if after < before:
                result += before
    to_start, to_end = (first_ms - start) / 1000, (end - last_ms) / 1000
    sampled = (last_ms - first_ms) / 1000
    spacing = sampled / (len(window) - 1)
    if to_start >= spacing * 1.1:
        to_start = spacing / 2
    if is_counter and result > 0 and first >= 0:
        to_start = min(to_start, sampled * (first / result))
    if to_end >= spacing * 1.1:
        to_end = spacing / 2
    factor = (sampled + to_start + to_end) / sampled
    return result * (factor / ((end - start) / 1000) if is_rate else factor)


def instant(window: Window, *, is_rate: bool) -> float | None:
    if len(window) < 2:
        return None
    (before_ms, before), (last_ms, last) = window[-2:]
    change = last if is_rate and last < before else last - before
    return change / ((last_ms - before_ms) / 1000) if is_rate else change


def quantile(q: float, values: list[float]) -> float:
    if math.isnan(q):
        return math.nan
    if q < 0 or q > 1:
        return math.copysign(math.inf, q)
    ordered = sorted(values, key=lambda value: (not math.isnan(value), value))
    rank = q * (len(ordered) - 1)
    lower = int(rank)
    upper = min(lower + 1, len(ordered) - 1)
    weight = rank - lower
    if not weight:
        return ordered[lower]
    return ordered[lower] * (1 - weight) + ordered[upper] * weight


def variance(values: list[float]) -> float:
    if not all(math.isfinite(value) for value in values):
        return math.nan
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / len(exact)
    return float(sum((value - mean) ** 2 for value in exact) / len(exact))


def line(window: Window, at: int) -> tuple[float, float] | None:
    """Slope per second and the value at a moment."""
    if len(window) < 2:
        return None
    values = [value for _, value in window]
    if all(value == values[0] for value in values):
        return (math.nan, math.nan) if math.isinf(values[0]) else (0.0, values[0])
    if not all(math.isfinite(value) for value in values):
        return math.nan, math.nan
    x = [Fraction(ms - at, 1000) for ms, _ in window]
    y = [Fraction(value) for value in values]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum(
        (a - mean_x) ** 2 for a in x
    )
    return float(slope), float(mean_y - slope * mean_x)


def largest(values: list[float]) -> float:
    numbers = [value for value in values if not math.isnan(value)]
    return max(numbers) if numbers else math.nan


def time_of_largest(window: Window) -> float:
    best = largest([value for _, value in window])
    return max(ms for ms, value in window if value == best or math.isnan(best)) / 1000


def changes(values: list[float]) -> int:
    return sum(a != b and not (math.isnan(a) and math.isnan(b)) for a, b in pairwise(values))


def median_deviation(values: list[float]) -> float:
    if any(math.isnan(value) for value in values):
        return math.nan
    median = quantile(0.5, values)
    return quantile(0.5, [abs(value - median) for value in values])


def integral(window: Window, share_before: float) -> float:
    """share_before: how much of a stretch has the value before it; the rest has the one behind it."""
    area = Fraction(0)
    infinite = 0.0
    for (before_ms, before), (after_ms, after) in pairwise(window):
        for value, share in ((before, share_before), (after, 1 - share_before)):
            if math.isinf(value) and share:
                infinite += value
            elif math.isfinite(value):
                area += Fraction(value) * Fraction(share) * Fraction(after_ms - before_ms, 1000)
    return infinite or float(area)


def smoothed(values: list[float], smoothing: float, trend: float) -> float | None:
    if len(values) < 2:
        return None
    level, slope = values[0], values[1] - values[0]
    previous = level
    for place, value in enumerate(values[1:]):
        if place:
            slope = trend * (level - previous) + (1 - trend) * slope
        previous, level = level, smoothing * value + (1 - smoothing) * (level + slope)
    return level


def total(values: list[float]) -> float:
    if all(math.isfinite(value) for value in values):
        return math.fsum(values)
    return sum(value for value in values if not math.isfinite(value))
