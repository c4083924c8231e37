"""What ALERTS_FOR_STATE tells about alerts before a restart.

In:  the store, asked in PromQL.
Out: since when each instance was active, and when that was last written.
"""

from __future__ import annotations

from collections.abc import Mapping

from backbeat.model.labels import METRIC_NAME, Labels, quote
from backbeat.model.results import Matrix, Querier
from backbeat.rules.state import Remembered

ALERTS_FOR_STATE = "ALERTS_FOR_STATE"


async def read_for_state(
    querier: Querier, alert: str, at_ms: int, tolerance_ms: int
) -> Mapping[Labels, Remembered]:
    """The instances of one alert that were alive within `tolerance_ms` before `at_ms`. Raises QueryError.

    An instant query with that lookback finds the newest sample, and nothing where it is a stale marker,
    so an alert that had ended before the restart stays ended.
    """
    selector = f"{ALERTS_FOR_STATE}{{alertname={quote(alert)}}}"
    since = await _newest(querier, selector, at_ms, tolerance_ms)
    if not since:
        return {}
    written = await _newest(querier, f"timestamp({selector})", at_ms, tolerance_ms)
    return {
        labels: Remembered(int(active_s * 1000), round(written[labels] * 1000))
        for labels, active_s in since.items()
        if labels in written
    }


async def _newest(querier: Querier, expr: str, at_ms: int, tolerance_ms: int) -> dict[Labels, float]:
    value = (await querier.instant(expr, at_ms, lookback_ms=tolerance_ms)).value
    assert isinstance(value, Matrix)
    return {
        labels.drop(METRIC_NAME): float(value.values[row, -1])
        for row, labels in enumerate(value.labels)
        if value.present[row, -1]
    }
