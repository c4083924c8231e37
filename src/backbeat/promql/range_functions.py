"""Each function of range vectors as a kernel call: rate and its kin, *_over_time, regressions.

In:  windows and the function's other arguments. Out: values and presence, a row a series.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from msgspec import Struct

from backbeat.model.arrays import Bools, Float64s, Int64s
from backbeat.promql.evaluation import fail
from backbeat.promql.frames import Frame
from backbeat.promql.kernels import folds, integrals, quantiles, rates
from backbeat.promql.kernels.windows import Columns, Windows

Found = tuple[Float64s, Bools]


class RangeArguments(Struct, frozen=True):
    """What a range function works on.

    ends:    (steps,) ms, where the windows end
    steps:   (steps,) ms, when they are evaluated
    numbers: the function's other arguments, (steps,) each
    """

    windows: Windows
    frame: Frame
    ends: Int64s
    steps: Int64s
    range_ms: int
    numbers: Sequence[Float64s]


RangeFunction = Callable[[RangeArguments], Found]


def _nonempty(windows: Windows) -> Bools:
    return windows.spread(windows.counts > 0)


def _rate(is_counter: bool, is_rate: bool) -> RangeFunction:
    return lambda a: rates.extrapolated(a.windows, a.frame.edges, is_counter=is_counter, is_rate=is_rate)


def _sum(a: RangeArguments) -> Found:
    return folds.sums(a.windows), _nonempty(a.windows)


def _mean(a: RangeArguments) -> Found:
    windows = a.windows
    counts = windows.spread(windows.counts)
    sums = folds.sums(windows)
    means = sums / counts
    values = windows.columns.values
    overflown = ~np.isfinite(sums) & (counts > 0)
    if overflown.any() and np.isfinite(values).any():
        # A sum may overflow where the mean does not: sum a power of two smaller.
        columns = windows.columns
        small = Columns(values * 2.0**-64, columns.rows, columns.groups, columns.times, columns.starts)
        scaled = folds.sums(Windows(small, windows.lo, windows.hi)) / counts * 2.0**64
        means = np.where(overflown & np.isfinite(scaled), scaled, means)
    return means, _nonempty(windows)


def _count(a: RangeArguments) -> Found:
    counts = a.windows.spread(a.windows.counts.astype(np.float64))
    return counts, counts > 0


def _present(a: RangeArguments) -> Found:
    present = _nonempty(a.windows)
    return np.ones(present.shape), present


def _extreme(largest: bool) -> RangeFunction:
    return lambda a: (folds.extreme(a.windows, largest=largest), _nonempty(a.windows))


def _time_of_extreme(largest: bool) -> RangeFunction:
    return lambda a: (folds.time_of_extreme(a.windows, largest=largest) / 1000, _nonempty(a.windows))


def _deviation(a: RangeArguments) -> Found:
    return np.sqrt(folds.variance(a.windows)), _nonempty(a.windows)


def _variance(a: RangeArguments) -> Found:
    return folds.variance(a.windows), _nonempty(a.windows)


def _first(a: RangeArguments) -> Found:
    return a.windows.take(a.windows.columns.values, a.windows.lo), _nonempty(a.windows)


def _last(a: RangeArguments) -> Found:
    return a.windows.take(a.windows.columns.values, a.windows.hi - 1), _nonempty(a.windows)


def _time_of(first: bool) -> RangeFunction:
    def found(a: RangeArguments) -> Found:
        times = a.windows.take_times(a.windows.lo if first else a.windows.hi - 1)
        return a.windows.spread(times / 1000), _nonempty(a.windows)

    return found


def _changes(a: RangeArguments) -> Found:
    return folds.changes(a.windows, nan_is_nan=True).astype(np.float64), _nonempty(a.windows)


def _resets(a: RangeArguments) -> Found:
    return folds.resets(a.windows).astype(np.float64), _nonempty(a.windows)


def _deriv(a: RangeArguments) -> Found:
    return folds.regression(a.windows, a.steps)[0], a.windows.spread(a.windows.counts >= 2)


def _predict_linear(a: RangeArguments) -> Found:
    slope, now = folds.regression(a.windows, a.steps)
    return slope * a.numbers[0] + now, a.windows.spread(a.windows.counts >= 2)


def _quantile(a: RangeArguments) -> Found:
    return quantiles.quantile(a.windows, a.numbers[0]), _nonempty(a.windows)


def _integral(a: RangeArguments) -> Found:
    strategy = a.numbers[0] if a.numbers else np.full(len(a.steps), 2.0)
    return integrals.integral(a.windows, strategy), _nonempty(a.windows)


def _median_absolute_deviation(a: RangeArguments) -> Found:
    return quantiles.median_absolute_deviation(a.windows), _nonempty(a.windows)


def _smoothing(a: RangeArguments) -> Found:
    for name, factor in zip(("smoothing", "trend"), a.numbers, strict=True):
        wrong = factor[~((factor > 0) & (factor < 1))]
        letter = name[0]
        if len(wrong) and bool((a.windows.counts > 0).any()):
            raise fail(f"invalid {name} factor. Expected: 0 < {letter}f < 1, got: {wrong[0]:f}")
    found = quantiles.double_exponential_smoothing(a.windows, a.numbers[0], a.numbers[1])
    return found, a.windows.spread(a.windows.counts >= 2)


GATHERING = frozenset(
    (
        "absent_over_time",
        "count_over_time",
        "delta",
        "first_over_time",
        "idelta",
        "increase",
        "irate",
        "last_over_time",
        "present_over_time",
        "rate",
        "ts_of_first_over_time",
        "ts_of_last_over_time",
    )
)
"""They look at single samples of a window, wherever these lie; all others go through every sample."""
RANGE_FUNCTIONS: Mapping[str, RangeFunction] = {
    "absent_over_time": _present,
    "avg_over_time": _mean,
    "changes": _changes,
    "count_over_time": _count,
    "delta": _rate(is_counter=False, is_rate=False),
    "deriv": _deriv,
    "double_exponential_smoothing": _smoothing,
    "first_over_time": _first,
    "idelta": lambda a: rates.instant(a.windows, is_rate=False),
    "increase": _rate(is_counter=True, is_rate=False),
    "integral": _integral,
    "irate": lambda a: rates.instant(a.windows, is_rate=True),
    "last_over_time": _last,
    "mad_over_time": _median_absolute_deviation,
    "max_over_time": _extreme(largest=True),
    "min_over_time": _extreme(largest=False),
    "predict_linear": _predict_linear,
    "present_over_time": _present,
    "quantile_over_time": _quantile,
    "rate": _rate(is_counter=True, is_rate=True),
    "resets": _resets,
    "stddev_over_time": _deviation,
    "stdvar_over_time": _variance,
    "sum_over_time": _sum,
    "ts_of_first_over_time": _time_of(first=True),
    "ts_of_last_over_time": _time_of(first=False),
    "ts_of_max_over_time": _time_of_extreme(largest=True),
    "ts_of_min_over_time": _time_of_extreme(largest=False),
}
