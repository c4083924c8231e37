"""Prometheus's own PromQL cases, each as an instant query, as the middle of a range query, and with @.

The cases are data beside the project (BACKBEAT_CONFORMANCE); without them these tests skip.
"""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import numpy as np
import pytest
from memory_queryable import MemoryQueryable
from msgspec.structs import replace
from promql_script import Clear, Eval, Load, commands

from backbeat.model.labels import Labels
from backbeat.model.results import Answer, Matrix, QueryError, RawSamples, Scalar, Text
from backbeat.promql import ast
from backbeat.promql.engine import Engine
from backbeat.promql.limits import Dialect, Limits
from backbeat.promql.parser import parse
from backbeat.promql.printer import format_expr
from backbeat.promql.timing import CHANGING_FUNCTIONS, QUERY_RANGE_FUNCTIONS

_ROOT = Path(os.environ.get("BACKBEAT_CONFORMANCE", Path(__file__).parents[3] / "shared" / "conformance"))
_SCRIPTS = sorted((_ROOT / "promql").glob("*.test"))
_CONTEXT_FUNCTIONS = re.compile(r"(start|end|range|step)\(\)")
_CHANGING = CHANGING_FUNCTIONS | QUERY_RANGE_FUNCTIONS


def _matchers(node: object) -> list[tuple]:
    """Every selector's matchers in a tree."""
    if isinstance(node, ast.VectorSelector):
        return [node.matchers]
    found = []
    for name in getattr(node, "__struct_fields__", ()):
        value = getattr(node, name)
        for one in value if isinstance(value, tuple) else (value,):
            found += _matchers(one)
    return found


def _touches_native(query: str, native: list[Labels]) -> bool:
    try:
        expr = parse(query)
    except QueryError:
        return False
    return any(
        all(one.accepts(labels) for one in matchers) for matchers in _matchers(expr) for labels in native
    )


def _cases() -> list:
    cases = []
    for script in _SCRIPTS:
        loads: list[Load] = []
        for command in commands(script.read_text()):
            if isinstance(command, Clear):
                loads = []
            elif isinstance(command, Load):
                loads = [*loads, command]
            else:
                native = [labels for load in loads for labels in load.native]
                skip = command.has_native or _touches_native(command.query, native)
                marks = [pytest.mark.skip(reason="needs native histograms")] if skip else []
                name = f"{script.stem}:{command.line}"
                cases.append(pytest.param(loads, command, id=name, marks=marks))
    return cases


def _storage(loads: list[Load]) -> MemoryQueryable:
    storage = MemoryQueryable()
    for load in loads:
        storage.add(
            {
                labels: [(i * load.step_ms, value) for i, value in enumerate(values) if value is not None]
                for labels, values in load.series.items()
            }
        )
    return storage


def _almost_equal(one: float, two: float) -> bool:
    if math.isnan(one) or math.isnan(two):
        return math.isnan(one) and math.isnan(two)
    if one == two:
        return True
    total, distance = abs(one) + abs(two), abs(one - two)
    tiny = np.finfo(np.float64).tiny
    if one == 0 or two == 0 or total < tiny:
        return bool(distance < 1e-6 * tiny)
    return distance / min(total, np.finfo(np.float64).max) < 1e-6


def _check_values(expected: dict, found: dict, step_ms: int, start_ms: int) -> None:
    """expected: labels to values by step; found: labels to {ms: value}."""
    assert set(found) == {labels for labels, values in expected.items()}, "other series than expected"
    for labels, values in expected.items():
        wanted = {start_ms + i * step_ms: value for i, value in enumerate(values) if value is not None}
        assert sorted(found[labels]) == sorted(wanted), f"{labels}: samples at other times"
        for at, value in wanted.items():
            assert _almost_equal(found[labels][at], value), (
                f"{labels} at {at}: {found[labels][at]} != {value}"
            )


def _points(answer: Answer) -> dict[Labels, dict[int, float]]:
    value = answer.value
    if isinstance(value, RawSamples):
        return {
            labels: dict(zip(block.times.tolist(), block.values[row].tolist(), strict=True))
            for block in value.blocks
            for row, labels in enumerate(block.labels)
        }
    if isinstance(value, Scalar):
        return {Labels(): dict(zip(value.steps.tolist(), value.values.tolist(), strict=True))}
    assert isinstance(value, Matrix)
    assert len(set(value.labels)) == len(value.labels)
    return {
        labels: {
            at: sample
            for at, sample, there in zip(
                value.steps.tolist(), value.values[row].tolist(), value.present[row].tolist(), strict=True
            )
            if there
        }
        for row, labels in enumerate(value.labels)
    }


def _check_notes(command: Eval, answer: Answer) -> None:
    for kind, found in (("warn", answer.notes.warnings), ("info", answer.notes.infos)):
        wanted = command.notes.get(kind, [])
        for one in wanted:
            assert any(one.matches(text) for text in found), f"no {kind} like {one}, found {found}"
        if wanted:
            assert all(any(one.matches(text) for one in wanted) for text in found), found
        if f"no_{kind}" in command.notes:
            assert not found


def _check_instant(command: Eval, answer: Answer) -> None:
    if isinstance(answer.value, Text):
        assert answer.value.value == command.text
    elif isinstance(answer.value, Scalar):
        assert command.scalar is not None
        assert _almost_equal(float(answer.value.values[0]), command.scalar)
    elif isinstance(answer.value, RawSamples):
        assert command.range_vector is not None
        start, _, step = command.range_vector
        _check_values(command.expected, _points(answer), step, start)
    else:
        assert command.scalar is None
        at = int(answer.value.steps[0])
        _check_values(command.expected, _points(answer), 1, at)
        if "ordered" in command.notes:
            assert list(answer.value.labels) == list(command.expected)


def _with_at(node: object, at_s: float, *, inside_fixed: bool = False) -> object:
    """The same tree with @ on every selector and subquery that has none."""
    if isinstance(node, ast.VectorSelector):
        return node if inside_fixed or node.at is not None else replace(node, at=at_s)
    if isinstance(node, ast.Subquery):
        if inside_fixed:
            return node
        return replace(node, at=at_s) if node.at is None else node
    if not hasattr(node, "__struct_fields__") or isinstance(node, ast.NumberLiteral | ast.StringLiteral):
        return node
    changed = {}
    for name in ("expr", "param", "left", "right", "selector"):
        if hasattr(node, name) and getattr(node, name) is not None:
            changed[name] = _with_at(getattr(node, name), at_s)
    if isinstance(node, ast.Call):
        changed["args"] = tuple(_with_at(arg, at_s) for arg in node.args)
    return replace(node, **changed)


def _calls(node: object) -> set[str]:
    names = {node.function} if isinstance(node, ast.Call) else set()
    for name in getattr(node, "__struct_fields__", ()):
        value = getattr(node, name)
        for one in value if isinstance(value, tuple) else (value,):
            names |= _calls(one)
    return names


def _variants(command: Eval) -> list[tuple[str, int]]:
    at = command.range_vector[1] if command.range_vector else command.start_ms
    variants = [(command.query, at)]
    try:
        expr = parse(command.query)
    except QueryError:
        return variants
    if _calls(expr) & _CHANGING:
        return variants
    fixed = format_expr(_with_at(expr, at / 1000))
    moments = (-10 * at, 0, at // 5, at, 10 * at) if at else (-1000, 0, 1000)
    return variants + [(fixed, moment) for moment in moments]


def _expect_failure(command: Eval, error: QueryError) -> None:
    wanted = command.notes.get("fail")
    assert wanted is not None, f"failed: {error}"
    assert wanted[0].matches(str(error)), f"failed with other words: {error}"


def _run_instant(engine: Engine, command: Eval) -> None:
    for query, at in _variants(command):
        try:
            answer = engine.instant(query, at)
        except QueryError as error:
            _expect_failure(command, error)
            continue
        assert "fail" not in command.notes, "did not fail"
        if query == command.query:
            _check_notes(command, answer)
        _check_instant(command, answer)
        if isinstance(answer.value, RawSamples | Text) or _CONTEXT_FUNCTIONS.search(query):
            continue
        _check_middle_of_range(engine, command, query, at)


def _check_middle_of_range(engine: Engine, command: Eval, query: str, at: int) -> None:
    answer = engine.range(query, at - 60_000, at + 60_000, 60_000)
    if "ordered" in command.notes:
        return
    points = {labels: {at: found[at]} for labels, found in _points(answer).items() if at in found}
    if command.scalar is not None:
        assert _almost_equal(points[Labels()][at], command.scalar)
    else:
        _check_values(command.expected, points, 1, at)


@pytest.mark.skipif(not _SCRIPTS, reason="no conformance cases beside the project")
@pytest.mark.parametrize(("loads", "command"), _cases())
def test_prometheus_case(loads: list[Load], command: Eval) -> None:
    limits = Limits(default_subquery_step_ms=60_000)
    engine = Engine(_storage(loads), limits, Dialect(delayed_name_removal=True))
    if not command.is_range:
        _run_instant(engine, command)
        return
    try:
        answer = engine.range(command.query, command.start_ms, command.end_ms, command.step_ms)
    except QueryError as error:
        _expect_failure(command, error)
        return
    assert "fail" not in command.notes, "did not fail"
    _check_notes(command, answer)
    _check_values(command.expected, _points(answer), command.step_ms, command.start_ms)
    if isinstance(answer.value, Matrix):
        assert list(answer.value.labels) == sorted(answer.value.labels)
