"""Functions of instant vectors and numbers, by name; those of range vectors are in `promql.range_vectors`."""

from __future__ import annotations

from collections.abc import Mapping

from backbeat.promql.evaluation import Operator
from backbeat.promql.functions.histograms import HISTOGRAM_FUNCTIONS
from backbeat.promql.functions.info import INFO_FUNCTIONS
from backbeat.promql.functions.labelling import LABEL_FUNCTIONS
from backbeat.promql.functions.mathematics import MATH_FUNCTIONS
from backbeat.promql.functions.ordering import SORT_FUNCTIONS
from backbeat.promql.functions.times import TIME_FUNCTIONS

FUNCTIONS: Mapping[str, Operator] = {
    **MATH_FUNCTIONS,
    **TIME_FUNCTIONS,
    **LABEL_FUNCTIONS,
    **SORT_FUNCTIONS,
    **HISTOGRAM_FUNCTIONS,
    **INFO_FUNCTIONS,
}
