"""Rule files: typed rules, and mistakes at the very character."""

from __future__ import annotations

import pytest
from config_fixtures import Load, Mistakes

from backbeat.model.errors import Position

MAIN = "rule_files: [rules.yml]\n"
HEAD = "groups:\n- name: g\n  rules:\n"


def test_a_group_with_everything(load: Load) -> None:
    config = load(
        prometheus=MAIN,
        rules="""\
groups:
- name: g
  interval: 30s
  query_offset: 1m
  limit: 10
  labels: {team: x}
  rules:
  - alert: A
    expr: |
      up == 0
    for: 5m
    keep_firing_for: 10m
    labels: {severity: 1}
    annotations: {summary: "{{ $labels.job }} is {{ $value | humanize }}"}
  - record: a:b
    expr: sum(up)
""",
    )
    (group,) = config.prometheus.rule_groups
    path = f"{config.directory}/rules.yml"
    assert (group.name, group.file, group.interval_ms, group.limit) == ("g", path, 30_000, 10)
    assert (group.query_offset_ms, group.labels) == (60_000, (("team", "x"),))
    alert, record = group.rules
    assert (alert.alert, alert.expr, alert.for_ms, alert.keep_firing_for_ms) == (
        "A",
        "up == 0\n",
        300_000,
        600_000,
    )
    assert alert.labels == (("severity", "1"),)
    assert alert.at == Position(path, 8, 5, "groups[0].rules[0]")
    assert alert.expr_at == Position(path, 9, 11, "groups[0].rules[0].expr")
    assert (record.record, record.expr) == ("a:b", "sum(up)")


@pytest.mark.parametrize(
    ("expr", "place"),
    [
        pytest.param("expr: sum(rate(x[5m])", "4:26", id="plain"),
        pytest.param('expr: "sum(rate(x[5m])"', "4:27", id="quoted"),
        pytest.param("expr: |\n      sum(\n        rate(x[5m))\n      )", "6:18", id="block"),
        pytest.param("expr: >-\n      sum(\n      foo bar)", "6:11", id="folded"),
    ],
)
def test_a_parse_error_stands_at_its_line_in_the_file(mistakes: Mistakes, expr: str, place: str) -> None:
    (found,) = mistakes(prometheus=MAIN, rules=f"{HEAD}  - {expr}\n    record: x\n")
    assert found.startswith(f"rules.yml:{place}: groups[0].rules[0].expr: could not parse expression: ")
    assert found.splitlines()[-1].strip() == "^" or "^" in found


def test_a_bad_template_stands_at_its_place(mistakes: Mistakes) -> None:
    (found,) = mistakes(
        prometheus=MAIN,
        rules=HEAD
        + "  - alert: A\n    expr: up\n    annotations:\n"
        + "      summary: |\n        one\n        {{ $nothing }}\n",
    )
    assert found.startswith("rules.yml:9:12: ")
    assert "annotations.summary: could not parse template" in found


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        (HEAD + "  - expr: 1\n", "one of 'record' or 'alert' must be set"),
        (HEAD + "  - {record: a, alert: b, expr: 1}\n", "only one of 'record' and 'alert' must be set"),
        (HEAD + "  - {alert: b}\n", "field 'expr' must be set in rule"),
        (
            HEAD + "  - {record: a, expr: 1, annotations: {a: b}}\n",
            "invalid field 'annotations' in recording rule",
        ),
        (HEAD + "  - {record: 'a{b}', expr: 1}\n", "braces present in the recording rule name"),
        (HEAD + "  - {alert: a, expr: 1, labels: {__name__: b}}\n", "invalid label name: '__name__'"),
        (HEAD + "  - {alert: a, expr: 1, severity: b}\n", "it belongs under `labels`"),
        (HEAD + "  - {alert: a, exp: 1}\n", "did you mean `expr`?"),
        (HEAD + "  - {alert: a, expr: 1, for: -5m}\n", "found '-5m', expected a duration"),
        ("groups:\n- name: g\n- name: g\n", "groupname 'g' is repeated in the same file; first on line 2"),
        ("groups:\n- rules: []\n", "Groupname must not be empty"),
        ("group: []\n", "did you mean `groups`?"),
        ("groups: {name: g}\n", "groups: found a mapping, expected a list"),
    ],
)
def test_mistakes(mistakes: Mistakes, rules: str, says: str) -> None:
    found = mistakes(prometheus=MAIN, rules=rules)
    assert any(says in each for each in found), found


def test_a_missing_rule_file_is_worth_a_word(load: Load) -> None:
    config = load(prometheus="rule_files: [nothing.yml]\n")
    assert config.warnings[0].endswith("warning: rule_files[0]: 'nothing.yml' names no file")
