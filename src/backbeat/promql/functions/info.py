"""info(v, {selector}): v with the labels of the info series that share its instance and job."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from backbeat.model.arrays import Bools
from backbeat.model.labels import METRIC_NAME, Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.promql.ast import Call, VectorSelector
from backbeat.promql.evaluation import Evaluation, Operator, fail, unwrapped
from backbeat.promql.instant_vectors import sample_times
from backbeat.promql.timing import FixedTime
from backbeat.promql.vector import METADATA_LABELS, Grid, Vector, in_braces, join, merged

_IDENTIFYING = ("instance", "job")
_TARGET_INFO = Matcher(METRIC_NAME, MatchOp.EQUAL, "target_info")
_ANY_INFO = Matcher(METRIC_NAME, MatchOp.REGEX, ".+_info")


def _info(ev: Evaluation, node: Call, grid: Grid) -> Vector:
    base = ev.vector(node.args[0], grid)
    matchers: Sequence[Matcher] = ()
    if len(node.args) > 1:
        selector = unwrapped(node.args[1])
        assert isinstance(selector, VectorSelector)
        matchers = selector.matchers
    names = _name_matchers([one for one in matchers if one.name == METRIC_NAME])
    wanted = [one for one in matchers if one.name != METRIC_NAME]
    is_info = np.array([all(one.accepts(labels) for one in names) for labels in base.labels], bool)
    info = _info_series(ev, node, grid, base, is_info, (*wanted, *names))
    newest = _check_conflicts(info, grid)
    enriched = _enriched(base, is_info, info, newest, wanted, grid)
    return merged(enriched)


def _name_matchers(given: Sequence[Matcher]) -> Sequence[Matcher]:
    if any(one.op in (MatchOp.EQUAL, MatchOp.REGEX) for one in given):
        return given
    return (_ANY_INFO, *given) if given else (_TARGET_INFO,)


def _info_series(
    ev: Evaluation, node: Call, grid: Grid, base: Vector, is_info: Bools, matchers: Sequence[Matcher]
) -> Vector:
    """Sample times of the info series of the base's targets."""
    # Several times have no one time: info series are then taken as of each step.
    fixed = ev.timing.shared_time(node.args[0]) or FixedTime(None, 0)
    found = []
    for target in _targets(base, is_info):
        selector = VectorSelector((*target, *matchers), node.span, offset=None, at=None)
        found.append(sample_times(ev, selector, grid, fixed))
    return join(found, grid.size)


def _targets(base: Vector, is_info: Bools) -> list[tuple[Matcher, ...]]:
    """Matchers of the targets of the base; those that have the same of the identifying labels share some."""
    values: dict[tuple[bool, ...], list[dict[str, None]]] = {}
    for labels, ignored in zip(base.labels, is_info.tolist(), strict=True):
        own = [labels.get(name) for name in _IDENTIFYING]
        if ignored or not any(own):
            continue
        found = values.setdefault(tuple([bool(value) for value in own]), [{} for _ in own])
        for known, value in zip(found, own, strict=True):
            known[value] = None
    return [
        tuple(
            Matcher(name, MatchOp.REGEX, "|".join(map(re.escape, known)))
            for name, known in zip(_IDENTIFYING, found, strict=True)
        )
        for found in values.values()
    ]


def _identity(labels: Labels) -> Labels:
    return labels.keep(_IDENTIFYING)


def _check_conflicts(info: Vector, grid: Grid) -> Bools:
    """Which info series counts at each step: of a metric and target, the newest sample's. (series, steps)"""
    chosen = np.array(info.present)
    groups: dict[tuple[str, Labels], list[int]] = {}
    for row, labels in enumerate(info.labels):
        groups.setdefault((labels.metric, _identity(labels)), []).append(row)
    for rows in groups.values():
        if len(rows) == 1:
            continue
        times = np.where(info.present[rows], info.values[rows], -np.inf)
        newest = times.max(axis=0)
        is_newest = (times == newest) & info.present[rows]
        twice = is_newest.sum(axis=0) > 1
        if twice.any():
            step = int(twice.argmax())
            first, second = (rows[place] for place in np.flatnonzero(is_newest[:, step])[:2])
            at = round(float(newest[step]) * 1000)
            raise fail(
                f"found duplicate series for info metric: existing {in_braces(info.labels[first])} @ {at}, "
                f"new {in_braces(info.labels[second])} @ {at}"
            )
        chosen[rows] = is_newest
    return chosen


def _enriched(
    base: Vector, is_info: Bools, info: Vector, newest: Bools, wanted: Sequence[Matcher], grid: Grid
) -> Vector:
    by_target: dict[Labels, dict[str, list[int]]] = {}
    for row, labels in enumerate(info.labels):
        by_target.setdefault(_identity(labels), {}).setdefault(labels.metric, []).append(row)
    names = {one.name for one in wanted}
    may_be_missing = all(one.matches_empty for one in wanted)
    results = []
    for row, labels in enumerate(base.labels):
        alone = base.rows(np.array([row]))
        metrics = {} if is_info[row] else by_target.get(_identity(labels), {})
        if not metrics:
            if is_info[row] or may_be_missing:
                results.append(alone)
            continue
        results.extend(_with_info(alone, metrics, info, newest, names, may_be_missing))
    return join(results, grid.size)


def _with_info(
    alone: Vector,
    metrics: Mapping[str, list[int]],
    info: Vector,
    newest: Bools,
    names: set[str],
    may_be_missing: bool,
) -> Iterator[Vector]:
    """One base series, apart for every combination of info series that it meets over time."""
    rows = [row for found in metrics.values() for row in found]
    met = newest[rows] & alone.present[0]
    patterns, which = np.unique(met, axis=1, return_inverse=True)
    for number in range(patterns.shape[1]):
        here = (which.reshape(-1) == number) & alone.present[0]
        if not here.any():
            continue
        series = [row for row, there in zip(rows, patterns[:, number].tolist(), strict=True) if there]
        if not series and not may_be_missing:
            continue
        labels = alone.labels[0].set(
            _data_labels(alone.labels[0], [info.labels[row] for row in series], names)
        )
        yield Vector([labels], alone.values, here[np.newaxis, :], alone.nameless)


def _data_labels(base: Labels, info: Sequence[Labels], names: set[str]) -> dict[str, str]:
    own = dict(base)
    added: dict[str, str] = {}
    for labels in info:
        for name, value in labels:
            if name in METADATA_LABELS or (names and name not in names):
                continue
            if added.get(name, value) != value:
                raise fail(f"conflicting label: {name}")
            if name not in own:
                added[name] = value
    return added


INFO_FUNCTIONS: Mapping[str, Operator] = {"info": _info}
