"""Long ranges a piece at a time, so that a query over a month needs no month of samples in memory.

In:  a grid and how to compute a piece of it. Out: the Vector over the whole grid.
"""

from __future__ import annotations

from collections.abc import Callable

from backbeat.model.matchers import Matcher
from backbeat.promql.evaluation import Evaluation
from backbeat.promql.vector import Grid, Vector, side_by_side

SLICE_SAMPLES = 1 << 25
"""samples that one piece reads, about"""
UNKNOWN_SPAN_MS = 2 * 3_600_000
"""how much is read of a selector that was not read before"""

Compute = Callable[[Grid, slice], Vector]


def over_time(
    ev: Evaluation, matchers: tuple[Matcher, ...], grid: Grid, reach_ms: int, compute: Compute
) -> Vector:
    """Compute a grid piece by piece; reach_ms: how much is read before a piece's first step."""
    parts: list[Vector] = []
    begin = 0
    while begin < grid.size:
        ev.deadline.check()
        end = min(grid.size, begin + _steps_at_once(ev.densities.get(matchers), grid.step_ms, reach_ms))
        steps = slice(begin, end)
        piece = grid if end - begin == grid.size else grid.part(steps)
        held, read = ev.budget.held, ev.budget.read
        parts.append(compute(piece, steps))
        span_ms = piece.end_ms - piece.start_ms + reach_ms
        ev.densities.learn(matchers, (ev.budget.read - read) / max(1, span_ms))
        ev.budget.release_to(held)
        ev.budget.hold(parts[-1].samples)
        begin = end
    return parts[0] if len(parts) == 1 else side_by_side(parts)


def fits_at_once(ev: Evaluation, grid: Grid) -> bool:
    """Whether a piece as long as this one is small, whatever it reads."""
    return grid.size == 1 or ev.densities.highest * (grid.end_ms - grid.start_ms) < SLICE_SAMPLES / 2


def _steps_at_once(density: float | None, step_ms: int, reach_ms: int) -> int:
    span_ms = UNKNOWN_SPAN_MS if density is None else SLICE_SAMPLES / max(density, 1e-9) - reach_ms
    return max(1, int(span_ms // step_ms) + 1)
