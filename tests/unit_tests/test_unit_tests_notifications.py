"""`backbeat test` beyond promtool: who is told what and when, what is kept quiet, what no test reaches."""

from __future__ import annotations

from pathlib import Path

import pytest

from backbeat.cli.rule_tests import run_tests
from backbeat.profile import write_profile

RULES = """
groups:
  - name: all
    rules:
      - {record: load:max, expr: max(load)}
      - alert: Slow
        expr: load > 5
        labels: {severity: warning}
        annotations: {summary: "Load {{ $value }} on {{ $labels.host }}"}
      - alert: Stuck
        expr: load > 10
        for: 2m
        labels: {severity: critical}
      - {alert: Never, expr: vector(0) > 1, labels: {severity: info}}
"""
ROUTES = """
route:
  receiver: team
  group_by: [alertname]
  group_wait: 10s
  group_interval: 1m
  repeat_interval: 1h
  routes:
    - matchers: [severity="critical"]
      receiver: on-call
    - matchers: [severity="info"]
      receiver: nobody
receivers:
  - name: team
    email_configs:
      - to: team@example.com
        from: backbeat@example.com
        smarthost: "mail.example.com:25"
        send_resolved: true
        headers: {Subject: "{{ .Status }} {{ len .Alerts }}"}
        text: "{{ range .Alerts }}{{ .Annotations.summary }}\\n{{ end }}"
        html: ""
  - name: on-call
    slack_configs:
      - {api_url_file: not-there, channel: "#on-call", title: "{{ .CommonLabels.host }} is stuck", text: help}
    webhook_configs: [{url: "http://127.0.0.1:1/"}]
  - name: nobody
inhibit_rules:
  - {source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [host]}
  - {name: unused, source_matchers: [a="b"], target_matchers: [c="d"]}
time_intervals:
  - {name: night, time_intervals: [{times: [{start_time: "00:00", end_time: "06:00"}]}]}
"""
HEAD = "rule_files: [rules.yml]\nalertmanager_config: routes.yml\nevaluation_interval: 1m\ntests:\n"
LOAD = """
  - name: it
    input_series:
      - {series: 'load{host="a"}', values: "1 1 6 6 6 12 12 12 12 12 1x9"}
      - {series: 'load{host="b"}', values: "1x3 7 7 7 1x20"}
"""


def write(directory: Path, tests: str, routes: str = ROUTES) -> Path:
    (directory / "rules.yml").write_text(RULES)
    (directory / "routes.yml").write_text(routes)
    (directory / "tests.yml").write_text(HEAD + LOAD + tests)
    return directory / "tests.yml"


def run(path: Path, capsys: pytest.CaptureFixture[str], **more: bool) -> tuple[int, str]:
    code = run_tests([path], [], None, **more)
    return code, capsys.readouterr().out.replace(f"{path.parent}/", "")


def test_what_was_told_when_in_which_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tests = """
    notification_test:
      - eval_time: 5m
        exp_notifications:
          - {receiver: team, sent_at: 2m10s, reason: first notification, subject: firing 1}
          - receiver: team
            integration: email[0]
            sent_at: 4m10s
            reason: new alerts added
            firing: [Slow, Slow]
            group_labels: {alertname: Slow}
            exp_alerts:
              - {status: firing, exp_labels: {alertname: Slow, host: a, severity: warning}}
              - exp_labels: {alertname: Slow, host: b, severity: warning}
                exp_annotations: {summary: Load 7 on b}
            text: |
              Load 6 on a
              Load 7 on b
      - since: 5m
        eval_time: 30m
        receiver: on-call
        exp_notifications:
          - {integration: slack, sent_at: 7m10s, subject: a is stuck, text: help}
          - {integration: webhook, sent_at: 7m10s, text_contains: ['"groupKey": "{}/{severity']}
          - {integration: webhook, resolved: [Stuck], firing: []}
"""
    code, out = run(write(tmp_path, tests), capsys)
    assert "  passed  it" in out, out
    assert code == 0


def test_what_is_kept_quiet_by_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tests = """
    silences:
      - {matchers: [host="b"], until: 4m30s, comment: known}
    notification_test:
      - {eval_time: 2m, exp_suppressed: []}
      - eval_time: 4m
        exp_suppressed:
          - {alertname: Slow, exp_labels: {host: b, severity: warning}, by: silence, source: known}
      - {eval_time: 4m45s, exp_suppressed: []}
      - {eval_time: 7m, exp_suppressed: [{alertname: Slow, by: inhibition, source: Stuck}]}
"""
    code, out = run(write(tmp_path, tests), capsys)
    assert code == 0, out


def test_time_intervals_count_from_the_start_of_the_test(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    routes = ROUTES.replace(
        "receiver: on-call\n", "receiver: on-call\n      mute_time_intervals: [night]\n", 1
    )
    tests = """
    start_timestamp: 2026-03-02T05:50:00Z
    notification_test:
      - {eval_time: 8m, receiver: on-call, exp_notifications: [], exp_suppressed: [
          {alertname: Stuck, by: time_interval, source: night}, {alertname: Slow, by: inhibition}]}
"""
    code, out = run(write(tmp_path, tests, routes), capsys)
    assert code == 0, out


def test_what_differs_is_shown_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tests = """
    notification_test:
      - eval_time: 3m
        exp_notifications:
          - {receiver: team, sent_at: 2m, firing: [Fast], subject: firing 1}
          - {receiver: on-call, firing: [Stuck]}
      - eval_time: 4m30s
        exp_notifications:
          - {receiver: team, sent_at: 2m10s}
      - eval_time: 9m
        receiver: on-call
        integration: slack
        exp_notifications: []
        exp_suppressed: [{alertname: Stuck, by: silence}]
"""
    code, out = run(write(tmp_path, tests), capsys)
    assert code == 1
    for said in (
        (
            "tests.yml:14:13: notification to team by email[0], time: 3m\n"
            "      - sent_at: 2m\n"
            "      - firing: Fast\n"
            "      + sent_at: 2m10s\n"
            "      + firing: Slow\n"
        ),
        (
            "tests.yml:15:13: notification to on-call that was not sent, time: 3m\n"
            "      - to on-call\n"
            "      -   firing: Stuck\n"
        ),
        (
            "tests.yml:16:9: notifications that are not expected, time: 4m30s\n"
            "      + to team by email[0] at 4m10s: new alerts added\n"
            "      +   firing: Slow, Slow\n"
            "      +   subject: firing 2\n"
        ),
        (
            "tests.yml:19:9: notifications that are not expected, time: 9m\n"
            "      + to on-call by slack[0] at 7m10s: first notification\n"
        ),
        (
            "tests.yml:23:26: suppressed alerts, time: 9m\n"
            "      - Stuck by silence\n"
            '      + Slow{host="a", severity="warning"} by inhibition: Stuck\n'
        ),
    ):
        assert said in out, out


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        (
            "notification_tests: []",
            "10:5: tests[0].notification_tests: unknown field; did you mean `notification_test`?",
        ),
        (
            "notification_test: [{eval_time: 1m, exp_notification: []}]",
            "unknown field; did you mean `exp_notifications`?",
        ),
        (
            "notification_test: [{eval_time: 1m, exp_notifications: [{recevier: team}]}]",
            "unknown field; did you mean `receiver`?",
        ),
        (
            "notification_test: [{eval_time: 1m, exp_notifications: [{receiver: taem}]}]",
            "routes.yml has no receiver 'taem'; did you mean 'team'?",
        ),
        ("notification_test: [{eval_time: 1m}]", "nothing is expected; expected `exp_notifications` or"),
        (
            "notification_test: [{eval_time: 1m, since: 2m, exp_suppressed: []}]",
            "expected at most `eval_time`",
        ),
        ("silences: [{matchers: [a=b], from: 2m, until: 1m}]", "a silence ends after it begins"),
        ("silences: [{matchers: ['a=~\".*\"']}]", "at least one matcher must not match the empty string"),
    ],
)
def test_mistakes_are_told_with_what_would_be_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tests: str, said: str
) -> None:
    code, out = run(write(tmp_path, f"    {tests}\n"), capsys)
    assert code == 1
    assert said in out


def test_without_routes_nobody_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "    notification_test: [{eval_time: 1m, exp_suppressed: []}]\n")
    path.write_text(path.read_text().replace("alertmanager_config: routes.yml\n", ""))
    assert "name the file with the routes: `alertmanager_config`" in run(path, capsys)[1]


def test_coverage_lists_what_no_test_reaches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tests = "    notification_test: [{eval_time: 8m, exp_suppressed: [{alertname: Slow}]}]\n"
    code, out = run(write(tmp_path, tests), capsys, shows_coverage=True)
    assert code == 0, out
    assert out.splitlines()[2:] == [
        "reached: 3 of 4 rules, 2 of 3 routes, 1 of 2 inhibit rules",
        "  not reached  rules.yml:14:9: alert Never",
        '  not reached  routes.yml: route {}/{severity="info"} to nobody',
        '  not reached  routes.yml: unused: {a="b"} mutes {c="d"}',
    ]


def test_the_profile_tells_whom_it_should(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every rule and inhibit rule, and every route but those where no rule of the profile ends."""
    write_profile(tmp_path)
    code, out = run(tmp_path / "alert_tests.yml", capsys, shows_coverage=True)
    assert code == 0, out
    assert [line for line in out.splitlines() if "not reached" in line] == [
        "  not reached  alertmanager.yml: route {} to warning",
        '  not reached  alertmanager.yml: route {}/{alertname="Watchdog"} to heartbeat',
    ]
