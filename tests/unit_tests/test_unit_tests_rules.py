"""`backbeat test`: promtool's verdict on the same files, readable differences, mistakes with their place."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from backbeat.cli.rule_tests import WrongPattern, run_tests
from backbeat.model.labels import Labels
from backbeat.model.samples import is_stale
from backbeat.unit_tests.notation import NotationError, labels_of, values_of

RULES = """
groups:
  - name: second
    rules:
      - record: job:up:twice
        expr: job:up:count * 2
  - name: first
    rules:
      - record: job:up:count
        expr: count by (job) (up)
      - alert: InstanceDown
        expr: up == 0
        for: 5m
        keep_firing_for: 2m
        labels: {severity: page}
        annotations:
          summary: "Instance {{ $labels.instance }} down, value {{ $value }}, {{ $externalLabels.dc }}"
      - alert: Always
        expr: vector(1)
"""
HEAD = "rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n"
UP = """
  - interval: 1m
    input_series:
      - series: 'up{job="a", instance="x"}'
        values: '1 1 0x8 1x5'
      - series: 'up{job="a", instance="y"}'
        values: '1+0x20'
"""
ALERT = """
    alert_rule_test:
      - eval_time: {at}
        alertname: InstanceDown
        exp_alerts:{alerts}
"""
DOWN = """
          - exp_labels: {severity: page, instance: x, job: a}
            exp_annotations: {summary: "Instance x down, value 0, "}"""


def samples(expr: str, at: str, *expected: str) -> str:
    found = "".join(f"\n          - {each}" for each in expected) or " []"
    return f"""
    promql_expr_test:
      - expr: {expr!r}
        eval_time: {at}
        exp_samples:{found}
"""


CASES = {
    "an alert fires when its time has passed": (UP + ALERT.format(at="7m", alerts=DOWN), True),
    "before that it is pending": (UP + ALERT.format(at="6m", alerts=" []"), True),
    "kept firing for a while": (UP + ALERT.format(at="12m", alerts=DOWN), True),
    "and no longer": (UP + ALERT.format(at="14m", alerts=" []"), True),
    "between two evaluations the earlier counts": (UP + ALERT.format(at="7m59s", alerts=DOWN), True),
    "an expected alert that is not there": (UP + ALERT.format(at="3m", alerts=DOWN), False),
    "an alert that nobody expects": (UP + ALERT.format(at="7m", alerts=" []"), False),
    "another annotation": (UP + ALERT.format(at="7m", alerts=DOWN.replace("value 0", "value 1")), False),
    "annotations left out": (
        UP + ALERT.format(at="7m", alerts=DOWN[: DOWN.index("            exp_ann")]),
        False,
    ),
    "the same alert expected twice": (UP + ALERT.format(at="7m", alerts=DOWN + DOWN), False),
    "an alert that no rule has": (
        UP + ALERT.format(at="7m", alerts=" []").replace("InstanceDown", "Other"),
        True,
    ),
    "external labels": (
        UP
        + "    external_labels: {dc: home}\n"
        + ALERT.format(at="7m", alerts=DOWN.replace('0, "', '0, home"')),
        True,
    ),
    "a recorded value": (
        UP + samples("job:up:count", "2m", "{labels: 'job:up:count{job=\"a\"}', value: 2}"),
        True,
    ),
    "another value": (
        UP + samples("job:up:count", "2m", "{labels: 'job:up:count{job=\"a\"}', value: 3}"),
        False,
    ),
    "a label too few": (UP + samples("job:up:count", "2m", "{labels: 'job:up:count', value: 2}"), False),
    "a sample too few": (UP + samples("up", "0", '{labels: \'up{job="a",instance="x"}\', value: 1}'), False),
    "no samples": (UP + samples("up > 5", "0"), True),
    "a scalar": (UP + samples("1 + 1", "0", "{labels: '{}', value: 2}"), True),
    "a number that is near": (UP + samples("0.1 + 0.2", "0", "{labels: '{}', value: 0.3}"), False),
    "a string is no vector": (UP + samples('"a"', "0"), False),
    "an expression that fails": (UP + samples("up + on (job) up", "0"), False),
    "NaN equals nothing": (UP + samples("vector(0/0)", "0", "{labels: '{}', value: .nan}"), False),
    "infinity": (UP + samples("vector(1/0)", "0", "{labels: '{}', value: .inf}"), True),
    "the lookback ends": (UP + samples("up", "30m"), True),
    "subqueries use the evaluation interval": (
        UP + samples("count_over_time(vector(1)[5m:])", "10m", "{labels: '{}', value: 6}"),
        None,
    ),
    "a stale series": (
        "  - interval: 1m\n    input_series: [{series: a, values: '1 stale _ 4'}]\n"
        + samples("a", "1m")
        + "      - {expr: a, eval_time: 3m, exp_samples: [{labels: a, value: 4}]}\n",
        True,
    ),
    "steps down": (
        "  - interval: 1m\n    input_series: [{series: a, values: '5-2x3'}]\n"
        + samples("a", "3m", "{labels: a, value: -1}"),
        True,
    ),
    "samples after the last evaluation are not there yet": (
        "  - interval: 30s\n    input_series: [{series: a, values: '0+1x9'}]\n"
        + samples("a", "90s", "{labels: a, value: 2}"),
        True,
    ),
    "nobody sees the future": (
        "  - interval: 1m\n    input_series: [{series: a, values: '0+1x20'}]\n"
        + samples("a offset -4m", "3m", "{labels: a, value: 3}"),
        True,
    ),
    "but all that came until the last evaluation": (
        "  - interval: 1m\n    input_series: [{series: a, values: '0+1x20'}]\n"
        + samples("a offset -4m", "3m", "{labels: a, value: 7}")
        + "      - {expr: a, eval_time: 10m, exp_samples: [{labels: a, value: 10}]}\n",
        True,
    ),
    "of a series given twice the last counts": (
        "  - interval: 1m\n    input_series: [{series: a, values: '1 2'}, {series: a, values: '3 4'}]\n"
        + samples("a", "1m", "{labels: a, value: 4}"),
        True,
    ),
    "alert series are there": (
        UP
        + samples(
            'ALERTS{alertname="Always"}',
            "1m",
            '{labels: \'ALERTS{alertname="Always",alertstate="firing"}\', value: 1}',
        ),
        True,
    ),
}


def written(directory: Path, text: str) -> Path:
    (directory / "rules.yml").write_text(RULES)
    path = directory / "test.yml"
    path.write_text(HEAD + text)
    return path


@pytest.mark.parametrize("name", CASES)
def test_the_verdict_is_promtools(name: str, tmp_path: Path) -> None:
    text, expected = CASES[name]
    path = written(tmp_path, text)
    verdict = run_tests([path], [], None) == 0
    if expected is not None:
        assert verdict is expected
    promtool = shutil.which("promtool")
    # Debian's version does not know keep_firing_for.
    if promtool and name not in ("kept firing for a while", "and no longer") and expected is not None:
        rules = tmp_path / "rules.yml"
        rules.write_text(RULES.replace("        keep_firing_for: 2m\n", ""))
        told = subprocess.run([promtool, "test", "rules", path], capture_output=True, text=True, check=False)
        assert (told.returncode == 0) is verdict, told.stdout + told.stderr


def test_group_order_decides_what_a_rule_sees(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = UP + samples("job:up:twice", "0", "{labels: 'job:up:twice{job=\"a\"}', value: 4}")
    path = written(tmp_path, text)
    assert run_tests([path], [], None) == 1
    path.write_text("group_eval_order: [first, second]\n" + path.read_text())
    assert run_tests([path], [], None) == 0
    path.write_text(path.read_text().replace("[first, second]", "[first, first]"))
    assert run_tests([path], [], None) == 1
    assert "test.yml:1:27: group_eval_order: group 'first' is named twice" in capsys.readouterr().out


def test_fuzzy_comparison_and_a_start(tmp_path: Path) -> None:
    text = (
        "  - start_timestamp: 2026-01-01T00:00:00Z\n"
        + samples("0.1 + 0.2 + 0 * time()", "0", "{labels: '{}', value: 0.30000000000000010}")
        + "      - {expr: year(), eval_time: 5m, exp_samples: [{labels: '{}', value: 2026}]}\n"
    )
    path = written(tmp_path, text)
    assert run_tests([path], [], None) == 1
    path.write_text("fuzzy_compare: true\n" + path.read_text())
    assert run_tests([path], [], None) == 0


def test_differences_show_what_was_expected_and_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, UP + ALERT.format(at="7m", alerts=DOWN.replace("value 0", "value 1")))
    assert run_tests([path], [], None) == 1
    shown = capsys.readouterr().out
    assert "test.yml:13:9: alertname: InstanceDown, time: 7m" in shown
    assert "      -   summary: Instance x down, value 1, " in shown
    assert "      +   summary: Instance x down, value 0, " in shown


def test_tests_are_chosen_by_name_and_reported_as_junit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    passing = "  - name: good one\n" + samples("1", "0", "{labels: '{}', value: 1}")
    failing = "  - name: bad one\n" + samples("1", "0", "{labels: '{}', value: 2}")
    path = written(tmp_path, passing + failing)
    assert run_tests([path], ["^good"], tmp_path / "out.xml") == 0
    assert "bad one" not in capsys.readouterr().out
    assert run_tests([path], [], tmp_path / "out.xml") == 1
    suite = ElementTree.parse(tmp_path / "out.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.get("name") for case in suite] == ["good one", "bad one"]
    with pytest.raises(WrongPattern, match="expected a regular expression"):
        run_tests([path], ["("], None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("  - intervall: 1m\n", "did you mean `interval`", id="unknown field"),
        pytest.param("  - alert_rule_test: [{eval_time: 1m}]\n", "alertname", id="no alertname"),
        pytest.param("  - promql_expr_test: [{expr: a, eval_time: soon}]\n", "duration", id="no duration"),
        pytest.param("  - input_series: [{series: 'a{', values: '1'}]\n", "4:29: series a{", id="open brace"),
        pytest.param(
            "  - input_series: [{series: a, values: '1 x'}]\n", "4:40: values of a: found 'x'", id="values"
        ),
        pytest.param(
            "  - input_series: [{series: a, values: '{{count:1}}'}]\n", "native histograms", id="histogram"
        ),
        pytest.param(
            "  - promql_expr_test: [{expr: a, exp_samples: [{labels: a, histogram: '{{}}'}]}]\n",
            "native histograms are not supported",
            id="expected histogram",
        ),
        pytest.param(
            "  - promql_expr_test: [{expr: 'sum(', eval_time: 0}]\n", "parse error", id="expression"
        ),
        pytest.param("  - {start_timestamp: yesterday}\n", "4:23: start_timestamp", id="start"),
    ],
)
def test_a_mistake_names_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, expected: str
) -> None:
    path = written(tmp_path, text)
    assert run_tests([path], [], None) == 1
    shown = capsys.readouterr().out
    assert expected in shown
    assert "test.yml:4:" in shown


def test_missing_files_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_tests([tmp_path / "none.yml"], [], None) == 1
    assert "none.yml" in capsys.readouterr().out
    path = written(
        tmp_path, samples("1", "0", "{labels: '{}', value: 1}").replace("    promql", "  - promql", 1)
    )
    path.write_text(path.read_text().replace("rules.yml", "nowhere.yml"))
    assert run_tests([path], [], None) == 0
    assert "nowhere.yml names no file" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "values", "absent"),
    [
        ("1 2 3", [1, 2, 3], []),
        ("1+1x3", [1, 2, 3, 4], []),
        ("-2-4x2", [-2, -6, -10], []),
        ("7x2 _ _x2 8", [7, 7, 7, 0, 0, 0, 8], [3, 4, 5]),
        ("_x0 1x0", [1], []),
        (".5+1e1x1 -Inf", [0.5, 10.5, -np.inf], []),
        ("", [], []),
    ],
)
def test_notation_of_values(text: str, values: list[float], absent: list[int]) -> None:
    found, present = values_of(text)
    assert found.tolist() == values
    assert np.flatnonzero(~present).tolist() == absent


def test_notation_of_stale_markers() -> None:
    values, present = values_of("1 stalex1 nan")
    assert present.all()
    assert is_stale(values).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    "text", ["x", "1x", "1+1", "_+1x2", "stale-1x2", "1+x2", "0x10", "1,2", "1x99999999999"]
)
def test_wrong_values_are_mistakes(text: str) -> None:
    if text == "0x10":  # zero, eleven times: no hexadecimal numbers here
        assert values_of(text)[0].tolist() == [0.0] * 11
        return
    with pytest.raises(NotationError):
        values_of(text)


def test_notation_of_labels() -> None:
    assert labels_of('a{b="c", d=""}') == Labels.of(__name__="a", b="c")
    assert labels_of('{"a.b", "c.d"="e"}') == Labels.of({"__name__": "a.b", "c.d": "e"})
    for wrong in ('a{b=~"c"}', "a{", "sum(a)", "a[5m]"):
        with pytest.raises(NotationError):
            labels_of(wrong)
