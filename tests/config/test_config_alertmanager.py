"""alertmanager.yml: what it says in typed values, and where it is wrong."""

from __future__ import annotations

import pytest
from config_fixtures import Load, Mistakes

from backbeat.config.alertmanager import EmailConfig, SlackConfig, TimeRange, WebhookConfig
from backbeat.config.http_client import SecretSource
from backbeat.config.pagers import PagerdutyConfig
from backbeat.config.secret import Secret

TAIL = "receivers: [{name: a}]\n"
ROUTE = "route: {receiver: a}\n"
RECEIVER = ROUTE + "receivers:\n- name: a\n"


def test_routes_inherit_what_they_do_not_say(load: Load) -> None:
    text = """
route:
  receiver: a
  group_by: [alertname, job]
  group_wait: 10s
  labels: {x: '1'}
  routes:
  - matchers: [severity="critical", 'team=~"a|b"']
    group_by: ['...']
    repeat_interval: 1h
    continue: true
    active_time_intervals: [office]
    routes:
    - match: {z: y}
      match_re: {a: 'b.*'}
      receiver: b
      group_wait: 0s
      labels: {y: '2'}
time_intervals: [{name: office}]
receivers: [{name: a}, {name: b}]
"""
    alertmanager = load(alertmanager=text).alertmanager
    assert alertmanager is not None
    root = alertmanager.route
    assert (root.group_by, root.group_wait_ms, root.group_interval_ms) == (
        ("alertname", "job"),
        10_000,
        300_000,
    )
    (child,) = root.routes
    assert (child.receiver, child.group_by_all, child.group_wait_ms, child.continue_) == (
        "a",
        True,
        10_000,
        True,
    )
    assert [str(each) for each in child.matchers] == ['severity="critical"', 'team=~"a|b"']
    assert child.active_time_intervals == ("office",)
    (leaf,) = child.routes
    assert (leaf.receiver, leaf.group_wait_ms, leaf.repeat_interval_ms, leaf.continue_) == (
        "b",
        0,
        3_600_000,
        False,
    )
    assert leaf.active_time_intervals == ()
    assert [str(each) for each in leaf.matchers] == ['a=~"^(?:b.*)$"', 'z="y"']
    assert leaf.labels == (("x", "1"), ("y", "2"))


def test_a_mail_takes_the_server_from_global(load: Load) -> None:
    text = (
        "global: {smtp_smarthost: 'm:465', smtp_from: f@x, smtp_auth_username: u, smtp_auth_password: p,"
        " smtp_require_tls: false}\n"
        + RECEIVER
        + "  email_configs: [{to: t@x, headers: {subject: S}, text: T}]\n"
    )
    alertmanager = load(alertmanager=text).alertmanager
    assert alertmanager is not None
    assert alertmanager.receivers[0].integrations == (
        EmailConfig(
            to="t@x",
            from_="f@x",
            smarthost="m:465",
            auth_username="u",
            auth_password=SecretSource(Secret("p")),
            headers=(("Subject", "S"),),
            text="T",
            require_tls=False,
            implicit_tls=True,
        ),
    )


def test_an_own_password_wins_over_the_one_of_global(load: Load) -> None:
    text = (
        "global: {smtp_smarthost: 'm:25', smtp_from: f, smtp_auth_password_file: /g}\n"
        + RECEIVER
        + "  email_configs: [{to: t, auth_password: own}]\n"
    )
    alertmanager = load(alertmanager=text).alertmanager
    assert alertmanager is not None
    (mail,) = alertmanager.receivers[0].integrations
    assert isinstance(mail, EmailConfig)
    assert mail.auth_password == SecretSource(Secret("own"))


def test_slack_by_webhook_and_by_token(load: Load) -> None:
    text = (
        "global: {slack_api_url: 'https://hooks/x'}\n"
        + RECEIVER
        + "  slack_configs:\n  -\n  - {channel: '#c', title: T, fields: [{title: a, value: b}]}\n"
        + "  - {app_token: tok, channel: '#d'}\n"
    )
    alertmanager = load(alertmanager=text).alertmanager
    assert alertmanager is not None
    hook = SecretSource(Secret("https://hooks/x"))
    plain, titled, bot = alertmanager.receivers[0].integrations
    assert isinstance(plain, SlackConfig)
    assert isinstance(titled, SlackConfig)
    assert isinstance(bot, SlackConfig)
    assert (plain.api_url, plain.title, plain.send_resolved) == (hook, None, False)
    assert (titled.api_url, titled.title, titled.fields[0].value) == (hook, "T", "b")
    assert bot.api_url == SecretSource(Secret("https://slack.com/api/chat.postMessage"))
    assert bot.app_token == SecretSource(Secret("tok"))


def test_webhooks_and_a_pager(load: Load) -> None:
    text = (
        RECEIVER
        + "  webhook_configs: [{url: 'http://h/x', max_alerts: 3, timeout: 2s},"
        + " {url: 'http://h/{{ .GroupLabels.x }}', send_resolved: false}]\n"
        + "  pagerduty_configs: [{routing_key: k}]\n"
    )
    config = load(alertmanager=text)
    assert config.alertmanager is not None
    first, second, other = config.alertmanager.receivers[0].integrations
    assert first == WebhookConfig(SecretSource(Secret("http://h/x")), 3, 2000, send_resolved=True)
    assert isinstance(second, WebhookConfig)
    assert not second.send_resolved
    assert other == PagerdutyConfig(routing_key=SecretSource(Secret("k")))


def test_time_intervals(load: Load) -> None:
    text = (
        ROUTE
        + TAIL
        + """
time_intervals:
- name: office
  time_intervals:
  - times: [{start_time: '09:00', end_time: '24:00'}]
    weekdays: ['monday:friday', Sunday]
    days_of_month: ['1:5', '-3:-1']
    months: ['January:3', december]
    years: [2030, '2031:2033']
    location: Europe/Berlin
mute_time_intervals: [{name: old, time_intervals: [{months: [5]}]}]
"""
    )
    alertmanager = load(alertmanager=text).alertmanager
    assert alertmanager is not None
    (old, _), (office, (interval,)) = alertmanager.time_intervals
    assert (old, office) == ("old", "office")
    assert interval.times == (TimeRange(540, 1440),)
    assert interval.weekdays == ((1, 5), (0, 0))
    assert interval.days_of_month == ((1, 5), (-3, -1))
    assert interval.months == ((1, 3), (12, 12))
    assert interval.years == ((2030, 2030), (2031, 2033))
    assert interval.location == "Europe/Berlin"


def test_inhibit_rules_and_templates(load: Load) -> None:
    text = (
        ROUTE
        + TAIL
        + "inhibit_rules: [{name: n, source_matchers: [a=b], target_match: {c: d},"
        + " equal: [x, http.method]}]\n"
        + "templates: ['*.tmpl', none.tmpl]\n"
    )
    config = load(alertmanager=text)
    assert config.alertmanager is not None
    (rule,) = config.alertmanager.inhibit_rules
    assert ([str(each) for each in rule.source_matchers], rule.equal) == (['a="b"'], ("x", "http.method"))
    assert config.alertmanager.templates == ()
    assert [each.rpartition(": ")[2] for each in config.warnings] == [
        "'*.tmpl' names no file",
        "'none.tmpl' names no file",
    ]


def test_a_template_file_must_parse(mistakes: Mistakes, write: object, tmp_path: object) -> None:
    from pathlib import Path

    assert isinstance(tmp_path, Path)
    (tmp_path / "a.tmpl").write_text('{{ define "x" }}\n{{ nonsense . }}{{ end }}', encoding="utf-8")
    (found,) = mistakes(alertmanager=ROUTE + TAIL + "templates: ['*.tmpl']\n")
    assert found.startswith("a.tmpl:2:4: the template cannot be parsed")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ROUTE + TAIL + "routes: []\n", "routes: unknown field; it belongs under `route`"),
        (RECEIVER + "  email_configs: [{to: a, body: b}]\n", "unknown field; did you mean `text` or `html`?"),
        (RECEIVER + "  email_configs: [{to: a}]\n", "no global SMTP smarthost set"),
        (RECEIVER + "  email_configs: [{html: a}]\n", "missing to address in email config"),
        ("global: {smtp_smarthost: m}\n" + ROUTE + TAIL, "expected host:port such as mail.example.org:587"),
        (RECEIVER + "  slack_configs: [{api_url: 'ftp://x'}]\n", "unsupported scheme 'ftp'"),
        (
            RECEIVER + "  slack_configs: [{api_url: 'http://x', api_url_file: a}]\n",
            "at most one of api_url & api_url_file",
        ),
        (RECEIVER + "  slack_configs: [{webhook_url: 'http://x'}]\n", "did you mean `api_url`?"),
        (RECEIVER + "  webhook_configs: [{}]\n", "one of url or url_file must be configured"),
        (RECEIVER + "  webhook_config: [{}]\n", "did you mean `webhook_configs`?"),
        (RECEIVER + "  webhook_configs: {url: a}\n", "webhook_configs: found a mapping, expected a list"),
        (RECEIVER + "- name: a\n", "notification config name 'a' is not unique; first on line 3"),
        ("route: {receiver: team-b}\nreceivers: [{name: team-a}]\n", "did you mean 'team-a'?"),
        (TAIL, "no routes provided"),
        ("route: {}\n" + TAIL, "root route must specify a default receiver"),
        ("route: {receiver: a, continue: true}\n" + TAIL, "cannot have continue in root route"),
        ("route: {receiver: a, group_interval: 0s}\n" + TAIL, "group_interval cannot be zero"),
        ("route: {receiver: a, group_by: [x, x]}\n" + TAIL, "duplicated label 'x' in group_by"),
        ("route: {receiver: a, routes: [{matchers: ['a']}]}\n" + TAIL, "expected a matcher such as"),
        (
            "route: {receiver: a, routes: [{matchers: ['a=~\"(\"']}]}\n" + TAIL,
            "invalid regular expression '('",
        ),
        (
            "route: {receiver: a, routes: [{match: {a.b: c}}]}\n" + TAIL,
            "invalid label name 'a.b'; use `matchers`",
        ),
        (
            "route: {receiver: a, routes: [{mute_time_intervals: [x]}]}\n" + TAIL,
            "undefined time interval 'x'",
        ),
        (ROUTE + TAIL + "time_intervals: [{name: a}, {name: a}]\n", "time interval 'a' is not unique"),
        (
            ROUTE + TAIL + "time_intervals: [{name: a, time_intervals: [{location: Mars}]}]\n",
            "found 'Mars', expected a time zone",
        ),
        (
            ROUTE
            + TAIL
            + "time_intervals: [{name: a, time_intervals: ["
            + "{times: [{start_time: '9:00', end_time: '10:00'}]}]}]\n",
            "found '9:00', expected a time such as 09:00",
        ),
        (
            ROUTE + TAIL + "time_intervals: [{name: a, time_intervals: [{months: ['may:april']}]}]\n",
            "the end comes before the start",
        ),
        (
            ROUTE + TAIL + "time_intervals: [{name: a, time_intervals: [{months: ['12:13']}]}]\n",
            "13 is out of range",
        ),
        (
            ROUTE + TAIL + "time_intervals: [{name: a, time_intervals: [{days_of_month: [0]}]}]\n",
            "0 is out of range",
        ),
        (ROUTE + TAIL + "tracing: {client_type: udp}\n", "one of http, grpc"),
    ],
)
def test_mistakes(mistakes: Mistakes, text: str, says: str) -> None:
    found = mistakes(alertmanager=text)
    assert any(says in each for each in found), found
