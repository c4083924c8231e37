"""Every function of PromQL (Prometheus 3.16): argument types, optional arguments, result type."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from backbeat.promql.ast import ValueType


class Signature(Struct, frozen=True):
    """`variadic` n > 0: the last argument is optional and may come up to n times; -1: any number of times."""

    name: str
    arguments: tuple[ValueType, ...]
    returns: ValueType
    variadic: int = 0
    is_experimental: bool = False

    @property
    def fewest(self) -> int:
        return len(self.arguments) - (1 if self.variadic else 0)

    @property
    def most(self) -> int | None:
        """None: any number."""
        return None if self.variadic < 0 else self.fewest + self.variadic

    def argument(self, index: int) -> ValueType:
        """The type of the argument at `index`; the last one stands for all that follow."""
        return self.arguments[min(index, len(self.arguments) - 1)]


_TYPES = {"v": ValueType.VECTOR, "m": ValueType.MATRIX, "n": ValueType.SCALAR, "s": ValueType.STRING}

# name, arguments (v instant vector, m range vector, n scalar, s string), result, variadic.
_VECTOR_FUNCTIONS = """
abs absent acos acosh asin asinh atan atanh ceil cos cosh deg exp floor histogram_avg histogram_count
histogram_stddev histogram_stdvar histogram_sum ln log10 log2 rad sgn sin sinh sort sort_desc sqrt tan tanh
timestamp
"""
_RANGE_FUNCTIONS = """
absent_over_time avg_over_time changes count_over_time delta deriv first_over_time idelta increase irate
last_over_time max_over_time min_over_time present_over_time rate resets stddev_over_time stdvar_over_time
sum_over_time
"""
_TIME_FUNCTIONS = "day_of_month day_of_week day_of_year days_in_month hour minute month year"
_OTHERS = (
    ("clamp", "vnn", "v", 0),
    ("clamp_max", "vn", "v", 0),
    ("clamp_min", "vn", "v", 0),
    ("histogram_fraction", "nnv", "v", 0),
    ("histogram_quantile", "nv", "v", 0),
    ("label_join", "vsss", "v", -1),
    ("label_replace", "vssss", "v", 0),
    ("pi", "", "n", 0),
    ("predict_linear", "mn", "v", 0),
    ("quantile_over_time", "nm", "v", 0),
    ("round", "vn", "v", 1),
    ("scalar", "v", "n", 0),
    ("time", "", "n", 0),
    ("vector", "n", "v", 0),
)
_EXPERIMENTAL = (
    ("double_exponential_smoothing", "mnn", "v", 0),
    ("end", "", "n", 0),
    ("histogram_quantiles", "vsnn", "v", 9),
    ("info", "vv", "v", 1),
    ("integral", "mn", "v", 1),
    ("mad_over_time", "m", "v", 0),
    ("max_of", "nn", "n", 0),
    ("min_of", "nn", "n", 0),
    ("range", "", "n", 0),
    ("sort_by_label", "vs", "v", -1),
    ("sort_by_label_desc", "vs", "v", -1),
    ("start", "", "n", 0),
    ("start_timestamp", "v", "v", 0),
    ("step", "", "n", 0),
    ("ts_of_first_over_time", "m", "v", 0),
    ("ts_of_last_over_time", "m", "v", 0),
    ("ts_of_max_over_time", "m", "v", 0),
    ("ts_of_min_over_time", "m", "v", 0),
)


def _signatures() -> Mapping[str, Signature]:
    rows = [(name, "v", "v", 0, False) for name in _VECTOR_FUNCTIONS.split()]
    rows += [(name, "m", "v", 0, False) for name in _RANGE_FUNCTIONS.split()]
    rows += [(name, "v", "v", 1, False) for name in _TIME_FUNCTIONS.split()]
    rows += [(*row, False) for row in _OTHERS]
    rows += [(*row, True) for row in _EXPERIMENTAL]
    return MappingProxyType(
        {
            name: Signature(name, tuple(_TYPES[one] for one in args), _TYPES[result], variadic, experimental)
            for name, args, result, variadic, experimental in sorted(rows)
        }
    )


SIGNATURES: Mapping[str, Signature] = _signatures()
